"""A forward pass of any network in which tensors of its submodules are seen, and can be changed, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from interp.errors import HookNameError
from interp.models.module_tensor import ModuleTensor


@contextmanager
def changing_tensors(
    module: nn.Module, tensors: Mapping[str, ModuleTensor], change: Callable[[str, Tensor], Tensor]
) -> Iterator[None]:
    """Give tensors to `change` as the network runs inside the block; its results take their places.

    No submodule is passed over: PyTorch's fused attention and compiled code are off.

    Args:
        module: The network; it is as before at the end.
        tensors: The tensors by name.
        change: From a tensor's name and the tensor to what the network goes on with.

    Raises:
        HookNameError: At the end, if a tensor was not reached exactly once.
    """
    runs = dict.fromkeys(tensors, 0)

    def once(name: str, tensor: Tensor) -> Tensor:
        runs[name] += 1
        return change(name, tensor) if runs[name] == 1 else tensor

    with ExitStack() as stack:
        stack.enter_context(_module_by_module(module))
        for name, tensor in tensors.items():
            handle = tensor.attach(module.get_submodule(tensor.path), partial(once, name))
            stack.callback(handle.remove)
        yield
    for name, count in runs.items():
        path = tensors[name].path
        if count > 1:
            raise HookNameError(
                f"{path!r} runs {count} times in one forward pass: the network reuses it, so that {name!r} is not "
                "one place. Choose a submodule that runs once, such as the block around one of its uses"
            )
        if count == 0:
            raise HookNameError(
                f"{name!r} was never reached in the forward pass: {_reason_unreached(module, path)}"
            )


def _reason_unreached(module: nn.Module, path: str) -> str:
    parent, _, name = path.rpartition(".")
    if name == "out_proj" and isinstance(module.get_submodule(parent), nn.MultiheadAttention):
        return (
            "nn.MultiheadAttention multiplies by out_proj's weight without calling out_proj. "
            f"Its result is {parent + ':output'!r}"
        )
    return (
        "the network does not call this submodule on these inputs (it may be skipped, or compiled in part, or only "
        "its weights or its forward method may be used)"
    )


@contextmanager
def _module_by_module(module: nn.Module) -> Iterator[None]:
    compiled = any(
        hasattr(inner, "_orig_mod") or getattr(inner, "_compiled_call_impl", None) is not None
        for inner in module.modules()
    )
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
