"""Rows of the table of neurons as the page asks for them; a `ConfigError` if it asks for what cannot be shown."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from interp.data import SPLITS
from interp.errors import ConfigError
from interp.scoring.table import NeuronTable
from probes.columns import expanded

FIRST = ("neuron", "label", "frequency", "ipr", "activation_share", "q_value", "strength", "rule_effect")
"""Columns that stand before the others, which follow in the order of `probes.columns.COLUMNS`."""
MOST_ROWS = 500
COMPARE = {
    "equals": operator.eq,
    "notEqual": operator.ne,
    "greaterThan": operator.gt,
    "greaterThanOrEqual": operator.ge,
    "lessThan": operator.lt,
    "lessThanOrEqual": operator.le,
}
JOIN = {"AND": np.logical_and, "OR": np.logical_or}
TEXT = {
    "contains": operator.contains,
    "notContains": lambda text, part: part not in text,
    "equals": operator.eq,
    "notEqual": operator.ne,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def columns_of(table: NeuronTable) -> dict[str, str]:
    """The columns that are shown, with their headings."""
    known, worded = expanded(list(SPLITS)), table.parts.worded
    names = [name for name in dict.fromkeys((*FIRST, *known)) if name in table]
    return {name: worded(known[name].heading) for name in names}


def rows_of(table: NeuronTable, request: Any) -> dict[str, Any]:
    """The rows that a request of AG Grid asks for, and how many there are in all.

    Example:
        >>> table = NeuronTable({"neuron": np.arange(3), "ipr": np.array([0.2, 0.9, np.nan])}, "site")
        >>> request = {"startRow": 0, "endRow": 2, "sortModel": [{"colId": "ipr", "sort": "desc"}]}
        >>> rows_of(table, request)
        {'rowData': [{'neuron': 1, 'ipr': 0.9}, {'neuron': 0, 'ipr': 0.2}], 'rowCount': 3}
    """
    if not isinstance(request, Mapping):
        raise ConfigError(f"{str(request)[:60]!r} is no request for rows")
    first, last = (request.get(name) for name in ("startRow", "endRow"))
    if not (type(first) is int and type(last) is int and 0 <= first <= last):
        raise ConfigError(
            f"cannot show rows {str(first)[:20]!r} to {str(last)[:20]!r}; expected 0 or more, ascending"
        )
    passing = filtered(table, request)
    chosen = passing[first : min(last, first + MOST_ROWS)]
    shown = {name: _plain(table[name][chosen]) for name in columns_of(table)}
    rows = [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]
    return {"rowData": rows, "rowCount": len(passing)}


def filtered(table: NeuronTable, request: Mapping[str, Any]) -> np.ndarray:
    """Positions of the rows that pass the filters, in the order asked for; those without a value last."""
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
    shown = columns_of(table)
    if not isinstance(name, str) or name not in shown:
        raise ConfigError(f"the table has no column {str(name)[:60]!r}; expected {', '.join(shown)}")
    column = table[name]
    return column.astype(float) if column.dtype.kind in "fiu" else column.astype(str)


def _passes(column: np.ndarray, condition: Any) -> np.ndarray:
    """Mask of the rows that fulfil a filter, which may be several conditions."""
    if not isinstance(condition, Mapping):
        raise ConfigError(f"{str(condition)[:60]!r} is no filter")
    if "conditions" in condition:
        parts, join = condition["conditions"], JOIN.get(str(condition.get("operator")))
        if not isinstance(parts, list) or not 1 <= len(parts) <= 4 or join is None:
            raise ConfigError(f"{str(condition)[:60]!r} is no filter")
        return join.reduce([_passes(column, one) for one in parts])
    sent: Mapping[str, Any] = {"filter": None, "filterTo": None, **condition}
    kind, value, to = str(sent.get("type")), sent["filter"], sent["filterTo"]
    numeric = column.dtype.kind == "f"
    if kind in ("blank", "notBlank"):
        return (np.isnan(column) if numeric else column == "") == (kind == "blank")
    if numeric and _is_number(value) and kind == "inRange" and _is_number(to):
        return (column > value) & (column < to)
    if numeric and _is_number(value) and kind in COMPARE:
        return np.asarray(COMPARE[kind](column, value))
    if not numeric and isinstance(value, str) and kind in TEXT:
        return np.array([TEXT[kind](text.lower(), value.lower()) for text in column.tolist()], bool)
    raise ConfigError(f"{str(condition)[:60]!r} is no filter of {'numbers' if numeric else 'text'}")


def _is_number(sent: Any) -> bool:
    return type(sent) in (int, float) and abs(sent) <= sys.float_info.max


def _plain(column: np.ndarray) -> list[Any]:
    """A column for the page: numbers to five digits, None where there is none."""
    if column.dtype.kind != "f":
        return list(column.tolist())
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in column.tolist()]
