"""The linear probe of parts: what it reads, what it does not, and groups that are held out together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probes.index_probe import decode_parts


def facts(n: int = 240, noise: float = 0.3) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Activations that hold subject and relation in random directions, and nothing of a third part."""
    numbers = np.random.default_rng(0)
    parts = {
        "subject": np.arange(n) % 6,
        "relation": numbers.integers(4, size=n),
        "other": numbers.integers(3, size=n),
    }
    directions = {"subject": numbers.normal(size=(6, 20)), "relation": numbers.normal(size=(4, 20))}
    activations = sum(directions[name][parts[name]] for name in directions)
    return activations + noise * numbers.normal(size=(n, 20)), parts


def test_parts_that_are_there_are_read_and_others_are_not() -> None:
    decoded = decode_parts(*facts())
    for name in ("subject", "relation"):
        assert decoded[name].accuracy > 0.95
        assert decoded[name].p_value == 0.05
        assert abs(decoded[name].shuffled - 1 / len(np.unique(facts()[1][name]))) < 0.06
    assert decoded["other"].accuracy < 0.45
    assert decoded["other"].p_value > 0.05


def test_accuracy_is_that_of_folds_by_hand() -> None:
    activations, parts = facts(60)
    groups = np.arange(60) % 5
    right = []
    for fold in range(5):
        fitted, held = groups != fold, groups == fold
        mean, spread = activations[fitted].mean(0), activations[fitted].std(0)
        probe = LogisticRegression(max_iter=1000).fit(
            (activations[fitted] - mean) / spread, parts["subject"][fitted]
        )
        right.append(probe.predict((activations[held] - mean) / spread) == parts["subject"][held])
    decoded = decode_parts(activations, {"subject": parts["subject"]}, groups=groups, n_shuffles=1)
    assert decoded["subject"].accuracy == pytest.approx(np.concatenate(right).mean())


def test_wordings_of_one_fact_do_not_leak() -> None:
    numbers = np.random.default_rng(1)
    fact = np.repeat(np.arange(40), 5)
    value = numbers.integers(4, size=40)[fact]
    activations = numbers.normal(size=(40, 30))[fact] + 0.05 * numbers.normal(
        size=(200, 30)
    )  # of facts, not of values
    leaking = decode_parts(activations, {"value": value}, n_shuffles=3)["value"].accuracy
    honest = decode_parts(activations, {"value": value}, groups=fact, n_shuffles=3)["value"].accuracy
    assert leaking > 0.9
    assert honest < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": np.zeros(60, int)}, "of 1 kinds"),
        ({"part": np.r_[np.zeros(58, int), 1, 1]}, "part=.*1.* occurs 2 times; expected 5"),
    ],
)
def test_parts_that_cannot_be_probed_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_parts(facts(60)[0], change)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        decode_parts(np.full((60, 2), np.nan), {"part": np.arange(60) % 3})
