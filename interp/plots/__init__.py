"""Figures from results: every function draws what it is given and returns a Plotly figure.

Plotly is imported when the first figure is drawn.
"""

from interp.plots.ablation import ablation_curve, accuracy_bars, dose_response, unlearning_bars
from interp.plots.coset_indicators import coset_indicators
from interp.plots.dynamics import alignment_curve, animated_scatter, frequency_race, neuron_paths_map
from interp.plots.frequencies import frequency_clusters, harmonics
from interp.plots.networks import (
    accuracy_over,
    gamma_against_ipr,
    gammas_against_ipr,
    ipr_over_checkpoints,
    labels_over_steps,
    memory_over_steps,
    neurons_needed,
    pruning_over_seeds,
)
from interp.plots.neurons import MANY_POINTS, ipr_histogram, neuron_scatter
from interp.plots.pairs import ANSWERS, answer_bars, answer_map, margin_histogram, pair_map
from interp.plots.phase import phase_diagram
from interp.plots.single import neuron_activations, neuron_weights, spectrum_figure
from interp.plots.training import training_curve, trajectory_curves
