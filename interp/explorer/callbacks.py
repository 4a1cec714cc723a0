"""Callbacks of the page, declared by the parts that they read and write as ``id.property``."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State


def callback(
    app: Dash, outputs: str, inputs: str, states: str = "", *, at_first: bool = False, script: str = ""
) -> Any:
    """A decorator for a function from the values of inputs and states to those of the outputs.

    Names are separated by blanks. With `at_first` it is also called when the parts first appear; a `script` is a
    function of ``assets/explorer.js`` that the browser calls instead.
    """
    kinds: Any = ((Output, outputs), (Input, inputs), (State, states))
    parts = [kind(*part.split(".")) for kind, names in kinds for part in names.split()]
    if script:
        function = ClientsideFunction("explorer", script)
        return app.clientside_callback(function, *parts, prevent_initial_call=not at_first)
    return app.callback(*parts, prevent_initial_call=not at_first)
