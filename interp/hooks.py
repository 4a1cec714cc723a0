"""Hook points by name, without silent misses; captures and temporary changes that never leak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, near_matches
from interp.models import HookedModel, split_position
from interp.models.checkpointing import without_checkpointing
from interp.models.protocol import HasHooks, Names, select_position
from interp.models.protocol import evaluation_mode as evaluation_mode
from interp.models.site_point import Steps, loop_at, step_at

Model = TypeVar("Model", bound=HasHooks)


def resolve(model: HasHooks, names: Names) -> list[str]:
    """Hook names that a filter means, each of which the model has; one may end in ``@N``, position N of the activation.

    Raises:
        HookNameError: A name does not exist, or nothing matches.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> resolve(HookedMLP(MLPConfig(width=4), vocab=5), lambda name: name.endswith("post"))
        ['blocks.0.mlp.hook_post']
    """
    known = model.hook_dict
    if callable(names):
        matches = [name for name in known if names(name)]
        if not matches:
            raise HookNameError(f"the filter matches none of the model's hooks: {', '.join(known)}")
        return matches
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise HookNameError(f"no hook was named; the model has {', '.join(known)}")
    for name, position in map(split_position, names):
        if name not in known:
            raise HookNameError(f"the model has no hook {name!r}; {near_matches(name, known)}")
        if position is not None and isinstance(model, HookedModel):
            sites = {site.hook: site for site in model.neuron_sites()}
            if name in sites and sites[name].position is None:
                raise HookNameError(f"the neurons at {name!r} have no positions; leave out '@{position}'")
    return names


@contextmanager
def hooked(model: Model, changes: Mapping[str, Callable[[Tensor], Tensor | None]]) -> Iterator[Model]:
    """Run `changes` at their hook points inside the block; exactly these are removed at its end.

    They are functions of the activation, at position N for a name that ends in ``@N``; returning None leaves it as it
    is. At a site in a loop they are called once a step, with that step's activation. They are invisible to
    TransformerLens' `reset_hooks`, so `run_with_cache` and `run_with_hooks` may be called inside the block and see the
    changed activations; hooks that others added stay in place. Hooks act on the model's Python forward pass: a model
    that `torch.compile` compiled earlier ignores them. Activation checkpointing is off meanwhile, see
    `interp.models.checkpointing`. A `HookNameError` if a name does not exist.
    """

    def call(
        change: Callable[[Tensor], Tensor | None], name: str, point: nn.Module, _args: Any, output: Tensor
    ) -> Any:
        return changed_at(name, point, change, output)

    resolve(model, list(changes))
    with without_checkpointing(), ExitStack() as stack:
        for name, change in changes.items():
            hook = model.hook_dict[split_position(name)[0]]
            stack.callback(hook.register_forward_hook(partial(call, change, name)).remove)
        yield model


def changed_at(
    name: str, point: nn.Module, change: Callable[[Tensor], Tensor | None], output: Tensor
) -> Tensor | None:
    """An activation as a change leaves it at a hook name, which may end in ``@N``; None where it stays as it is.

    Args:
        point: The module at the name.
        output: The whole activation there; in a loop that of one step.
    """
    _, position = split_position(name)
    if position is None or loop_at(point) is not None:
        return change(output) if position in (None, step_at(point)) else None
    changed = change(select_position(output, position, name))
    if changed is None:
        return None
    output = output.clone()
    output[:, position] = changed
    return output


def device_of(model: HookedModel) -> torch.device:
    """Where the model's parameters are, or else its buffers; the CPU of a model without any."""
    tensors = chain(model.parameters(), getattr(model, "buffers", list)())
    return next((one.device for one in tensors), torch.device("cpu"))


def batches(inputs: Tensor, batch_size: int | None, device: torch.device) -> Iterator[Tensor]:
    """`inputs` in chunks of at most `batch_size` rows (all at once if None), moved to `device`."""
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} must be at least 1, or None for all examples at once")
    for chunk in inputs.split(batch_size or max(len(inputs), 1)):
        yield chunk.to(device)


def capture(
    model: HookedModel,
    inputs: Tensor,
    names: Names,
    *,
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    carry: bool = False,
) -> dict[str, Tensor]:
    """Activations at the named hooks, and at no others, in evaluation mode.

    What is returned is a copy: operations that later change an activation in place do not reach it.

    Args:
        inputs: Token numbers, ``(example, token)``.
        batch_size: Examples in one forward pass; all if None. Bounds the memory of everything not captured.
        device: Where the captures go, chunk by chunk; the model's device if None.
        dtype: Type of the captures; unchanged if None.
        carry: Of a network that keeps state between calls: go on from it, and leave it as the call does. Else it is
            put back, so that the same call captures the same again. All examples then are one batch.

    Returns:
        One tensor ``(example, …)`` for each name; of a site in a loop ``(example, step, …)``.

    Raises:
        HookNameError: A name does not exist, or nothing matches.
        ConfigError: The number of steps, or the shape, differs between batches or steps.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=4), vocab=5)
        >>> capture(model, torch.tensor([[0, 1], [2, 3]]), "blocks.0.mlp.hook_post")["blocks.0.mlp.hook_post"].shape
        torch.Size([2, 4])
    """
    captured: dict[str, list[Tensor]] = {name: [] for name in resolve(model, names)}
    if carry and batch_size is not None:
        raise ConfigError("carry=True goes on from the state of one batch; leave out batch_size")

    def keep(steps: Steps, name: str, activation: Tensor) -> None:
        point = model.hook_dict[split_position(name)[0]]
        steps.keep(point, activation.detach().to(device=device, dtype=dtype, copy=True))

    with evaluation_mode(model, carry=carry):
        for chunk in batches(inputs, batch_size, device_of(model)):
            passed = {name: Steps() for name in captured}
            with hooked(model, {name: partial(keep, steps, name) for name, steps in passed.items()}):
                model(chunk)
            for name, steps in passed.items():
                if not steps.kept:
                    raise HookNameError(f"the hook {name!r} exists but was never reached in a forward pass")
                at_one = split_position(name)[1] is not None
                captured[name].append(steps.kept[0][1] if at_one else steps.joined(name))
    return {name: _batches_joined(name, chunks) for name, chunks in captured.items()}


def _batches_joined(name: str, chunks: list[Tensor]) -> Tensor:
    """Captures of all batches as one tensor."""
    if len({chunk.shape[1:] for chunk in chunks}) > 1:
        shapes = " and ".join(map(str, dict.fromkeys(tuple(chunk.shape) for chunk in chunks)))
        raise ConfigError(f"{name!r} has shapes {shapes} in different batches; capture them one by one")
    return torch.cat(chunks) if len(chunks) > 1 else chunks[0]
