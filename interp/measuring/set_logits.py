"""Logits after changes of more and more neurons, for some examples, where what follows the neurons is not linear."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.measuring.cached_pass import CachedPass
from interp.models import Prefix


def logits_of_order(
    cached: CachedPass, order: Int[Tensor, " step"], removed: Int[np.ndarray, " point"], rows: slice
) -> Iterator[tuple[int, Float[Tensor, "row output"]]]:
    """Which entry of `removed` it is, and the logits of some examples with so many neurons of an order changed.

    From most to none, by what putting neurons back adds to the stream that the rest of the network reads: so all of
    them taken out leave no rounding behind.

    Args:
        order: Neurons, first changed to last.
        removed: Numbers of changed neurons.
        rows: The examples.
    """
    prefix, change = cached.prefix, cached.change[rows]
    carried, at = tuple(kept[rows] for kept in prefix.carried), len(order)
    stream = _changed_stream(prefix, change, order, rows)
    for i in np.argsort(-removed, kind="stable").tolist():
        back, at = order[int(removed[i]) : at], int(removed[i])
        if at == 0:
            yield i, cached.logits[rows]
            continue
        if prefix.writes is None:
            stream[..., back] = prefix.activations[rows][..., back]
        elif len(back):
            stream = stream - change[..., back] @ prefix.writes[back]
        yield i, prefix.after(stream, *carried)


def _changed_stream(prefix: Prefix, change: Tensor, neurons: Tensor, rows: slice) -> Tensor:
    """What the rest of the network reads, with these neurons changed."""
    chosen = change.new_zeros(change.shape[-1])
    chosen[neurons] = 1
    activations = torch.addcmul(prefix.activations[rows], change, chosen)
    if prefix.writes is None or prefix.offset is None:
        return activations
    return prefix.offset[rows] + activations @ prefix.writes
