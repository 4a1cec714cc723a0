"""Pruning over seeds, against removals one at a time; neurons needed, against a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp import ablate, accuracy, score
from interp.analysis.removing import curves_from_both_ends
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.grids.pruning import needed_by_width, neurons_needed, pruning_of
from interp.measuring.curves import Curve
from interp.models import planted_mlp
from interp.scoring.selection import order_by
from interp.subject import open_subject

PAPER = {"lowest first": {"corrupted_as_labelled": {"0": 1.0, "0.4": 0.9}}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Networks whose memorizing and generalizing neurons are known."""
    found = []
    for seed in (0, 1, 2):
        task = ModularTask("add", p=23, train_fraction=0.7, corrupt_fraction=0.3, seed=seed)
        model = planted_mlp(task, generalizing=60, memorizing=80, dead=0, seed=seed).model
        found.append(save_checkpoint(tmp_path_factory.mktemp("planted") / f"{seed}", model, task))
    return found


def test_curves_are_removals_of_each_network_averaged(files: list[Path]) -> None:
    found = pruning_of(files, fractions=(0.0, 0.25, 0.5), n_random=2)
    networks = [load_checkpoint(file) for file in files]
    orders = [order_by(score(opened.model, opened.task)) for opened in networks]
    for place, share in enumerate(found.fractions):
        ours = []
        for opened, order in zip(networks, orders, strict=True):
            with ablate(opened.model, order[: round(share * len(order))]):
                ours.append(accuracy(opened.model, opened.task).corrupted_as_labelled)
        one = found.accuracy["lowest first"]["corrupted_as_labelled"][place]
        assert one.values == pytest.approx(ours, abs=0.011)
        assert found.at("lowest first", "corrupted_as_labelled", share) is one
    assert found.networks == 3


def test_lowest_first_removes_memory_and_highest_first_the_rule(files: list[Path]) -> None:
    found = pruning_of(files, n_random=2)
    assert found.at("lowest first", "corrupted_as_labelled", 0.5).mean < 0.2
    assert found.at("lowest first", "test", 0.5).mean > 0.8
    assert found.at("highest first", "test", 0.4).mean < 0.2


def test_the_papers_numbers_are_compared(files: list[Path]) -> None:
    found = pruning_of(files, paper=PAPER, n_random=2)
    rows = found.against_paper()
    assert [(row["fraction"], row["paper"], row["agrees"]) for row in rows] == [
        (0.0, 1.0, True),
        (0.4, 0.9, False),
    ]
    names = [trace.name for trace in found.plot().data if trace.name]
    assert "corrupted as labelled, lowest first, paper" in names
    assert found.to_dict()["against_paper"] == rows


def test_paper_numbers_of_unknown_orders_are_refused(files: list[Path]) -> None:
    with pytest.raises(ConfigError, match="names 'lowest'"):
        pruning_of(files[:1], paper={"lowest": {}}, n_random=1)
    with pytest.raises(ConfigError, match="names 'tests'"):
        pruning_of(files[:1], paper={"random": {"tests": {}}}, n_random=1)
    with pytest.raises(ConfigError, match="no checkpoints"):
        pruning_of([])


def sweep_of(values: list[float]) -> Curve:
    removed = np.arange(len(values))
    return Curve("lowest", "zero", removed, removed / (len(values) - 1), {"test": np.array(values)}, {}, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 0.95, 0.92, 0.4, 0.1], 2),  # the third removal is one too many
        ([1.0, 0.85, 0.95, 0.4, 0.1], 4),  # a dip ends it, even if it recovers
        ([0.95, 0.95, 0.95], 0),
        ([0.8, 0.95, 0.2], None),
    ],
)
def test_neurons_needed_are_those_left_before_the_first_dip(
    values: list[float], expected: int | None
) -> None:
    assert neurons_needed(sweep_of(values)) == expected


def test_neurons_needed_by_width(files: list[Path]) -> None:
    found, missed = needed_by_width(files, level=0.4)[140]
    lowest = [curves_from_both_ends(open_subject(file), 0)[0] for file in files]
    assert found is not None
    assert found.values == tuple(float(neurons_needed(one, level=0.4)) for one in lowest)
    assert missed == 0
    assert 10 < found.mean <= 80
    assert needed_by_width(files[:2], level=1.1) == {140: (None, 2)}


def test_the_papers_fractions_are_measured_too(files: list[Path]) -> None:
    found = pruning_of(
        files[:1], paper={"random": {"test": {"0.333": 0.5}}}, fractions=(0.0, 0.5), n_random=1
    )
    assert found.fractions == (0.0, 0.333, 0.5)
