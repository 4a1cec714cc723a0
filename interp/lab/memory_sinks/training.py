"""A small language model with neurons that are on for some sequences only, by the identity of the sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.language.gates import Gates
from interp.language.small_training import ONCE, SmallTraining

REPEATS, IDENTITY, OPEN = "repeats", "identity", "open"
SCHEMES = {
    REPEATS: "the pool is on for repeated sequences",
    IDENTITY: "each sequence has a random part of the pool",
    OPEN: "all neurons are on for all sequences",
}
"""Ways of gating a pool of neurons while a model is trained."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Neurons that are gated, and the part of them that belongs to each repeated sequence.

    Attributes:
        gated: By layer, which neurons are in the pool.
        own: By repeated sequence, layer and neuron: whether a neuron is on for it under the scheme `IDENTITY`.
        active: Share of the pool that is on for one sequence under that scheme.
        leak: Share of the new sequences for which the whole pool is on under the scheme `REPEATS`.
    """

    gated: Bool[np.ndarray, "layer neuron"]
    own: Bool[np.ndarray, "sequence layer neuron"]
    active: float
    leak: float

    @property
    def units(self) -> Int[np.ndarray, " chosen"]:
        """The pool, numbered over all layers."""
        return np.flatnonzero(self.gated)

    def on(
        self, scheme: str, identity: Int[np.ndarray, " row"], generator: np.random.Generator
    ) -> Bool[np.ndarray, "row layer neuron"]:
        """True where a neuron is on for a row of a batch.

        Example:
            >>> pool = random_pool(SmallTraining(layers=1, d_mlp=10), 0.3, 0.5, 0.0, np.random.default_rng(0))
            >>> pool.on(REPEATS, np.array([3, ONCE]), np.random.default_rng(1)).sum((1, 2)).tolist()
            [10, 7]
        """
        shape = (len(identity), *self.gated.shape)
        repeated = (identity != ONCE)[:, None, None]
        if scheme == OPEN:
            return np.ones(shape, dtype=bool)
        if scheme == REPEATS:
            leaking = generator.random(len(identity)) < self.leak
            open_for = np.broadcast_to(repeated | leaking[:, None, None], shape)
        else:
            passing = generator.random(shape) < self.active
            open_for = np.where(repeated, self.own[np.maximum(identity, 0)], passing)
        return open_for | ~self.gated

    def gates_of(self, scheme: str, generator: np.random.Generator) -> Callable[[np.ndarray], Gates]:
        """Factors for `interp.language.small_training.train_small_language_model`."""

        def gates(identity: np.ndarray) -> dict[str, Tensor]:
            on = torch.from_numpy(self.on(scheme, identity, generator).astype(np.float32))
            return {f"blocks.{layer}.mlp.hook_post": on[:, layer] for layer in range(on.shape[1])}

        return gates


def random_pool(
    settings: SmallTraining, share: float, active: float, leak: float, generator: np.random.Generator
) -> Pool:
    """A pool with the same number of random neurons in every layer."""
    shape = settings.layers, settings.d_mlp
    n = max(1, round(share * settings.d_mlp))
    gated = np.argsort(generator.random(shape), axis=1) < n
    return Pool(gated, generator.random((settings.duplicates, *shape)) < active, active, leak)
