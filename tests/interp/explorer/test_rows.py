"""Rows of the table of neurons against pandas, which sorts and filters the same columns."""

from __future__ import annotations

import json
import operator
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import ConfigError
from interp.explorer.rows import MOST_ROWS, columns_of, filtered, rows_of
from interp.scoring.table import NeuronTable

N = 700
GENERATOR = np.random.default_rng(0)
IPR = np.where(GENERATOR.random(N) < 0.15, np.nan, GENERATOR.uniform(0, 1, N).round(2))
COLUMNS = {
    "neuron": GENERATOR.permutation(N),
    "label": GENERATOR.choice(["generalizing", "memorizing", "dead"], N).astype(object),
    "hidden": np.array(["of no known column"] * N, dtype=object),
    "evidence": np.array(["a long reason"] * N, dtype=object),
    "ipr": IPR,
    "frequency": np.where(np.isnan(IPR), 0, GENERATOR.integers(1, 6, N)),
    "strength": GENERATOR.normal(size=N).round(1),
    "effect_test": np.where(GENERATOR.random(N) < 0.5, np.inf, -np.inf),
}
COLUMNS["effect_test"][GENERATOR.random(N) < 0.3] = np.nan
TABLE = NeuronTable(COLUMNS, "site")
FRAME = pandas.DataFrame(COLUMNS)
NUMBERS = ("neuron", "ipr", "frequency", "strength", "effect_test")
SHOWN = ("neuron", "label", "frequency", "ipr", "strength", "evidence", "effect_test")
COMPARE = {
    "equals": operator.eq, "notEqual": operator.ne, "greaterThan": operator.gt, "greaterThanOrEqual": operator.ge,
    "lessThan": operator.lt, "lessThanOrEqual": operator.le,
}  # fmt: skip
TEXT = {
    "contains": lambda text, part: text.str.contains(part, regex=False),
    "notContains": lambda text, part: ~text.str.contains(part, regex=False),
    "equals": lambda text, part: text == part,
    "notEqual": lambda text, part: text != part,
    "startsWith": lambda text, part: text.str.startswith(part),
    "endsWith": lambda text, part: text.str.endswith(part),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
VALUES = st.sampled_from([0, 1, 3, 0.5, 0.25, 0.99, -0.3, -7, 700])


def by_pandas(filters: dict[str, pandas.Series], sorts: list[tuple[str, bool]]) -> list[int]:
    """Positions of the rows that all filters keep, sorted; missing values last."""
    frame = FRAME.reset_index()
    for keep in filters.values():
        frame = frame[keep.loc[frame["index"]].to_numpy()]
    for name, ascending in reversed(sorts):
        frame = frame.sort_values(name, ascending=ascending, kind="stable", na_position="last")
    return frame["index"].tolist()


@given(st.lists(st.tuples(st.sampled_from(SHOWN), st.booleans()), max_size=4, unique_by=lambda sort: sort[0]))
def test_rows_are_sorted_by_several_columns_with_missing_values_last(sorts: list[tuple[str, bool]]) -> None:
    asked = [{"colId": name, "sort": "asc" if ascending else "desc"} for name, ascending in sorts]
    assert filtered(TABLE, {"sortModel": asked}).tolist() == by_pandas({}, sorts)


@given(st.sampled_from(NUMBERS), st.sampled_from(sorted(COMPARE)), VALUES)
def test_numbers_are_compared(name: str, kind: str, value: float) -> None:
    condition = {"filterType": "number", "type": kind, "filter": value}
    expected = by_pandas({name: COMPARE[kind](FRAME[name], value)}, [])
    assert filtered(TABLE, {"filterModel": {name: condition}}).tolist() == expected


@given(st.sampled_from(NUMBERS), VALUES, VALUES)
def test_a_range_leaves_its_ends_out(name: str, low: float, high: float) -> None:
    condition = {"type": "inRange", "filter": low, "filterTo": high}
    expected = by_pandas({name: (FRAME[name] > low) & (FRAME[name] < high)}, [])
    assert filtered(TABLE, {"filterModel": {name: condition}}).tolist() == expected


@pytest.mark.parametrize("part", ["", "e", "ing", "DEAD", "dead", "memorizing", "x", ".", "gen"])
@pytest.mark.parametrize("kind", TEXT)
def test_texts_are_compared_whatever_their_case(kind: str, part: str) -> None:
    condition = {"filterType": "text", "type": kind, "filter": part}
    expected = by_pandas({"label": TEXT[kind](FRAME["label"].str.lower(), part.lower())}, [])
    assert filtered(TABLE, {"filterModel": {"label": condition}}).tolist() == expected


@pytest.mark.parametrize("name", SHOWN)
def test_missing_values_can_be_asked_for(name: str) -> None:
    for kind, keep in (("blank", FRAME[name].isna()), ("notBlank", FRAME[name].notna())):
        rows = filtered(TABLE, {"filterModel": {name: {"type": kind}}}).tolist()
        assert rows == by_pandas({name: keep}, [])


def test_conditions_of_one_column_and_of_several_are_combined() -> None:
    low, high = {"type": "lessThan", "filter": 0.3}, {"type": "greaterThan", "filter": 0.6}
    text = {"type": "startsWith", "filter": "m"}
    outside = (FRAME["ipr"] < 0.3) | (FRAME["ipr"] > 0.6)
    within = (FRAME["strength"] < 0.3) & (FRAME["strength"] > -0.5)
    filters = {
        "ipr": {"operator": "OR", "conditions": [low, high]},
        "strength": {"operator": "AND", "conditions": [low, {"type": "greaterThan", "filter": -0.5}]},
        "label": {"operator": "OR", "conditions": [text]},
    }
    asked = {"filterModel": filters, "sortModel": [{"colId": "strength", "sort": "desc"}]}
    kept = {"ipr": outside, "strength": within, "label": FRAME["label"] == "memorizing"}
    expected = by_pandas(kept, [("strength", False)])
    assert 10 < len(expected) < N / 3
    assert filtered(TABLE, asked).tolist() == expected


def test_a_part_of_the_rows_is_sent_as_json_with_their_number() -> None:
    asked = {
        "startRow": 20,
        "endRow": 45,
        "sortModel": [{"colId": "neuron", "sort": "desc"}],
        "filterModel": {},
    }
    answer = json.loads(json.dumps(rows_of(TABLE, asked), allow_nan=False))
    assert answer["rowCount"] == N
    expected = FRAME.sort_values("neuron", ascending=False).iloc[20:45]
    assert len(answer["rowData"]) == 25
    for row, (_, wanted) in zip(answer["rowData"], expected.iterrows(), strict=True):
        assert tuple(row) == tuple(columns_of(TABLE)) == SHOWN
        for name, value in row.items():
            if isinstance(wanted[name], str | int):
                assert value == wanted[name]
            else:
                assert value == (pytest.approx(wanted[name], rel=1e-4) if np.isfinite(wanted[name]) else None)


def test_no_more_rows_are_sent_than_there_are_or_than_one_answer_holds() -> None:
    def sent(first: int, last: int) -> tuple[int, int]:
        answer = rows_of(TABLE, {"startRow": first, "endRow": last})
        return len(answer["rowData"]), answer["rowCount"]

    assert sent(0, 10**9) == (MOST_ROWS, N)
    assert sent(N - 3, N + 10) == (3, N)
    assert sent(N + 1, N + 10) == (0, N)
    assert sent(5, 5) == (0, N)
    nothing = {"startRow": 0, "endRow": 9, "filterModel": {"ipr": {"type": "equals", "filter": 7}}}
    assert rows_of(TABLE, nothing) == {"rowData": [], "rowCount": 0}


GOOD = {"type": "lessThan", "filter": 1}
BAD_FILTERS: dict[str, Any] = {
    "a column that is not shown": {"hidden": {"type": "contains", "filter": "a"}},
    "no column": {"x": GOOD},
    "no condition": {"ipr": None},
    "a list": {"ipr": [GOOD]},
    "an empty condition": {"ipr": {}},
    "no type": {"ipr": {"filter": 1}},
    "another type": {"ipr": {"type": "contains", "filter": 1}},
    "a type that is a list": {"ipr": {"type": ["lessThan"], "filter": 1}},
    "no number": {"ipr": {"type": "lessThan"}},
    "a text for a number": {"ipr": {"type": "lessThan", "filter": "1"}},
    "a truth for a number": {"ipr": {"type": "lessThan", "filter": True}},
    "no end of a range": {"ipr": {"type": "inRange", "filter": 1}},
    "a text for the end of a range": {"ipr": {"type": "inRange", "filter": 1, "filterTo": "2"}},
    "nan": {"ipr": {"type": "lessThan", "filter": float("nan")}},
    "a number beyond all": {"ipr": {"type": "lessThan", "filter": 10**400}},
    "a number for a text": {"label": {"type": "contains", "filter": 1}},
    "no text": {"label": {"type": "contains"}},
    "a text's type that is a list": {"label": {"type": [], "filter": "a"}},
    "a number's type for a text": {"label": GOOD},
    "no operator": {"ipr": {"conditions": [GOOD]}},
    "another operator": {"ipr": {"operator": "XOR", "conditions": [GOOD]}},
    "no conditions": {"ipr": {"operator": "OR", "conditions": []}},
    "too many conditions": {"ipr": {"operator": "OR", "conditions": [GOOD] * 5}},
    "conditions that are none": {"ipr": {"operator": "OR", "conditions": [GOOD, None]}},
    "conditions by name": {"ipr": {"operator": "OR", "conditions": {"a": GOOD}}},
}
BAD_SORTS: tuple[Any, ...] = (
    {"ipr": "asc"}, "ipr", ["ipr"], [{}], [{"colId": "ipr"}], [{"sort": "asc"}], [{"colId": "x", "sort": "asc"}],
    [{"colId": "ipr", "sort": "up"}], [{"colId": ["ipr"], "sort": "asc"}], [{"colId": "ipr", "sort": ["asc"]}], [None],
)  # fmt: skip
BAD_ROWS: tuple[Any, ...] = (
    (None, 5),
    (0, None),
    (-1, 5),
    (5, 4),
    (0.0, 5),
    (True, 5),
    ("0", "5"),
    ([0], [5]),
)


@pytest.mark.parametrize("filters", BAD_FILTERS.values(), ids=BAD_FILTERS)
def test_malformed_filters_are_refused(filters: Any) -> None:
    with pytest.raises(ConfigError):
        filtered(TABLE, {"filterModel": filters})


def test_malformed_orders_and_ranges_of_rows_are_refused() -> None:
    for sorts in BAD_SORTS:
        with pytest.raises(ConfigError):
            filtered(TABLE, {"sortModel": sorts})
    for first, last in BAD_ROWS:
        with pytest.raises(ConfigError, match="cannot show rows"):
            rows_of(TABLE, {"startRow": first, "endRow": last})
    for request in (None, [], "rows", 3):
        with pytest.raises(ConfigError, match="is no request for rows"):
            rows_of(TABLE, request)
    for filters in ([GOOD], "ipr", 3):
        with pytest.raises(ConfigError, match="malformed"):
            filtered(TABLE, {"filterModel": filters})


@given(JSON, JSON, st.sampled_from([*SHOWN, "x"]), JSON)
def test_whatever_is_asked_is_refused_or_answered(filters: Any, sorts: Any, name: str, value: Any) -> None:
    condition = {"type": value, "filter": value, "filterTo": filters}
    for asked in (
        {"filterModel": filters, "sortModel": sorts},
        {"filterModel": {name: value}, "sortModel": [{"colId": name, "sort": value}]},
        {"filterModel": {name: condition}},
        {"filterModel": {name: {**condition, "type": "inRange"}}},
        {"filterModel": {name: {**condition, "type": "equals"}}},
        {"filterModel": {name: {"operator": "OR", "conditions": value}}},
    ):
        try:
            rows = filtered(TABLE, asked)
        except ConfigError:
            continue
        assert len(set(rows.tolist())) == len(rows) <= N
