"""Figures from results: every function draws what it is given and returns a Plotly figure.

The arguments are duck-typed, so that this is the bottom layer: whatever has the attributes can be drawn.
Plotly is imported when the first figure is drawn.
"""

from interp.plots.ablation import ablation_curve, accuracy_bars
from interp.plots.accuracy import accuracy_over
from interp.plots.batch import ipr_over_checkpoints, labels_over_steps
from interp.plots.canvas import LABEL_COLOURS, LABEL_SYMBOLS, NEUTRAL, SPLIT_COLOURS
from interp.plots.dose import dose_response
from interp.plots.dynamics import alignment_curve, animated_scatter, frequency_race, neuron_paths_map
from interp.plots.frequencies import frequency_clusters, harmonics
from interp.plots.gamma import gamma_against_ipr, gammas_against_ipr
from interp.plots.neurons import MANY_POINTS, causal_effect, ipr_histogram, neuron_scatter
from interp.plots.pairs import ANSWERS, answer_bars, answer_map, margin_histogram, pair_map
from interp.plots.phase import PHASE_COLOURS, phase_diagram
from interp.plots.pruning import neurons_needed, pruning_over_seeds
from interp.plots.single import neuron_activations, neuron_weights, spectrum_figure
from interp.plots.training import training_curve, trajectory_curves
from interp.plots.unlearning import unlearning_bars

__all__ = [
    "ANSWERS",
    "LABEL_COLOURS",
    "LABEL_SYMBOLS",
    "MANY_POINTS",
    "NEUTRAL",
    "PHASE_COLOURS",
    "SPLIT_COLOURS",
    "ablation_curve",
    "accuracy_bars",
    "accuracy_over",
    "alignment_curve",
    "animated_scatter",
    "answer_bars",
    "answer_map",
    "causal_effect",
    "dose_response",
    "frequency_clusters",
    "frequency_race",
    "gamma_against_ipr",
    "gammas_against_ipr",
    "harmonics",
    "ipr_histogram",
    "ipr_over_checkpoints",
    "labels_over_steps",
    "margin_histogram",
    "neuron_activations",
    "neuron_paths_map",
    "neuron_scatter",
    "neuron_weights",
    "neurons_needed",
    "pair_map",
    "phase_diagram",
    "pruning_over_seeds",
    "spectrum_figure",
    "training_curve",
    "trajectory_curves",
    "unlearning_bars",
]
