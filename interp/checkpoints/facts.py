"""Facts that settings state of a network and its task, under whatever names and at whatever depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from interp.checkpoints.fact_names import FACTS, GENERAL, SECTIONS, SWITCHES
from interp.checkpoints.name_words import words_of
from interp.checkpoints.operation_names import operation_named, states_operation
from interp.checkpoints.setting_values import names_in, whole_number

MAX_LEVELS, MAX_DEPTH = 1000, 4  # objects that are searched for settings, and their nesting


def levels(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings and the objects in them, outer ones first; one that holds only ``value`` stands for that.

    Example:
        >>> levels({"lr": 0.1, "model": {"p": {"value": 59, "desc": None}}})[1]
        {'p': 59}
    """
    return [level for _, level in _placed_levels(settings)]


def _placed_levels(settings: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The same with the names of the objects that each lies in."""
    result: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
    queue: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), settings)]
    while queue and len(result) < MAX_LEVELS:
        place, level = queue.pop(0)
        level = {name: plain_value(value) for name, value in level.items()}
        result.append((place, level))
        if len(place) < MAX_DEPTH:
            queue += [((*place, name), value) for name, value in level.items() if isinstance(value, dict)]
    return result


def stated(settings: Mapping[str, Any], fact: str, *, counted: bool = True) -> Iterator[tuple[str, Any]]:
    """Every setting that states a fact, with its place, outer ones first; null states nothing.

    With `counted` False, those that have such a name and state something else, by their place or their value.

    Example:
        >>> settings = {"act_fn": "relu", "model": {"activation": "gelu"}, "wandb": {"group": "run-7"}}
        >>> list(stated(settings, "activation"))
        [('act_fn', 'relu'), ('model.activation', 'gelu')]
        >>> list(stated(settings, "operation")), list(stated(settings, "operation", counted=False))
        ([], [('wandb.group', 'run-7')])
    """
    for place, level in _placed_levels(settings):
        small = (
            {} if fact == "modulus" else {str(name).lower(): name for name in level}
        )  # p and P are two names
        for name in FACTS[fact]:
            own = name if name in level else small.get(name, name)
            value = level.get(own)
            if value is not None and _counts(fact, place, name, value) is counted:
                yield ".".join((*place, own)), value


def _counts(fact: str, place: tuple[str, ...], name: str, value: Any) -> bool:
    """True if a value under a fact's name states that fact."""
    if fact == "modulus":
        return whole_number(value) is not None
    if fact == "attn_coeff":
        return True
    texts = names_in(value)
    if fact == "activation":
        switch = isinstance(value, bool) or (name == "act" and str(value).lower() in SWITCHES)
        return not switch and not (name == "act" and isinstance(value, int | float))
    if isinstance(value, dict) and (texts is None or fact == "task"):
        inner = (level.get(one) is not None for level in levels(value) for one in FACTS["operation"])
        if any(inner):
            return False  # an object of settings, which are looked at for themselves
    known = texts is not None and all(operation_named(text)[0] is not None for text in texts)
    if fact == "task":  # anything else of it is none of an operation
        own = isinstance(value, dict) and not value.keys().isdisjoint(("_target_", "class_path"))
        return known or (texts is not None and not own and any(map(states_operation, texts)))
    if texts is not None and all(text.strip().lower() in ("none", "null") for text in texts):
        return False
    words = {word for part in place for word in words_of(part)}
    return name not in GENERAL or known or (value is not False and words <= SECTIONS)


def disagreements(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes of facts that several sources state differently, under whatever names; the first of them is used."""
    notes = []
    for fact in FACTS:
        every = {place: list(stated(one, fact)) for place, one in sources.items()}
        place, *others = [place for place, values in every.items() if values] or [""]
        for other in others:
            first, *_ = every[place]
            same = {_spelled(value) for _, value in every[place]}
            for name, value in every[other]:
                if _spelled(value) not in same:
                    second = shown("" if name == first[0] else name, value)
                    notes.append(f"{place} says {shown(*first)}, {other} {second}; the first is used")
                    break
    return notes


def shown(name: str, value: Any) -> str:
    """A setting in a note: name and value, cut to a line.

    Example:
        >>> shown("model.p", 59), shown("", "add")
        ('model.p=59', 'add')
    """
    return f"{name[-60:]}={str(value)[:60]}" if name else str(value)[:60]


def _spelled(value: Any) -> Any:
    """A value for comparison: other letters and other ways to write a number make no difference."""
    with suppress(ValueError, TypeError):
        return float(value)
    return str(value).lower()


def plain_value(value: Any) -> Any:
    """The value of a setting; Weights & Biases wraps each in an object."""
    return (
        value["value"]
        if isinstance(value, dict) and value.keys() in ({"value"}, {"value", "desc"})
        else value
    )
