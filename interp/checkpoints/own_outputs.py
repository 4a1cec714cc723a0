"""A user's own module with hook points, and which of its outputs are the classes of its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interp.checkpoints.options import OpenOptions
from interp.data import TableTask, Task
from interp.errors import ConfigError
from interp.markup import percentage
from interp.measuring.evaluation import all_logits
from interp.measuring.numbering import numbered
from interp.models import Adopted, Prompt, adopt
from interp.models.carried_state import kept_state
from interp.models.complex_parts import PARTS
from interp.models.nested import item_at
from interp.models.outputs import logits_keys, output_keys


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


def prompt_of(options: OpenOptions, task: Task) -> Prompt | None:
    """The prompt by which a task's operands become a module's tokens; None where it reads the inputs as they are."""
    if options.tokens is None:
        return None
    p = options.p or getattr(task, "p", None) or int(task.dataset.inputs.max()) + 1
    return Prompt.parse(options.tokens, p=p)


def adopt_for(module: nn.Module, task: Task, options: OpenOptions) -> AdoptedForTask:
    """Give a module hook points, and settle which outputs are the classes of its task.

    Of a table all outputs are classes; of an operation modulo p the first p.

    Raises:
        ConfigError: The module's outputs are no logits, or fewer than the task has classes. The module's own code may
            raise anything else.
    """
    data, prompt = task.dataset, prompt_of(options, task)
    few = data.inputs[:3]
    with torch.no_grad(), kept_state(module):
        output = module(few if prompt is None else prompt(few))
    classes = {data.n_classes, len(torch.unique(data.labels))}
    given = None if options.output is None else output_keys(options.output)
    keys, chosen = logits_keys(output, len(few), classes, given)
    if options.readout is not None and item_at(output, keys).ndim < 3:
        raise ConfigError(
            f"the output {tuple(item_at(output, keys).shape)} has no positions; leave out --readout {options.readout}"
        )
    readout = -1 if options.readout is None else options.readout
    settings: dict[str, Any] = {
        "example": data.inputs[:2],
        "prompt": prompt,
        "readout": readout,
        "output": keys,
        "axis": options.neuron_axes,
        "part": options.part,
        "loop": options.loop,
    }
    model = adopt(module, options.sites, **settings)
    if model.random:
        raise ConfigError(
            "the network answers the same examples otherwise when it is run again, such as with dropout that is always "
            "on; make it deterministic in evaluation mode"
        )
    logits, notes = all_logits(model, data), (*([chosen] if chosen else ()), *model.axis_notes)
    if options.part is not None:
        notes = (*notes, f"of complex activations {PARTS[options.part]} are the neurons")
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
