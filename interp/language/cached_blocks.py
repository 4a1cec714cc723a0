"""A forward pass up to any layer of a language model, kept, so that what follows can be run again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.language.batches import Batch
from interp.language.model import LanguageModel


@dataclass(frozen=True, eq=False)
class CachedBlocks:
    """The residual stream before every layer, for one batch.

    Attributes:
        streams: By layer, ``(row, token, stream)``.
        more: What each layer gives besides the residual stream.
    """

    model: LanguageModel
    batch: Batch
    streams: tuple[Float[Tensor, "row token stream"], ...]
    more: tuple[tuple[Any, ...] | None, ...]

    def hidden_from(self, layer: int, copies: int = 1) -> Float[Tensor, "copied_row token stream"]:
        """The head's input, with the layers from `layer` on run again, for so many copies of the batch at once.

        Hooks on these layers act; see `interp.language.gates.gated`. Layers before it are not run.
        """
        with _begun_at(self, layer, copies):
            return self.model.hidden(self.batch.ids.repeat(copies, 1), self.batch.mask.repeat(copies, 1))


@torch.no_grad()
def cache_blocks(model: LanguageModel, batch: Batch) -> CachedBlocks:
    """Run a batch once and keep the residual stream before every layer.

    Memory: layers x tokens x width of the residual stream, 4 bytes each.

    Example:
        >>> import numpy as np
        >>> from interp.language.batches import padded
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(layers=3))
        >>> batch = padded([np.array([1, 2, 3])], "cpu")
        >>> cached = cache_blocks(model, batch)
        >>> bool(torch.allclose(cached.hidden_from(2), model.hidden(batch.ids, batch.mask), atol=1e-6))
        True
    """
    streams: list[Tensor] = []
    more: list[tuple[Any, ...] | None] = []

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        streams.append((args[0] if args else kwargs["hidden_states"]).detach().clone())

    def after(_: nn.Module, args: Any, output: Any) -> None:
        more.append(tuple(output[1:]) if isinstance(output, tuple) else None)

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
            stack.callback(block.register_forward_hook(after).remove)
        model.hidden(batch.ids, batch.mask)
    return CachedBlocks(model, batch, tuple(streams), tuple(more))


@contextmanager
def _begun_at(cached: CachedBlocks, layer: int, copies: int) -> Iterator[None]:
    """Inside the block, layers before `layer` pass on what they are given, and it reads the kept residual stream."""
    kept = cached.streams[layer].repeat(copies, 1, 1)

    def replaced(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (kept, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": kept}

    with ExitStack() as stack:
        stack.callback(
            cached.model.blocks[layer].register_forward_pre_hook(replaced, with_kwargs=True).remove
        )
        for block, more in zip(cached.model.blocks[:layer], cached.more, strict=False):
            stack.enter_context(_passing_on(block, more))
        yield


@contextmanager
def _passing_on(block: nn.Module, more: tuple[Any, ...] | None) -> Iterator[None]:
    """A layer whose forward method, inside the block, gives back its input."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        stream = args[0] if args else kwargs["hidden_states"]
        return stream if more is None else (stream, *more)

    own = block.__dict__.get("forward")
    block.__dict__["forward"] = forward  # past the module's own __setattr__, which may hand it to another one
    try:
        yield
    finally:
        del block.__dict__["forward"]
        if own is not None:
            block.__dict__["forward"] = own
