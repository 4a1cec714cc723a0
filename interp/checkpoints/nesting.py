"""State dicts inside the dictionaries of a stranger's file, and the plain data beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.checkpoints.arrays import as_tensor
from interp.checkpoints.copies import RAW, is_averaged, is_initial, named_by, words_of
from interp.checkpoints.safe import said_by
from interp.checkpoints.stored import StoredWeights
from interp.errors import CheckpointError

MAX_PLAIN = 2**21  # numbers and texts kept beside the weights
MAX_NESTING = 5  # dictionaries in one another, around a state dict or in one
WRAPPERS = ("model", "model_state_dict", "state_dict", "net", "network", "params", "weights", "module")
WRAPPER_WORDS = frozenset(("model", "net", "network", "params", "weights", "module", "state", "variables"))
TRAINERS = re.compile(
    r"optim(?!al|um|us)|opt_state|sched|scaler|rng|random_state|grad|moment|hyper_param|callbacks|loops|exp_avg|square_avg|fisher"
    r"|hessian|precondition|velocit"
)
"""Words for all that a trainer keeps beside the network, or measures of it."""
MAX_LEAVES = 2**17  # values in nested dictionaries
SERIES = ("state_dicts", "checkpoints", "model_checkpoints", "models")
SERIES_STEPS = ("epochs", "steps", "iterations", "checkpoint_epochs", "checkpoint_steps")


@dataclass
class Budget:
    """Numbers and texts that may still be kept."""

    values: int = MAX_PLAIN


def split_series(content: Any) -> tuple[list[Any], dict[Any, Any]]:
    """The state dicts of a content that lists several, and what is beside them."""
    key = None
    if isinstance(content, dict):
        key = next((name for name in SERIES if isinstance(content.get(name), list | tuple)), None)
    states = content if key is None else content[key]
    if not isinstance(states, list | tuple) or not states or not all(map(_holds_weights, states)):
        return [], {}
    return list(states), {} if key is None else {name: content[name] for name in content if name != key}


def steps_of(rest: dict[Any, Any], count: int) -> list[int | None]:
    """The steps of as many state dicts, as what lies beside them states, each None if it does not."""
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
    if "param_groups" in content:
        return False
    return any(map(_is_array, content.values())) or any(
        _holds_weights(value, depth + 1, seen)
        for key, value in content.items()
        if not TRAINERS.search(str(key).lower())
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.ndim > 1


def unwrapped(
    path: Path, content: Any, budget: Budget, choice: str | None = None, depth: int = 0
) -> StoredWeights:
    """The state dict in a content, whatever dictionaries it lies in, with the plain data beside it."""
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{str(path)!r} holds {kind_of(content)}; expected tensors by name, as in a state dict"
        )
    if _only_trains(content):
        raise CheckpointError(
            f"{str(path)!r} holds the state of an optimiser and no network's weights; name the file of the model, "
            "which trainers write beside it"
        )
    odd = [key for key in content if not isinstance(key, str)]
    if odd:
        raise CheckpointError(f"{str(path)!r} has the key {odd[0]!r}; expected names of tensors")
    inner, others, chosen = _inner(path, content, choice, depth)
    if inner is None:
        state = StoredWeights(path, _tensors_in(path, content))
        used = {*state.tensors, *(name.partition(".")[0] for name in state.tensors)}
    else:
        state = unwrapped(path, content[inner], budget, None if chosen else choice, depth + 1)
        used = {inner, *others}
        state = replace(state, under=(inner, *state.under), asked=chosen or state.asked)
    if not state.tensors:
        if trainers := [key for key in content if TRAINERS.search(key.lower())]:
            raise CheckpointError(
                f"{str(path)!r} holds no network's weights: {short_name(trainers[0])} is a trainer's; name the file of "
                "the model, which trainers write beside it"
            )
        held = [f"{short_name(name)} ({kind_of(value)})" for name, value in list(content.items())[:6]]
        raise CheckpointError(f"{str(path)!r} holds no tensors by name but {', '.join(held) or 'nothing'}")
    extras, dropped = keep_plain({name: value for name, value in content.items() if name not in used}, budget)
    extras |= state.extras
    notes: list[str] = []
    if inner is not None and (state.asked or others or not (inner in WRAPPERS or _is_wrapper(inner))):
        reason = "as was asked" if state.asked else _reason(content, inner, others)
        notes = [f"read the weights under {inner!r}, {reason}"]
        notes += [
            f"{key!r} holds weights too: --weights {key} reads those" for key in others if not state.asked
        ]
    return replace(state, extras=extras, step=step_in(extras), notes=(*notes, *dropped, *state.notes))


def trainers_part(names: Iterable[str]) -> str | None:
    """The first part that all names share which is a trainer's, and so no network's; None if there is none.

    Example:
        >>> trainers_part(["state.exp_avg.fc1.weight", "state.exp_avg.fc2.weight"]), trainers_part(["net.grad"])
        ('exp_avg', None)
    """
    shared = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return next((one[0] for one in shared if len(set(one)) == 1 and TRAINERS.search(one[0].lower())), None)


def _only_trains(content: dict[Any, Any]) -> bool:
    """True for the state of an optimiser alone, or with what else a trainer keeps."""
    if "param_groups" in content:
        return not any(map(_is_array, content.values()))
    states = [key for key, value in content.items() if isinstance(value, dict) and value]
    inner = [content[key] for key in states if TRAINERS.search(str(key).lower())]
    trains = any("param_groups" in value or "exp_avg" in value for value in inner)
    return trains and len(inner) == len(states) and not any(map(_is_array, content.values()))


def _reason(content: dict[str, Any], inner: str, others: list[str]) -> str:
    zeros = [key for key in others if _all_zero(content[key])]
    if zeros:
        return f"as those under {zeros[0]!r} are all zero"
    before = [key for key in others if is_initial(key)]
    if before and not is_initial(inner):
        return f"as those under {before[0]!r} are by their name from before training"
    return (
        "the first of several" if others else "a name that says nothing of a network; it holds the only ones"
    )


def _inner(
    path: Path, content: dict[str, Any], choice: str | None, depth: int
) -> tuple[str | None, list[str], bool]:
    """The key of the dictionary that holds the weights, None if this one does; of others; True if it was asked for."""
    children = [
        key
        for key, value in content.items()
        if not TRAINERS.search(key.lower()) and _holds_weights(value, depth + 1)
    ]
    matrices = [key for key in children if _has_matrix(content[key])]
    asked = [] if choice is None else named_by(choice, matrices) or named_by(choice, children)
    within: list[str] = []
    if choice not in (None, RAW) and not asked:
        within = [key for key in matrices if _holds_named(content[key], str(choice))]
    if len(asked or within) > 1:
        raise CheckpointError(
            f"{str(path)!r} holds several weights that weights={choice!r} could mean, under "
            f"{', '.join(map(repr, (asked or within)[:8]))}; write the whole of a name"
        )
    if asked or within:
        (one,) = asked or within
        return one, [key for key in matrices if key != one], bool(asked)
    known = [key for key in WRAPPERS if key in children]
    known += [key for key in children if _is_wrapper(key) and key not in known]
    if not known and (not matrices or any(map(_is_matrix, content.values()))):
        return None, [], False
    taken = known or matrices
    if not known and len(matrices) > 1:
        shapes = [{name: value.shape for name, value in _leaves(content[key])} for key in matrices]
        if any(shape != shapes[0] for shape in shapes):
            return None, [], False  # parts of one network
        taken = [key for key in matrices if not is_averaged(key) and not is_initial(key)]
        if len(taken) != 1:
            raise CheckpointError(
                f"{str(path)!r} holds weights under {', '.join(map(repr, matrices[:8]))}; say which are meant, such as "
                f"weights={matrices[0]!r} (--weights {matrices[0]})"
            )
    if len(matrices) > 1:
        taken = [*taken, *(key for key in matrices if key not in taken)]
        taken.sort(key=lambda key: (_all_zero(content[key]), is_initial(key)))
    return taken[0], [key for key in matrices if key != taken[0]], False


def _holds_named(content: dict[str, Any], choice: str) -> bool:
    """True if a choice of weights means a part of names further inside."""
    names = [name for name, _ in _leaves(content)]
    parts = dict.fromkeys(part for name in names for part in name.split(".")[:-1])
    return bool(named_by(choice, parts)) or any(f".{choice}." in f".{name}" for name in names)


def _is_wrapper(key: str) -> bool:
    return not WRAPPER_WORDS.isdisjoint(words_of(key)) and not is_averaged(key)


def _all_zero(content: dict[str, Any]) -> bool:
    return all(not _is_matrix(value) or not bool((value != 0).any()) for _, value in _leaves(content))


def _leaves(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays in nested dictionaries, by their names with dots between, without those of a trainer."""
    waiting: list[tuple[str, int, dict[str, Any]]] = [("", 0, content)]
    count = 0
    while waiting:
        before, depth, level = waiting.pop(0)
        for key, value in level.items():
            count += 1
            if count > MAX_LEAVES:
                raise CheckpointError(
                    f"the file's dictionaries hold more than {MAX_LEAVES} values in one another"
                )
            if _is_array(value):
                yield f"{before}{key}", value
            elif isinstance(value, dict) and depth < MAX_NESTING and not TRAINERS.search(str(key).lower()):
                waiting.append((f"{before}{key}.", depth + 1, value))


