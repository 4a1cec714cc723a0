"""The size of what units write to the residual stream while a continuation is predicted."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.hooks import hooked
from interp.language.batches import batches_of
from interp.language.gates import by_unit
from interp.language.model import LanguageModel
from interp.language.objective import Places, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Site
from interp.progress import Report, silent


@torch.no_grad()
def written_norms(
    model: LanguageModel, sequences: Sequences, *, kind: str = NEURONS, report: Report = silent
) -> Float[np.ndarray, " unit"]:
    """Mean norm of what each unit writes at the positions that predict a continuation.

    Of a neuron it is the mean of its absolute activation times the norm of its output weights, the baseline of arXiv
    2311.09060; of a head the norm of its output times its part of the output matrix. Each sequence weighs the same.

    Args:
        kind: One of `interp.language.sites.KINDS`.
        report: Given how many sequences are done.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=8))
        >>> norms = written_norms(model, token_sequences([[1, 2, 3, 4], [9, 8, 7]]))
        >>> norms.shape, bool((norms > 0).all())
        ((16,), True)
    """
    units = model.units(kind)
    total = np.zeros(len(units))
    products = [_products(site) for site in units.sites]
    done = 0
    for batch in batches_of(model, sequences):
        places = places_of(batch, sequences)
        norms: dict[str, Tensor] = {}
        changes = {
            site.hook: partial(_record, norms, site, places, product)
            for site, product in zip(units.sites, products, strict=True)
        }
        with hooked(model, changes):
            model.hidden(batch.ids, batch.mask)
        total += torch.cat([norms[site.hook] for site in units.sites]).double().cpu().numpy()
        done += len(batch.rows)
        report(done)
    return total / len(sequences)


def _products(site: Site) -> Float[Tensor, "unit width width"]:
    """Scalar products of the vectors that each unit writes to the residual stream."""
    weight: Tensor = site.reader.weight.detach()  # type: ignore[operator]
    vectors = (weight if site.units_first else weight.T).reshape(site.n_units, site.width, -1)
    return vectors @ vectors.transpose(1, 2)


def _record(
    norms: dict[str, Tensor], site: Site, places: Places, products: Tensor, activations: Tensor
) -> None:
    shaped = by_unit(site, activations, len(places.size))[places.row, places.column]
    squares = torch.einsum("puw,uwv,puv->pu", shaped, products, shaped)
    norms[site.hook] = (squares.clamp_min(0).sqrt() / places.size[places.row][:, None]).sum(0)
