"""Safetensors files, read into memory of our own: a file that is only mapped may be cut short by whoever writes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from interp.errors import CheckpointError, cut
from interp.files import open_file, parse_json
from interp.memory import check_need

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MAX_HEADER = 2**24  # bytes
COPIES = 3
"""Of weights, from the file to a network: as stored, converted, and as the network's."""
TORCH_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U16": "uint16",
    "U32": "uint32", "U64": "uint64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
"""Types of numbers by the names that files use, as PyTorch calls them."""
WIDTHS = {"BOOL": 1, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8}
"""Bytes of a number whose type's name does not end in its bits."""


@dataclass(frozen=True)
class StoredTensor:
    """Type, shape and place of a tensor in a file: its first byte, and the one after its last."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class TensorFile:
    """An opened safetensors file, whose header was checked against the length of the file.

    Attributes:
        tensors: All of them by name, in the order of their names.
    """

    path: Path
    file: IO[bytes]
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str] = field(default_factory=dict)

    def tensor(self, name: str) -> Tensor:
        """A tensor on the CPU, in memory of its own."""
        import torch

        one = self.tensors[name]
        content = torch.empty(one.stop - one.start, dtype=torch.uint8)
        self._read(one.start, content.numpy())
        return content.view(getattr(torch, TORCH_NAMES[one.dtype])).reshape(one.shape)

    def whole(self) -> dict[str, Tensor]:
        """All tensors by name; a `ConfigError` if they need more memory than the budget."""
        check_memory(self.path, sum(one.stop - one.start for one in self.tensors.values()))
        return {name: self.tensor(name) for name in self.tensors}

    def columns(self, name: str, dtype: Any, chosen: slice) -> np.ndarray:
        """Some places of a tensor's last axis, as an array; the rest is not read."""
        import numpy as np

        one, kind = self.tensors[name], np.dtype(dtype)
        *rows, width = one.shape
        first, last, _ = chosen.indices(width)
        array = np.empty((prod(rows), last - first), kind)
        for row in range(len(array)):
            self._read(one.start + (row * width + first) * kind.itemsize, array[row].view(np.uint8))
        return array.reshape(*rows, last - first)

    def rows(self, name: str, dtype: Any, chosen: slice) -> np.ndarray:
        """Some places of a tensor's first axis, as an array; the rest is not read."""
        import numpy as np

        one, kind = self.tensors[name], np.dtype(dtype)
        length, *others = one.shape
        first, last, _ = chosen.indices(length)
        array = np.empty((last - first, *others), kind)
        self._read(one.start + first * prod(others) * kind.itemsize, array.reshape(-1).view(np.uint8))
        return array

    def _read(self, start: int, into: np.ndarray) -> None:
        self.file.seek(start)
        if self.file.readinto(into.data) != into.nbytes:  # type: ignore[attr-defined]
            raise CheckpointError(
                f"{str(self.path)!r} was cut short while it was read; is it still being written?"
            )


def check_memory(path: Path, size: int) -> None:
    """Refuse, as a `ConfigError`, weights of so many bytes if the budget is too small for them."""
    check_need(
        COPIES * size, f"opening {size:,} bytes of weights in {cut(str(path))}", "open a smaller network"
    )


@contextmanager
def tensor_file(path: Path | str) -> Iterator[TensorFile]:
    """An opened safetensors file, closed at the end.

    Raises:
        CheckpointError: It cannot be read, its header does not describe it, or it was written to meanwhile.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> with TemporaryDirectory() as folder:
        ...     save_file({"W": torch.ones(2, 3)}, f"{folder}/net.safetensors")
        ...     with tensor_file(f"{folder}/net.safetensors") as opened:
        ...         opened.tensors["W"].shape, opened.tensor("W").sum().item()
        ((2, 3), 6.0)
    """
    path = Path(path)
    with open_file(path, least=1, error=CheckpointError) as file:
        tensors, metadata = _header(path, file, os.fstat(file.fileno()).st_size)
        try:
            yield TensorFile(path, file, tensors, metadata)
        except OSError as error:
            raise CheckpointError(f"cannot read weights from {str(path)!r}: {error.strerror}") from None


def _header(path: Path, file: IO[bytes], size: int) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """The tensors and the metadata that a file describes at its beginning."""
    length = int.from_bytes(file.read(8), "little")
    try:
        if size < 8 or length > size - 8:
            raise ValueError(f"its header would have {length} bytes; it has {max(size - 8, 0)}")
        if length > MAX_HEADER:
            raise ValueError(f"its header would have {length} bytes; at most {MAX_HEADER} are read")
        described = parse_json(file.read(length), dict)
        metadata = described.pop("__metadata__", None) or {}
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata are no texts")
        tensors = {name: _described(name, described[name], 8 + length) for name in sorted(described)}
        _check_whole(tensors, 8 + length, size)
    except ValueError as error:
        raise CheckpointError(unreadable(path, error)) from None
    return tensors, metadata


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; an `OSError` if the disk is full."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        raise OSError(str(error)) from None


def unreadable(path: Path, error: Exception) -> str:
    """The message for weights that are no whole safetensors file."""
    return f"cannot read weights from {str(path)!r}: {error}; is it truncated or another format?"


def _described(name: str, entry: Any, data: int) -> StoredTensor:
    """A header's entry, whose offsets count from `data`; a `ValueError` if it contradicts itself."""
    known = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = (known.get(key, []) for key in ("dtype", "shape", "data_offsets"))
    counts = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [-1]
    if not all(type(count) is int and 0 <= count < 2**63 for count in counts) or len(offsets) != 2:
        raise ValueError(f"its header does not describe the tensor {name[:80]!r}")
    if not isinstance(dtype, str) or dtype not in TORCH_NAMES:
        raise ValueError(
            f"the tensor {name[:80]!r} holds numbers of type {str(dtype)[:20]!r}, which is not known"
        )
    width = WIDTHS.get(dtype) or int(dtype[1:]) // 8
    start, stop = offsets
    if stop - start != prod(shape) * width:
        raise ValueError(f"the tensor {name[:80]!r} of shape {tuple(shape)} has {stop - start} bytes")
    return StoredTensor(dtype, tuple(shape), data + start, data + stop)


def _check_whole(tensors: dict[str, StoredTensor], data: int, size: int) -> None:
    """Refuse, as a `ValueError`, tensors that overlap, or do not fill the file from `data` to its end."""
    end = data
    for one in sorted(tensors.values(), key=lambda one: (one.start, one.stop)):
        if one.start != end:
            raise ValueError("its tensors overlap or leave gaps")
        end = one.stop
    if end != size:
        raise ValueError(f"its tensors end at byte {end}, the file at {size}")
