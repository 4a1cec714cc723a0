"""Callbacks of the page, declared by the parts that they read and write as ``id.property``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State


def _parts(outputs: str, inputs: str, states: str) -> list[Any]:
    kinds: Any = ((Output, outputs), (Input, inputs), (State, states))
    return [kind(*part.split(".")) for kind, parts in kinds for part in parts.split()]


def callback(
    app: Dash, outputs: str, inputs: str, states: str = "", *, at_first: bool = False
) -> Callable[[Any], Any]:
    """A decorator for a function of the values of inputs and states, which returns those of the outputs.

    Args:
        app: The page.
        outputs: Parts that the function writes, separated by blanks.
        inputs: Parts whose change calls it.
        states: Parts whose values it is given too.
        at_first: Whether it is also called when the parts first appear.
    """
    return app.callback(*_parts(outputs, inputs, states), prevent_initial_call=not at_first)


def in_browser(
    app: Dash, name: str, outputs: str, inputs: str, states: str = "", *, at_first: bool = False
) -> None:
    """The same for a function of ``assets/explorer.js``."""
    parts = _parts(outputs, inputs, states)
    function = ClientsideFunction("explorer", name)
    app.clientside_callback(function, *parts, prevent_initial_call=not at_first)
