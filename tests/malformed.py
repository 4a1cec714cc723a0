"""Files that are no usable weights, or attack whoever opens them; tests open each and expect one clear line.

`MALFORMED` has a function per file: it writes the file into a folder and returns its path. Code that a file would
run creates ``ran`` in that folder.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import pickle
import shlex
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

Maker = Callable[[Path], Path]
MALFORMED: dict[str, Maker] = {}
REBUILD = torch._utils._rebuild_tensor_v2
MAGIC = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True})


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced

    def __call__(self) -> None:
        """Here only because pickles call nothing that Python could not."""


class Storage(tuple):
    """Pickles as the storage of a tensor: its type, key, device, and how many numbers it has."""

    def __new__(cls, key: str, count: int, kind: Any = torch.FloatStorage, device: str = "cpu") -> Storage:
        return super().__new__(cls, (kind, key, device, count))


SCALAR, ARRAY = np.float64().__reduce__()[0], np.zeros(1).__reduce__()[0]


class Imported(str):
    """Pickles as a class of this name, ``module name``, that need not exist."""


class _Pickler(pickle._Pickler):
    legacy = False

    def persistent_id(self, item: Any) -> Any:
        return ("storage", *item, *([None] * self.legacy)) if isinstance(item, Storage) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Imported):
            module, name = obj.split(" ")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(obj, Call) and isinstance(obj.reduced[0], Imported):
            for part in obj.reduced[:2]:
                self.save(part)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(content: Any, *, legacy: bool = False) -> bytes:
    """A pickle of protocol 2, with `Call`, `Storage` and `Imported` taken for what they stand for."""
    stream = io.BytesIO()
    pickler = _Pickler(stream, 2)
    pickler.legacy = legacy
    pickler.dump(content)
    return stream.getvalue()


def tensor(shape: Any = (2, 3), strides: Any = (3, 1), start: Any = 0, storage: Any = None) -> Call:
    """Pickles as a tensor, in storage 0 of six numbers unless told otherwise."""
    storage = Storage("0", 6) if storage is None else storage
    return Call(REBUILD, storage, start, shape, strides, False, OrderedDict())


def archive(path: Path, data: bytes, storages: dict[str, bytes] | None = None, **records: bytes) -> Path:
    """A PyTorch zip archive around a pickle; storage 0 has six numbers unless told otherwise."""
    storages = {"0": np.arange(6, dtype="<f4").tobytes()} if storages is None else storages
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", b"3\n")
        for key, numbers in storages.items():
            file.writestr(f"archive/data/{key}", numbers)
        for name, content in records.items():
            file.writestr(f"archive/{name}", content)
    return path


def old_file(path: Path, data: bytes, storages: dict[str, bytes], item: int = 4) -> Path:
    """A PyTorch file of the time before zip archives around a pickle."""
    head = b"".join(pickle.dumps(part, 2) for part in MAGIC)
    numbers = b"".join(struct.pack("<q", len(part) // item) + part for part in storages.values())
    path.write_bytes(head + data + pickle.dumps(list(storages), 2) + numbers)
    return path


def headed(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A safetensors file of this header, which may be wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def malformed(name: str) -> Callable[[Maker], Maker]:
    """Put a function into `MALFORMED`."""

    def put(maker: Maker) -> Maker:
        assert name not in MALFORMED
        MALFORMED[name] = maker
        return maker

    return put


def _bytes(name: str, file: str, content: bytes) -> None:
    def write(folder: Path) -> Path:
        (folder / file).write_bytes(content)
        return folder / file

    malformed(name)(write)


def _saved(name: str, make: Callable[[], Any], **options: Any) -> None:
    def write(folder: Path) -> Path:
        torch.save(make(), folder / "weights.pt", **options)
        return folder / "weights.pt"

    malformed(name)(write)


def _pickle(name: str, make: Callable[[Path], Any], **options: Any) -> None:
    malformed(name)(lambda folder: archive(folder / "weights.pt", pickled(make(folder)), **options))


def _raw(name: str, data: bytes) -> None:
    malformed(name)(lambda folder: archive(folder / "weights.pt", data))


def _header(name: str, header: Any, data: bytes = b"", length: int | None = None) -> None:
    malformed(name)(lambda folder: headed(folder / "weights.safetensors", header, data, length))


FORGED = Call(np.dtype, "f8", False, True, state=(3, "<", None, None, None, -1, -1, 63))

# Not weights at all

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98090\n"
_bytes("empty file", "weights.pt", b"")
_bytes("zeros", "weights.pt", bytes(4096))
_bytes("random bytes", "weights.pt", np.random.default_rng(0).bytes(5000))
_bytes("text", "weights.pt", "Gewichte für später\n".encode())
_bytes("JSON", "weights.pt", b'{"p": 113}\n')
_bytes("JSON list", "weights.safetensors", b"[1, 2]\n")
_bytes("web page", "weights.pth", HTML)
_bytes("Git LFS pointer", "weights.safetensors", LFS)
_bytes("PNG", "weights.pt", b"\x89PNG\r\n\x1a\n" + bytes(100))
_bytes("GGUF", "model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1, 1))
_bytes("ONNX", "model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:\x90\x01" + bytes(60))
_bytes("gzip", "weights.pt.gz", b"\x1f\x8b\x08" + bytes(40))
_bytes("HDF5", "weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(40))
_bytes("plain pickle", "weights.pkl", pickle.dumps({"W": [1.0, 2.0]}))
_bytes("plain pickle of protocol 2", "weights.pt", pickle.dumps({"W": [1.0, 2.0]}, 2))
_bytes("plain pickle of protocol 0", "weights.pt", pickle.dumps({"W": [1.0, 2.0]}, 0))


@malformed("NumPy array")
def _npy(folder: Path) -> Path:
    np.save(folder / "weights.npy", np.ones(3))
    return folder / "weights.npy"


@malformed("NumPy arrays")
def _npz(folder: Path) -> Path:
    np.savez(folder / "weights.npz", W=np.ones(3))
    return folder / "weights.npz"


@malformed("tar archive")
def _tar(folder: Path) -> Path:
    (folder / "data.txt").write_text("x")
    with tarfile.open(folder / "weights.tar", "w") as file:
        file.add(folder / "data.txt", "data.txt")
    return folder / "weights.tar"


@malformed("missing file")
def _missing(folder: Path) -> Path:
    return folder / "weights.pt"


@malformed("folder")
def _folder(folder: Path) -> Path:
    return folder


@malformed("pipe")
def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "weights.pt")
    return folder / "weights.pt"


@malformed("nine gigabytes")
def _nine_gigabytes(folder: Path) -> Path:
    with (folder / "weights.pt").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(9 * 2**30)
    return folder / "weights.pt"


@malformed("seven gigabytes of nothing")
def _seven_gigabytes(folder: Path) -> Path:
    with (folder / "weights.pt").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(7 * 2**30)
    return folder / "weights.pt"


# safetensors

F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
_header("header of 2**60 bytes", b"{}", length=2**60)
_header("header longer than the file", b"{}", length=1000)
_header("header of 200 MB", b"{" + b" " * 100, length=200_000_000)
_header("header that is no JSON", b"{" + b"x" * 20)
_header("header nested deeply", b'{"W":' + b"[" * 200_000)
_header("header without tensors", {})
_header("header with a number as metadata", {"__metadata__": {"p": 113}, "W": F32}, bytes(4))
_header("numbers beyond the file", {"W": F32 | {"data_offsets": [0, 400], "shape": [100]}}, bytes(4))
_header("shape of 4 TB over 4 bytes", {"W": F32 | {"shape": [10**6, 10**6]}}, bytes(4))
_header("shape that overflows", {"W": F32 | {"shape": [2**63, 4]}}, bytes(4))
_header("two tensors over one another", {"W": F32, "V": F32}, bytes(4))
_header("numbers that belong to nothing", {"W": F32}, bytes(40))
_header("negative offsets", {"W": F32 | {"data_offsets": [-4, 0]}}, bytes(4))
_header("unknown dtype", {"W": F32 | {"dtype": "F31"}}, bytes(4))
_header("float4", {"W": F32 | {"dtype": "F4", "shape": [8]}}, bytes(4))
_header("complex safetensors", {"W": F32 | {"dtype": "C64", "data_offsets": [0, 8]}}, bytes(8))
_header("safetensors without elements", {"W": F32 | {"shape": [0], "data_offsets": [0, 0]}})
_header("safetensors with NaN", {"W": F32}, struct.pack("<f", float("nan")))


@malformed("safetensors cut short")
def _short_safetensors(folder: Path) -> Path:
    save_file({"W": torch.ones(100)}, folder / "weights.safetensors")
    os.truncate(folder / "weights.safetensors", 300)
    return folder / "weights.safetensors"


# Zip archives


@malformed("archive cut short")
def _short_archive(folder: Path) -> Path:
    torch.save({"W": torch.ones(1000)}, folder / "weights.pt")
    os.truncate(folder / "weights.pt", 3000)
    return folder / "weights.pt"


def _zip(name: str, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "weights.pt", "w", method) as file:
            for inner, content in files.items():
                file.writestr(inner, content)
        return folder / "weights.pt"

    malformed(name)(write)


WEIGHTS = {
    "archive/data.pkl": pickled({"W": tensor()}),
    "archive/version": b"3\n",
    "archive/data/0": bytes(24),
}
_zip("zip archive of nothing", {})
_zip("zip archive of text", {"a.txt": b"a", "b.txt": b"b"})
_zip("zip archive of weights", {"run/weights.pt": b"a"})
_zip("TorchScript", {**WEIGHTS, "archive/constants.pkl": b"", "archive/code/__torch__.py": b""})
_zip("compressed archive", WEIGHTS, zipfile.ZIP_DEFLATED)
_zip("zip bomb", {**WEIGHTS, "archive/data/0": bytes(10**8)}, zipfile.ZIP_DEFLATED)
_zip("storage that is missing", {name: WEIGHTS[name] for name in list(WEIGHTS)[:2]})
_zip("storage that is too short", {**WEIGHTS, "archive/data/0": bytes(20)})
_zip("archive of version 999", {**WEIGHTS, "archive/version": b"999\n"})
_zip("byte order of neither kind", {**WEIGHTS, "archive/byteorder": b"middle"})
_zip("two pickles of a name", {**WEIGHTS, "archive/DATA.PKL": WEIGHTS["archive/data.pkl"]})
_zip("directory of 9 MB", {**WEIGHTS, **{f"archive/{i:060000}": b"" for i in range(150)}})


@malformed("archive with a wrong checksum")
def _checksum(folder: Path) -> Path:
    path = archive(folder / "weights.pt", WEIGHTS["archive/data.pkl"])
    path.write_bytes(path.read_bytes().replace(b"FloatStorage", b"Float5torage", 1))
    return path


@malformed("records over one another")
def _overlap(folder: Path) -> Path:
    """Every storage's directory entry points to the same megabyte."""
    path, numbers = folder / "weights.pt", bytes(10**6)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "archive/data.pkl", pickled({f"W{i}": tensor(storage=Storage(str(i), 250_000)) for i in range(9)})
        )
        file.writestr("archive/data/0", numbers)
        entry = file.getinfo("archive/data/0")
        for i in range(1, 9):
            copy = zipfile.ZipInfo(f"archive/data/{i}")
            copy.header_offset, copy.CRC = entry.header_offset, entry.CRC
            copy.file_size = copy.compress_size = len(numbers)
            file.filelist.append(copy)
            file.NameToInfo[copy.filename] = copy
    return path


