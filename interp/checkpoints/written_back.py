"""Weights of an edited network under the names, and in the shapes, of the file that it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from interp.errors import InterventionError
from interp.models import Adopted, HookedModel
from interp.models.state import edited_state, own_state

if TYPE_CHECKING:
    from interp.checkpoints.checkpoint import Checkpoint

LARGEST = 2**24
"""Numbers of a file that can be followed: so many whole numbers are exact in float32."""


def state_as_stored(opened: Checkpoint, before: HookedModel, edited: HookedModel) -> dict[str, Tensor]:
    """The weights of an edited network under the names of its file, with all else that lies there; float32, CPU.

    Every number of the network is followed to its place in the file by reading the file once more with numbered
    weights. The result is read again, so that it is known to give the edited network.

    Args:
        opened: The checkpoint; of the user's own module, a native file or a model in memory the names are the
            network's own.
        before: The network without the edit.
        edited: With it.

    Raises:
        InterventionError: The file has no place for a change, as for a bias in a network without biases.
        CheckpointError: The file cannot be read any more.
    """
    if opened.options is None or opened.path is None or isinstance(edited, Adopted):
        return edited_state(before, edited)
    from interp.checkpoints.unwrap import read_weights

    stored = read_weights(opened.path, weights=opened.options.weights)
    weights = {name: tensor for name, tensor in stored.tensors.items() if tensor.is_floating_point()}
    if sum(tensor.numel() for tensor in weights.values()) >= LARGEST:
        raise InterventionError(
            f"{str(opened.path)!r} holds more than {LARGEST:,} numbers, too many to follow; save the edited network as "
            "a native checkpoint instead"
        )

    def read(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return own_state(_reread(opened, replace(stored, tensors={**stored.tensors, **tensors})))

    original, state = own_state(before), own_state(edited)
    if not _same(read({}), original):
        raise InterventionError(
            f"{str(opened.path)!r} is not as it was when it was opened, or holds several networks; its names cannot be "
            "given to the edited one"
        )
    changed = _placed(weights, read(_numbered(weights)), original, state)
    if not _same(read(changed), state):
        raise InterventionError(
            f"the weights in {str(opened.path)!r} cannot express the edit ({opened.dialect} reads some of them twice, "
            "or has no place for a bias); save the edited network as a native checkpoint instead"
        )
    named = {id(tensor): name for name, tensor in stored.own.items()}
    return {
        **{name: tensor.clone() for name, tensor in stored.own.items()},
        **{named[id(stored.tensors[name])]: tensor for name, tensor in changed.items()},
    }


def _reread(opened: Checkpoint, stored: Any) -> HookedModel:
    from interp.checkpoints.select import readings_of

    settings, wanted = opened.settings, opened.settings["reading"]
    assert opened.options is not None
    reading = next(one for one in readings_of(stored, opened.options) if one.description == wanted)
    coefficient = settings.get("measured", {}).get("attn_coeff")
    if coefficient is not None and reading.mixed is not None:
        reading = reading.mixed(coefficient)
    return reading.build()


def _numbered(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the same shapes whose numbers are all different, from 1."""
    numbered, start = {}, 1
    for name, tensor in weights.items():
        numbered[name] = torch.arange(start, start + tensor.numel(), dtype=tensor.dtype).reshape(tensor.shape)
        start += tensor.numel()
    return numbered


def _placed(
    weights: Mapping[str, Tensor],
    places: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The file's tensors with the weights that an edit changed, given the number that each has in the file."""
    flat = torch.cat([torch.zeros(1), *(tensor.flatten() for tensor in weights.values())])
    original = flat.clone()
    for name, place in places.items():
        if name not in before:
            continue
        old, new, where = before[name].flatten(), after[name].flatten(), place.flatten().round().long()
        followed = (where >= 1) & (where < len(flat))
        followed &= original[where.clamp(0, len(flat) - 1)] == old  # else computed from several numbers
        changed = followed & (old != new)
        flat[where[changed]] = new[changed].to(flat.dtype)
    parts = flat[1:].split([tensor.numel() for tensor in weights.values()])
    return {
        name: part.reshape(tensor.shape).clone()
        for (name, tensor), part in zip(weights.items(), parts, strict=True)
    }


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """True for the same weights; one that only one of them has may be 0."""
    for name in one.keys() | other.keys():
        pair = [state[name] for state in (one, other) if name in state]
        if (len(pair) == 1 and bool(pair[0].any())) or (len(pair) == 2 and not torch.equal(*pair)):
            return False
    return True
