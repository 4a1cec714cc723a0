"""Archives of NumPy arrays (.npz) and flax' MessagePack files, read without running anything in them."""

from __future__ import annotations

import io
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from interp.checkpoints.safe import SPARE_BYTES, ZIP_ERRORS, open_archive, open_file, said_by
from interp.errors import CheckpointError

KINDS = "biufc"  # of NumPy's dtypes: numbers
MAX_PARTS = 2**20  # entries of one array or map in a MessagePack file
ARRAY, COMPLEX, SCALAR = 1, 2, 3  # flax' extension types
TYPES = {str(np.dtype(kind)): np.dtype(kind) for kind in "?bBhHiIqQefdFD"}
CHUNKED = "__msgpack_chunked_array__"


def as_tensor(array: np.ndarray) -> Tensor:
    """An array of numbers as a tensor of its own, in this machine's byte order.

    Raises:
        ValueError: It holds something else.

    Example:
        >>> as_tensor(np.array([1, 2], ">i4"))
        tensor([1, 2], dtype=torch.int32)
    """
    if array.dtype.kind not in KINDS:
        raise ValueError(f"an array of {array.dtype} holds no numbers")
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def load_npz(path: Path) -> dict[str, Tensor]:
    """All arrays of an ``.npz`` archive by name; ``/`` in a name becomes ``.``.

    Raises:
        CheckpointError: It is damaged, holds objects, or would take far more memory than it has bytes.
    """
    with open_file(path) as file:
        size = file.seek(0, io.SEEK_END)
        try:
            with open_archive(file) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > 4 * size + SPARE_BYTES:
                    raise ValueError("its arrays would take far more memory than the file has bytes")
                names = [entry.filename.removesuffix(".npy").replace("/", ".") for entry in entries]
                if len(set(names)) < len(names):
                    raise ValueError("two of its arrays have one name")
                return {name: _npy(archive, entry) for name, entry in zip(names, entries, strict=True)}
        except (ValueError, TypeError, SyntaxError, *ZIP_ERRORS) as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {said_by(error)}") from None


def _npy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    with archive.open(entry) as member:
        try:
            return as_tensor(read_npy(member, entry.file_size))
        except ValueError as error:
            raise ValueError(f"{entry.filename[:60]!r} {error}") from None


def read_npy(file: Any, size: int) -> np.ndarray:
    """The array in a ``.npy`` file of so many bytes at most; nothing in it is run.

    Raises:
        ValueError: It holds something else than numbers, or not as many as it says.

    Example:
        >>> np.save(stored := io.BytesIO(), np.arange(3))
        >>> read_npy(io.BytesIO(stored.getvalue()), len(stored.getvalue()))
        array([0, 1, 2])
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, column_first, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, column_first, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in KINDS:
        raise ValueError(f"holds {dtype} and no numbers; nothing in it is run")
    data = file.read(size)
    if len(data) != prod(shape) * dtype.itemsize:
        raise ValueError(f"has {len(data)} bytes for the shape {shape}")
    return np.ndarray(shape, dtype, data, order="F" if column_first else "C")


def load_msgpack(path: Path) -> dict[str, Any]:
    """The nested dictionaries of a file that flax wrote, with tensors for arrays.

    Raises:
        CheckpointError: The package msgpack is missing, or the file is damaged or of another kind.
    """
    try:
        import msgpack
    except ImportError:
        raise CheckpointError(
            f"{str(path)!r} is a MessagePack file, which takes 'pip install msgpack'"
        ) from None
    with open_file(path) as file:
        try:
            content = _unpack(msgpack, file)
        except (ValueError, TypeError, KeyError, RecursionError, msgpack.UnpackException) as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {said_by(error)}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{str(path)!r} holds a {type(content).__name__}; expected arrays by name")
    return content


def _unpack(msgpack: Any, file: IO[bytes]) -> Any:
    data = file.read()

    def extension(code: int, inner: bytes) -> Any:
        if code == COMPLEX:
            return complex(*msgpack.unpackb(inner))
        if code not in (ARRAY, SCALAR):
            raise ValueError(f"it holds the extension type {code}, which flax does not write")
        shape, kind, numbers = msgpack.unpackb(inner, max_array_len=64, use_list=False)
        kind = kind.decode() if isinstance(kind, bytes) else kind
        stored = TYPES["uint16" if kind == "bfloat16" else kind]
        if not all(type(n) is int and n >= 0 for n in shape) or prod(shape) * stored.itemsize != len(numbers):
            raise ValueError("an array has a shape that cannot be")
        tensor = as_tensor(np.frombuffer(numbers, stored).reshape(shape))
        return tensor.view(torch.bfloat16) if kind == "bfloat16" else tensor

    limits = {"max_array_len": MAX_PARTS, "max_map_len": MAX_PARTS}
    return _joined(msgpack.unpackb(data, ext_hook=extension, strict_map_key=True, **limits))


def _joined(content: Any) -> Any:
    """The content with arrays that were stored in chunks in one piece."""
    if not isinstance(content, dict):
        return content
    if content.get(CHUNKED) is not True:
        return {name: _joined(value) for name, value in content.items()}
    chunks, shape = content["chunks"], content["shape"]
    pieces = [chunks[str(i)] for i in range(len(chunks))]
    return torch.cat([piece.reshape(-1) for piece in pieces]).reshape(
        [shape[str(i)] for i in range(len(shape))]
    )
