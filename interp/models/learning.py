"""Axes of an adopted network's sites and output, and what follows them, learnt from runs on an example."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from interp.errors import ConfigError
from interp.models.adopted import Adopted
from interp.models.checkpointing import without_checkpointing
from interp.models.learnt_axes import example_axis, learn_axes, mixing_note
from interp.models.nested import item_at
from interp.models.outputs import logits_keys, read_logits
from interp.models.protocol import evaluation_mode
from interp.models.watched import Watched


def learn(model: Adopted, example: Tensor, given: Mapping[str, tuple[int, ...]]) -> None:
    """Run the network on an example, to learn its sites' axes and whether what follows them is linear.

    Args:
        model: Is changed: its axes, notes, and which of its outputs is read.
        given: Axes that count a site's neurons, if the user says it; see `interp.models.learnt_axes`.

    Raises:
        ConfigError: The example has no rows, or a site is not what its kind of module should give; see also
            `Adopted.forward`.
    """
    if not len(example):
        raise ConfigError("the example has no rows; pass one or more inputs, examples first")
    example = example.to(next((p.device for p in model.parameters()), example.device))
    with evaluation_mode(model), without_checkpointing():
        _learn_axes(model, example, given)
        model.output = model.keys
        logits, cache = model.run_with_cache(example)
        beside, others = model.run_with_cache(torch.cat([example[-1:], example]))
        pairs = {name: (tensor, others[name][1:]) for name, tensor in cache.items()}
        mixed = mixing_note(model.module, {"the output": (logits, beside[1:]), **pairs})
        model.axis_notes += () if mixed is None else (mixed,)
        model.linear = {
            name: tuple(cache)[i + 1 :]
            for i, (name, tensor) in enumerate(cache.items())
            if model.linear_readout_of(name, tensor, logits, example) is not None
        }


def _learn_axes(model: Adopted, example: Tensor, given: Mapping[str, tuple[int, ...]]) -> None:
    watched = Watched(model.module, model.call, model.prompt, model.tensors, model.axes)
    (few, output), (more, longer) = watched.run(example), watched.with_one_more(example)
    learnt = learn_axes(few, more, watched.with_fewer_positions(example), given, model.readout)
    model.axes |= {name: one.axes for name, one in learnt.items()}
    classes = () if model.n_outputs is None else (model.n_outputs,)
    keys = logits_keys(output, len(example), classes, model.output)[0]
    shape, more_shape = (tuple(item_at(one, keys).shape) for one in (output, longer))
    axis = model.output_axis = example_axis("the output", shape, more_shape, len(example))
    settings = (model.readout, model.n_outputs, model.output, axis)
    _, model.keys, model.output_notes = read_logits(output, len(example), *settings)
    turned = [f"axis {axis} of the output, {shape}, counts examples"] if axis else []
    model.axis_notes = (*turned, *(one.note for one in learnt.values() if one.note))
