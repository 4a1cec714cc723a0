"""The exact rise of the log loss with a unit at 0, from cached layers: many units of a layer in one pass."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.language.batches import batches_of, tokens_at_once
from interp.language.cached_blocks import CachedBlocks, cache_blocks
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.objective import Places, losses, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Site
from interp.progress import Report, silent


def zero_out(
    model: LanguageModel,
    sequences: Sequences,
    chosen: Iterable[int] | Int[np.ndarray, " chosen"],
    *,
    kind: str = NEURONS,
    report: Report = silent,
) -> Float[np.ndarray, "sequence chosen"]:
    """The rise of each sequence's log loss with one unit at 0 at every position, for each of some units.

    Layers before the unit's are not run again; a pass has as many copies of a batch as fit, each without another unit.
    A copy differs from a pass of its own by rounding alone, about 1e-6 nats.

    Args:
        chosen: Units, numbered over all layers.
        kind: One of `interp.language.sites.KINDS`.
        report: Given how many passes of sequences are done, of ``len(sequences) * len(chosen)``.

    Returns:
        In nats a token.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=8))
        >>> zero_out(model, token_sequences([[1, 2, 3, 4], [9, 8, 7]]), [0, 3, 15]).shape
        (2, 3)
    """
    order = np.asarray(list(chosen), dtype=np.int64)
    units = model.units(kind)
    rises = np.zeros((len(sequences), len(order)))
    done, longest = 0, int(sequences.lengths.max())
    most = tokens_at_once(model, longest)
    for batch in batches_of(model, sequences, tokens=max(longest, most // 4)):
        cached, places = cache_blocks(model, batch), places_of(batch, sequences)
        before = _losses_from(cached, places, units.sites[-1].layer, 1)
        at_once = max(1, most // batch.ids.numel())
        for place in np.unique(units.site_index[order]):
            mine = np.flatnonzero(units.site_index[order] == place)
            for part in np.split(mine, np.arange(at_once, len(mine), at_once)):
                after = _without(cached, places, units.sites[place], units.unit[order[part]])
                rises[np.ix_(batch.rows, part)] = (after - before).T
                done += after.size
                report(done)
    return rises


def _without(
    cached: CachedBlocks, places: Places, site: Site, units: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "chosen row"]:
    """Losses of a batch without each of some units of a layer."""
    copies, rows = len(units), len(places.size)
    factors = torch.ones(copies, rows, site.n_units, device=cached.batch.ids.device)
    factors[torch.arange(copies), :, torch.from_numpy(units)] = 0
    with gated(cached.model, {site.hook: factors.reshape(copies * rows, -1)}):
        return _losses_from(cached, places, site.layer, copies)


@torch.no_grad()
def _losses_from(
    cached: CachedBlocks, places: Places, layer: int, copies: int
) -> Float[np.ndarray, "copy row"]:
    hidden = cached.hidden_from(layer, copies)
    return losses(cached.model, hidden, places.copied(copies)).cpu().numpy().reshape(copies, -1)


def screened_scores(
    first_order: Float[np.ndarray, " unit"],
    chosen: Int[np.ndarray, " chosen"],
    exact: Float[np.ndarray, " chosen"],
) -> Float[np.ndarray, " unit"]:
    """Exact rises where they are known, first-order ones elsewhere, so that the two make one ranking.

    First-order rises that are not below every exact rise above 0 are scaled until they are, as they were smaller than
    the exact ones in the screening. Exact rises of 0 or less stay where they are: among units that matter less.

    Example:
        >>> scores = screened_scores(np.array([5.0, 0.4, 0.2, -3.0]), np.array([0, 3]), np.array([0.3, -2.0]))
        >>> scores.round(3).tolist()
        [0.3, 0.297, 0.148, -2.0]
    """
    scores = np.array(first_order, dtype=np.float64)
    rest = np.ones(len(scores), dtype=bool)
    rest[chosen] = False
    top = max(0.0, scores[rest].max(initial=0.0))
    limit = 0.99 * exact[exact > 0].min(initial=np.inf)
    if top > limit:
        scores[rest & (scores > 0)] *= limit / top
    scores[chosen] = exact
    return scores
