"""Scores and labels on networks whose answer is known; every part of the table against something independent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from interp.analysis.removing import curve
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig, analytic_mlp, planted_mlp
from interp.scoring.score import causal_agreement
from interp.scoring.selection import order_by
from interp.scoring.table import NeuronTable
from interp.subject import score
from interp.training import TrainConfig, train
from probes.labels import LABELS, Criteria
from probes.spectrum import Convention

CORRUPTED = ModularTask("add", p=97, corrupt_fraction=0.35)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, NeuronTable]:
    network = planted_mlp(CORRUPTED)
    return network.labels, score(network.model, CORRUPTED)


def test_every_planted_neuron_gets_its_label(planted: tuple[np.ndarray, NeuronTable]) -> None:
    truth, table = planted
    assert Counter(zip(truth.tolist(), table["label"].tolist(), strict=True)) == {
        ("generalizing", "generalizing"): 200,
        ("memorizing", "memorizing"): 300,
        ("dead", "dead"): 20,
    }


@pytest.mark.parametrize("operation", ["2*a*b", "a**2*b", "3*a**2*b**3", "a**7*b", "a*b + a + b"])
def test_products_are_read_in_the_order_of_logarithms(operation: str) -> None:
    task = ModularTask(operation, p=31)
    model = analytic_mlp(operation, p=31)
    table = score(model, task)
    assert (
        table.counts()["generalizing"] >= 185
    )  # a frequency that a power takes to 0 leaves an operand constant
    assert float(table["frequency_share"][:-1].min()) > 0.99
    assert float(np.nanmedian(np.abs(table["phase_residual"][:-1]))) < 1e-3
    if "+" not in operation:
        assert score(model, replace(task, read_in="log")).counts() == table.counts()
    assert score(model, replace(task, read_in="natural")).counts()["generalizing"] < 20


def test_the_evidence_names_what_decided(planted: tuple[np.ndarray, NeuronTable]) -> None:
    _, table = planted
    for row in range(len(table)):
        evidence, label = table["evidence"][row], table["label"][row]
        if label == "generalizing":
            assert f"frequency {table['frequency'][row]} explains" in evidence
            assert "true labels" in evidence
        elif label == "memorizing":
            assert "labels that were trained on" in evidence
            assert table["memory_q"][row] <= 0.01
        else:
            assert "next to nothing" in evidence


def test_periodicity_predicts_the_causal_class(planted: tuple[np.ndarray, NeuronTable]) -> None:
    found = causal_agreement(planted[1])
    assert found is not None
    assert found.low <= found.auc <= found.high
    assert found.low > 0.95


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "a**5 + 3*b"])
def test_closed_forms_are_periodic_in_their_ordering_and_all_generalize(operation: str) -> None:
    task = ModularTask(operation, p=97)
    table = score(analytic_mlp(operation, p=97, width=200), task)
    inside = table.where(table["outside"] < 0.5)
    assert (
        len(inside) >= 199
    )  # the one neuron that answers pairs with 0 has no weights inside the ordering, and
    assert (
        inside["label"] == "generalizing"
    ).all()  # serves one class, which chance may give it: p is 1 in 97
    alive = table["ipr"][~np.isnan(table["ipr"])]
    assert len(alive) >= 199
    assert alive.min() >= 0.999
    residuals = table["phase_residual"][~np.isnan(table["ipr"])]
    np.testing.assert_allclose(residuals, 0, atol=1e-4)


def test_in_the_wrong_order_a_perfect_multiplier_looks_random() -> None:
    """The trap of science: raw order scores a perfect multiplication network as if it were noise."""
    model, raw = analytic_mlp("multiply", p=97, width=200), ModularTask("add", p=97)
    assert np.nanmean(score(model, raw)["ipr"]) < 0.06


@pytest.mark.parametrize("corrupt", [pytest.param(0.0, marks=pytest.mark.slow), 0.35])
def test_random_networks_are_not_called_generalizing(corrupt: float) -> None:
    generalizing, memorizing, total = 0, 0, 0
    for seed in range(20):
        task = ModularTask("add", p=97, corrupt_fraction=corrupt, seed=seed)
        counts = score(HookedMLP(MLPConfig(width=100), vocab=97, seed=seed), task).counts()
        generalizing += counts["generalizing"]
        memorizing += counts["memorizing"]
        total += counts["total"]
    assert generalizing <= 0.01 * total
    assert memorizing <= 0.01 * total


def test_a_dead_network_is_dead_everywhere() -> None:
    model = HookedMLP(MLPConfig(width=10), vocab=11)
    for parameter in model.parameters():
        parameter.detach().zero_()
    table = score(model, ModularTask("add", p=11))
    assert table.counts()["dead"] == 10
    assert np.isnan(table["ipr"]).all()
    assert causal_agreement(table) is None


def test_without_corrupted_or_held_out_examples_nothing_is_called_memorizing() -> None:
    task = ModularTask("add", p=31, train_fraction=1.0)
    table = score(HookedMLP(MLPConfig(width=60), vocab=31), task)
    counts = table.counts()
    assert counts["memorizing"] is counts["both"] is None
    assert table.described().endswith("memory not testable, because no example is held out")
    assert not len(table.where(label="memorizing"))
    assert np.isnan(table["memory_effect"]).all()


@pytest.mark.parametrize("layer", [0, 1])
def test_every_layer_of_a_deep_network_can_be_scored(layer: int) -> None:
    model = HookedMLP(MLPConfig(width=12, depth=3, activation="relu"), vocab=11)
    site = f"blocks.{layer}.mlp.hook_post"
    table = score(model, ModularTask("add", p=11, corrupt_fraction=0.2), site=site)
    assert table.site_name == site
    assert len(table) == 12
    assert set(table["label"]) <= set(LABELS)


def test_conventions_and_criteria_are_used_and_recorded() -> None:
    model, task = analytic_mlp("add", p=31, width=50), ModularTask("add", p=31)
    two_sided = score(model, task, convention=Convention(sided="two"))
    np.testing.assert_allclose(two_sided["ipr"], 0.5, atol=1e-3)
    assert two_sided.meta["convention"] == {"sided": "two", "constant": "drop", "r": 2.0}
    strict = score(HookedMLP(MLPConfig(width=50), vocab=31), task, criteria=Criteria(dead_ratio=0.9))
    assert strict.counts()["dead"] == (strict["strength"] <= 0.9 * strict["strength"].max()).sum() > 0
    assert strict.meta["criteria"]["dead_ratio"] == 0.9


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_is_saved_whole(planted: tuple[np.ndarray, NeuronTable], tmp_path: Path, suffix: str) -> None:
    _, table = planted
    path = table.save(tmp_path / f"neurons.{suffix}")
    read = pyarrow.parquet.read_table if suffix == "parquet" else pyarrow.csv.read_csv
    rows = read(path)
    assert set(rows.column_names) == set(table)
    np.testing.assert_allclose(rows["ipr"].to_numpy(zero_copy_only=False), table["ipr"], rtol=1e-9)
    with pytest.raises(ConfigError, match=r"ending in .parquet or .csv"):
        table.save(tmp_path / "neurons.xlsx")


def test_a_sweep_takes_a_score_or_a_list() -> None:
    model, task = analytic_mlp("add", p=31, width=30), ModularTask("add", p=31)
    table = score(model, task)
    by_name, by_list = curve(model, task, "ipr", n_random=0), curve(model, task, order_by(table), n_random=0)
    np.testing.assert_array_equal(by_name.accuracy["test"], by_list.accuracy["test"])
    assert by_name.order == "ipr ascending"
    assert curve(model, task, [4, 2], n_random=3).removed.tolist() == [0, 1, 2]


def test_where_no_ordering_is_known_labels_rest_on_evidence_alone() -> None:
    """No order is known in which sums of squares are periodic; a network that answers them follows a rule."""
    task = ModularTask("a**2 + b**2", p=31, train_fraction=0.8)
    assert task.ordering is None
    model = HookedMLP(MLPConfig(width=200), vocab=31)
    assert score(model, task).counts()["generalizing"] == 0
    config = TrainConfig(steps=500, weight_decay=5.0, save_every=0, log_every=100)
    trained = train(task, model, config, show_progress=False).model
    assert accuracy(trained, task).test > 0.9
    assert score(trained, task).counts()["generalizing"] > 100
    whole = ModularTask("a**2 + b**2", p=31, train_fraction=1.0)
    assert score(trained, whole).counts()["generalizing"] == 0  # nothing tells rule from memory