# Pickles that would run code


def _code(folder: Path) -> str:
    return f"open({str(folder / 'ran')!r}, 'w').close()"


def _shell(folder: Path) -> str:
    return f"touch {shlex.quote(str(folder / 'ran'))}"


def _runs(name: str, make: Callable[[Path], Any]) -> None:
    _pickle(f"{name} in an archive", make)
    malformed(f"{name} in an old file")(
        lambda f: old_file(f / "weights.pt", pickled(make(f), legacy=True), {})
    )


_runs("os.system", lambda f: {"W": 1, "x": Call(os.system, _shell(f))})
_runs("eval", lambda f: Call(eval, _code(f)))
_runs("exec as weights", lambda f: {"model": {"W": Call(exec, _code(f))}})
_runs("getattr", lambda f: Call(Call(getattr, Call(__import__, "os"), "system"), _shell(f)))
_runs(
    "exec through torch",
    lambda f: Call(torch._tensor._rebuild_from_type_v2, exec, torch.Tensor, (_code(f),), {}),
)
_runs("torch.load", lambda f: {"W": Call(torch.load, str(f / "inner.pt"))})
_runs("torch.compile's eval", lambda f: Call(Imported("torch.utils._sympy.functions eval"), _code(f)))
_runs("NumPy array of objects", lambda f: {"loss": np.array([Call(exec, _code(f)), 1], dtype=object)})
_runs("NumPy's own exec", lambda f: Call(Imported("numpy.testing._private.utils runstring"), _code(f), {}))
_runs("class that makes itself", lambda f: {"W": Call(Imported("__main__ Net"), _code(f))})
malformed("plain pickle that runs")(lambda f: _written(f / "weights.pt", pickle.dumps(Call(exec, _code(f)))))
malformed("plain pickle in text that runs")(
    lambda f: _written(f / "weights.pt", b"cposix\nsystem\n(V" + _shell(f).encode() + b"\ntR.")
)
malformed("code in the head of an old file")(
    lambda f: _written(f / "weights.pt", pickle.dumps(MAGIC[0], 2) + pickled(Call(exec, _code(f))))
)
malformed("code among the keys of an old file")(
    lambda f: _written(
        f / "weights.pt",
        b"".join(pickle.dumps(part, 2) for part in (*MAGIC, {})) + pickled([Call(exec, _code(f))]),
    )
)
malformed("class of an old opcode")(
    lambda f: archive(f / "weights.pt", b"(V" + _shell(f).encode() + b"\niposix\nsystem\n.")
)
malformed("class made without its constructor")(
    lambda f: archive(f / "weights.pt", b"\x80\x02csubprocess\nPopen\n)\x81}b.")
)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# Pickles that need a class

