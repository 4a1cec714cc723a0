"""Neurons as a person chooses them, against the same choice made row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import GrokscopeError, InterventionError
from interp.explorer.selection import by_frequency, by_label, by_lasso, by_number, by_score, combined
from interp.scoring.table import NeuronTable
from probes import labels

WIDTH = 40
GENERATOR = np.random.default_rng(0)
IPR = np.where(GENERATOR.random(WIDTH) < 0.2, np.nan, GENERATOR.uniform(0, 1, WIDTH))
FREQUENCY = np.where(np.isnan(IPR), 0, GENERATOR.integers(1, 6, WIDTH))
LABELS = GENERATOR.choice(["generalizing", "memorizing", "dead"], WIDTH)
COLUMNS = {"neuron": np.arange(WIDTH), "label": LABELS, "ipr": IPR, "frequency": FREQUENCY, "hidden": IPR}
TABLE = NeuronTable(COLUMNS, "site")
MALFORMED: tuple[Any, ...] = (None, True, "none", "", 1.5, [], ["label"], {"a": 1}, -1, 10**30)


def lasso(*numbers: Any) -> dict[str, Any]:
    """What a figure reports of the points that were caught."""
    return {"points": [{"customdata": [number, 3, "0.1"], "pointIndex": 0} for number in numbers]}


def test_a_lasso_catches_the_neurons_of_its_points_once_each() -> None:
    assert by_lasso(lasso(7, 3, 39, 0), WIDTH) == [0, 3, 7, 39]
    assert by_lasso(lasso(3, 7, 3), WIDTH) == [3, 7]
    assert by_lasso(lasso(), WIDTH) == []


@pytest.mark.parametrize(
    "sent",
    [*MALFORMED, {}, {"points": 3}, {"points": [3]}, {"points": [{}]}, {"points": [{"customdata": []}]}, "points",
     {"points": [{"customdata": {"0": 1}}]}, {"points": "abc"}, {"points": None}, {"points": {"a": 1}},
     lasso(40), lasso(-1), lasso(1.0), lasso("1"), lasso(True), lasso(None), lasso([1]), lasso(10**30)],
    ids=lambda sent: str(sent)[:40],
)  # fmt: skip
def test_a_malformed_lasso_is_refused(sent: Any) -> None:
    with pytest.raises(InterventionError):
        by_lasso(sent, WIDTH)


def test_labels_frequencies_and_scores_choose_the_rows_that_have_them() -> None:
    for label in labels.LABELS:
        assert by_label(TABLE, label) == [i for i in range(WIDTH) if LABELS[i] == label]
    for frequency in range(7):
        expected = [i for i in range(WIDTH) if FREQUENCY[i] == frequency]
        assert by_frequency(TABLE, frequency) == expected
        assert expected or frequency == 6
    for threshold in (0.5, "0.25", " 7e-1 ", 2, -1, "inf"):
        limit = float(threshold)
        below, above = ([], [])
        for i, value in enumerate(IPR.tolist()):
            if value < limit:
                below.append(i)
            elif value > limit:
                above.append(i)
        assert by_score(TABLE, "ipr", "below", threshold) == below
        assert by_score(TABLE, "ipr", "above", threshold) == above
    assert 0 < len(by_score(TABLE, "ipr", "below", 0.5)) < np.isfinite(IPR).sum() < WIDTH


def test_a_score_equal_to_the_threshold_is_on_neither_side() -> None:
    exact = float(np.nanmax(IPR))
    assert by_score(TABLE, "ipr", "above", exact) == []
    assert len(by_score(TABLE, "ipr", "below", exact)) == np.isfinite(IPR).sum() - 1


@pytest.mark.parametrize("sent", MALFORMED, ids=str)
def test_what_is_no_label_frequency_or_score_is_refused(sent: Any) -> None:
    with pytest.raises(InterventionError, match="there is no label"):
        by_label(TABLE, sent)
    if type(sent) is not int:
        with pytest.raises(InterventionError, match="is no frequency"):
            by_frequency(TABLE, sent)
    else:
        assert by_frequency(TABLE, sent) == []
    for column in (sent, "label", "neuron", "frequency", "hidden"):
        with pytest.raises(InterventionError, match="cannot choose by"):
            by_score(TABLE, column, "below", 0.5)
    with pytest.raises(GrokscopeError, match="unknown side"):
        by_score(TABLE, "ipr", sent, 0.5)


@pytest.mark.parametrize("threshold", [None, "", "x", "0,5", [1], {}, "nan", float("nan"), 10**400])
def test_what_is_no_number_is_no_threshold(threshold: Any) -> None:
    with pytest.raises(InterventionError, match="is no number to compare ipr with"):
        by_score(TABLE, "ipr", "above", threshold)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", [3]), (0, [0]), (39, [39]), ("0", [0]), ("3, 10-12", [3, 10, 11, 12]), ("5-5", [5]), ("", []), (None, []),
     (" 7 ;1,\n 2–4 ", [1, 2, 3, 4, 7]), ("1-3 2-4 3", [1, 2, 3, 4]), ("007", [7]), (",", [])],
)  # fmt: skip
def test_numbers_and_ranges_are_read(text: Any, expected: list[int]) -> None:
    assert by_number(text, WIDTH) == expected


@pytest.mark.parametrize(
    "text",
    ["x", "-1", "1-", "1--2", "1.5", "40", "0-40", "20-10", "99999999999", "1-2-3", "0x1", True, [1], {}, 1.0, "1e1"],
    ids=str,
)  # fmt: skip
def test_what_is_no_list_of_neurons_is_refused(text: Any) -> None:
    with pytest.raises(InterventionError):
        by_number(text, WIDTH)


@given(st.sets(st.integers(0, WIDTH - 1)))
def test_a_written_list_is_read_as_it_was_meant(neurons: set[int]) -> None:
    parts, sorted_ = [], sorted(neurons)
    while sorted_:
        first = last = sorted_.pop(0)
        while sorted_ and sorted_[0] == last + 1:
            last = sorted_.pop(0)
        parts.append(f"{first}-{last}" if last > first else f"{first}")
    assert by_number(", ".join(parts[::-1]), WIDTH) == sorted(neurons)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_choices_are_combined_neuron_by_neuron(before: list[int], new: list[int]) -> None:
    assert combined(before, new, "replace") == [i for i in range(10) if i in new]
    assert combined(before, new, "add") == [i for i in range(10) if i in before or i in new]
    assert combined(before, new, "remove") == [i for i in range(10) if i in before and i not in new]


@pytest.mark.parametrize("how", MALFORMED, ids=str)
def test_other_ways_to_combine_are_refused(how: Any) -> None:
    with pytest.raises(GrokscopeError, match="unknown way to combine"):
        combined([1], [2], how)
