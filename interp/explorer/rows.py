"""The table of neurons as the page asks for it: some rows at a time, filtered and sorted here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from interp.errors import ConfigError
from interp.scoring.table import NeuronTable

SHOWN = {
    "neuron": "neuron",
    "label": "label",
    "frequency": "frequency (cycles)",
    "ipr": "IPR",
    "activation_share": "activation share",
    "q_value": "q-value",
    "strength": "strength (logit units)",
    "rule_effect": "adds to the rule (logit units)",
    "effect_test": "held-out effect (logit units)",
    "effect_corrupted_as_labelled": "corrupted effect (logit units)",
    "phase_residual": "phase residual (rad)",
}
"""Columns of the page's table, where the scores have them, with their titles."""
MOST_ROWS = 500
COMPARE = {
    "equals": lambda x, a, b: x == a,
    "notEqual": lambda x, a, b: x != a,
    "greaterThan": lambda x, a, b: x > a,
    "greaterThanOrEqual": lambda x, a, b: x >= a,
    "lessThan": lambda x, a, b: x < a,
    "lessThanOrEqual": lambda x, a, b: x <= a,
    "inRange": lambda x, a, b: (x > a) & (x < b),
    "blank": lambda x, a, b: np.isnan(x),
    "notBlank": lambda x, a, b: ~np.isnan(x),
}
WITHOUT_NUMBER = ("blank", "notBlank")
TEXT = {
    "contains": lambda x, a: a in x,
    "notContains": lambda x, a: a not in x,
    "equals": lambda x, a: x == a,
    "notEqual": lambda x, a: x != a,
    "startsWith": lambda x, a: x.startswith(a),
    "endsWith": lambda x, a: x.endswith(a),
    "blank": lambda x, a: not x,
    "notBlank": lambda x, a: bool(x),
}


def columns_of(table: NeuronTable) -> dict[str, str]:
    """The columns that are shown, with their titles."""
    return {name: title for name, title in SHOWN.items() if name in table}


def rows_of(table: NeuronTable, request: Any) -> dict[str, Any]:
    """The rows that a request of the grid asks for, and how many there are in all.

    Args:
        table: From `interp.score`.
        request: ``startRow``, ``endRow``, ``sortModel`` and ``filterModel``, as AG Grid sends them.

    Raises:
        ConfigError: The request is malformed, or names a column that is not shown.

    Example:
        >>> table = NeuronTable({"neuron": np.arange(3), "ipr": np.array([0.2, 0.9, np.nan])}, "site")
        >>> asked = {"startRow": 0, "endRow": 2, "sortModel": [{"colId": "ipr", "sort": "desc"}]}
        >>> rows_of(table, asked)
        {'rowData': [{'neuron': 1, 'ipr': 0.9}, {'neuron': 0, 'ipr': 0.2}], 'rowCount': 3}
    """
    if not isinstance(request, Mapping):
        raise ConfigError(f"{str(request)[:60]!r} is no request for rows")
    first, last = (request.get(name) for name in ("startRow", "endRow"))
    if not (type(first) is int and type(last) is int and 0 <= first <= last):
        raise ConfigError(
            f"cannot show rows {str(first)[:20]!r} to {str(last)[:20]!r}; expected 0 or more, ascending"
        )
    passing = found(table, request)
    chosen = passing[first : min(last, first + MOST_ROWS)]
    shown = {name: _plain(table[name][chosen]) for name in columns_of(table)}
    rows = [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]
    return {"rowData": rows, "rowCount": len(passing)}


def found(table: NeuronTable, request: Mapping[str, Any]) -> np.ndarray:
    """Positions of the rows that pass the filters, in the order asked for; those without a value last.

    Raises:
        ConfigError: The request is malformed, or names a column that is not shown.
    """
    keep = np.ones(len(table), bool)
    filters, sorts = request.get("filterModel") or {}, request.get("sortModel") or []
    if not isinstance(filters, Mapping) or not isinstance(sorts, list):
        raise ConfigError("the filters or the order of the table are malformed")
    for name, condition in filters.items():
        keep &= _passes(_column(table, name), condition)
    order = np.flatnonzero(keep)
    for sort in reversed(sorts):
        if not isinstance(sort, Mapping) or sort.get("sort") not in ("asc", "desc"):
            raise ConfigError(
                f"cannot sort the table by {str(sort)[:60]!r}; expected a column and asc or desc"
            )
        values = _column(table, sort.get("colId"))[order]
        if values.dtype.kind != "f":
            values = np.unique(values, return_inverse=True)[1]
        order = order[np.argsort(-values if sort["sort"] == "desc" else values, kind="stable")]  # nan is last
    return order


def _column(table: NeuronTable, name: Any) -> np.ndarray:
    if not isinstance(name, str) or name not in columns_of(table):
        raise ConfigError(
            f"the table has no column {str(name)[:60]!r}; expected {', '.join(columns_of(table))}"
        )
    column = table[name]
    return column.astype(float) if column.dtype.kind in "fiu" else column.astype(str)


def _passes(column: np.ndarray, condition: Any) -> np.ndarray:
    """Which rows fulfil a filter, which may be two conditions."""
    if not isinstance(condition, Mapping):
        raise ConfigError(f"{str(condition)[:60]!r} is no filter")
    if "conditions" in condition:
        both = condition["conditions"]
        if (
            not isinstance(both, list)
            or not 1 <= len(both) <= 4
            or condition.get("operator") not in ("AND", "OR")
        ):
            raise ConfigError(f"{str(condition)[:60]!r} is no filter")
        parts = [_passes(column, one) for one in both]
        return np.logical_and.reduce(parts) if condition["operator"] == "AND" else np.logical_or.reduce(parts)
    kind, value, to = str(condition.get("type")), condition.get("filter"), condition.get("filterTo")
    if column.dtype.kind == "f":
        usable = _is_number(value) and (kind != "inRange" or _is_number(to))
        if kind not in COMPARE or not (usable or kind in WITHOUT_NUMBER):
            raise ConfigError(f"{str(condition)[:60]!r} is no filter of numbers")
        return np.asarray(COMPARE[kind](column, value, to))
    if kind not in TEXT or (kind not in WITHOUT_NUMBER and not isinstance(value, str)):
        raise ConfigError(f"{str(condition)[:60]!r} is no filter of text")
    wanted = str(value or "").lower()
    return np.array([TEXT[kind](text.lower(), wanted) for text in column.tolist()], bool)


def _is_number(sent: Any) -> bool:
    return type(sent) in (int, float) and abs(sent) <= sys.float_info.max


def _plain(column: np.ndarray) -> list[Any]:
    """As the page takes it: numbers to five digits, None where there is none."""
    if column.dtype.kind != "f":
        return list(column.tolist())
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in column.tolist()]
