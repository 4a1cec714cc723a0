"""A small language model that knows what was repeated, and the language that it is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from interp.language.sequences import HELD_OUT, TRAINED
from interp.language.small_training import (
    DUPLICATES,
    ONCE,
    SmallTraining,
    random_language,
    train_small_language_model,
)
from interp.language.token_scores import token_scores
from probes.agreement import auc

QUICK = SmallTraining(steps=60, layers=2, d_model=32, d_mlp=64, duplicates=4, held_out=12, length=16, lr=1e-2)


def test_tokens_follow_the_table_as_often_as_they_should() -> None:
    language = random_language(30, 2, 3, np.random.default_rng(0))
    ids = language.draw(400, 20, np.random.default_rng(1))
    counts = np.zeros(3)
    for row in ids.tolist():
        for first, second, third in zip(row, row[1:], row[2:], strict=False):
            following = language.following[language.kind[first], second].tolist()
            assert third in following
            if len(set(following)) == 3:
                counts[following.index(third)] += 1
    assert counts / counts.sum() == pytest.approx(np.array([6, 3, 2]) / 11, abs=0.02)


def test_repeated_sequences_are_known_and_held_out_ones_are_not() -> None:
    trained = train_small_language_model(QUICK, 1)
    sequences = trained.sequences
    assert sequences.split == (TRAINED,) * 4 + (HELD_OUT,) * 12
    assert sequences.group == (DUPLICATES,) * 4 + (None,) * 12
    nll = np.array([-one.mean() for one in token_scores(trained.model, sequences, whole=False).logprob])
    assert auc(-nll, np.arange(16) < 4) == 1
    assert trained.losses[-10:].mean() < trained.losses[:10].mean()
    assert not any(one.requires_grad for one in trained.model.network.parameters())


def test_the_same_seed_is_the_same_training() -> None:
    quick = SmallTraining(steps=3, layers=1, d_model=16, d_mlp=8)
    first, again, other = (train_small_language_model(quick, seed) for seed in (0, 0, 1))
    assert (first.losses == again.losses).all()
    assert (first.losses != other.losses).all()


def test_gates_are_asked_for_with_the_identity_of_each_row() -> None:
    import torch

    quick = SmallTraining(steps=2, layers=1, d_model=16, d_mlp=8, batch=6, repeated=2)
    asked = []

    def gates_of(identity: np.ndarray) -> dict[str, torch.Tensor]:
        asked.append(identity)
        return {"blocks.0.mlp.hook_post": torch.zeros(6, 8)}

    trained = train_small_language_model(quick, gates_of=gates_of)
    assert [(one[:2] >= 0).all() and (one[2:] == ONCE).all() for one in asked] == [True, True]
    untouched = trained.model.sites[1].reader.weight
    plain = train_small_language_model(quick).model.sites[1].reader.weight
    assert not torch.equal(untouched, plain)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_twenty_duplicates_are_found_among_equally_long_held_out_ones(seed: int) -> None:
    from interp.language.memory import memory_of
    from interp.language.settings import LanguageSettings

    trained = train_small_language_model(seed=seed)
    table = memory_of(trained.model, trained.sequences, LanguageSettings(generate=False)).table
    repeated = np.array([split == TRAINED for split in trained.sequences.split])
    assert repeated.sum() == 20
    assert len(set(trained.sequences.lengths.tolist())) == 1
    for name, sign in (("nll", -1), ("recalled", 1), ("accuracy", 1)):
        area = auc(sign * np.nan_to_num(np.asarray(table[name], float)), repeated)
        assert area is not None
        assert area >= 0.95
