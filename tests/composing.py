"""Networks whose neurons lie in one component of a group each."""

from __future__ import annotations

import numpy as np
import torch

from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig
from probes.finite_group import group_of
from probes.isotypic import Components, components_of


def composing(name: str, width: int = 128, seed: int = 0) -> tuple[HookedMLP, ModularTask]:
    """Weights of each neuron in one component: f(a) by the left operand, f'(b) and their product's for the output.

    Of a square activation the product of a left and a right vector remains; summed over neurons of a component with
    independent vectors the logits grow with the component's share of the class of a b c⁻¹.
    """
    task = ModularTask(f"group:{name}", train_fraction=0.5)
    table = np.empty((task.p, task.p), int)
    data = task.dataset
    table[data.inputs[:, 0], data.inputs[:, 1]] = data.true_labels
    components = components_of(group_of(table))
    generator = np.random.default_rng(seed)
    chosen = generator.integers(1, len(components.sizes), width)
    left, right, output = (np.stack([drawn(components, k, generator) for k in chosen]) for _ in range(3))
    model = HookedMLP(MLPConfig(width=width), vocab=task.p)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.tensor(np.stack([left.T, right.T])))
        model.unembed.W_U.copy_(torch.tensor(output))
    return model, task


def drawn(components: Components, k: int, generator: np.random.Generator) -> np.ndarray:
    part = components.basis[:, components.starts[k] : components.starts[k + 1]]
    return part @ generator.normal(size=part.shape[1])
