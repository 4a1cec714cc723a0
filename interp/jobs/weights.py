"""Scores of weights alone: of many networks at once, or of one that is too large to be held. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from interp.checkpoints.files import (
    FORMAT,
    INDEX,
    beside,
    number_of,
    read_settings,
    shards,
)
from interp.checkpoints.tensor_file import tensor_file, unreadable
from interp.data.operations import Ordering, group_ordering, in_order, steps_of
from interp.errors import CheckpointError
from interp.files import parse_json
from interp.jobs.columns import Result, scores_result
from interp.jobs.plain_settings import composes_group, is_plain, tensors_of
from interp.jobs.sources import Fetched
from probes.features import joint_scores, sampled, sampled_rows
from probes.null import benjamini_hochberg
from probes.spectrum import Convention

STACK = 2**18
"""Numbers of one weight matrix that are scored together: more leaves the processor's cache, and is slower."""
BLOCK = 2**15
FIRST_SITE = "blocks.0.mlp.hook_post"
EMBED, UNEMBED = "embed.W_E", "unembed.W_U"
DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
WHOLE = ("I64", "I32", "U8", "BOOL")
Columns = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Weights:
    """One network's neurons that tokens feed directly.

    Attributes:
        vectors: ``(neuron, position)`` each, in task order.
        distinct: Those of them that are not a repetition.
        steps: As of `interp.measuring.arrays.NeuronArrays`.
    """

    vectors: tuple[np.ndarray, ...]
    distinct: tuple[int, ...]
    hook: str
    known: dict[str, Any]
    steps: tuple[int, ...]

    def takes(self, other: Weights, n: int) -> bool:
        """True if a stack of n networks like this one has room for another."""
        mine, theirs = ([(v.shape, v.dtype) for v in one.vectors] for one in (self, other))
        alike = (self.distinct, self.steps, mine) == (other.distinct, other.steps, theirs)
        return alike and (n + 1) * max(v.size for v in self.vectors) <= STACK


def stack_scores(stack: list[Weights], convention: Convention) -> list[Columns]:
    """Scores of several networks of one shape, a dictionary of ``(neuron,)`` columns for each."""
    vectors = [np.stack(same) for same in zip(*(one.vectors for one in stack), strict=True)]
    scores = _scores(vectors, stack[0].distinct, stack[0].steps, convention)
    return [_with_q({name: column[i] for name, column in scores.items()}) for i in range(len(stack))]


def _scores(
    vectors: list[np.ndarray],
    distinct: tuple[int, ...],
    steps: tuple[int, ...],
    convention: Convention,
    sample: Sequence[np.ndarray] | None = None,
) -> Columns:
    """Scores of ``(*network, neuron, position)`` vectors, as many neurons at a time as the cache holds."""
    sample = sample or [sampled(vector) for vector in vectors]
    rows = max(1, STACK // max(v.shape[-1] for v in vectors))
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, vectors[0].shape[-2], rows):
        some = [v[..., start : start + rows, :] for v in vectors]
        for name, column in joint_scores(some, convention, distinct, steps, sample).items():
            kind = np.float64 if name == "p_value" else np.int32 if name == "frequency" else np.float32
            parts.setdefault(name, []).append(column.astype(kind))
    return _joined(parts)


def _joined(parts: dict[str, list[np.ndarray]]) -> Columns:
    """Columns of all blocks of neurons, each block let go of as soon as it can be."""
    return {name: np.concatenate(parts.pop(name), axis=-1) for name in list(parts)}


def _with_q(scores: Columns) -> Columns:
    return scores | {"q_value": benjamini_hochberg(scores["p_value"])}


@dataclass(frozen=True)
class Plain:
    """A native MLP of one hidden layer, as its JSON describes it: its weights can be read from the file directly.

    Attributes:
        path: The file, or the index of its shards.
        shapes: Of all tensors.
        tied: Both operands have one table.
    """

    path: Path
    shapes: dict[str, list[int]]
    tied: bool
    ordering: Ordering | None
    known: dict[str, Any]

    @property
    def distinct(self) -> tuple[int, ...]:
        return (0, 2) if self.tied else (0, 1, 2)

    @property
    def steps(self) -> tuple[int, ...]:
        return steps_of(self.ordering, 3)

    def check_finite(self, arrays: dict[str, np.ndarray]) -> None:
        """Refuse, as a `CheckpointError`, weights that are no finite numbers."""
        for name, array in arrays.items():
            with np.errstate(invalid="ignore", over="ignore"):
                total = array.sum(dtype=np.float32)
            if not np.isfinite(total) and not np.isfinite(array).all():
                raise CheckpointError(
                    f"{name!r} in {str(self.path)!r} holds NaN or infinity: the training run diverged"
                )

    def vectors(self, embed: np.ndarray, unembed: np.ndarray) -> tuple[np.ndarray, ...]:
        """Weights in task order, of some neurons or of all."""
        raw = [*(table.T for table in embed), *((embed[0].T,) if self.tied else ()), unembed]
        raw = [array.astype(np.float32, copy=False) for array in raw]  # as the opened network computes
        if self.ordering is None:
            return tuple(raw)
        orders = (self.ordering.left, self.ordering.right, self.ordering.output)
        return tuple(in_order(vector, order) for vector, order in zip(raw, orders, strict=True))

    def check(self, shapes: dict[str, list[int]]) -> None:
        """Refuse, as a `CheckpointError`, shapes of tensors that differ from those that the JSON describes."""
        for name in self.shapes.keys() ^ shapes.keys():
            where = "is missing from" if name in self.shapes else "is unexpected in"
            raise CheckpointError(
                f"the tensor {name!r} {where} {str(self.path)!r}; its JSON describes another network"
            )
        for name, wanted in self.shapes.items():
            if list(shapes[name]) != wanted:
                raise CheckpointError(
                    f"{name!r} in {str(self.path)!r} has shape {tuple(shapes[name])}; "
                    f"the network of its JSON has {tuple(wanted)}"
                )


