"""Scores of sequences without units, against weights that were edited."""

from __future__ import annotations

import numpy as np
import pytest

from interp.lab.sequence_scores import random_alike, sequence_scores
from interp.language.edits import edited, gates_without, weights_with
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.language.small import small_language_model


def test_without_units_is_with_their_weights_at_zero() -> None:
    model = open_language_model(small_language_model())
    sequences = token_sequences(list(np.random.default_rng(0).integers(0, 64, (3, 9))))
    gates = gates_without(model, range(0, 128, 2))
    scores = sequence_scores(model, sequences, gates)
    with edited(model, weights_with(model, gates)):
        again = sequence_scores(model, sequences)
    assert scores.nll == pytest.approx(again.nll, abs=1e-5)
    assert (scores.nll != sequence_scores(model, sequences).nll).all()
    assert scores.means([0, 2])[1] == pytest.approx(scores.nll[[0, 2]].mean())


def test_random_units_spare_what_they_should() -> None:
    units = open_language_model(small_language_model()).units()
    drawn = random_alike(units, np.arange(60), np.random.default_rng(0), spared=np.arange(50))
    assert set(drawn.tolist()) == set(range(50, 64))
