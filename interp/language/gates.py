"""Factors on neurons and heads while a language model runs: the one way in which they are changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial

from jaxtyping import Float
from torch import Tensor

from interp.hooks import hooked
from interp.language.model import LanguageModel
from interp.language.sites import Site

Gates = Mapping[str, Float[Tensor, "*row unit"]]
"""By hook name: a factor for every unit, ``(unit,)``, or one for every row and unit, ``(row, unit)``."""


@contextmanager
def gated(model: LanguageModel, gates: Gates) -> Iterator[LanguageModel]:
    """Multiply units by factors inside the block; gradients reach the factors.

    A factor of 0 takes a unit out at every position. Each row of a batch may have its own.

    Example:
        >>> import torch
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model())
        >>> ids, mask = torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.bool)
        >>> with gated(model, {site.hook: torch.zeros(site.n_units) for site in model.sites}):
        ...     bool(torch.allclose(model.hidden(ids, mask)[:, 0], model.hidden(ids[:, :1], mask[:, :1])[:, 0]))
        True
    """
    sites = {site.hook: site for site in model.sites}
    changes = {hook: partial(_multiplied, sites[hook], factors) for hook, factors in gates.items()}
    with hooked(model, changes) if changes else nullcontext():
        yield model


def by_unit(site: Site, activations: Tensor, rows: int) -> Float[Tensor, "row token unit width"]:
    """Activations at a site's hook point with one axis for the units and one for the numbers of each; a view."""
    return activations.reshape(rows, -1, site.n_units, site.width)


def _multiplied(site: Site, factors: Tensor, activations: Tensor) -> Tensor:
    rows = len(factors) if factors.ndim == 2 else 1
    shaped = by_unit(site, activations, rows)
    each = factors.reshape(rows, 1, site.n_units, 1).to(activations.dtype)
    return (shaped * each).reshape(activations.shape)
