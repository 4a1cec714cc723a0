"""Tensors of files, made plain ones that can be computed with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from interp.checkpoints.nesting import short_name
from interp.checkpoints.safe import said_by
from interp.errors import CheckpointError

ENDLESS = ("IGNORE", "mask")  # buffers of older TransformerLens, in which infinity is ordinary


def usable(path: Path, name: str, tensor: Tensor, done: list[str]) -> Tensor:
    """A tensor as a contiguous one that can be computed with; what that took is added to `done`."""
    where = f"the tensor {short_name(name)} in {str(path)!r}"
    if tensor.is_meta:
        raise CheckpointError(f"{where} holds no numbers; expected real ones")
    tensor, kind = tensor.detach(), str(tensor.dtype).removeprefix("torch.")
    try:
        if tensor.layout is not torch.strided:
            tensor = _dense(tensor)
            done.append("unfolded sparse tensors")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            converted = tensor.to(torch.float32)
            if kind == "float64" and not torch.equal(converted.isinf(), tensor.isinf()):
                raise CheckpointError(f"{where} holds numbers beyond float32: the training run diverged")
            tensor = converted
            done.append(f"converted from {kind}")
        tensor = tensor.contiguous()
    except (RuntimeError, IndexError, TypeError) as error:
        raise CheckpointError(f"{where} of {kind} cannot be used: {said_by(error)}") from None
    if (
        (tensor.is_floating_point() or tensor.is_complex())
        and name.rpartition(".")[2] not in ENDLESS
        and tensor.isnan().any()
    ):
        raise CheckpointError(f"{where} holds NaN or infinity: the training run diverged")
    return tensor


def may_be_weights(name: str, tensor: Tensor) -> bool:
    """False for what is no weights of a network: no numbers at all, complex ones, or infinity outside a known mask."""
    if tensor.is_complex() or not tensor.numel():
        return False
    ordinary = not tensor.is_floating_point() or name.rpartition(".")[2] in ENDLESS
    return ordinary or bool(tensor.isfinite().all())


def _dense(tensor: Tensor) -> Tensor:
    """A sparse tensor in full, once its indices are found to lie within its shape."""
    shape, layout = tensor.shape, tensor.layout
    if layout is torch.sparse_coo:
        checked = torch.sparse_coo_tensor(tensor._indices(), tensor._values(), shape, check_invariants=True)
        return checked.to_dense()
    if layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = tensor.crow_indices(), tensor.col_indices(), tensor.values()
    else:
        parts = tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return torch.sparse_compressed_tensor(*parts, shape, layout=layout, check_invariants=True).to_dense()
