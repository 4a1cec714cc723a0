"""A user's own network, built by a function in a Python file that the user names."""

from __future__ import annotations

import runpy
from pathlib import Path

from torch import Tensor, nn

from interp.checkpoints.options import factory_of
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


def fill(module: nn.Module, tensors: dict[str, Tensor], file: Path) -> None:
    """Load weights into a module, strictly: the same names and shapes, or a `CheckpointError`."""
    wanted = module.state_dict()
    first = next(iter(wanted), "").split(".")[0] + "."  # reading strips a name that all tensors share
    if all(name.startswith(first) for name in wanted) and not any(name.startswith(first) for name in tensors):
        tensors = {first + name: tensor for name, tensor in tensors.items()}
    for name in [*wanted, *tensors]:
        if name not in tensors or name not in wanted:
            place = "is missing from" if name in wanted else "is in"
            known = tensors if name in wanted else wanted
            also = "" if name in wanted else ", but not in the model"
            raise CheckpointError(
                f"the tensor {name!r} {place} {str(file)!r}{also}; {near_matches(name, known)}"
            )
        if tensors[name].shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} in {str(file)!r} has shape {tuple(tensors[name].shape)}; "
                f"the model has {tuple(wanted[name].shape)}"
            )
    module.load_state_dict(tensors)
