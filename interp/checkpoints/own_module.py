"""A user's own network, built by a function in a Python file that the user names."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interp.checkpoints.options import OpenOptions, factory_of
from interp.data import Dataset, TableTask, Task
from interp.errors import CheckpointError, ConfigError, near_matches
from interp.markup import percentage
from interp.measuring.evaluation import all_logits
from interp.measuring.numbering import numbered
from interp.models import Adopted, Prompt, adopt
from interp.models.outputs import logits_keys, output_keys


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


@dataclass(frozen=True, eq=False)
class AdoptedForTask:
    """A user's module with hook points, and its task with as many classes as the module has outputs.

    Attributes:
        logits: Of every example, ``(example, output)``.
        notes: What was decided about outputs and classes, in sentences.
        renumbered: Whether the notes offer another numbering of the labels.
    """

    model: Adopted
    task: Task
    logits: Tensor
    notes: tuple[str, ...]
    renumbered: bool = False


def prompt_of(options: OpenOptions, data: Dataset) -> Prompt | None:
    """How a dataset's operands become a module's tokens; None where it reads the inputs as they are."""
    if options.tokens is None:
        return None
    return Prompt.parse(options.tokens, p=options.p or int(data.inputs.max()) + 1)


def adopt_for(module: nn.Module, task: Task, options: OpenOptions) -> AdoptedForTask:
    """Give a module hook points, and settle which outputs are the classes of its task.

    Of a table all outputs are classes; of an operation modulo p the first p.

    Raises:
        ConfigError: The module's outputs are no logits, or fewer than the task has classes. The module's own code may
            raise anything else.
    """
    data, prompt = task.dataset, prompt_of(options, task.dataset)
    few = data.inputs[:3]
    with torch.no_grad():
        output = module(few if prompt is None else prompt(few))
    classes = {data.n_classes, len(torch.unique(data.labels))}
    given = None if options.output is None else output_keys(options.output)
    keys, chosen = logits_keys(output, len(few), classes, given)
    readout = -1 if options.readout is None else options.readout
    settings: dict[str, Any] = {
        "example": data.inputs[:2],
        "prompt": prompt,
        "readout": readout,
        "output": keys,
    }
    model = adopt(module, options.sites, **settings)
    logits, notes = all_logits(model, data), () if chosen is None else (chosen,)
    if isinstance(task, TableTask):
        task, numbering = numbered(task, logits)
        return AdoptedForTask(model, task, logits, (*notes, *numbering.sentences()), numbering.better)
    if logits.shape[1] < data.n_classes:
        raise ConfigError(
            f"the network has {logits.shape[1]} outputs, and the task {data.n_classes} results; is --p another one, "
            "or the logits another output (--output)?"
        )
    if logits.shape[1] > data.n_classes:
        beyond = float((logits.argmax(1) >= data.n_classes).double().mean())
        cut = f"of {logits.shape[1]} outputs the first {data.n_classes} are read as the task's results"
        notes = (*notes, f"{cut}; {percentage(beyond)} of the answers are among the others")
        model = adopt(module, options.sites, n_outputs=data.n_classes, **settings)
    return AdoptedForTask(model, task, logits[:, : data.n_classes], notes)
