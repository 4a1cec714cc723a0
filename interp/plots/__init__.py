"""Figures from results: every function draws what it is given and returns a Plotly figure.

The arguments are duck-typed, so that this is the bottom layer: whatever has the attributes can be drawn.
Plotly is imported when the first figure is drawn.
"""

from interp.plots.ablation import ablation_curve, accuracy_bars
from interp.plots.batch import ipr_over_checkpoints, labels_over_steps
from interp.plots.canvas import LABEL_COLOURS, LABEL_SYMBOLS, NEUTRAL, SPLIT_COLOURS
from interp.plots.frequencies import frequency_clusters, harmonics
from interp.plots.neurons import MANY_POINTS, causal_effect, ipr_histogram, neuron_scatter
from interp.plots.single import neuron_activations, neuron_weights
from interp.plots.training import training_curve, trajectory_curves

__all__ = [
    "LABEL_COLOURS",
    "LABEL_SYMBOLS",
    "MANY_POINTS",
    "NEUTRAL",
    "SPLIT_COLOURS",
    "ablation_curve",
    "accuracy_bars",
    "causal_effect",
    "frequency_clusters",
    "harmonics",
    "ipr_histogram",
    "ipr_over_checkpoints",
    "labels_over_steps",
    "neuron_activations",
    "neuron_scatter",
    "neuron_weights",
    "training_curve",
    "trajectory_curves",
]
