"""Tables of a report on a language model's memory against the records that they show."""

from dataclasses import replace

import numpy as np
import pytest
from language_reports import language_report
from scipy.stats import spearmanr

from interp.language.columns import MEMORY_COLUMNS
from interp.language.methods import METHODS
from interp.language.records import CONTROLS, PARTS
from interp.markup import percentage
from interp.report import language_tables as tables


@pytest.fixture(scope="module")
def report():
    return language_report()


def test_the_table_of_sequences_has_every_known_column(report):
    table = tables.memory_table(report)
    assert "exposure (bits)" not in table.header  # nothing is known of it
    assert table.header[0] == MEMORY_COLUMNS["sequence"].heading
    assert len(table.rows) == 10
    place = table.header.index("accuracy")
    assert [row[place] for row in table.rows] == [percentage(one) for one in report.memory["accuracy"]]


def test_intervals_stand_beside_their_values(report):
    columns = {**report.memory.columns, "accuracy_low": np.full(10, 0.25), "accuracy_high": np.full(10, 0.75)}
    table = tables.memory_table(replace(report, memory=replace(report.memory, columns=columns)))
    assert table.rows[4][table.header.index("accuracy")].endswith("(25.0 % to 75.0 %)")


def test_long_tables_count_what_they_leave_out(report, monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 3)
    monkeypatch.setattr(tables, "MOST_BRIEF", 2)
    table = tables.memory_table(report)
    assert len(table.rows) == 3
    assert "the first 3; all are in the JSON" in table.caption
    assert "the first 2; all are in the JSON" in table.title


def test_removals_are_all_in_the_table(report):
    group = report.groups[0]
    table = tables.removal_table(group)
    assert len(table.rows) == (1 + 2 * 2) * len(PARTS)
    row = next(
        row
        for row in table.rows
        if row[0] == METHODS["zero-out"].title and "(10)" in row[1] and row[2] == CONTROLS
    )
    point = group.curves["zero-out"][1]
    assert row[3] == percentage(point.accuracy[CONTROLS])
    band = point.random_accuracy[CONTROLS]
    assert row[4] == f"{percentage(band.low)} to {percentage(band.high)}"
    assert float(row[5].replace(",", "")) == pytest.approx(np.exp(point.nll[CONTROLS]), rel=1e-2)


def test_methods_are_compared_by_ranks(report):
    group = report.groups[0]
    table = tables.correlation_table(group)
    expected = spearmanr(*group.scores.scores.values()).statistic
    assert float(table.rows[0][2]) == pytest.approx(expected, abs=1e-3)
    assert table.rows[0][1] == "1"
    assert table.rows[1][-1] == "4 s"


def test_the_top_units_are_in_order_with_their_evidence(report):
    group = report.groups[0]
    table = tables.unit_table(group)
    scores = group.scores
    top = scores.top("gradient", tables.MOST_UNITS)
    assert [row[:2] for row in table.rows] == [(str(scores.layer[i]), str(scores.unit[i])) for i in top]
    assert [row[-1] for row in table.rows[:3]] == ["yes", "yes", "no"]
    first = table.rows[0]
    assert ("first order" in first[3]) == (not scores.exact["zero-out"][top[0]])
    assert float(first[2]) == pytest.approx(scores.scores["gradient"][top[0]], rel=1e-2)


def test_tokens_that_lose_most_are_named(report):
    group = report.groups[0]
    table = tables.token_table(report, group)
    lost = report.logprob[0] - group.without[0]
    place = int(np.argmax(lost))
    assert table.rows[0][-1].startswith(f"“{report.pieces[0][place]}” {lost[place]:.3g}")
    assert table.rows[0][1:3] == (
        percentage((report.rank[0] == 0).mean()),
        percentage((group.rank_without[0] == 0).mean()),
    )


def test_provenance_names_model_settings_and_command(report):
    rows = dict(tables.provenance_table(replace(report, command="grokscope audit m --sequences s")).rows)
    assert rows["model: layers"] == "3"
    assert rows["setting: shares"] == "0.05, 0.2"
    assert rows["command"] == "grokscope audit m --sequences s"
