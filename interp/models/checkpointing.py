"""PyTorch's activation checkpointing, off while hooks act: what runs again in the backward pass has no hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint

from interp.errors import ConfigError

REENTRANT, OTHER = "CheckpointFunction", "_checkpoint_without_reentrant_generator"
_lock = threading.Lock()
_users = 0
_own: dict[str, Any] = {}


def _called_directly(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
    """In the place of the reentrant kind: calls the function as it is."""
    return function(*args)


def _nothing(*_args: Any, **_kwargs: Any) -> Iterator[None]:
    """In the place of the other kind, which does something before and after the function."""
    yield


@contextmanager
def without_checkpointing() -> Iterator[None]:
    """Activation checkpointing of both kinds keeps all activations inside the block, so that gradients are right.

    A checkpointed part runs again in the backward pass, when temporary hooks are gone. One kind then fails; the other
    gives, in silence, the gradients of the network without the hooks.

    Raises:
        ConfigError: This version of PyTorch has it in another place.

    Example:
        >>> import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with without_checkpointing():
        ...     y = checkpoint.checkpoint(torch.exp, x, use_reentrant=True)
        >>> type(y.grad_fn).__name__
        'ExpBackward0'
    """
    global _users
    with _lock:
        if not _users:
            missing = [name for name in (REENTRANT, OTHER) if not hasattr(checkpoint, name)]
            if missing:
                raise ConfigError(
                    f"torch.utils.checkpoint has no {missing[0]}, so that activation checkpointing cannot be turned "
                    "off while hooks act; install another version of PyTorch, such as 2.13"
                )
            _own[OTHER] = getattr(checkpoint, OTHER)
            setattr(checkpoint, OTHER, _nothing)
            # Of the class itself, so that a class imported from there is meant too.
            getattr(checkpoint, REENTRANT).apply = staticmethod(_called_directly)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                setattr(checkpoint, OTHER, _own[OTHER])
                del getattr(checkpoint, REENTRANT).apply  # the inherited one is seen again