CONFIG = Imported("transformer_lens.HookedTransformerConfig HookedTransformerConfig")
_saved("whole model", lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
_saved("whole model in an old file", lambda: nn.Linear(2, 3), _use_new_zipfile_serialization=False)
_pickle("configuration of TransformerLens 2", lambda _: {"model": {"W": tensor()}, "cfg": Call(CONFIG)})
_saved("protocol 4", lambda: {"W": torch.ones(2)}, pickle_protocol=4)

# Pickles that make no sense


def _long_key(number: int) -> bytes:
    """A key, and nothing as its value; Python's hashes of all of them are zero."""
    return b"\x8a\x0b" + (number * (2**61 - 1)).to_bytes(11, "little") + b"N"


_raw("pickle of nothing", b"")
_raw("pickle of random bytes", np.random.default_rng(1).bytes(300))
_raw("pickle cut short", pickled({"W": tensor()})[:-9])
_raw("pickle that takes from an empty stack", b"\x80\x02R.")
_raw("pickle that fetches what it never stored", b"\x80\x02h\x07.")
_raw("pickle that ends a list never begun", b"\x80\x02]e.")
_raw("pickle with an unknown step", b"\x80\x02\xff.")
_raw("place two thousand million", b"\x80\x02}r\xff\xff\xff\x7f.")
_raw("text of two gigabytes announced", b"\x80\x02X\xff\xff\xff\x7fabc.")
_raw("four million steps", b"\x80\x02](" + b"N" * 4_000_000 + b"e.")
_raw("lists in one another", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
_raw("sixty-fold tuples as a key", b"\x80\x02})" + b"q\0h\0\x86" * 60 + b"Ns.")
_raw("keys that collide", b"\x80\x02}(" + b"".join(map(_long_key, range(1, 100_000))) + b"u.")
_raw("bytearray of 16 GB", b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\0\0\0\0\4\x85R.")
_pickle("bytes written in hexadecimal again and again", lambda _: hexadecimal(40))
_raw(
    "a megabyte of bytes again and again",
    b"\x80\x02](c_codecs\nencode\nq\0X\0\0\x10\0" + b"x" * 2**20 + b"q\1X\6\0\0\0latin1q\2\x86q\3R"
    + b"h\0h\3R" * 100_000 + b"e.",
)  # fmt: skip


def hexadecimal(times: int) -> Any:
    """Bytes that double with every call."""
    content = Call(codecs.encode, "x", "latin1")
    for _ in range(times):
        content = Call(codecs.encode, content, "hex")
    return content


def _cycle() -> dict[str, Any]:
    content: dict[str, Any] = {}
    content["model"] = content
    content["weights"] = [content]
    return content


def _laughs() -> dict[str, Any]:
    content: list[Any] = [1.0]
    for _ in range(60):
        content = [content, content]
    return {"losses": content}


_pickle("dictionary in itself", lambda _: _cycle())
_pickle("sixty-fold list", lambda _: _laughs())
_pickle("NumPy dtype with a forged flag", lambda _: {"loss": Call(SCALAR, FORGED, b"12345678")})
_pickle("NumPy number cut short", lambda _: {"loss": Call(SCALAR, np.dtype("f8"), b"1234")})
_pickle("NumPy array of a terabyte", lambda _: {"loss": Call(ARRAY, np.ndarray, (2**37,), b"b")})
_pickle("NumPy array of texts", lambda _: {"W": np.array(["a"])})

# State dicts without usable weights

_pickle("number", lambda _: 3)
_pickle("nothing", lambda _: None)
_pickle("text in an archive", lambda _: "weights")
_pickle("empty dictionary", lambda _: {})
_pickle("empty list", lambda _: [])
_pickle("pairs", lambda _: [(0, 1), (2, 3)])
_pickle("tensor without a name", lambda _: tensor())
_pickle("list of tensors without names", lambda _: [tensor(), tensor()])
_pickle("dictionary without tensors", lambda _: {"epoch": 3, "model": {"p": 113}})
_pickle("numbers as names", lambda _: {0: tensor(), 1: tensor()})
_pickle("nothing as a name", lambda _: {"W": tensor(), None: tensor()})
_pickle("number among the wrapper's names", lambda _: {"model": {"W": tensor()}, 3: 4})
_pickle(
    "eight wrappers",
    lambda _: {"model": {"net": {"model": {"net": {"model": {"net": {"model": {"net": {"W": tensor()}}}}}}}}},
)
_pickle("list that holds one state dict and one number", lambda _: [{"W": tensor()}, 3])
_pickle("list with an unusable last state dict", lambda _: [{"W": tensor()}, {"W": tensor((0,), (1,))}])

# Tensors

HUGE = (10**5, 10**5)
_pickle("tensor beyond its storage", lambda _: {"W": tensor((1000, 1000), (1000, 1))})
_pickle("tensor that starts beyond its storage", lambda _: {"W": tensor(start=5)})
_pickle("tensor with negative strides", lambda _: {"W": tensor(strides=(-3, 1), start=5)})
_pickle("tensor with a negative size", lambda _: {"W": tensor((-2, 3))})
_pickle("tensor with a fractional size", lambda _: {"W": tensor((2.0, 3))})
_pickle("tensor with too few strides", lambda _: {"W": tensor(strides=(1,))})
_pickle("tensor of a hundred dimensions", lambda _: {"W": tensor((1,) * 100, (1,) * 100)})
_pickle("tensor in no storage", lambda _: {"W": Call(REBUILD, None, 0, (2,), (1,), False, OrderedDict())})
_pickle("storage with a negative count", lambda _: {"W": tensor(storage=Storage("0", -6))})
_pickle(
    "storage of two kinds", lambda _: {"W": tensor(), "V": tensor(storage=Storage("0", 6, torch.IntStorage))}
)
_pickle("storage outside the archive's folder", lambda _: {"W": tensor(storage=Storage("../version", 6))})
_pickle("one number unfolded to 40 GB", lambda _: {"W": tensor(HUGE, (0, 0))})
_pickle(
    "one number unfolded to 40 GB in parts", lambda _: {f"W{i}": tensor((10**7,), (0,)) for i in range(1000)}
)
_pickle("one number unfolded beyond 2**64", lambda _: {"W": tensor((2**40, 2**40), (0, 0))})
_pickle(
    "one number unfolded beside the weights", lambda _: {"model": {"W": tensor()}, "x": tensor(HUGE, (0, 0))}
)
_saved("meta tensor", lambda: {"W": torch.empty(10**6, 10**6, device="meta")})
_saved("tensor without elements", lambda: {"W": torch.ones(3), "b": torch.ones(0, 4)})
_saved("complex tensor", lambda: {"W": torch.ones(3, dtype=torch.complex64)})
_saved("NaN", lambda: {"W": torch.tensor([1.0, torch.nan])})
_saved("infinity in float16", lambda: {"W": torch.tensor([1.0, torch.inf]).half()})
_saved("float64 too large for float32", lambda: {"W": torch.tensor([1e300], dtype=torch.float64)})
_saved("NaN in a sparse tensor", lambda: {"W": torch.tensor([1.0, torch.nan]).to_sparse()})


@malformed("quantised tensor")
def _quantised(folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(
            {"W": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}, folder / "weights.pt"
        )
    return folder / "weights.pt"


def _sparse(shape: tuple[int, ...]) -> Call:
    places = tensor((2, 1), (1, 1), storage=Storage("1", 2, torch.LongStorage))
    values = tensor((1,), (1,))
    return Call(
        torch._utils._rebuild_sparse_tensor, torch.sparse_coo, (places, values, torch.Size(shape), False)
    )


PLACES = {"0": bytes(24), "1": np.array([0, 99], dtype="<i8").tobytes()}
malformed("sparse tensor with a place outside")(
    lambda f: archive(f / "weights.pt", pickled({"W": _sparse((2, 2))}), PLACES)
)
malformed("sparse tensor of 40 GB")(
    lambda f: archive(f / "weights.pt", pickled({"W": _sparse(HUGE)}), PLACES)
)
malformed("compressed sparse tensor with a place outside")(
    lambda f: archive(f / "weights.pt", pickled({"W": _compressed()}), PLACES)
)


def _compressed() -> Call:
    rows = tensor((2,), (1,), storage=Storage("1", 2, torch.LongStorage))
    parts = (
        rows,
        tensor((1,), (1,), 1, Storage("1", 2, torch.LongStorage)),
        tensor((1,), (1,)),
        torch.Size((1, 9)),
    )
    return Call(torch._utils._rebuild_sparse_tensor, torch.sparse_csr, parts)


# Old files


def _old(name: str, count: int, numbers: bytes) -> None:
    def write(folder: Path) -> Path:
        data = pickled({"W": tensor(storage=Storage("0", count))}, legacy=True)
        return old_file(folder / "weights.pt", data, {"0": numbers})

    malformed(name)(write)


_old("old file without its numbers", 10**6, bytes(24))
_old("old file that announces a terabyte", 2**38, bytes(24))
_old("old file with other numbers", 6, bytes(40))
_bytes("old file cut short", "weights.pt", pickle.dumps(MAGIC[0], 2) + pickle.dumps(MAGIC[1], 2))
malformed("old file of version 7")(
    lambda f: _written(
        f / "weights.pt",
        b"".join(pickle.dumps(part, 2) for part in (MAGIC[0], 7, {}))
        + pickled({"W": 1})
        + pickle.dumps([], 2),
    )
)
