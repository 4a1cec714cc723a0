"""Columns against the tables that networks are scored into, and the functions that make them."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from interp.data import ModularTask
from interp.data.splits import SPLITS
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.scoring.table import NeuronTable
from interp.subject import score
from probes.activity import activation_scores
from probes.columns import COLUMNS, DRIFT, GRID, OVER, TIME, WEIGHTS, Column, column, expanded
from probes.features import weight_features
from probes.timescales import time_scores

TASK = ModularTask("add", p=7, corrupt_fraction=0.2)


def mlp() -> NeuronTable:
    """Neurons that are scored by three weight vectors."""
    return score(HookedMLP(MLPConfig(width=6), vocab=7).eval(), TASK)


def transformer() -> NeuronTable:
    """Neurons that are scored by their activations."""
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6)
    return score(SmallTransformer(config, 8, 7, Prompt.parse("a b =", p=7)).eval(), TASK)


@pytest.mark.parametrize("network", [mlp, transformer])
def test_a_scored_table_has_the_known_columns_and_no_others(network) -> None:
    table = network()
    every = expanded(list(SPLITS), len(table.meta["null"]["vector_lengths"]))
    known = {name: described for name, described in every.items() if described.source not in (TIME, DRIFT)}
    assert set(table.columns) == set(known)  # neither has an axis of time, or an earlier checkpoint
    kinds = {"float": "f", "double": "f", "int": "i", "text": "UO"}
    for name, described in known.items():
        assert table[name].dtype.kind in kinds[described.kind], name


def test_every_column_says_who_makes_it() -> None:
    one = np.random.default_rng(0).normal(size=(3, 7))
    by_source = {
        WEIGHTS: set(weight_features([one] * 3)),
        GRID: set(activation_scores(one[:, :, None] * one[:, None])),
        TIME: set(time_scores(one[:, :, None])),
    }
    described = expanded(list(SPLITS))
    for source, columns in by_source.items():
        assert {name for name, known in described.items() if known.source == source} == columns
    for known in COLUMNS.values():
        module, _, name = known.source.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_columns_are_described_for_readers() -> None:
    for name, known in COLUMNS.items():
        assert known.title, name
        assert known.meaning.endswith("."), name
        assert known.kind in ("float", "double", "int", "text"), name
    titles = [known.title for known in COLUMNS.values()]
    assert len(set(titles)) == len(titles)


def test_scores_say_which_axes_they_go_over() -> None:
    assert column("ipr").over == "residues"
    assert column("activation_ipr").over == "pairs of operands"
    assert column("effect_test").over == "examples"
    assert column("timescale").over == "steps of time, examples"
    assert column("label").over == column("q_value").over == ""
    assert set(OVER) < {known.source for known in COLUMNS.values()}


def test_columns_of_splits_and_vectors_are_written_out() -> None:
    assert column("ipr_1").title == "IPR of vector: 1"
    assert column("accuracy_effect_all").heading == "accuracy effect: all"
    assert column("phase_left").heading == "left phase (rad)"
    for unknown in ("iprs", "effect_", "median"):
        with pytest.raises(KeyError, match=f"no column is called '{unknown}'"):
            column(unknown)


def test_a_new_column_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLUMNS, "kurtosis", Column("kurtosis", "", "Fourth moment of the weights."))
    monkeypatch.setitem(COLUMNS, "median_<split>", Column("median", "logit units", "Median margin lost."))
    assert list(expanded(["test", "all"]))[-3:] == ["kurtosis", "median_test", "median_all"]
    assert column("median_all").heading == "median: all (logit units)"
