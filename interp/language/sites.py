"""Units of a language model that can be read and taken out: neurons of MLP layers, and attention heads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from torch import nn

from interp.errors import choose

NEURONS, HEADS = "neurons", "heads"
KINDS = (NEURONS, HEADS)
Chosen = Iterable[int] | Int[np.ndarray, " chosen"]
"""Units, numbered over all layers."""


@dataclass(frozen=True, eq=False)
class Site:
    """One layer's neurons or heads.

    Attributes:
        hook: Name of the hook point, as in TransformerLens: ``blocks.L.mlp.hook_post`` or ``blocks.L.attn.hook_z``.
        layer: Its layer, from 0.
        kind: One of `KINDS`.
        n_units: Neurons or heads.
        width: Numbers that belong to one unit: 1 of a neuron, the dimension of a head.
        reader: The linear layer that reads the units and writes to the residual stream.
        weight_name: The name of its weight in the checkpoint.
        units_first: Whether that weight has the units as its first axis, as the Conv1D of GPT-2 has.
    """

    hook: str
    layer: int
    kind: str
    n_units: int
    width: int
    reader: nn.Module
    weight_name: str
    units_first: bool


@dataclass(frozen=True, eq=False)
class Units:
    """All units of one kind, numbered layer by layer.

    Example:
        >>> units = Units([Site("blocks.0.mlp.hook_post", 0, NEURONS, 3, 1, nn.Identity(), "w", False),
        ...                Site("blocks.1.mlp.hook_post", 1, NEURONS, 2, 1, nn.Identity(), "v", False)])
        >>> len(units), units.layer.tolist(), units.unit.tolist()
        (5, [0, 0, 0, 1, 1], [0, 1, 2, 0, 1])
        >>> units.by_site([4, 0])
        {'blocks.0.mlp.hook_post': array([0]), 'blocks.1.mlp.hook_post': array([1])}
    """

    sites: Sequence[Site]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(site.n_units for site in self.sites)])

    @cached_property
    def site_index(self) -> Int[np.ndarray, " unit"]:
        """The index of the site that each unit belongs to."""
        return np.repeat(np.arange(len(self.sites)), [site.n_units for site in self.sites])

    @cached_property
    def layer(self) -> Int[np.ndarray, " unit"]:
        """The layer of each unit."""
        return np.array([site.layer for site in self.sites], dtype=np.int64)[self.site_index]

    @cached_property
    def unit(self) -> Int[np.ndarray, " unit"]:
        """The number of each unit within its layer."""
        return np.arange(len(self)) - self._starts[self.site_index]

    def slice_of(self, place: int) -> slice:
        """The units of one site."""
        return slice(int(self._starts[place]), int(self._starts[place + 1]))

    def by_site(self, chosen: Chosen) -> dict[str, np.ndarray]:
        """Chosen units, by hook name and numbered within their layer; sites without any are left out."""
        indices = np.sort(np.asarray(list(chosen), dtype=np.int64))
        owner = self.site_index[indices]
        return {self.sites[place].hook: self.unit[indices[owner == place]] for place in np.unique(owner)}


def units_of(sites: Iterable[Site], kind: str = NEURONS) -> Units:
    """All units of a kind; a `ConfigError` if there is no such kind."""
    choose("kind of unit", kind, KINDS)
    return Units([site for site in sites if site.kind == kind])
