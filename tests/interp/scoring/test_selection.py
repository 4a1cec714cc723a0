"""Orders and selections of neurons from a table of scores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from interp.errors import ConfigError, GrokscopeError, InterventionError
from interp.scoring.selection import default_order, order_by, select_neurons
from interp.scoring.table import NeuronTable
from probes.labels import INCONCLUSIVE

IPR = np.array([0.4, np.nan, 0.9, 0.1, 0.6, np.nan, 0.2, 0.3])
LABELS = np.array([*["generalizing"] * 3, *["memorizing"] * 4, "dead"], dtype=object)
COLUMNS = {"neuron": np.arange(8), "ipr": IPR, "rule_effect": np.arange(8.0)[::-1], "label": LABELS}
TABLE = NeuronTable(COLUMNS, "site")


def test_orders() -> None:
    assert order_by(TABLE).tolist() == [1, 5, 3, 6, 7, 0, 4, 2]  # without a value: first
    np.testing.assert_array_equal(order_by(TABLE, descending=True), order_by(TABLE)[::-1])
    assert order_by(TABLE, "rule_effect").tolist() == list(range(8))[::-1]


def test_the_table_says_what_its_periodicity_is() -> None:
    other = NeuronTable(COLUMNS, "site", {"order": "rule_effect"})
    assert default_order(TABLE) == "ipr"
    assert default_order(other) == "rule_effect"
    np.testing.assert_array_equal(order_by(other), order_by(TABLE, "rule_effect"))


def test_selections(tmp_path: Path) -> None:
    assert select_neurons(TABLE, "lowest:0.25").tolist() == [1, 5]
    assert select_neurons(TABLE, "highest:0.375").tolist() == [2, 4, 0]
    assert select_neurons(TABLE, "label:memorizing").tolist() == [3, 4, 5, 6]
    assert len(select_neurons(TABLE, f"label:{INCONCLUSIVE}")) == 0
    (tmp_path / "list.txt").write_text("3, 1\n2")
    (tmp_path / "list.json").write_text("[5, 4]")
    assert select_neurons(TABLE, f"@{tmp_path}/list.txt").tolist() == [3, 1, 2]
    assert select_neurons(TABLE, f"@{tmp_path}/list.json").tolist() == [5, 4]
    (tmp_path / "ranges.txt").write_text("1 - 3\n0")
    assert select_neurons(TABLE, f"@{tmp_path}/ranges.txt").tolist() == [1, 2, 3, 0]
    assert select_neurons(TABLE, "3,5-6").tolist() == [3, 5, 6]
    assert select_neurons(TABLE, " 4 ").tolist() == [4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3,5-", "'5-' is no neuron; expected indices and ranges such as 3,5-9, counted from 0"),
        ("3;5", "'3;5' is no neuron"),
        ("1.5", "'1.5' is no neuron"),
        ("9-5", "the range '9-5' names no neuron, as it runs backwards; write 5-9"),
        ("0-999999999999", "names too many neurons; at most 1000000 are read"),
        ("5,3-6", "a neuron is named twice"),
        ("3,99", "neuron 99 does not exist; the site has neurons 0 to"),
        ("-3", "cannot select neurons by '-3'; expected label:"),
    ],
)
def test_lists_of_indices_that_name_no_neurons(text: str, message: str) -> None:
    with pytest.raises(InterventionError, match=re.escape(message)):
        select_neurons(TABLE, text)


@pytest.mark.parametrize("text", ["label:good", "lowest:2", "lowest:x", "nothing", "@/no/such/file", ""])
def test_selections_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(GrokscopeError):
        select_neurons(TABLE, text)


def test_unknown_orders_list_what_exists() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ipr'"):
        order_by(TABLE, "iprr")
