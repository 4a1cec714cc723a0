"""Ablation and rescale curves, doses, single-neuron effects, removals, each with its random control."""

from interp.sweeps.controls import Removal, removal
from interp.sweeps.curves import Sweep, curve
from interp.sweeps.dose import Dose, dose_response
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
    "Dose",
    "Evidence",
    "Question",
    "Removal",
    "SingleEffects",
    "SiteState",
    "Sweep",
    "curve",
    "difference_evidence",
    "dose_response",
    "label_evidence",
    "measure_neurons",
    "removal",
    "single_effects",
    "site_state",
]
