"""Planted memory: what is trained, what is left as it was, and the study on a small model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.errors import ConfigError
from interp.lab.plant.planting import Planting, plant_memory
from interp.lab.plant.removal import parts_of, recall_of
from interp.lab.plant.study import STUDY, Config, measure
from interp.lab.sequence_scores import random_alike, sequence_scores
from interp.lab.study import Record, StudyResult
from interp.language.edits import edited, gates_without, save_language_model
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.records import UnitScores
from interp.language.sequences import Sequences, token_sequences
from interp.language.small import small_language_model
from interp.progress import silent

TINY = Config(training=15, steps=60, lr=0.1, methods="activation, gradient, contrast, evidence")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return open_language_model(small_language_model())


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    return token_sequences(list(np.random.default_rng(0).integers(0, 64, (6, 12))), 4)


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(TINY, 0, silent)


def test_a_plant_changes_the_output_weights_of_its_neurons_alone(
    model: LanguageModel, sequences: Sequences
) -> None:
    units = np.arange(0, 128, 3)
    before = {name: tensor.clone() for name, tensor in model.weights.items()}
    plant = plant_memory(model, sequences.take([0]), units, Planting(lr=0.3, enough=4.0))
    assert plant.right
    assert plant.losses[-1] < plant.losses[0]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.weights.items())
    changed = []
    for site, first in zip((site for site in model.sites if site.kind == "neurons"), (0, 64), strict=True):
        differs = (plant.weights[site.weight_name] != before[site.weight_name]).any(0)
        changed += (first + np.flatnonzero(differs.numpy())).tolist()
    assert changed == units.tolist()
    assert set(plant.weights) == {site.weight_name for site in model.sites if site.kind == "neurons"}


def test_the_loss_is_that_of_the_model_with_these_weights(model: LanguageModel, sequences: Sequences) -> None:
    rows = sequences.take([0, 1])
    plant = plant_memory(model, rows, range(0, 128, 4), Planting(steps=20, lr=0.1, enough=0.01))
    assert plant.losses[0] == pytest.approx(sequence_scores(model, rows).nll.mean(), abs=1e-5)
    with edited(model, plant.weights):
        scores = sequence_scores(model, rows)
    assert plant.losses[-1] == pytest.approx(scores.nll.mean(), abs=1e-4)
    assert scores.nll.mean() < 0.9 * plant.losses[0]


def test_a_plant_in_a_model_whose_weights_have_units_first(sequences: Sequences) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=2, n_head=2))
    gpt = open_language_model(network.eval())
    plant = plant_memory(gpt, sequences.take([0]), range(0, 128, 3), Planting(lr=0.3, enough=4.0))
    assert plant.right
    with edited(gpt, plant.weights):
        assert sequence_scores(gpt, sequences.take([0])).accuracy[0] == 1
        gone = sequence_scores(gpt, sequences.take([0]), gates_without(gpt, plant.units))
    assert gone.accuracy[0] < 0.5


def test_a_planted_model_is_saved_and_knows_the_sequence(
    model: LanguageModel, sequences: Sequences, tmp_path: object
) -> None:
    plant = plant_memory(model, sequences.take([0]), range(0, 128, 3), Planting(lr=0.3, enough=4.0))
    with edited(model, plant.weights):
        again = open_language_model(save_language_model(model, f"{tmp_path}/planted"))
    assert sequence_scores(again, sequences.take([0])).accuracy[0] == 1


def test_no_neurons_to_plant_in_are_refused(model: LanguageModel, sequences: Sequences) -> None:
    with pytest.raises(ConfigError, match="no neurons to plant"):
        plant_memory(model, sequences, [])


def test_parts_share_no_sequence() -> None:
    parts = parts_of(5, np.arange(10, 30), np.arange(10))
    every = np.concatenate([parts.choosing, parts.others, parts.controls, parts.unseen, parts.known])
    assert len(np.unique(every)) == len(every)
    assert [len(parts.choosing), len(parts.others), len(parts.controls), len(parts.unseen)] == [3, 2, 7, 8]
    with pytest.raises(ConfigError, match="sequences=17 is too many"):
        parts_of(17, np.arange(20), np.arange(10))


def test_recall_is_the_share_of_planted_neurons_among_as_many() -> None:
    place = np.arange(100)
    values = np.random.default_rng(0).random(100)
    planted = np.array([4, 50, 77])
    scores = UnitScores(place * 0, place, {"gradient": values, "contrast": np.full(100, np.nan)}, {}, {})
    numbers, curves = recall_of(scores, planted)
    for size, recall in zip(curves["sizes"], curves["recall"]["gradient"], strict=True):
        highest = sorted(place, key=lambda unit: -values[unit])[:size]
        assert recall == pytest.approx(len(set(highest) & {4, 50, 77}) / 3)
    assert numbers["recall_random"] == 0.03
    assert numbers["recall_contrast"] is None


def test_random_units_are_of_the_same_layers(model: LanguageModel) -> None:
    units, chosen = model.units(), np.array([0, 1, 2, 100])
    drawn = random_alike(units, chosen, np.random.default_rng(0), spared=np.arange(10))
    assert np.bincount(units.layer[drawn]).tolist() == [3, 1]
    assert drawn.min() >= 10
    assert len(np.unique(drawn)) == 4


def test_the_study_ranks_planted_neurons_above_chance(record: Record) -> None:
    numbers = record.numbers
    assert set(STUDY.quantities) <= set(numbers)
    assert numbers["recall_random"] == pytest.approx(0.02, abs=0.001)
    assert numbers["recall_gradient"] > 10 * numbers["recall_random"]
    assert numbers["recall_slimming"] is None
    assert numbers["left_truth"] < numbers["accuracy_choosing"]
    result = StudyResult(STUDY, TINY, (0, 1), (record, record))
    assert "has the most among its 20 highest" in result.findings()[0]
    check_figure(result.plot(), inner=2)


def test_one_planted_sequence_has_no_other_half() -> None:
    record = measure(replace(TINY, sequences=1, methods="gradient", training=5, steps=3), 0, silent)
    assert record.numbers["accuracy_others"] is None
    assert record.numbers["left_others_gradient"] is None
    result = StudyResult(STUDY, replace(TINY, sequences=1, methods="gradient"), (0,), (record,))
    assert len(result.findings()) == 3


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown method 'gradients'"):
        measure(replace(TINY, methods="gradients"), 0, silent)
