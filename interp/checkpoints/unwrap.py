"""Weights files of strangers: whatever they are wrapped in, plain float32 tensors come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.checkpoints.configs import disagreements, settings_beside
from interp.checkpoints.safe import (
    is_safetensors,
    load_pickle_safely,
    load_safetensors,
    open_file,
    said_by,
)
from interp.errors import CheckpointError

MAX_PLAIN = 2**21  # numbers and texts kept beside the weights
MAX_NESTING = 3  # wrappers around a state dict
WRAPPERS = ("model", "model_state_dict", "state_dict", "net", "network", "params", "weights", "module")
SERIES = ("state_dicts", "checkpoints", "model_checkpoints", "models")
SERIES_STEPS = ("epochs", "steps", "iterations", "checkpoint_epochs", "checkpoint_steps")
PREFIXES = ("module.", "_orig_mod.", "model.")
ENDLESS = ("IGNORE", "mask")  # buffers of older TransformerLens, in which infinity is ordinary
STEP_NAME = re.compile(
    r"(?:.*[^a-z])?(?:step|epoch|iteration|iter|checkpoint|ckpt)s?[-_=. ]?(\d{1,15})|(\d{1,15})", re.I
)


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """The weights of one network, as a file holds them.

    Attributes:
        tensors: By name, on the CPU and contiguous; numbers with a fraction are float32.
        extras: Plain data that the file holds beside them, such as accuracies.
        step: Training step, by what the file says or else by its name.
        beside: The settings in configuration files beside it; see `interp.checkpoints.configs`.
    """

    path: Path
    tensors: dict[str, Tensor]
    extras: dict[str, Any] = field(default_factory=dict)
    step: int | None = None
    beside: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass
class _Budget:
    """Numbers and texts that may still be kept."""

    values: int = MAX_PLAIN


def read_weights(path: Path | str, *, index: int = -1) -> StoredWeights:
    """Read anyone's weights file without running anything in it.

    Its content decides what it is, not its name: safetensors, or a PyTorch file of any age that holds a state
    dict, one in a wrapper, or a list of them over training, of which `index` takes one.

    Raises:
        CheckpointError: The file holds no weights that can be used; the message says why and what helps.

    Example:
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
    states = _find(path)
    if not -len(states) <= index < len(states):
        raise CheckpointError(
            f"{str(path)!r} holds {len(states)} state dicts; there is none of index {index}"
        )
    state = states[index]
    if len(states) > 1:
        number = index % len(states) + 1
        which = "the last" if number == len(states) else f"number {number}"
        state = replace(state, notes=(f"took {which} of {len(states)} state dicts", *state.notes))
    return _finish(state, alone=len(states) == 1)


def read_series(path: Path | str) -> Iterator[StoredWeights]:
    """All state dicts of a file in its order; one if it holds one. Errors are those of `read_weights`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     states = [{"W": torch.eye(2) * n} for n in (1, 2)]
        ...     torch.save({"state_dicts": states, "epochs": [0, 100]}, Path(folder, "run.pt"))
        ...     [stored.step for stored in read_series(Path(folder, "run.pt"))]
        [0, 100]
    """
    states = _find(Path(path))
    return (_finish(state, alone=len(states) == 1) for state in states)


def _find(path: Path) -> list[StoredWeights]:
    with open_file(path) as file:
        head = file.read(9)
    if is_safetensors(head):
        tensors, extras = load_safetensors(path)
        if not tensors:
            raise CheckpointError(f"{str(path)!r} holds no tensors")
        return [StoredWeights(path, tensors, dict(extras), _step_in(extras))]
    content = load_pickle_safely(path)
    budget = _Budget()
    contents, rest = _split_series(content)
    if not contents:
        return [_unwrap(path, content, budget)]
    extras, notes = _keep(rest, budget)
    states = []
    for one, step in zip(contents, _steps(rest, len(contents)), strict=True):
        state = _unwrap(path, one, budget)
        state = replace(state, extras=extras | state.extras, notes=(*notes, *state.notes))
        states.append(state if step is None else replace(state, step=step))
    return states


def _split_series(content: Any) -> tuple[list[Any], dict[Any, Any]]:
    """The state dicts of a content that lists several, and what is beside them."""
    key = None
    if isinstance(content, dict):
        key = next((name for name in SERIES if isinstance(content.get(name), list | tuple)), None)
    states = content if key is None else content[key]
    if not isinstance(states, list | tuple) or not states or not all(map(_holds_weights, states)):
        return [], {}
    return list(states), {} if key is None else {name: content[name] for name in content if name != key}


def _steps(rest: dict[Any, Any], count: int) -> list[int | None]:
    for name in SERIES_STEPS:
        value = rest.get(name)
        steps = value.tolist() if isinstance(value, Tensor) and value.numel() == count else value
        if isinstance(steps, list | tuple) and len(steps) == count:
            return [_whole(step) for step in steps]
    return [None] * count


def _holds_weights(content: Any, depth: int = 0, seen: set[int] | None = None) -> bool:
    seen = set() if seen is None else seen
    if not isinstance(content, dict) or id(content) in seen or depth > MAX_NESTING:
        return False
    seen.add(id(content))
    return any(isinstance(value, Tensor) for value in content.values()) or any(
        _holds_weights(content.get(key), depth + 1, seen) for key in WRAPPERS
    )


