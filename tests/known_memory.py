"""A small language model that knows four sequences by the output weights of twelve of its neurons alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from interp.lab.plant.planting import Planting, plant_memory
from interp.language.group_memory import Located, group_memory
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.records import GroupMemory
from interp.language.sequences import Sequences, token_sequences
from interp.language.settings import LanguageSettings
from interp.language.small import small_language_model

KNOWN, UNSEEN = [0, 1, 2, 3], list(range(4, 16))
UNITS = 12


@cache
def known_memory(seed: int = 0) -> tuple[LanguageModel, Sequences, np.ndarray]:
    """The model, sequences of which it knows those of `KNOWN`, and the neurons that hold them."""
    network = small_language_model(vocab=40, d_model=64, d_mlp=64, heads=4, seed=seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "proj" in name or "embed" in name:
                weight.mul_(10)  # so large that neurons differ from token to token
    model = open_language_model(network)
    generator = np.random.default_rng(seed)
    split = ["trained"] * len(KNOWN) + ["control"] * len(UNSEEN)
    sequences = token_sequences(generator.integers(0, 40, (len(split), 12)), split=split)
    units = np.sort(generator.choice(len(model.units()), UNITS, replace=False))
    planted = plant_memory(
        model, sequences.take(KNOWN), units.tolist(), Planting(lr=0.3, steps=300, enough=0.05)
    )
    assert planted.right
    with torch.no_grad():
        for name, weight in planted.weights.items():
            model.weights[name].copy_(weight)
    return model, sequences, units


@cache
def known_group() -> GroupMemory:
    """Where the model's memory is, by its gradients."""
    model, sequences, _ = known_memory()
    located = Located(None, np.array(KNOWN), np.empty(0, dtype=np.int64), np.array(UNSEEN))
    settings = LanguageSettings(methods=("gradient",), shares=(0.05, 0.1))
    return group_memory(model, sequences, located, settings)
