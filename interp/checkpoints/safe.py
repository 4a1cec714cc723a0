"""Files of strangers, recognised by their content; PyTorch's are loaded without running anything in them.

Whatever is wrong with a file is a `CheckpointError`. PyTorch itself is imported by the functions that need it, so that
what is no weights file is refused without it.
"""

from __future__ import annotations

import codecs
import io
import re
import struct
import warnings
import zipfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from interp import files
from interp.checkpoints.tensor_file import check_memory, tensor_file
from interp.errors import CheckpointError
from interp.files import MAX_BYTES
from interp.files import MAX_TEXT as MAX_PICKLE  # bytes of a pickle

if TYPE_CHECKING:
    from torch import Tensor

    from interp.checkpoints.pickles import Walk

MAX_DIRECTORY = 2**23  # bytes of a zip archive's directory
SPARE_BYTES = 2**28  # what tensors, unfolded and in float32, may take beyond four times their file

ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, struct.error)
ZIP = b"PK\3\4"
LEGACY = re.compile(rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
ONNX = re.compile(rb"\x08[\x01-\x0f][\x12\x1a\x22\x28\x32\x3a\x42]")
INCIDENTAL = ("copyreg._reconstructor", "builtins.object", "builtins.set")  # never what a file is about
TEXT_PICKLE = re.compile(r"c[\w.]+\n[\w.]+\n|\([dl]p\d+\n")
LOOKS = {
    b"PK": "an empty zip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF model",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"\x7fELF": "a program",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was never fetched; run `git lfs pull`",
    b"\x80": "a plain Python pickle, not written by torch.save, and code from files is never run; its owner can "
    "convert it where it was written, such as flax' parameters by numpy.savez('weights.npz', "
    "**{'/'.join(key): array for key, array in flax.traverse_util.flatten_dict(params).items()})",
}


def open_file(path: Path | str, most: int = MAX_BYTES) -> IO[bytes]:
    """Open an ordinary file that is not empty, for reading bytes; a `CheckpointError` if that is impossible."""
    return files.open_file(path, least=1, most=most, error=CheckpointError)


def read_json(path: Path | str, kind: type = object) -> Any:
    """Content of a JSON file of acceptable size, of one kind of value; a `CheckpointError` if it is none."""
    return files.read_json(path, kind, error=CheckpointError)


def load_pickle_safely(path: Path | str) -> Any:
    """Content of a PyTorch file of any age, on the CPU, without running anything in it.

    Raises:
        CheckpointError: It is no PyTorch file, damaged, larger unfolded than its bytes allow, or needs code.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save([(0, 1), (2, 2)], Path(folder, "pairs.pt"))
        ...     load_pickle_safely(Path(folder, "pairs.pt"))
        [(0, 1), (2, 2)]
    """

    from interp.checkpoints.pickles import Walk

    path = Path(path)
    with open_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated things that the file uses
        size = file.seek(0, io.SEEK_END)
        walk = Walk(room := 4 * size + SPARE_BYTES)
        try:
            _check(walk, path, file, size)
        except (ValueError, LookupError, *ZIP_ERRORS) as error:
            reason = "its pickle makes no sense" if isinstance(error, LookupError) else said_by(error)
            if not walk.named:
                raise CheckpointError(f"{str(path)!r} cannot be read: {reason}") from None
            raise CheckpointError(f"{str(path)!r} {_needs(list(walk.foreign or walk.named))}") from None
        if walk.foreign:
            raise CheckpointError(f"{str(path)!r} {_needs(list(walk.foreign))}")
        check_memory(path, room - walk.room)
        file.seek(0)
        return _loaded(path, file, list(map(str, walk.named)), walk.mappings)


def _loaded(path: Path, file: IO[bytes], names: list[str], mappings: Collection[str]) -> Any:
    """The content of a file that was walked through, with plain data for objects of the classes that it names."""
    import torch

    from interp.checkpoints.pickles import NUMPY_SAFE
    from interp.checkpoints.plain_objects import ForeignObjects, plain, stand_ins

    try:
        with torch.serialization.safe_globals([*NUMPY_SAFE, *stand_ins(names, mappings)]):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a stranger's file provokes
        if names:
            raise CheckpointError(f"{str(path)!r} {_needs(names)}") from None
        raise CheckpointError(f"PyTorch cannot read {str(path)!r}: {said_by(error)}") from None
    try:
        return plain(content) if names else content
    except ForeignObjects as error:
        raise CheckpointError(f"{str(path)!r} {_needs(list(error.args))}") from None
    except ValueError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {said_by(error)}") from None


def said_by(error: Exception) -> str:
    """The message of an error of someone else's, as the end of a line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return " ".join(printable.split())[:200] or type(error).__name__


def load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file of any name, on the CPU, and its metadata."""
    with tensor_file(path) as opened:
        return opened.whole(), opened.metadata


def check_format(path: Path) -> None:
    """Refuse a file of no format that is read, by its first bytes and the names in its archive."""
    with open_file(path) as file:
        head = file.read(1024)
        if head.startswith(ZIP):
            with (
                suppress(ValueError, *ZIP_ERRORS),
                open_archive(file) as archive,
            ):  # loading says what is damaged
                if not _only_arrays(archive.namelist()):
                    _main_record(path, archive.namelist())
        elif not is_safetensors(head) and not LEGACY.match(head) and not is_msgpack(head):
            raise _unlike(path, looks_like(head))


def is_npz(path: Path) -> bool:
    """Check that a file is an archive of NumPy arrays and nothing else."""
    with open_file(path) as file, suppress(ValueError, *ZIP_ERRORS):
        if file.read(4) == ZIP:
            with open_archive(file) as archive:
                return _only_arrays(archive.namelist())
    return False


def _only_arrays(names: list[str]) -> bool:
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_msgpack(head: bytes) -> bool:
    """Check that a file's first bytes start a MessagePack map whose first key is a text, as flax writes it."""
    after = {0xDE: 3, 0xDF: 5}.get(head[0], 1 if 0x80 < head[0] < 0x90 else 0) if head else 0
    return 0 < after < len(head) and (0xA0 < head[after] < 0xC0 or head[after] in (0xD9, 0xDA, 0xDB))


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip archive, once its directory is known to be of acceptable size."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0:
        raise ValueError("its archive is cut off")
    large = tail[max(0, end - 20) : end].startswith(b"PK\6\7")
    directory = tail[end - 36 : end - 28] if large else tail[end + 12 : end + 16]
    if int.from_bytes(directory, "little") > MAX_DIRECTORY:
        raise ValueError(f"its archive's directory has more than {MAX_DIRECTORY} bytes")
    return zipfile.ZipFile(file)


def _check(walk: Walk, path: Path, file: IO[bytes], size: int) -> None:
    """Walk through the pickles of a file, and see that the numbers they name are there."""
    file.seek(0)
    head = file.read(1024)
    file.seek(0)
    if LEGACY.match(head):
        pickled = io.BytesIO(file.read(MAX_PICKLE))
        for _ in range(5):  # a magic number, a version, the writer's machine, the content, the storages' keys
            walk.run(pickled)
        whole = sum(8 + storage.size for storage in walk.storages.values()) <= size - pickled.tell()
    elif head.startswith(ZIP):
        with open_archive(file) as archive:
            records, main = _records(path, archive.infolist(), size)
            walk.run(io.BytesIO(archive.read(main)))
        whole = all(records.get(key, 0) == storage.size for key, storage in walk.storages.items())
    else:
        raise _unlike(path, looks_like(head))
    if not whole:
        raise ValueError("stored numbers are missing")


def _records(path: Path, entries: list[zipfile.ZipInfo], size: int) -> tuple[dict[str, int], str]:
    """The bytes of each storage in a PyTorch archive, and the name of its pickle."""
    names = [entry.filename for entry in entries]
    main = _main_record(path, names)
    data = main.removesuffix(".pkl") + "/"
    for entry in entries:
        packed = entry.compress_type or entry.flag_bits & 1 or entry.compress_size != entry.file_size
        if packed or (entry.file_size > MAX_PICKLE and not entry.filename.startswith(data)):
            raise ValueError(
                f"its record {entry.filename[:60]!r} is too large or compressed, as by no torch.save"
            )
    first = min(entry.header_offset for entry in entries)
    unique = {name.casefold() for name in names}
    if first or len(unique) < len(names) or sum(entry.file_size for entry in entries) > size:
        raise ValueError("its archive's records overlap")
    return {e.filename[len(data) :]: e.file_size for e in entries if e.filename.startswith(data)}, main


def _main_record(path: Path, names: list[str]) -> str:
    folder = (names or [""])[0].partition("/")[0]
    if f"{folder}/data.pkl" not in names or f"{folder}/constants.pkl" in names:
        raise _unlike(path, _looks_inside(names))
    return f"{folder}/data.pkl"


def _unlike(path: Path, looks: str) -> CheckpointError:
    return CheckpointError(f"{str(path)!r} is no weights file that can be read; it seems to be {looks}")


def _looks_inside(names: list[str]) -> str:
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return "a TorchScript archive; store torch.jit.load(path).state_dict() with torch.save instead"
    listed = ", ".join(repr(name[:40]) for name in names[:3])
    return f"a zip archive of other files ({listed}); if the weights are among them, unpack it first"


def is_safetensors(head: bytes) -> bool:
    """Check that a file's first bytes are a length, hence with zeros, and the start of a JSON object."""
    return head[8:9] == b"{" and b"\0" in head[:8]


def looks_like(head: bytes) -> str:
    """Name the kind of a file that is not PyTorch's, by its first bytes.

    Example:
        >>> looks_like(b"GGUF\\3\\0\\0\\0")
        'a GGUF model'
    """
    if is_safetensors(head):
        return "a safetensors file"
    for start, looks in LOOKS.items():
        if head.startswith(start):
            return looks
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if ONNX.match(head):
        return "an ONNX model"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head).lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError:
        text = "\0"
    if any(ord(letter) < 32 and letter not in "\t\n\r\f\x1b" for letter in text):
        return f"of a format that is not known (it starts with {head[:8]!r})"
    if TEXT_PICKLE.match(text):
        return LOOKS[b"\x80"]
    if text.lower().startswith(("<!doctype html", "<html")):
        return "a web page, such as a sign-in page that came instead of the download"
    return "a JSON file" if text.startswith(("{", "[")) else "a text file"


def _needs(names: list[str]) -> str:
    plain = [name for name in names if name not in INCIDENTAL] or names
    listed = ", ".join(repr(name[:80]) for name in plain[:3])
    more = f" and {len(plain) - 3} more" if len(plain) > 3 else ""
    hint = ""
    if any("HookedTransformerConfig" in name for name in plain):
        hint = "; TransformerLens 4 removed HookedTransformerConfig, so that takes TransformerLens 2 or 3"
    return (
        f"needs the code of {listed}{more}, and code from files is never run; its owner can store the weights alone: "
        f'torch.save(model.state_dict(), "weights.pt"){hint}'
    )
