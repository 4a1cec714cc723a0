"""Scores and labels of neurons: arrays in, arrays out.

Contents:
    spectrum: The one home of Fourier conventions.
    periodicity: How concentrated the spectrum of a vector is.
    activity: The same for activations over the grid of all operand pairs.
    null: What a score looks like for random weights; p-values and false-discovery control.
    logits: Waves in the logits of all operand pairs, and what tells Clock from Pizza networks.
    stages: Stages and change points of a training run.
    paths: When single neurons became periodic, and how their phases align, over a training run.
    features: Every score of a neuron's weight vectors as named columns.
    classifiers: scikit-learn estimators. Loaded on first use, as scikit-learn takes two seconds.
    agreement: Scores and labels against truth. Loaded on first use; its function `agreement.agreement` has
        the name of its module, and is therefore not repeated here.
"""

from typing import TYPE_CHECKING

import lazy_loader

from probes.activity import (
    best_frequency,
    dead_fraction,
    explained_by_one_frequency,
    explained_by_sum,
    frequency_clusters,
    frequency_profile,
    grid_ipr,
    grid_power,
    grid_scores,
    with_harmonics,
)
from probes.dft import Transform, real_dft
from probes.features import score_matrix, weight_features
from probes.joint import joint_scores, mean_of_live
from probes.logits import (
    cross_entropy,
    distance_irrelevance,
    excluded,
    gradient_symmetricity,
    key_frequencies,
    logit_profile,
    restricted,
    spectrum_gini,
    spectrum_norms,
    sum_variance_explained,
)
from probes.null import (
    benjamini_hochberg,
    combine,
    g_statistic,
    g_test,
    null_p_values,
    null_quantile,
    null_scores,
)
from probes.paths import Alignment, NeuronPaths, alignment, neuron_paths, rayleigh_p, waves_of
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
from probes.stages import Stage, change_point, find_stages

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
    "Alignment",
    "Convention",
    "MixtureLabeller",
    "NeuronPaths",
    "NeuronProbe",
    "NullThresholdLabeller",
    "Stage",
    "Transform",
    "alignment",
    "auc",
    "benjamini_hochberg",
    "best_frequency",
    "change_point",
    "combine",
    "cross_entropy",
    "dead_fraction",
    "distance_irrelevance",
    "dominant",
    "energy",
    "entropy",
    "excluded",
    "explained_by_one_frequency",
    "explained_by_sum",
    "find_stages",
    "fourier",
    "frequencies",
    "frequency_clusters",
    "frequency_profile",
    "g_statistic",
    "g_test",
    "gini",
    "gradient_symmetricity",
    "grid_ipr",
    "grid_power",
    "grid_scores",
    "harmonic_share",
    "ipr",
    "is_flat",
    "joint_scores",
    "key_frequencies",
    "labels_against_truth",
    "logit_profile",
    "mean_of_live",
    "neuron_paths",
    "null_p_values",
    "null_quantile",
    "null_scores",
    "peak_frequency",
    "peak_share",
    "phase",
    "phase_residual",
    "power",
    "rank_correlation",
    "rayleigh_p",
    "real_dft",
    "restricted",
    "score_matrix",
    "spectrum_gini",
    "spectrum_norms",
    "sum_variance_explained",
    "waves_of",
    "weight_features",
    "with_harmonics",
]
