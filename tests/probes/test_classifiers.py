"""Every classifier against scikit-learn's own contract, and on neurons whose kind is known."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from probes.classifiers import MixtureLabeller, NeuronProbe, NullThresholdLabeller
from probes.features import weight_features
from probes.null import null_scores

CLASSIFIERS = [NullThresholdLabeller(n_draws=500), MixtureLabeller(), NeuronProbe()]
"""Add a classifier here and it is held to the contract."""


@parametrize_with_checks(CLASSIFIERS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def iprs(n_periodic: int = 40, n_random: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """IPRs of periodic neurons in front of random ones, and which are periodic."""
    generator = np.random.default_rng(seed)
    vectors = [generator.normal(size=(n_periodic + n_random, 97)) for _ in range(3)]
    wave = 2 * np.pi * np.outer(generator.integers(1, 49, n_periodic), np.arange(97)) / 97
    for vector in vectors:
        vector[:n_periodic] = 2 * np.cos(wave) + 0.5 * vector[:n_periodic]
    columns = weight_features(vectors)
    X = np.stack([columns[f"ipr_{i}"] for i in range(3)], axis=1)
    return X, np.arange(len(X)) < n_periodic


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_known_neurons_are_told_apart(classifier):
    X, periodic = iprs()
    fitted = clone(classifier).fit(X, periodic.astype(int))
    unseen, truth = iprs(seed=1)
    assert (fitted.predict(unseen) == truth).mean() > 0.98
    if hasattr(fitted, "labels_"):
        np.testing.assert_array_equal(fitted.labels_, fitted.predict(X))
    if hasattr(fitted, "predict_proba"):
        np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1)


def test_null_labeller_controls_false_discoveries():
    X, periodic = iprs(n_periodic=20, n_random=980)
    labels = NullThresholdLabeller(alpha=0.05).fit_predict(X)
    assert labels[periodic].all()
    assert (labels[~periodic] == 1).sum() <= 4
    random, _ = iprs(n_periodic=0, n_random=500)
    labeller = NullThresholdLabeller().fit(random)
    assert labeller.threshold_ == np.inf
    assert labeller.labels_.sum() == labeller.predict(random).sum() == 0


def test_null_labeller_leaves_dead_vectors_out():
    X, _ = iprs()
    X[0, 1], X[1] = np.nan, np.nan
    labeller = NullThresholdLabeller().fit(X)
    assert labeller.labels_[[0, 1]].tolist() == labeller.predict(X)[[0, 1]].tolist() == [1, 0]
    assert np.isnan(labeller.p_values_).sum() == 1
    assert (labeller.p_values_[1:][labeller.labels_[1:] == 1] < 0.01).all()


def test_null_labeller_uses_its_settings():
    X, _ = iprs()
    null = null_scores((31,) * 3, n_draws=200, seed=3)
    labeller = NullThresholdLabeller(p=31, n_draws=200, random_state=3).fit(X)
    expected = [(1 + (null >= score).sum()) / 201 for score in X.mean(1)]
    np.testing.assert_allclose(labeller.p_values_, expected)
    for seed in (None, np.random.RandomState(0)):
        assert NullThresholdLabeller(n_draws=200, random_state=seed).fit(X).labels_.shape == (200,)
    with pytest.raises(ValueError, match="alpha=0"):
        NullThresholdLabeller(alpha=0).fit(X)
    with pytest.raises(ValueError, match=r"n_positions=\(1, 1, 1\)"):
        NullThresholdLabeller(p=1).fit(X)


def test_mixture_orders_its_components_and_measures_their_distance():
    X, periodic = iprs()
    labeller = MixtureLabeller().fit(X)
    assert (labeller.means_[0] < labeller.means_[1]).all()
    assert labeller.bic_gain_ > 0
    low, high = X[~periodic, 0], X[periodic, 0]
    ashman = np.sqrt(2) * (high.mean() - low.mean()) / np.sqrt(high.var() + low.var())
    assert labeller.separation_ == pytest.approx(ashman, rel=0.02)
    np.testing.assert_allclose(labeller.means_, [X[~periodic].mean(0), X[periodic].mean(0)], rtol=0.02)
    one = np.random.default_rng(0).normal(size=(300, 2))
    assert MixtureLabeller().fit(one).bic_gain_ < 0


def test_probe_is_a_standardised_logistic_regression():
    X, periodic = iprs()
    probe = NeuronProbe(C=0.5, class_weight="balanced").fit(X, periodic)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight="balanced"))
    pipeline.fit(X, periodic)
    np.testing.assert_allclose(probe.predict_proba(X), pipeline.predict_proba(X), atol=1e-5)
    assert probe.coef_.shape == (1, 3)
    assert probe.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(probe.decision_function(X) > 0, probe.predict(X))
