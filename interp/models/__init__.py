"""Hooked models, and the protocol that everything above them relies on."""

from interp.models.adopt import adopt
from interp.models.adopted import Adopted
from interp.models.analytic import PlantedNetwork, analytic_mlp, planted_mlp
from interp.models.attention_only import AttentionOnly
from interp.models.layers import ACTIVATIONS
from interp.models.mlp import HookedMLP, MLPConfig
from interp.models.prompt import Prompt
from interp.models.protocol import HookedModel, NeuronSite, Prefix, neuron_site, prefix_at, split_position
from interp.models.transformer import SmallTransformer, TransformerConfig

__all__ = [
    "ACTIVATIONS",
    "Adopted",
    "AttentionOnly",
    "HookedMLP",
    "HookedModel",
    "MLPConfig",
    "NeuronSite",
    "PlantedNetwork",
    "Prefix",
    "Prompt",
    "SmallTransformer",
    "TransformerConfig",
    "adopt",
    "analytic_mlp",
    "neuron_site",
    "planted_mlp",
    "prefix_at",
    "split_position",
]
