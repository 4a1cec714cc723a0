"""Batches of like lengths, of about as many tokens."""

import numpy as np
import pytest
from language_models import random_sequences, tiny

from interp.language.batches import batches_of, tokens_at_once
from interp.language.opening import open_language_model


@pytest.mark.parametrize("side", ["right", "left"])
def test_every_sequence_is_in_one_batch(side: str) -> None:
    sequences = random_sequences(*np.random.default_rng(0).integers(2, 20, 31).tolist())
    batches = list(batches_of(open_language_model(tiny()), sequences, tokens=40, side=side))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(31))
    assert all(batch.ids.numel() <= 40 for batch in batches)
    for batch in batches:
        for i, row in enumerate(batch.rows):
            assert batch.ids[i][batch.mask[i]].tolist() == sequences.ids[row].tolist()
            assert batch.mask[i].nonzero()[0].item() == batch.start[i]


def test_little_memory_makes_small_batches_of_at_least_one_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_language_model(tiny())
    whole = tokens_at_once(model, 20)
    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.001")
    assert 20 < tokens_at_once(model, 20) < whole
    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.0000001")
    assert tokens_at_once(model, 20) == 20
    assert all(len(batch.rows) == 1 for batch in batches_of(model, random_sequences(20, 20)))
