"""Relearning: weights are put back, removed units stay out, and a trace that is left shows."""

from __future__ import annotations

import numpy as np
import torch
from known_memory import KNOWN, UNSEEN, known_memory

from interp.language.relearning import BACK, relearn_sequences


def test_weights_are_as_before_and_levels_are_reached() -> None:
    model, sequences, chosen = known_memory()
    before = {name: weight.detach().clone() for name, weight in model.weights.items()}
    result = relearn_sequences(model, sequences, KNOWN, UNSEEN, chosen, steps=200)
    assert all(torch.equal(weight, before[name]) for name, weight in model.weights.items())
    assert not any(weight.requires_grad for weight in model.weights.values())
    assert result["level"] == BACK
    for name in ("removed", "unseen"):
        curve = result["accuracy"][name]
        assert result[name] == len(curve) - 1
        assert curve[-1] >= BACK > curve[-2]


def test_what_is_not_removed_is_back_at_once() -> None:
    model, sequences, _ = known_memory()
    result = relearn_sequences(model, sequences, KNOWN, UNSEEN, [], steps=3)
    assert result["removed"] == 0
    assert result["unseen"] is None
    assert len(result["accuracy"]["unseen"]) == 4


def test_removed_units_do_not_learn() -> None:
    """With all neurons out nothing can be learnt by their output weights."""
    model, sequences, _ = known_memory()
    result = relearn_sequences(model, sequences, KNOWN, [], np.arange(len(model.units())), steps=3)
    curve = result["accuracy"]["removed"]
    assert len(set(curve)) == 1
    assert result["accuracy"]["unseen"] == []