def plain(at_hand: Fetched, site: str | None) -> Plain | None:
    """A checkpoint whose weights can be read directly; None if it is of another kind, or must be looked at closer."""
    path = at_hand.path
    native = path.suffix == ".safetensors" or path.name.endswith(INDEX)
    if not native or not at_hand.beside or site not in (None, FIRST_SITE):
        return None
    try:
        settings = parse_json(at_hand.beside)
    except ValueError as error:
        raise CheckpointError(f"{str(beside(path))!r} is no valid JSON: {error}") from None
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        return None
    settings = read_settings(path, settings)
    model, task = settings["model"], settings["task"]
    if not is_plain(model, task):
        return None
    operation, p = task["operation"], task["p"]
    ordering = group_ordering(operation, p)
    if ordering is None and composes_group(operation, p):  # its components are scored, with PyTorch
        return None
    step = number_of(path) if settings.get("step") is None else settings["step"]
    corrupt = task.get("corrupt_fraction")
    row = {"step": step, "dialect": FORMAT, "task": operation, "p": p, "corrupt_fraction": corrupt}
    return Plain(path, tensors_of(model), model["tied"], ordering, row)


def plain_weights(network: Plain, data: bytes) -> Weights | None:
    """The weights in the content of a file; None if they have a precision that numpy does not know."""
    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise CheckpointError(unreadable(network.path, error)) from None
    network.check({name: tensor["shape"] for name, tensor in tensors.items()})
    numbers = {name: tensor for name, tensor in tensors.items() if tensor["dtype"] not in WHOLE}
    if not all(tensor["dtype"] in DTYPES for tensor in numbers.values()):
        return None
    arrays = {
        name: np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in numbers.items()
    }
    if EMBED not in arrays or UNEMBED not in arrays:
        return None
    network.check_finite(arrays)
    vectors = network.vectors(arrays[EMBED], arrays[UNEMBED])
    return Weights(vectors, network.distinct, FIRST_SITE, network.known, network.steps)


def large_scores(network: Plain, convention: Convention) -> Result:
    """Scores of a network that is never held whole: memory for one block of neurons, and for the scores."""
    parts: dict[str, list[np.ndarray]] = {}
    rows = sampled_rows(network.shapes[UNEMBED][0])
    single = [
        network.vectors(*block) for block in _blocks(network, [slice(i, i + 1) for i in np.unique(rows)])
    ]
    few = [np.concatenate(column) for column in zip(*single, strict=True)]
    sample = [column[np.searchsorted(np.unique(rows), rows)] for column in few]
    for embed, unembed in _blocks(network):
        vectors = list(network.vectors(embed, unembed))
        for name, column in _scores(vectors, network.distinct, network.steps, convention, sample).items():
            parts.setdefault(name, []).append(column)
    return scores_result(_with_q(_joined(parts)), network.known, FIRST_SITE)


def _blocks(network: Plain, blocks: Sequence[slice] | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both matrices, some neurons at a time."""
    path = network.path
    with ExitStack() as stack:
        opened = [stack.enter_context(tensor_file(file)) for file in shards(path)]
        files = {name: file for file in opened for name in file.tensors}
        network.check({name: list(file.tensors[name].shape) for name, file in files.items()})
        kinds = {name: DTYPES.get(files[name].tensors[name].dtype) for name in (EMBED, UNEMBED)}
        if None in kinds.values():
            raise CheckpointError(
                f"{str(path)!r} is too large to be scored but in blocks, and its numbers are of none of the types "
                f"{', '.join(DTYPES)}; store them as one of these"
            )
        width = network.shapes[UNEMBED][0]
        whole = [slice(start, start + BLOCK) for start in range(0, width, BLOCK)]
        for chosen in whole if blocks is None else blocks:
            embed = files[EMBED].columns(EMBED, kinds[EMBED], chosen)
            unembed = files[UNEMBED].rows(UNEMBED, kinds[UNEMBED], chosen)
            network.check_finite({EMBED: embed, UNEMBED: unembed})
            yield embed, unembed
