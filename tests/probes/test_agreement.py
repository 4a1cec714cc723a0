"""Areas, intervals and correlations against plain loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from probes.agreement import Agreement, agreement, auc, rank_correlation

NUMBERS = st.integers(-5, 5).map(float) | st.just(np.nan) | st.just(np.inf)


def neurons(n: int = 200, shift: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, higher by `shift` for the positive third."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 1 / 3
    return (generator.normal(size=n) + shift * positive).round(1), positive


@given(arrays(np.float64, 12, elements=NUMBERS), arrays(np.bool_, 12))
def test_auc_counts_pairs(score, positive):
    high = [s for s, y in zip(score, positive, strict=True) if y and not np.isnan(s)]
    low = [s for s, y in zip(score, positive, strict=True) if not y and not np.isnan(s)]
    found = agreement(score, positive, n_boot=20)
    assert (found.n_positive, found.n_negative) == (len(high), len(low))
    if not high or not low:
        assert auc(score, positive) is None
        assert found == Agreement(None, None, None, len(high), len(low))
        return
    wins = sum((h > s) + 0.5 * (h == s) for h in high for s in low)
    assert auc(score, positive) == found.auc == pytest.approx(wins / len(high) / len(low))
    assert 0 <= found.low <= found.high <= 1


def test_interval_agrees_with_a_plain_bootstrap():
    score, positive = neurons()
    found = agreement(score, positive, n_boot=4000)
    generator, areas = np.random.default_rng(9), []
    high, low = score[positive], score[~positive]
    for _ in range(1500):
        one, other = generator.choice(high, (len(high), 1)), generator.choice(low, len(low))
        areas.append(((one > other) + 0.5 * (one == other)).mean())
    np.testing.assert_allclose([found.low, found.high], np.quantile(areas, [0.025, 0.975]), atol=0.008)
    assert found.auc == pytest.approx(roc_auc_score(positive, score))


def test_interval_depends_on_confidence_and_seed_alone(monkeypatch):
    score, positive = neurons()
    assert agreement(score, positive) == agreement(score, positive)
    assert agreement(score, positive) != agreement(score, positive, seed=1)
    wide, narrow = agreement(score, positive, confidence=0.99), agreement(score, positive, confidence=0.5)
    assert wide.low < narrow.low < wide.auc < narrow.high < wide.high
    monkeypatch.setattr("probes.agreement.CHUNK", 1000)
    chunked = agreement(score, positive)
    assert [chunked.low, chunked.high] == pytest.approx(
        [agreement(score, positive).low, agreement(score, positive).high]
    )
    assert chunked.low == pytest.approx(wide.low, abs=0.05)


def test_interval_covers_the_truth():
    true = 0.7602  # P(N(1,1) > N(0,1)) = Phi(1/sqrt 2)
    found = [agreement(*neurons(seed=seed), n_boot=200) for seed in range(60)]
    assert sum(f.low <= true <= f.high for f in found) >= 51


@given(arrays(np.float64, 9, elements=NUMBERS), arrays(np.float64, 9, elements=NUMBERS))
def test_rank_correlation_is_pearson_of_ranks(x, y):
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if not (np.isnan(a) or np.isnan(b))]
    found = rank_correlation(x, y, n_boot=20)
    if len(pairs) < 3 or len({a for a, _ in pairs}) < 2 or len({b for _, b in pairs}) < 2:
        assert (found.rho, found.low, found.high) == (None, None, None)
        return

    def ranks(values):
        return [sum(w < v for w in values) + (sum(w == v for w in values) - 1) / 2 for v in values]

    expected = np.corrcoef(ranks([a for a, _ in pairs]), ranks([b for _, b in pairs]))[0, 1]
    assert found.rho == pytest.approx(expected)
    assert -1 <= found.rho <= 1
    assert rank_correlation(x, y, n_boot=0).low is None


def test_wrong_arguments_are_named():
    score, positive = neurons(10)
    with pytest.raises((ValueError, TypeError), match="9"):  # a TypeError where shapes are type-checked
        auc(score[:9], positive)
    with pytest.raises((ValueError, TypeError), match="9"):  # a TypeError where shapes are type-checked
        rank_correlation(score[:9], score)
    for arguments in ({"n_boot": 0}, {"confidence": 1.0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            agreement(score, positive, **arguments)
