"""Learnt factors: kept where a memory needs them, the same for the same seed."""

from functools import partial

import numpy as np
import pytest
from planted_memory import COUNT, PLANTED, planted

from interp.language.masks import MaskSettings, hard_concrete, slimming

MASKS = {"slimming": slimming, "hard-concrete": hard_concrete}
SETTINGS = MaskSettings(steps=40, gate_penalty=300.0)


@pytest.mark.parametrize("name", MASKS)
def test_neurons_that_hold_a_sequence_are_kept(name: str) -> None:
    model, sequences, chosen = planted()
    scores = MASKS[name](model, sequences.take(PLANTED), SETTINGS)
    assert scores.shape == (len(model.units()),)
    assert np.isin(chosen, np.argsort(-scores)[: 2 * COUNT]).mean() >= 0.6


@pytest.mark.parametrize("name", MASKS)
def test_results_follow_from_the_seed_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.language.gradients.TOKENS", 8)  # one sequence a batch, so that order matters
    model, sequences, _ = planted()
    run = partial(MASKS[name], model, sequences.take(PLANTED), MaskSettings(steps=4))
    assert np.array_equal(run(seed=1), run(seed=1))
    assert not np.array_equal(run(seed=1), run(seed=2))


def test_factors_stay_between_0_and_1_and_heads_have_them_too() -> None:
    model, sequences, _ = planted()
    done: list[int] = []
    scores = slimming(
        model, sequences.take(PLANTED), MaskSettings(steps=5, learning_rate=0.5), kind="heads",
        report=lambda n, note="": done.append(n),
    )  # fmt: skip
    assert len(scores) == len(model.units("heads"))
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert done == [1, 2, 3, 4, 5]


def test_the_penalty_alone_lets_all_units_go() -> None:
    model, sequences, _ = planted()
    strong = MaskSettings(steps=20, learning_rate=0.1, penalty=1e9, gate_rate=1.0, gate_penalty=1e9)
    for run in MASKS.values():
        scores = run(model, sequences.take(PLANTED), strong)
        assert np.ptp(scores) < 0.05 * max(1.0, np.abs(scores).max())