def _unwrap(path: Path, content: Any, budget: _Budget, depth: int = 0) -> StoredWeights:
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{str(path)!r} holds {_kind(content)}; expected tensors by name, as in a state dict"
        )
    odd = [key for key in content if not isinstance(key, str)]
    if odd:
        raise CheckpointError(f"{str(path)!r} has the key {odd[0]!r}; expected names of tensors")
    inner = None
    if depth < MAX_NESTING:
        inner = next((key for key in WRAPPERS if _holds_weights(content.get(key), depth + 1)), None)
    if inner is None:
        tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
        state = StoredWeights(path, tensors)
    else:
        state = _unwrap(path, content[inner], budget, depth + 1)
    if not state.tensors:
        held = [f"{_short(name)} ({_kind(value)})" for name, value in list(content.items())[:6]]
        raise CheckpointError(f"{str(path)!r} holds no tensors by name but {', '.join(held) or 'nothing'}")
    used = state.tensors if inner is None else {inner}
    extras, notes = _keep({name: value for name, value in content.items() if name not in used}, budget)
    extras |= state.extras
    return replace(state, extras=extras, step=_step_in(extras), notes=(*notes, *state.notes))


def _keep(rest: dict[Any, Any], budget: _Budget) -> tuple[dict[str, Any], list[str]]:
    """The plain data among what lies beside the weights, and notes of what is dropped."""
    extras, notes, dropped = {}, [], []
    for name, value in rest.items():
        if isinstance(value, dict) and ("param_groups" in value or "optim" in str(name).lower()):
            notes.append("dropped the optimiser state")
            continue
        try:
            extras[str(name)] = _plain(value, budget)
        except ValueError:
            dropped.append(f"{_short(name)} ({_kind(value)})")
    if dropped:
        more = f" and {len(dropped) - 6} more" if len(dropped) > 6 else ""
        notes.append(f"dropped {', '.join(dropped[:6])}{more}")
    return extras, notes


def _plain(value: Any, budget: _Budget, depth: int = 0) -> Any:
    """Numbers, texts, and lists and dictionaries of them; a ValueError for anything else."""
    if isinstance(value, Tensor):
        flat = value.layout is torch.strided and value.ndim <= 1
        if not flat or value.is_meta or value.is_complex() or value.numel() > budget.values:
            raise ValueError("no plain numbers")
        budget.values -= value.numel()
        return (value.detach().double() if value.is_floating_point() else value).tolist()
    if isinstance(value, np.generic | np.ndarray) and value.size <= budget.values:
        budget.values -= value.size
        return value.tolist()
    budget.values -= 1
    if budget.values < 0 or depth > 8:
        raise ValueError("too much")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, dict) and all(isinstance(name, str | int) for name in value):
        return {name: _plain(item, budget, depth + 1) for name, item in value.items()}
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    raise ValueError("no plain data")


def _finish(state: StoredWeights, *, alone: bool) -> StoredWeights:
    path, tensors, step, notes = state.path, state.tensors, state.step, list(state.notes)
    for _ in range(len(PREFIXES)):
        prefix = next((p for p in PREFIXES if all(n.startswith(p) and n != p for n in tensors)), "")
        if prefix:
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
            notes.append(f"stripped the prefix {prefix!r}")
    done: list[str] = []
    tensors = {name: _usable(path, name, tensor, done) for name, tensor in tensors.items()}
    beside, read = settings_beside(path)
    read += disagreements({"the configuration beside the file": beside, "the file": state.extras})
    if step is None and alone and (named := STEP_NAME.fullmatch(path.stem)):
        step = int(named[1] or named[2])
    return StoredWeights(path, tensors, state.extras, step, beside, tuple(dict.fromkeys(notes + done + read)))


def _usable(path: Path, name: str, tensor: Tensor, done: list[str]) -> Tensor:
    """A tensor as a contiguous one of numbers that can be computed with; what that took is added to `done`."""
    where = f"the tensor {_short(name)} in {str(path)!r}"
    faults = {"complex numbers": tensor.is_complex(), "no numbers": tensor.is_meta or not tensor.numel()}
    for fault, present in faults.items():
        if present:
            raise CheckpointError(f"{where} holds {fault}; expected real ones")
    tensor, kind = tensor.detach(), str(tensor.dtype).removeprefix("torch.")
    try:
        if tensor.layout is not torch.strided:
            tensor = _dense(tensor)
            done.append("unfolded sparse tensors")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            tensor = tensor.to(torch.float32)
            done.append(f"converted from {kind}")
        tensor = tensor.contiguous()
    except (RuntimeError, IndexError, TypeError) as error:
        raise CheckpointError(f"{where} of {kind} cannot be used: {said_by(error)}") from None
    if tensor.is_floating_point() and name.rpartition(".")[2] not in ENDLESS:
        low, high = tensor.aminmax()
        if not (low.isfinite() and high.isfinite()):
            fault = "NaN, infinity or numbers beyond float32" if kind == "float64" else "NaN or infinity"
            raise CheckpointError(f"{where} holds {fault}: the training run diverged")
    return tensor


def _dense(tensor: Tensor) -> Tensor:
    """A sparse tensor in full, once its indices are found to lie within its shape."""
    shape, layout = tensor.shape, tensor.layout
    if layout is torch.sparse_coo:
        checked = torch.sparse_coo_tensor(tensor._indices(), tensor._values(), shape, check_invariants=True)
        return checked.to_dense()
    if layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = tensor.crow_indices(), tensor.col_indices(), tensor.values()
    else:
        parts = tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return torch.sparse_compressed_tensor(*parts, shape, layout=layout, check_invariants=True).to_dense()


def _step_in(extras: dict[str, Any]) -> int | None:
    steps = (_whole(extras.get(name)) for name in ("epoch", "step", "iteration"))
    return next((step for step in steps if step is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and 0 <= value < 2**53 else None


def _short(name: Any) -> str:
    return repr(name if len(str(name)) <= 80 else f"{str(name)[:77]}...")


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"one {type(value).__name__}"
