"""Scores on disk: read as they were written, under names that follow from all that they depend on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from language_models import random_sequences, tiny

from interp.errors import ConfigError
from interp.language.edits import edited, gates_without, weights_with
from interp.language.opening import open_language_model
from interp.language.score_store import (
    Scores,
    digest_of_model,
    digest_of_sequences,
    place_of,
    store,
    stored,
)


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = Scores(np.array([0.1, np.nan]), np.array([True, False]), np.array([np.nan, 0.5]), 1.25)
    place = place_of(tmp_path / "new", "zero-out", {"seed": 0})
    store(place, scores)
    again = stored(place, 2)
    assert again is not None
    for name in ("values", "exact", "p_value"):
        assert np.array_equal(getattr(again, name), getattr(scores, name), equal_nan=True)
    assert again.seconds == 1.25
    assert stored(place_of(tmp_path, "zero-out", {"seed": 1}), 2) is None


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    place = tmp_path / "gradient-0.parquet"
    place.write_bytes(b"nothing")
    with pytest.raises(ConfigError):
        stored(place, 3)
    pq.write_table(pa.table({"score": ["a", "b", "c"]}), place)
    with pytest.raises(ConfigError, match="expected scores of 3 units"):
        stored(place, 3)
    store(place, Scores(np.zeros(2)))
    with pytest.raises(ConfigError, match="has 2 rows"):
        stored(place, 3)


def test_digests_follow_weights_tokens_and_prompts() -> None:
    model = open_language_model(tiny())
    own = digest_of_model(model)
    with edited(model, weights_with(model, gates_without(model, [3]))):
        assert digest_of_model(model) != own
    assert digest_of_model(model) == own
    assert digest_of_model(open_language_model(tiny().to(torch.bfloat16))) != own
    one, other = random_sequences(5, 6), random_sequences(5, 6, prompt=[2, 2])
    assert digest_of_sequences(one) != digest_of_sequences(other)
    assert digest_of_sequences(one) == digest_of_sequences(random_sequences(5, 6))
