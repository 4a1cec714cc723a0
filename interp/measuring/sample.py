"""A random part of the examples, each group in proportion, on which controls of large networks are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS

FEWEST_OF_GROUP = 2_000
"""Examples of each group that are in it at least."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the examples.

    Attributes:
        rows: Their indices; None if they are all.
        drawn: Examples of each group in the sample, ``(group,)``.
        weights: Examples of each group for one in the sample, ``(group,)``.
    """

    rows: Int[Tensor, " row"] | None
    drawn: Int[np.ndarray, " group"]
    weights: Float[np.ndarray, " group"]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for the report, if not all examples are in it."""
        if self.rows is None:
            return ()
        return (
            "Curves, random controls, cross-fitted sets and ranks of memorised labels were measured on "
            f"{len(self.rows):,} of {round(self.weights @ self.drawn):,} examples, drawn at random from each kind.",
        )

    def counts(self, counts: np.ndarray) -> np.ndarray:
        """Counts by group ``(…, group, 2)`` in the sample, as they are expected of all examples."""
        return counts if self.rows is None else counts * self.weights[:, None]


def draw_sample(group: Int[Tensor, " example"], most: int, seed: int = 0) -> Sample:
    """About so many examples, each group in proportion, but `FEWEST_OF_GROUP` of each if it has them.

    Args:
        group: Each example's index in `GROUPS`.

    Example:
        >>> sample = draw_sample(torch.tensor([0] * 9_000 + [1] * 3_000), 8_000)
        >>> sample.drawn.tolist(), sample.weights.tolist(), len(sample.rows)
        ([6000, 2000, 0], [1.5, 1.5, 0.0], 8000)
    """
    groups = group.cpu().numpy()
    sizes = np.bincount(groups, minlength=len(GROUPS))
    if most >= len(groups):
        return Sample(None, sizes, np.ones(len(GROUPS)))
    generator, chosen = np.random.default_rng(seed), []
    for number, size in enumerate(sizes.tolist()):
        few = min(size, max(FEWEST_OF_GROUP, round(most * size / len(groups))))
        chosen.append(generator.choice(np.flatnonzero(groups == number), few, replace=False))
    drawn = np.array([len(one) for one in chosen])
    rows = torch.as_tensor(np.sort(np.concatenate(chosen)), device=group.device)
    return Sample(rows, drawn, sizes / np.maximum(drawn, 1))