def _has_matrix(content: dict[str, Any]) -> bool:
    return any(_is_matrix(value) for _, value in _leaves(content))


def _tensors_in(path: Path, content: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict; its arrays if it has none; and of nested ones, if it holds nothing else."""
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    nested = any(isinstance(value, dict) and _has_matrix(value) for value in content.values())
    arrays = (
        dict(_leaves(content))
        if not tensors or (nested and not any(map(_is_matrix, tensors.values())))
        else {}
    )
    try:
        return tensors | {
            name: value if isinstance(value, Tensor) else as_tensor(value) for name, value in arrays.items()
        }
    except ValueError as error:
        raise CheckpointError(f"{str(path)!r} cannot be used: {said_by(error)}") from None


def keep_plain(rest: dict[Any, Any], budget: Budget) -> tuple[dict[str, Any], list[str]]:
    """The plain data among what lies beside the weights, and notes of what is dropped."""
    extras: dict[str, Any] = {}
    notes: list[str] = []
    dropped: list[str] = []
    for name, value in rest.items():
        if isinstance(value, dict) and ("param_groups" in value or "optim" in str(name).lower()):
            notes.append("dropped the optimiser state")
            continue
        try:
            extras[str(name)] = _plain(value, budget, dropped, str(name))
        except ValueError:
            dropped.append(f"{short_name(name)} ({kind_of(value)})")
    if dropped:
        more = f" and {len(dropped) - 6} more" if len(dropped) > 6 else ""
        notes.append(f"dropped {', '.join(dropped[:6])}{more}")
    return extras, notes


def _plain(value: Any, budget: Budget, dropped: list[str], place: str, depth: int = 0) -> Any:
    """Numbers, texts, and lists and dictionaries of them; a ValueError for anything else.

    Of a dictionary, such as a run's settings, entries that are none of these are left out, and `dropped` names them.
    """
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
    if isinstance(value, list | tuple | set | frozenset):
        items = value if isinstance(value, list | tuple) else sorted(value, key=repr)
        return [_plain(item, budget, dropped, place, depth + 1) for item in items]
    if isinstance(value, dict) and all(isinstance(name, str | int) for name in value):
        result = {}
        for name, item in value.items():
            inner = f"{place}.{name}"
            try:
                result[name] = _plain(item, budget, dropped, inner, depth + 1)
            except ValueError:
                dropped.append(f"{short_name(inner)} ({kind_of(item)})")
        return result
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    raise ValueError("no plain data")


def step_in(extras: dict[str, Any]) -> int | None:
    """The training step among plain data, if it is there."""
    steps = (_whole(extras.get(name)) for name in ("epoch", "step", "iteration"))
    return next((step for step in steps if step is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and 0 <= value < 2**53 else None


def short_name(name: Any) -> str:
    """A name for messages, of at most 80 letters."""
    return repr(name if len(str(name)) <= 80 else f"{str(name)[:77]}...")


def kind_of(value: Any) -> str:
    """The kind and size of a value, for messages."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return f"one {type(value).__name__}"
