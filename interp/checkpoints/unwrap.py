"""Weights files of strangers: whatever they are wrapped in, plain float32 tensors come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from interp.checkpoints.arrays import load_msgpack, load_npz
from interp.checkpoints.configs import disagreements, settings_beside
from interp.checkpoints.copies import RAW, is_averaged, named_by
from interp.checkpoints.files import INDEX_ENDING, shards, tensor_files
from interp.checkpoints.names import chosen_copy, companions, without_parts, without_prefixes
from interp.checkpoints.nesting import (
    Budget,
    keep_plain,
    short_name,
    split_series,
    step_in,
    steps_of,
    unwrapped,
)
from interp.checkpoints.safe import (
    is_msgpack,
    is_npz,
    is_safetensors,
    load_pickle_safely,
    load_safetensors,
    open_file,
)
from interp.checkpoints.series import run_of
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.usable import may_be_weights, usable
from interp.errors import CheckpointError

STEP_NAME = re.compile(
    r"(?:.*[^a-z])?(?:step|epoch|iteration|iter|checkpoint|ckpt)s?[-_=. ]?(\d{1,15})|(\d{1,15})", re.I
)


def read_weights(path: Path | str, *, index: int = -1, weights: str | None = None) -> StoredWeights:
    """Read anyone's weights file without running anything in it.

    Its content decides what it is, not its name: safetensors, arrays of NumPy (.npz) or flax (.msgpack), or a PyTorch
    file of any age that holds a state dict, one in dictionaries, or a list of them over training, of which `index`
    takes one. Of several that lie side by side, such as averaged and raw ones, `weights` names one.

    Raises:
        CheckpointError: The file holds no weights that can be used; the message says why and what helps.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save({"model": {"module.W": torch.ones(2, 3).half()}, "loss": 0.5}, Path(folder, "200.pt"))
        ...     stored = read_weights(Path(folder, "200.pt"))
        >>> stored.tensors["W"].dtype, stored.extras, stored.step
        (torch.float32, {'loss': 0.5}, 200)
        >>> stored.notes
        ("stripped the prefix 'module.'", 'converted from float16')
    """
    path = Path(path)
    states = _find(path, weights)
    if not -len(states) <= index < len(states):
        raise CheckpointError(
            f"{str(path)!r} holds {len(states)} state dicts; there is none of index {index}"
        )
    state = states[index]
    if len(states) > 1:
        number = index % len(states) + 1
        which = "the last" if number == len(states) else f"number {number}"
        state = replace(state, notes=(f"took {which} of {len(states)} state dicts", *state.notes))
    return _finish(state, weights, alone=len(states) == 1)


def read_series(path: Path | str, *, weights: str | None = None) -> Iterator[StoredWeights]:
    """All state dicts of a file in its order; one if it holds one. Errors are those of `read_weights`.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> with TemporaryDirectory() as folder:
        ...     states = [{"W": torch.eye(2) * n} for n in (1, 2)]
        ...     torch.save({"state_dicts": states, "epochs": [0, 100]}, Path(folder, "run.pt"))
        ...     [stored.step for stored in read_series(Path(folder, "run.pt"))]
        [0, 100]
    """
    states = _find(Path(path), weights)
    return (_finish(state, weights, alone=len(states) == 1) for state in states)


def _find(path: Path, choice: str | None) -> list[StoredWeights]:
    if path.name.endswith(INDEX_ENDING):
        return [_of_shards(path)]
    with open_file(path) as file:
        head = file.read(9)
    if is_safetensors(head):
        tensors, extras = load_safetensors(path)
        if not tensors:
            raise CheckpointError(f"{str(path)!r} holds no tensors")
        return [StoredWeights(path, tensors, dict(extras), step_in(extras))]
    if is_msgpack(head):
        content: Any = load_msgpack(path)
    else:
        content = load_npz(path) if is_npz(path) else load_pickle_safely(path)
    budget = Budget()
    contents, rest = split_series(content)
    if not contents:
        return [unwrapped(path, content, budget, choice)]
    extras, notes = keep_plain(rest, budget)
    states = []
    for one, step in zip(contents, steps_of(rest, len(contents)), strict=True):
        state = unwrapped(path, one, budget, choice)
        state = replace(state, extras=extras | state.extras, notes=(*notes, *state.notes))
        states.append(state if step is None else replace(state, step=step))
    return states


def _of_shards(index: Path) -> StoredWeights:
    """The tensors of all files that an index names."""
    tensors: dict[str, Tensor] = {}
    for shard in shards(index):
        (state,) = _find(shard, None)
        if twice := tensors.keys() & state.tensors.keys():
            raise CheckpointError(f"{str(index)!r} names two files that hold {short_name(min(twice))}")
        tensors |= state.tensors
    if missing := tensor_files(index).keys() - tensors.keys():
        raise CheckpointError(
            f"{str(index)!r} names the tensor {short_name(min(missing))}, which its files do not hold"
        )
    return StoredWeights(index, tensors, notes=(f"put together from {len(shards(index))} files",))


def _finish(state: StoredWeights, choice: str | None, *, alone: bool) -> StoredWeights:
    path, step = state.path, state.step
    done: list[str] = []
    own = {name: usable(path, name, tensor, done) for name, tensor in state.tensors.items()}
    renamed, notes = without_parts(own)
    tensors, copies, chosen = chosen_copy({renamed[name]: tensor for name, tensor in own.items()}, choice)
    if choice is not None and not chosen and not _was_taken(choice, state):
        raise CheckpointError(
            f"{str(path)!r} holds no weights named {choice!r}; leave out weights=… (--weights)"
        )
    aside = companions(tensors) | {
        name for name, tensor in tensors.items() if not may_be_weights(name, tensor)
    }
    left_out = {name: tensors[name] for name in tensors if name in aside}
    tensors, stripped = without_prefixes({name: t for name, t in tensors.items() if name not in aside})
    beside, read = settings_beside(path)
    read += disagreements({"the configuration beside the file": beside, "the file": state.extras})
    if step is None and alone:
        named = STEP_NAME.fullmatch(path.stem) or STEP_NAME.fullmatch(path.absolute().parent.name)
        step = int(named[1] or named[2]) if named else None
    every = tuple(dict.fromkeys([*state.notes, *notes, *copies, *stripped, *done, *read]))
    return replace(state, tensors=tensors, step=step, beside=beside, notes=every, left_out=left_out, own=own)


def _was_taken(choice: str, state: StoredWeights) -> bool:
    """True if the choice was followed already: inside of the file, or it names the file, which holds nothing else."""
    stem = state.path.stem
    if state.asked or choice == RAW:
        firsts = (name.partition(".")[0] for name in state.tensors)
        return state.asked or not any(map(is_averaged, (stem, *state.under, *firsts)))
    alone = not any("holds weights too" in note for note in state.notes)
    return alone and bool(named_by(choice, (stem, run_of(stem))))
