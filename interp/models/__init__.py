"""Hooked models, and the protocol that everything above them relies on."""

from interp.models.analytic import PlantedNetwork, analytic_mlp, planted_mlp
from interp.models.layers import ACTIVATIONS
from interp.models.mlp import HookedMLP, MLPConfig
from interp.models.protocol import HookedModel, NeuronSite, neuron_site

__all__ = [
    "ACTIVATIONS",
    "HookedMLP",
    "HookedModel",
    "MLPConfig",
    "NeuronSite",
    "PlantedNetwork",
    "analytic_mlp",
    "neuron_site",
    "planted_mlp",
]
