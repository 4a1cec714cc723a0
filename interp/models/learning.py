"""Axes of an adopted network's sites and output, and what follows them, learnt from runs on an example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from interp.errors import ConfigError
from interp.models.adopted import Adopted
from interp.models.axes import time_first
from interp.models.checkpointing import without_checkpointing
from interp.models.learnt_axes import example_axis, learn_axes
from interp.models.nested import item_at
from interp.models.outputs import logits_keys, read_logits
from interp.models.protocol import evaluation_mode
from interp.models.site_point import step_at
from interp.models.watched import Run, Watched, same_rows

MOST_ROWS, MOST_NAMED = 8, 5
_CARRIED = (
    "the network keeps state between calls ({}); measuring starts every call from the state that it has, and puts that "
    "back"
)


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
        runs = _learn_axes(model, example, given)
        model.output = model.keys
        logits, cache = model.run_with_cache(example)
        model.axis_notes += tuple(_remarks(model, example, logits, cache, runs))
        model.linear = {
            name: tuple(cache)[i + 1 :]
            for i, (name, tensor) in enumerate(cache.items())
            if model.linear_readout_of(name, tensor, logits, example) is not None
        }
    model.example = example[:MOST_ROWS].clone()


def _learn_axes(model: Adopted, example: Tensor, given: Mapping[str, tuple[int, ...]]) -> tuple[Run, Run]:
    """Learn the axes; the runs on the example, and with one more."""
    watched = Watched(model.module, model.call, model.prompt, model.tensors, model.axes)
    (few, output), (more, longer) = watched.run(example), watched.with_one_more(example)
    model.stateful = tuple(few.changed)
    learnt = learn_axes(few, more, watched.with_fewer_positions(example), given, model.readout)
    model.axes |= {name: one.axes for name, one in learnt.items()}
    classes = () if model.n_outputs is None else (model.n_outputs,)
    keys = logits_keys(output, len(example), classes, model.output)[0]
    shape, more_shape = (tuple(item_at(one, keys).shape) for one in (output, longer))
    axis = model.output_axis = example_axis("the output", shape, more_shape, len(example))
    settings = (model.readout, model.n_outputs, model.output, axis)
    _, model.keys, model.output_notes = read_logits(output, len(example), *settings)
    carried = [_CARRIED.format(", ".join(model.stateful[:MOST_NAMED]))] if model.stateful else []
    turned = [f"axis {axis} of the output, {shape}, counts examples"] if axis else []
    model.axis_notes = (*carried, *turned, *(one.note for one in learnt.values() if one.note))
    return few, more


def _remarks(
    model: Adopted, example: Tensor, logits: Tensor, cache: Mapping[str, Tensor], runs: tuple[Run, Run]
) -> Iterator[str]:
    """Sentences about a network that is random, mixes examples or does not use a site; errors where it is of no use."""
    if not same_rows(model(example), logits):
        model.random = True
        yield "the network is not deterministic: it answers the same examples otherwise when it is run again"
        return
    beside, others = model.run_with_cache(torch.cat([example[-1:], example]))
    pairs = {name: (tensor, others[name][1:]) for name, tensor in cache.items()}
    pairs = {"the output": (logits, beside[1:]), **pairs}
    mixed = [name for name, (alone, together) in pairs.items() if not same_rows(alone, together)]
    if mixed:
        _check_time(model, *runs, mixed[0])
        yield f"{mixed[0]} of one example changes with the examples beside it"
    for name, tensor in cache.items():
        if model.tensors[name].part == "abs":  # cannot be changed
            continue
        if not same_rows(_changed(model, example, name, lambda x, step: x * 1.0), logits):
            raise ConfigError(
                f"the network does not go on with what takes the place of {name!r}: a module works in place, and the "
                "network uses the tensor that it was given. Choose another site near it"
            )
        yield from _remarks_on_use(model, example, logits, name, tensor)


def _remarks_on_use(
    model: Adopted, example: Tensor, logits: Tensor, name: str, tensor: Tensor
) -> Iterator[str]:
    """Sentences about a site that the answers do not depend on, or only at positions that are not scored."""
    size = max(1.0, float(tensor.abs().max())) if tensor.numel() else 1.0
    noise = size * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)).to(tensor)
    stepped = model.axes[name].loop is not None

    def exchanged(x: Tensor, step: int | None) -> Tensor:
        return (noise[:, step] if stepped else noise) - x

    if torch.equal(_changed(model, example, name, exchanged), logits):
        yield (
            f"the answers do not depend on {name!r}: the network does not use what is there, so removing neurons there "
            "changes nothing"
        )
        return
    axes = model.axes[name]
    if axes.position is None or tensor.ndim < 3 or not 1 < tensor.shape[1] <= MOST_ROWS:
        return

    def only(place: int) -> Callable[[Tensor, int | None], Tensor]:
        def change(x: Tensor, step: int | None) -> Tensor:
            if stepped:
                return exchanged(x, step) if step == place else x
            x = x.clone()
            x[:, place] = noise[:, place] - x[:, place]
            return x

        return change

    used = [
        place
        for place in range(tensor.shape[1])
        if not torch.equal(_changed(model, example, name, only(place)), logits)
    ]
    if len(used) == 1 and axes.position not in used:
        model.axes[name] = replace(axes, position=used[0])
        yield f"{name} is scored at position {used[0]}, the only one that the answers depend on"
    elif used and axes.position not in used:
        yield (
            f"the answers depend on {name!r} at positions {', '.join(map(str, used))}, and scores are taken from "
            f"position {axes.position}; write {name}@{used[0]}, or say where the answer is read (readout=, --readout)"
        )


def _changed(
    model: Adopted, example: Tensor, name: str, change: Callable[[Tensor, int | None], Tensor]
) -> Tensor:
    """Logits with a site's tensor changed, given it and the step of its loop."""
    handle = model.hook_dict[name].register_forward_hook(
        lambda point, _args, output: change(output, step_at(point)) + 0.0
    )
    try:
        return model(example)
    finally:
        handle.remove()


def _check_time(model: Adopted, few: Run, more: Run, mixed: str) -> None:
    """Refuse a network in which a module that puts time before examples was given examples first."""
    shapes = {one.name: one.shape for one in more.seen}
    for one in few.seen:
        path = one.name.rpartition(":")[0]
        if one.site or not time_first(inner := model.module.get_submodule(path)) or one.name not in shapes:
            continue
        if shapes[one.name][:1] == (few.examples + 1,) and one.shape[:1] == (few.examples,):
            raise ConfigError(
                f"{path or 'the network'} ({type(inner).__name__}) puts time before examples and was given examples "
                f"first, and {mixed} of one example changes with those beside it; build it with batch_first=True, or "
                "turn its inputs around with forward=lambda module, inputs: module(inputs.transpose(0, 1))"
            )
