"""scikit-learn estimators that turn a score matrix into labels: 1 periodic, 0 not.

Their constructors store whatever they are given, and `fit` checks it, as scikit-learn asks; hence the `Any`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from probes.features import mean_of_live
from probes.null import benjamini_hochberg, null_p_values, null_scores


class NullThresholdLabeller(BaseEstimator):
    """Calls a neuron periodic when its IPR is higher than random weights explain.

    X holds the IPRs of each neuron's vectors (default `probes.spectrum.Convention`, all of length p); a
    neuron's score is the mean of its row, over the vectors that are not nan. Unsupervised; y is ignored.
    Not periodic does not mean memorising: a dead neuron is not periodic either.

    Args:
        p: Number of positions of each vector.
        alpha: False-discovery rate over neurons (Benjamini-Hochberg), in (0, 1).
        n_draws: Monte Carlo draws of the null. Fewer than N / (alpha n_draws) periodic neurons among N
            cannot be told from chance.
        random_state: Seed of the draws.

    Attributes:
        p_values_: Monte Carlo p-value of each neuron, nan where all its vectors are dead.
        threshold_: The lowest score that is called periodic; infinite if none is.
        labels_: 1 or 0 for each neuron.

    Raises:
        ValueError: On fit, p or alpha is out of range.

    Example:
        >>> iprs = np.array([[0.04, 0.05, 0.04]] * 30 + [[0.9, 0.8, 0.9]] * 10)
        >>> int(NullThresholdLabeller(p=97).fit(iprs).labels_.sum())
        10
    """

    def __init__(self, p: Any = 97, alpha: Any = 0.01, n_draws: Any = 20_000, random_state: Any = 0) -> None:
        self.p, self.alpha, self.n_draws, self.random_state = p, alpha, n_draws, random_state

    def fit(self, X: Any, y: Any = None) -> NullThresholdLabeller:
        """Compare the neurons with the null; see the class for what is learned."""
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        if not 0 < self.alpha < 1:
            raise ValueError(
                f"alpha={self.alpha} is no false-discovery rate; expected a number between 0 and 1"
            )
        scores = mean_of_live(list(X.T))
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31 - 1)
        null = null_scores((self.p,) * X.shape[1], n_draws=self.n_draws, seed=int(seed))
        self.p_values_ = null_p_values(scores, null)
        periodic = benjamini_hochberg(self.p_values_) <= self.alpha
        self.threshold_ = float(scores[periodic].min()) if periodic.any() else np.inf
        self.labels_ = periodic.astype(np.int64)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """1 where the mean of the row reaches `threshold_`, else 0; ``(neuron,)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return (mean_of_live(list(X.T)) >= self.threshold_).astype(np.int64)

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """`fit`, then `labels_`."""
        return self.fit(X).labels_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class MixtureLabeller(ClusterMixin, BaseEstimator):
    """Splits neurons into two Gaussian clusters; 1 is the one whose first feature is higher.

    It always finds two clusters, so look at `bic_gain_` before believing that there are two. Dead neurons
    have nan scores and must be left out.

    Args:
        random_state: Of the k-means that starts the fit.

    Attributes:
        means_: Mean of each cluster, ``(2, feature)``.
        labels_: 1 or 0 for each neuron.
        separation_: Ashman's D (1994) of the first feature, 0 or more; above 2 the two are cleanly apart.
        bic_gain_: Bayesian information criterion of one cluster minus that of two; positive favours two.
        mixture_: The fitted `sklearn.mixture.GaussianMixture`, its components in order.

    Example:
        >>> X = np.random.default_rng(0).normal([[0.04], [0.85]] * 50, 0.02)
        >>> labeller = MixtureLabeller().fit(X)
        >>> labeller.labels_[:4].tolist(), labeller.bic_gain_ > 0
        ([0, 1, 0, 1], True)
    """

    def __init__(self, random_state: Any = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MixtureLabeller:
        """Fit the two clusters; y is ignored."""
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        mixture = GaussianMixture(2, max_iter=500, random_state=self.random_state).fit(X)
        order = np.argsort(mixture.means_[:, 0], kind="stable")
        for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
            setattr(mixture, name, getattr(mixture, name)[order])
        self.mixture_ = mixture
        self.means_ = mixture.means_
        low, high = mixture.means_[:, 0]
        self.separation_ = float((high - low) * np.sqrt(2 / mixture.covariances_[:, 0, 0].sum()))
        single = GaussianMixture(1, random_state=self.random_state).fit(X)
        self.bic_gain_ = float(single.bic(X) - mixture.bic(X))
        self.labels_ = mixture.predict(X).astype(np.int64)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The more likely cluster of each neuron; ``(neuron,)``."""
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each cluster, ``(neuron, 2)``; rows sum to 1."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.mixture_.predict_proba(X)


class NeuronProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on standardised scores, for neurons whose kind is known (of a planted network).

    Assumes a linear boundary; a probe fitted on one network need not fit another: hold one out.

    Args:
        C: Inverse strength of the L2 penalty, above 0.
        class_weight: None, or ``"balanced"`` for kinds of very different frequency.
        max_iter: Limit of the optimiser's iterations.

    Attributes:
        classes_: The kinds, sorted.
        coef_: Weight of each standardised score, ``(1, feature)`` for two kinds, else ``(kind, feature)``.
        intercept_: One or one for each kind.
        scaler_, model_: The fitted standardisation and regression.

    Example:
        >>> X, y = np.array([[0.1], [0.2], [0.8], [0.9]]), ["memorising"] * 2 + ["periodic"] * 2
        >>> NeuronProbe().fit(X, y).predict([[0.15], [0.7]]).tolist()
        ['memorising', 'periodic']
    """

    def __init__(self, C: Any = 1.0, class_weight: Any = None, max_iter: Any = 1000) -> None:
        self.C, self.class_weight, self.max_iter = C, class_weight, max_iter

    def fit(self, X: Any, y: Any) -> NeuronProbe:
        """Learn the kinds y of the neurons X."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        self.scaler_ = StandardScaler().fit(X)
        self.model_ = LogisticRegression(C=self.C, class_weight=self.class_weight, max_iter=self.max_iter)
        self.model_.fit(self.scaler_.transform(X), y)
        for name in ("classes_", "coef_", "intercept_", "n_iter_"):
            setattr(self, name, getattr(self.model_, name))
        return self

    def _scaled(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.scaler_.transform(validate_data(self, X, dtype=np.float64, reset=False))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable kind of each neuron; ``(neuron,)``."""
        scaled = self._scaled(X)
        return self.model_.predict(scaled)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each of `classes_`, ``(neuron, kind)``; rows sum to 1."""
        scaled = self._scaled(X)
        return self.model_.predict_proba(scaled)

    def decision_function(self, X: Any) -> np.ndarray:
        """Signed distance from the boundary; above 0 for the second of two kinds."""
        scaled = self._scaled(X)
        return self.model_.decision_function(scaled)
