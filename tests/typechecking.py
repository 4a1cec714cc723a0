"""The type checker that every test runs under: shapes by jaxtyping, all other annotations by beartype."""

from __future__ import annotations

from collections.abc import Callable

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for static checkers
_CHECKED: dict[tuple[object, ...], Callable[..., object]] = {}


def checked(function: Callable[..., object]) -> Callable[..., object]:
    """Check the arguments of a function; one check serves all functions of the same code and annotations.

    jaxtyping asks for it whenever a ``def`` is carried out, also within another function, and beartype's answer takes
    milliseconds: without the memory this was a third of the tests' time. Defaults are not compared, since a function
    that jaxtyping passes only receives arguments, and beartype does not check defaults.
    """
    key = (function.__module__, function.__code__, *function.__annotations__.items())
    try:
        known = _CHECKED.get(key)
    except TypeError:  # an annotation that cannot be hashed
        return _check(function)
    if known is None:
        known = _CHECKED[key] = _check(function)
    return known
