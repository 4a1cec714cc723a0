"""A user's own network, built by a function in a Python file that the user names."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from itertools import product

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from interp.checkpoints.names import companions, without_parts
from interp.checkpoints.options import factory_of
from interp.checkpoints.stored import StoredWeights
from interp.errors import CheckpointError, ConfigError, near_matches


def build_from_file(where: str) -> nn.Module:
    """The module that a factory such as ``path/to/file.py:build`` builds; this runs the file's code."""
    file, name = factory_of(where)
    try:
        names = runpy.run_path(str(file), run_name=f"grokscope_model_{file.stem}")
    except Exception as error:  # the user's own code may raise anything
        raise ConfigError(f"{str(file)!r} cannot be imported: {type(error).__name__}: {error}") from error
    build = names.get(name)
    if not callable(build):
        functions = [key for key, value in names.items() if callable(value)]
        raise ConfigError(f"{str(file)!r} has no function {name!r}; {near_matches(name, functions)}")
    try:
        module = build()
    except Exception as error:  # the user's own code may raise anything
        raise ConfigError(f"{where!r} failed with {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{where!r} returned {type(module).__name__}; expected a torch.nn.Module")
    return module


def fill(module: nn.Module, stored: StoredWeights) -> list[str]:
    """Load weights into a module as `torch.nn.Module.load_state_dict` does, strictly.

    Names may differ by what wrappers add to them, on either side, and a tensor that is tied to another one may be left
    out.

    Returns:
        Notes of what differed.

    Raises:
        CheckpointError: A tensor is missing, unexpected, of another shape, or a parameter that is not finite.
    """
    wanted, parameters = (
        module.state_dict(keep_vars=True),
        dict(module.named_parameters(remove_duplicate=False)),
    )
    tensors, notes = _matching(wanted, stored)
    tied = _tied(wanted, tensors)
    file = stored.path
    for name in [*wanted, *tensors]:
        if (name not in tensors and name not in tied) or name not in wanted:
            place = "is missing from" if name in wanted else "is in"
            known = tensors if name in wanted else wanted
            also = "" if name in wanted else ", but not in the model"
            raise CheckpointError(
                f"the tensor {name!r} {place} {str(file)!r}{also}; {near_matches(name, known)}"
            )
    for name, tensor in tensors.items():
        if not is_lazy(wanted[name]) and tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} in {str(file)!r} has shape {tuple(tensor.shape)}; "
                f"the model has {tuple(wanted[name].shape)}"
            )
        if name in parameters and not tensor.isfinite().all():
            raise CheckpointError(f"{name!r} in {str(file)!r} holds infinity: the training run diverged")
    empty = any(tensor.is_meta for tensor in wanted.values())
    full = {**tensors, **{name: tensors[other] for name, other in tied.items()}}
    module.load_state_dict(full, assign=empty)  # what has no memory of its own takes the file's
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not is_lazy(tensor) and tensor.is_meta:
            raise ConfigError(
                f"{name!r} of the model is on the device meta, and {str(file)!r} does not hold it; build the model on "
                "the CPU"
            )
    return [*notes, *(f"{name!r} is tied to {other!r}, which the file holds" for name, other in tied.items())]


def _matching(wanted: Mapping[str, Tensor], stored: StoredWeights) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a file under the names that a module has for them, as far as they match, and notes."""
    if wanted.keys() == stored.own.keys():
        return dict(stored.own), []
    names, _ = without_parts(wanted)
    plain = {short: name for name, short in names.items()}
    held = stored.tensors | stored.left_out
    best: tuple[int, dict[str, Tensor], list[str]] = (-1, held, [])
    ours = [""] + [f"{first}." for first in {name.partition(".")[0] for name in plain if "." in name}]
    theirs = [""] + [f"{first}." for first in {name.partition(".")[0] for name in held if "." in name}]
    for mine, other in product(ours, theirs):
        renamed, aside = {}, []
        for name, tensor in held.items():
            short = mine + name.removeprefix(other)
            if name.startswith(other) and short in plain:
                renamed[plain[short]] = tensor
            elif name in companions(held):
                aside.append(f"left out {name!r}, which is no part of the model")
            else:
                renamed[name] = tensor
        count = len(renamed.keys() & wanted.keys())
        if count > best[0]:
            notes = [f"stripped the prefix {other!r}"] if other else []
            best = (count, renamed, notes + aside)
    return best[1], best[2]


def _tied(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each name that a file lacks, another of the same tensor that it has."""
    by_place: dict[tuple[object, ...], str] = {}
    for name, tensor in wanted.items():
        if name in tensors and not is_lazy(tensor) and tensor.numel():
            by_place[_place(tensor)] = name
    places = {name: _place(tensor) for name, tensor in wanted.items() if name not in tensors}
    return {name: by_place[place] for name, place in places.items() if place in by_place}


def _place(tensor: Tensor) -> tuple[object, ...]:
    """A key that two tensors share if they are one: their memory, or the object if it has none."""
    if is_lazy(tensor) or tensor.is_meta:
        return (id(tensor),)
    return tensor.data_ptr(), tensor.shape, tensor.stride()
