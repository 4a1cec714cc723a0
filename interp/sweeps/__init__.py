"""Ablation and rescale curves, single-neuron effects, removals, each with its random control."""

from interp.sweeps.controls import Removal, removal
from interp.sweeps.curves import Sweep, curve
from interp.sweeps.effects import Evidence, SingleEffects, difference_evidence, label_evidence, single_effects
from interp.sweeps.state import SiteState, site_state

__all__ = [
    "Evidence",
    "Removal",
    "SingleEffects",
    "SiteState",
    "Sweep",
    "curve",
    "difference_evidence",
    "label_evidence",
    "removal",
    "single_effects",
    "site_state",
]
