"""Additions of other packages: dialects, scores, interventions and studies that they declare as entry points.

A package declares one in its ``pyproject.toml``, such as::

    [project.entry-points."grokscope.scores"]
    spread = "my_package.spread:SCORE"

It is used once the package is installed. One that cannot be loaded, is of another kind, or has a name that is taken,
is left out with a `PluginWarning` that names it.
"""

from __future__ import annotations

import warnings
from collections.abc import Container
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUPS = {
    "grokscope.dialects": "interp.checkpoints.dialect.Dialect",
    "grokscope.scores": "probes.columns.Score",
    "grokscope.interventions": "interp.modes.Mode",
    "grokscope.studies": "interp.lab.study.Study",
}
"""Groups of entry points, and the class of the objects that they name."""


class PluginWarning(UserWarning):
    """An addition of another package was left out."""


REASONS: dict[tuple[str, str], str] = {}
"""Why an addition was left out, by its group and name."""


@cache
def declared(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, none of which is loaded; of two with one name neither is taken.

    Example:
        >>> declared("grokscope.nothing")
        {}
    """
    points = [point for point in _all() if point.group == group]
    names = [point.name for point in points]
    counts = {name: len({point.value for point in points if point.name == name}) for name in names}
    for point in points:
        if counts[point.name] > 1:
            leave_out(point, "several packages declare this name")
    return {point.name: point for point in points if counts[point.name] == 1}


@cache
def _all() -> list[EntryPoint]:
    """Entry points of Grokscope's groups; finding them takes 50 ms."""
    points = entry_points()
    return [point for group in GROUPS for point in points.select(group=group)]


def load(point: EntryPoint, kind: type, taken: Container[str] = ()) -> Any:
    """The object of an entry point; None, with a warning, if it cannot be loaded or is not of its kind.

    Args:
        kind: The type that it has to be.
        taken: Names that are not free.
    """
    fault, value = f"the name {point.name!r} is taken" if point.name in taken else "", None
    if not fault:
        try:
            value = point.load()
        except (
            Exception
        ) as error:  # of the other package, which may raise anything; it is named in the warning
            fault = f"{type(error).__name__}: {error}"
        else:
            fault = "" if isinstance(value, kind) else f"it is {type(value).__name__}, no {kind.__name__}"
    if fault:
        leave_out(point, fault)
        return None
    return value


def load_all(group: str, kind: type, taken: Container[str] = ()) -> dict[str, Any]:
    """The objects of a group by name, without those that have a fault; see `load`."""
    values = {name: load(point, kind, taken) for name, point in declared(group).items()}
    return {name: value for name, value in values.items() if value is not None}


def leave_out(point: EntryPoint, reason: str) -> None:
    """Record an addition that is not used, and warn of it once."""
    if (point.group, point.name) in REASONS:
        return
    REASONS[point.group, point.name] = reason
    package = point.dist.name if point.dist is not None else point.value
    warnings.warn(
        f"{point.name!r} of the package {package!r} ({point.group}) is left out: {reason}",
        PluginWarning,
        stacklevel=2,
    )
