"""The ridge probe, against scikit-learn's ridge regression and on both sides of its choice of system."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from probes.ridge_probe import ridge_probe


@pytest.mark.parametrize("neurons", [5, 80])
def test_scores_are_those_of_ridge_regression(neurons: int) -> None:
    numbers = np.random.default_rng(0)
    fitted, tested = numbers.normal(2, 3, (40, neurons)), numbers.normal(2, 3, (7, neurons))
    fitted[:, 0] = 4.0  # constant: it has no part
    labels = numbers.integers(4, size=40)
    live = slice(1, None)
    mean, spread = fitted[:, live].mean(0), fitted[:, live].std(0)
    model = Ridge(alpha=0.05 * 40).fit((fitted[:, live] - mean) / spread, np.eye(4)[labels])
    expected = model.predict((tested[:, live] - mean) / spread)
    np.testing.assert_allclose(ridge_probe(fitted, labels, tested, 4, penalty=0.05), expected, atol=1e-9)


def test_what_cannot_be_fitted_is_refused() -> None:
    activations, labels = np.zeros((3, 2)), np.array([0, 1, 3])
    with pytest.raises(ValueError, match="labels run from 0 to 3; expected 0 to 2"):
        ridge_probe(activations, labels, activations, 3)
    with pytest.raises(ValueError, match="expected both above 0"):
        ridge_probe(activations, labels, activations, 4, penalty=0.0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        ridge_probe(activations + np.nan, labels, activations, 4)
