"""Outputs of units moved between two checkpoints: against networks whose last MLP layer is computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import loud
from torch.nn.functional import cross_entropy

from interp.errors import ConfigError
from interp.language.opening import open_language_model
from interp.language.small import small_language_model
from interp.language.stored_facts import transplant_effects, transplanted

SEQUENCES = random_sequences(9, 4, 7, 6)


def two(step: float) -> tuple[object, object]:
    """A network, and one whose weights are a random step away."""
    one, other = loud("llama"), loud("llama")
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in other.parameters():
            weight += step * weight.std() * torch.randn(weight.shape, generator=generator)
    return one, other


def by_hand(receiver: object, donor: object, chosen: dict[int, list[int]]) -> np.ndarray:
    """Log probabilities with hooks on the layers that read the neurons, and donors' weights in a copied matrix."""

    def reading(into: list[torch.Tensor]) -> Callable[..., None]:
        return lambda _, args, out: into.append(args[0])

    def writing(theirs: torch.Tensor, module: torch.nn.Linear, own: list[int]) -> Callable[..., torch.Tensor]:
        def hook(layer: torch.nn.Linear, args: tuple[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
            acts, weight = args[0].clone(), layer.weight.clone()
            acts[..., own], weight[:, own] = theirs[..., own], module.weight[:, own]
            return acts @ weight.T

        return hook

    values = []
    for row, ids in enumerate(map(torch.from_numpy, SEQUENCES.ids)):
        start, handles = int(SEQUENCES.prompt[row]), []
        for layer, own in chosen.items():
            kept: list[torch.Tensor] = []
            their = donor.model.layers[layer].mlp.down_proj
            handle = their.register_forward_hook(reading(kept))
            donor(ids[None])
            handle.remove()
            reader = receiver.model.layers[layer].mlp.down_proj
            handles.append(reader.register_forward_hook(writing(kept[0], their, own)))
        logits = receiver(ids[None]).logits[0]
        values.append(-float(cross_entropy(logits[start - 1 : -1], ids[start:])))
        for handle in handles:
            handle.remove()
    return np.array(values)


@torch.no_grad()
def test_transplanted_outputs_are_those_of_a_pass_by_hand() -> None:
    one, other = two(0.5)
    receiver, donor = open_language_model(one), open_language_model(other)
    width = receiver.units().sites[0].n_units
    sets = [[], [3, 5], [1, width + 2, width + 7], list(range(2 * width))]
    result = transplanted(receiver, donor, SEQUENCES, sets)
    layers = [{}, {0: [3, 5]}, {0: [1], 1: [2, 7]}, {0: list(range(width)), 1: list(range(width))}]
    for row, chosen in enumerate(layers):
        assert np.allclose(result[row], by_hand(one, other, chosen), atol=1e-5)
    assert np.allclose(transplanted(receiver, donor, SEQUENCES, [[]])[0], result[0], atol=1e-6)
    assert np.abs(result[3] - result[0]).max() > 1e-2


def test_small_steps_have_the_effects_of_first_order() -> None:
    receiver, donor = (open_language_model(one) for one in two(1e-3))
    effects = transplant_effects(receiver, donor, SEQUENCES)
    order = np.argsort(-np.abs(effects).mean(0))[:6]
    plain, *exact = transplanted(receiver, donor, SEQUENCES, [[], *([unit] for unit in order.tolist())])
    gains = np.stack(exact) - plain
    assert np.allclose(gains, effects[:, order].T, rtol=0.05, atol=2e-6)


def test_networks_of_other_sizes_are_refused() -> None:
    one, other = (open_language_model(small_language_model(d_mlp=size)) for size in (8, 12))
    with pytest.raises(ConfigError, match="two checkpoints of one network"):
        transplanted(one, other, SEQUENCES, [[0]])
