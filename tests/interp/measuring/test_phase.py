"""Phases at the borders of the paper's table, and where the corrupted examples decide."""

from __future__ import annotations

import pytest

from interp.measuring.evaluation import SplitValues
from interp.measuring.phase import phase_of


def measured(
    train: float | None, test: float | None, labelled: float | None = None, true: float | None = None
) -> SplitValues:
    return SplitValues(train, 1.0, labelled, true, test, 0.9)


@pytest.mark.parametrize(
    ("train", "test", "by_table"),
    [
        (0.98, 0.98, "coexistence"),
        (0.90, 0.90, "coexistence"),
        (0.89, 0.95, "partial inversion"),
        (0.70, 0.95, "partial inversion"),
        (0.69, 0.95, "full inversion"),
        (0.99, 0.30, "memorisation"),
        (0.50, 0.30, "confusion"),
    ],
)
def test_the_papers_table(train: float, test: float, by_table: str) -> None:
    assert phase_of(measured(train, test), 0.35).by_table == by_table


def test_corrupted_examples_decide_where_the_table_breaks() -> None:
    found = phase_of(measured(0.905, 1.0, labelled=0.01, true=1.0), 0.10)
    assert (found.by_table, found.by_corrupted, found.name) == (
        "coexistence",
        "full inversion",
        "full inversion",
    )
    assert phase_of(measured(0.8, 1.0, labelled=0.4, true=0.6), 0.35).by_corrupted == "partial inversion"
    assert phase_of(measured(0.99, 1.0, labelled=0.97, true=0.02), 0.35).by_corrupted == "coexistence"


def test_forgetting_needs_an_earlier_success() -> None:
    assert phase_of(measured(0.2, 0.1), 0.35, generalised_before=True).by_table == "forgetting"
    assert phase_of(measured(0.2, 0.1), 0.35).by_table == "confusion"


def test_unknown_splits_and_clean_labels() -> None:
    assert phase_of(measured(0.9, None), 0.0).name is None
    assert phase_of(measured(1.0, 0.99), 0.0).name == "generalisation"
