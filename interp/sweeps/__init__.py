"""Ablation and rescale curves, single-neuron effects, removals, each with its random control."""

from interp.sweeps.controls import Removal, removal
from interp.sweeps.curves import Sweep, curve
from interp.sweeps.effects import (
    Evidence,
    Question,
    SingleEffects,
    difference_evidence,
    label_evidence,
    measure_neurons,
    single_effects,
)
from interp.sweeps.state import SiteState, site_state

__all__ = [
    "Evidence",
    "Question",
    "Removal",
    "SingleEffects",
    "SiteState",
    "Sweep",
    "curve",
    "difference_evidence",
    "label_evidence",
    "measure_neurons",
    "removal",
    "single_effects",
    "site_state",
]
