"""Scores and labels of neurons: arrays in, arrays out.

Contents:
    spectrum: The one home of Fourier conventions.
    periodicity: How concentrated the spectrum of a vector is.
    activity: The same for activations over the grid of all operand pairs.
    null: What a score looks like for random weights; p-values and false-discovery control.
    features: Every score of a neuron's weight vectors as named columns.
    classifiers: scikit-learn estimators. Loaded on first use, as scikit-learn takes two seconds.
    agreement: Scores and labels against truth. Loaded on first use; its function `agreement.agreement` has
        the name of its module, and is therefore not repeated here.
"""

from typing import TYPE_CHECKING

import lazy_loader

from probes.activity import dead_fraction, explained_by_one_frequency, grid_ipr, grid_power
from probes.features import mean_of_live, score_matrix, weight_features
from probes.null import (
    benjamini_hochberg,
    combine,
    g_statistic,
    g_test,
    null_p_values,
    null_quantile,
    null_scores,
)
from probes.periodicity import entropy, gini, harmonic_share, ipr, peak_share, phase_residual
from probes.spectrum import (
    Convention,
    dominant,
    energy,
    fourier,
    frequencies,
    is_flat,
    peak_frequency,
    phase,
    power,
)

if TYPE_CHECKING:
    from probes.agreement import Agreement, auc, labels_against_truth, rank_correlation
    from probes.classifiers import MixtureLabeller, NeuronProbe, NullThresholdLabeller

__getattr__, _, _ = lazy_loader.attach(
    __name__,
    submodules=["agreement", "classifiers"],
    submod_attrs={
        "agreement": ["Agreement", "auc", "labels_against_truth", "rank_correlation"],
        "classifiers": ["MixtureLabeller", "NeuronProbe", "NullThresholdLabeller"],
    },
)

__all__ = [
    "Agreement",
    "Convention",
    "MixtureLabeller",
    "NeuronProbe",
    "NullThresholdLabeller",
    "auc",
    "benjamini_hochberg",
    "combine",
    "dead_fraction",
    "dominant",
    "energy",
    "entropy",
    "explained_by_one_frequency",
    "fourier",
    "frequencies",
    "g_statistic",
    "g_test",
    "gini",
    "grid_ipr",
    "grid_power",
    "harmonic_share",
    "ipr",
    "is_flat",
    "labels_against_truth",
    "mean_of_live",
    "null_p_values",
    "null_quantile",
    "null_scores",
    "peak_frequency",
    "peak_share",
    "phase",
    "phase_residual",
    "power",
    "rank_correlation",
    "score_matrix",
    "weight_features",
]
