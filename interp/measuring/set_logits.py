"""Logits after changes of more and more neurons, for some examples, where what follows the neurons is not linear."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS
from interp.measuring.cached_pass import CachedPass
from interp.measuring.suffix_kernels import normed_hits
from interp.models import Prefix
from interp.models.suffix import Affine, LastBlock


def logits_of_order(
    cached: CachedPass, order: Int[Tensor, " step"], removed: Int[np.ndarray, " point"], rows: slice
) -> Iterator[tuple[int, Float[Tensor, "row output"]]]:
    """Logits of some examples with more and more neurons of an order changed, after the entry of `removed` that it is.

    From most to fewest, none left out, by what neurons that are put back add to the stream that the rest of the network
    reads: so taking all of them out leaves no rounding behind.

    Args:
        order: Neurons, first changed to last.
        removed: Numbers of changed neurons.
        rows: The examples.
    """
    prefix, change = cached.held_prefix, cached.change[rows]
    if cached.in_loop:
        for i in np.argsort(-removed, kind="stable")[: np.count_nonzero(removed)].tolist():
            yield i, cached.logits_in_loop(order[: int(removed[i])], rows)
        return
    carried, at = tuple(kept[rows] for kept in prefix.carried), len(order)
    stream = _changed_stream(prefix, change, order, rows)
    after = prefix.suffix if isinstance(prefix.suffix, LastBlock) and not prefix.whole else prefix.after
    for i in np.argsort(-removed, kind="stable")[: np.count_nonzero(removed)].tolist():
        back, at = order[int(removed[i]) : at], int(removed[i])
        if prefix.writes is None:
            stream[..., back] = prefix.activations[rows][..., back]
        elif len(back):
            stream = stream - change[..., back] @ prefix.writes[back]
        read = stream.clone() if prefix.writes is None else stream  # what follows may change it in place
        yield i, after(read, *carried)


def _changed_stream(prefix: Prefix, change: Tensor, neurons: Tensor, rows: slice) -> Tensor:
    """The stream that the rest of the network reads, with these neurons changed."""
    chosen = change.new_zeros(change.shape[-1]).index_fill_(0, neurons, 1)
    activations = torch.addcmul(prefix.activations[rows], change, chosen)
    if prefix.writes is None or prefix.offset is None:
        return activations
    return prefix.offset[rows] + activations @ prefix.writes


@torch.no_grad()
def normed_counts(
    cached: CachedPass, order: np.ndarray, removed: np.ndarray, rows: slice
) -> Int[np.ndarray, "point group two"]:
    """Right answers of some examples, as labelled and by the true label, with so many neurons of an order changed.

    For sites that a norm and a matrix follow; from most to none, as in `logits_of_order`.
    """
    prefix, head = cached.held_prefix, cached.held_prefix.suffix
    assert isinstance(head, Affine)
    assert head.eps is not None
    assert prefix.writes is not None
    neurons, change = torch.as_tensor(order), cached.change[rows]
    x = head.centred(_changed_stream(prefix, change, neurons, rows))
    written = head.centred(prefix.writes)
    points = len(order) - np.arange(len(order) + 1)
    counts = normed_hits(
        (-change.T).contiguous().numpy(),
        np.ascontiguousarray(order[::-1]),
        np.isin(points, removed),
        x.T.contiguous().numpy(),
        written.numpy(),
        (x @ head.matrix).T.contiguous().numpy(),
        (written @ head.matrix).numpy(),
        head.bias.numpy(),
        np.float32(head.eps),
        tuple(y[rows].numpy() for y in (cached.data.labels, cached.data.true_labels, cached.group)),
        len(GROUPS),
        np.float32(cached.tolerance),
        1,
    )
    return counts[len(order) - removed]
