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
from interp.checkpoints.tensor_file import check_memory
from interp.errors import CheckpointError

KINDS = "biufc"  # of NumPy's dtypes: numbers
MAX_PARTS = 2**20  # values of a MessagePack file beside numbers of arrays
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
                whole = sum(entry.file_size for entry in entries)
                if whole > 4 * size + SPARE_BYTES:
                    raise ValueError("its arrays would take far more memory than the file has bytes")
                check_memory(path, whole)
                names = [entry.filename.removesuffix(".npy").replace("/", ".") for entry in entries]
                if len(set(names)) < len(names):
                    raise ValueError("two of its arrays have one name")
                return {name: _npy(archive, entry) for name, entry in zip(names, entries, strict=True)}
        except (ValueError, *ZIP_ERRORS) as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {said_by(error)}") from None


def _npy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    with archive.open(entry) as member:
        return as_tensor(read_array(member, entry.filename))


def read_array(file: Any, name: str) -> np.ndarray:
    """An array in NumPy's own format, read without running anything.

    Args:
        file: An open file of bytes, at the beginning of the array, which ends with the file.
        name: For messages.

    Raises:
        ValueError: It is damaged, or holds no numbers.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.eye(2))
        >>> _ = file.seek(0)
        >>> read_array(file, "eye").tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    formats = np.lib.format
    try:
        version = formats.read_magic(file)
        read = formats.read_array_header_1_0 if version == (1, 0) else formats.read_array_header_2_0
        shape, column_first, dtype = read(file)
    except Exception as error:  # NumPy has Python's own parser read the header
        raise ValueError(f"{name[:60]!r} has no header of an array: {said_by(error)}") from None
    if dtype.kind not in KINDS:
        raise ValueError(f"{name[:60]!r} holds {dtype} and no numbers; nothing in it is run")
    data = file.read()
    if len(data) != prod(shape) * dtype.itemsize:
        raise ValueError(f"{name[:60]!r} has {len(data)} bytes for the shape {shape}")
    return np.ndarray(shape, dtype, data, order="F" if column_first else "C")


def load_msgpack(path: Path) -> dict[str, Any]:
    """The nested dictionaries of a file that flax wrote, with tensors for arrays.

    Raises:
        CheckpointError: The file is damaged or of another kind.
    """
    import msgpack

    with open_file(path) as file:
        try:
            content = _unpack(msgpack, path, file)
        except (ValueError, TypeError, KeyError, RecursionError, msgpack.UnpackException) as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {said_by(error)}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{str(path)!r} holds a {type(content).__name__}; expected arrays by name")
    return content


def _unpack(msgpack: Any, path: Path, file: IO[bytes]) -> Any:
    check_memory(path, file.seek(0, io.SEEK_END))
    file.seek(0)
    data, parts = file.read(), 0

    def counted(content: Any) -> Any:
        nonlocal parts
        parts += 1 + len(content)
        if parts > MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS} values")
        return content

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

    limits = {"max_array_len": MAX_PARTS, "max_map_len": MAX_PARTS, "strict_map_key": True}
    hooks = {"ext_hook": extension, "list_hook": counted, "object_hook": counted}
    return _joined(msgpack.unpackb(data, **hooks, **limits))


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
