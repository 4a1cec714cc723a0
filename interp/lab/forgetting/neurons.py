"""Changes of generalizing and memorizing neurons by forgetting, beside fine-tuning as long on the true labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from interp.lab.forgetting.skills import Examples, GatedNetwork, subject_of_skill
from probes.periodicity import ipr
from probes.spectrum import power

KINDS = ("generalizing", "memorizing")
FEWEST = 5
"""Neurons of a kind from which its mean is taken."""


@dataclass(frozen=True, eq=False)
class Moved:
    """Changes of every neuron of an operation.

    Attributes:
        labels: Of `interp.score`, before.
        weights: Length of the change of a neuron's weights, as a share of their length before.
        effect: Change of its mean contribution to the true answer of held-out examples, in logits, without sign.
    """

    labels: np.ndarray
    weights: Float[np.ndarray, " neuron"]
    effect: Float[np.ndarray, " neuron"]

    def mean(self, quantity: str, kind: str) -> float | None:
        """Mean over the neurons of a kind; None if there are fewer than `FEWEST`."""
        own = getattr(self, quantity)[self.labels == kind]
        return float(own.mean()) if len(own) >= FEWEST else None


def vectors(network: GatedNetwork, skill: int) -> Float[np.ndarray, "neuron weight"]:
    """Weights of every neuron: of both operands, its factor for the operation, and its readout."""
    gate = network.gate.weight[skill][:, None]
    with torch.no_grad():
        return torch.cat([network.a.weight.T, network.b.weight.T, gate, network.out.weight.T], 1).numpy()


def contributions(network: GatedNetwork, examples: Examples, skill: int) -> Float[np.ndarray, " neuron"]:
    """Mean contribution of each neuron to the true answer's logit above the mean logit, of held-out examples."""
    rows = examples.rows(skill, "held_out")
    with torch.no_grad():
        readout = network.out.weight - network.out.weight.mean(0)
        return (network.hidden(examples.inputs[rows]) * readout[examples.true[rows]]).mean(0).numpy()


def moved(
    before: GatedNetwork, after: GatedNetwork, examples: Examples, skill: int, labels: np.ndarray
) -> Moved:
    """Changes of every neuron between two networks."""
    old, new = (vectors(one, skill) for one in (before, after))
    effects = [contributions(one, examples, skill) for one in (before, after)]
    weights = np.linalg.norm(new - old, axis=1) / np.linalg.norm(old, axis=1)
    return Moved(labels, weights, np.abs(effects[1] - effects[0]))


def labels_of(network: GatedNetwork, examples: Examples, skill: int, seed: int) -> np.ndarray:
    """The neurons' labels, as of `interp.score`."""
    return np.asarray(subject_of_skill(network, examples, skill, seed).table["label"])


def periodicity(network: GatedNetwork, skill: int) -> Float[np.ndarray, " neuron"]:
    """Inverse participation ratio of the operands' weights and the readout in their natural order, mean of the three.

    Example:
        >>> network = GatedNetwork(7, 4, 5, torch.Generator().manual_seed(0))
        >>> periodicity(network, 0).shape
        (5,)
    """
    with torch.no_grad():
        matrices = [network.a.weight.T, network.b.weight.T, network.out.weight.T]
        return np.mean([ipr(power(one.double().numpy())) for one in matrices], axis=0)
