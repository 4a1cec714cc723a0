"""Numbers of the paper that a grid may hold, for figures to show beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interp.errors import ConfigError, cut, near_matches

ORDERS = ("lowest first", "highest first", "random")
PRUNED_SPLITS = ("corrupted_as_labelled", "corrupted_as_true", "test")
Pruned = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Accuracy by order, split and share of the neurons that are removed."""


def check_paper(paper: Mapping[str, Any]) -> None:
    """Refuse, as a `ConfigError`, what is not ``pruning`` (see `Pruned`) or ``neurons_needed`` by width.

    Example:
        >>> check_paper({"neurons_needed": {"500": 58}})
    """
    _check_names("paper", paper, ("pruning", "neurons_needed"))
    _check_numbers("neurons_needed", paper.get("neurons_needed", {}))
    pruning = paper.get("pruning", {})
    _check_names("paper.pruning", pruning, ORDERS)
    for order, splits in pruning.items():
        _check_names(f"paper.pruning.{order}", splits, PRUNED_SPLITS)
        for split, numbers in splits.items():
            _check_numbers(f"paper.pruning.{order}.{split}", numbers)


def _check_names(place: str, table: Any, known: tuple[str, ...]) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"[{place}] = {cut(table)} is no table")
    for name in table:
        if name not in known:
            raise ConfigError(f"[{place}] names {name!r}; {near_matches(name, known)}")


def _check_numbers(place: str, numbers: Any) -> None:
    try:
        if not all(0 <= float(number) < float("inf") for pair in numbers.items() for number in pair):
            raise ValueError
    except (AttributeError, TypeError, ValueError):
        raise ConfigError(f"[{place}] = {cut(numbers)} must be numbers by number, of at least 0") from None
