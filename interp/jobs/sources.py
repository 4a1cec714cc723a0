"""Where checkpoints are: paths, globs and folders, on this machine or in any store that fsspec knows."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from interp.checkpoints.config_names import config_files
from interp.checkpoints.configs import configuration_files, settings_beside
from interp.checkpoints.files import (
    INDEX_ENDING,
    SHARD,
    WEIGHTS,
    beside,
    is_native,
    is_weights,
    number_of,
    shards,
    stamp,
)
from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.files import BLOCK, open_file, read_bytes
from interp.jobs.language_sources import digests_of, is_here, state_of

LARGE = 2**28
"""Bytes of weights from which a checkpoint is never held whole if that can be avoided."""
MAGIC = re.compile(r"[*?\[]")


def find_sources(patterns: Iterable[str]) -> list[str]:
    """The checkpoints that paths, folders and globs name, each once.

    A folder means every file of weights in it and below, without the data files that lie beside some. A path that does
    not exist is kept, so that the job says so of it.

    Returns:
        In the order of the patterns, absolute or URLs; within one by folder, then by the number that the name ends in.

    Raises:
        ConfigError: Nothing matches, or a store cannot be reached.
    """
    patterns = list(patterns)
    paths: dict[str, None] = {}
    for pattern in patterns:
        matches = _remote(pattern) if is_remote(pattern) else _local(pattern)
        paths |= dict.fromkeys(sorted(matches, key=_place))
    if not any(exists(path) for path in paths):
        raise ConfigError(
            f"no checkpoint matches {', '.join(map(repr, patterns)) or 'an empty list of paths'}; expected files, "
            f"folders or globs of weights ({', '.join(WEIGHTS)})"
        )
    return list(paths)


def in_text(path: str) -> str:
    """A path as tables hold it: bytes of a name that are no UTF-8 are written out.

    Example:
        >>> in_text("a.pt"), in_text("a" + chr(0xDCFF) + ".pt")
        ('a.pt', 'a\\\\udcff.pt')
    """
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def is_remote(path: str) -> bool:
    """True for the URL of a store, such as ``s3://…``."""
    return "://" in path


def _place(path: str) -> tuple[str, int, str]:
    pure = PurePosixPath(path)
    number = number_of(Path(pure.name))
    return str(pure.parent), -1 if number is None else number, pure.name


def _local(pattern: str) -> Iterator[str]:
    pattern = os.path.abspath(os.path.expanduser(pattern))
    literal = os.path.lexists(pattern) or not MAGIC.search(pattern)
    for path in [pattern] if literal else glob.glob(pattern, recursive=True):
        if not os.path.isdir(path):
            yield path
            continue
        for folder, _, names in os.walk(path):
            yield from (os.path.join(folder, name) for name in _weights(names))


def passed_over(patterns: Iterable[str]) -> list[str]:
    """Files in local folders that end as weights do, and by their names are none: states of an optimiser, data, …"""
    folders = {os.path.abspath(os.path.expanduser(one)) for one in patterns if not is_remote(one)}
    return [
        os.path.join(folder, name)
        for top in sorted(folders)
        if os.path.isdir(top)
        for folder, _, names in os.walk(top)
        for name in sorted(names)
        if name.endswith(WEIGHTS) and not name.startswith(".") and not is_weights(name)
    ]


def _weights(names: list[str]) -> Iterator[str]:
    indexed = {
        name.removesuffix(INDEX_ENDING).partition(".")[0] for name in names if name.endswith(INDEX_ENDING)
    }
    for name in names:
        stem = os.path.splitext(name)[0]
        shard = SHARD.search(stem) and SHARD.sub("", stem) in indexed
        if name.endswith(INDEX_ENDING) or (is_weights(name) and not shard):
            yield name


def _remote(pattern: str) -> Iterator[str]:
    store, path = _store(pattern)
    try:
        for match in store.glob(path) if MAGIC.search(path) else [path]:
            folder = store.isdir(match)
            for file in store.find(match) if folder else [match]:
                if not folder or any(_weights([PurePosixPath(file).name])):
                    yield store.unstrip_protocol(file)
    except OSError as error:
        raise ConfigError(f"cannot list {pattern!r}: {error}") from None


def _store(path: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    try:
        store, inside = url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"cannot open {path!r}: {error}") from None
    return store, inside


def exists(path: str) -> bool:
    """True if there is anything at a path."""
    if not is_remote(path):
        return os.path.lexists(path)
    store, inside = _store(path)
    return bool(store.exists(inside))


def stamp_of(path: str) -> str:
    """A text that changes whenever a checkpoint's files are written to, made without reading them; may be empty."""
    if path != in_text(path):
        return ""
    try:
        if is_remote(path):
            store, inside = _store(path)
            more = (_checksum(store, file) for file in _remote_configs(store, inside))
            return " ".join([str(store.checksum(inside)), *filter(None, more)])
        if is_here(path):
            return state_of(path)
        file = Path(path)
        own = stamp(file)
        return own if _described_alone(file, own) else stamp(file, configuration_files(file))
    except Exception:  # measuring says what is wrong with it; no file may end the planning of a job
        return ""


def size_of(path: str) -> int:
    """Bytes of a local file; 0 if that is not known."""
    try:
        return 0 if is_remote(path) else os.stat(path).st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class Fetched:
    """A checkpoint on this machine.

    Attributes:
        digest: SHA-256 of its weights (of all shards one after another).
        content: Digest of weights and of the settings beside them, in whatever files, which decide what is measured.
        size: Bytes of weights.
        beside: The content of the JSON of its name; empty if there is none.
        data: The content of the file, unless it is large or there are several.
    """

    path: Path
    digest: str
    content: str
    size: int
    beside: bytes = b""
    data: bytes | None = None


@contextmanager
def fetched(path: str) -> Iterator[Fetched]:
    """A checkpoint, copied here for the while if it lies elsewhere; a `CheckpointError` if it cannot be read."""
    if path != in_text(path):
        raise CheckpointError(
            f"the name of {in_text(path)!r} is no valid UTF-8, and no table could hold it; rename the file"
        )
    if not is_remote(path):
        yield _described(Path(path))
        return
    store, inside = _store(path)
    with TemporaryDirectory(prefix="grokscope-") as top:
        above = PurePosixPath(inside).parent.parent  # the folder's name may tell a step
        here = Path(top) / PurePosixPath(inside).relative_to(above)
        try:
            for file in (inside, *_remote_configs(store, inside)):
                _fetch(store, file, Path(top) / PurePosixPath(file).relative_to(above))
            for shard in {*shards(here)} - {here}:
                _fetch(store, str(PurePosixPath(inside).with_name(shard.name)), shard)
        except OSError as error:
            raise CheckpointError(f"cannot fetch {path!r}: {error}") from None
        yield _described(here)


def _fetch(store: Any, inside: str, here: Path) -> None:
    here.parent.mkdir(parents=True, exist_ok=True)
    store.get_file(inside, str(here))


def _remote_configs(store: Any, inside: str) -> list[str]:
    """The files in a store that may hold a checkpoint's configuration; its JSON alone if folders cannot be listed."""
    path = PurePosixPath(inside)

    def names(folder: PurePosixPath) -> list[str]:
        try:
            return [PurePosixPath(one).name for one in store.ls(str(folder), detail=False)]
        except Exception:  # whatever a store's code raises where it cannot list, such as on the web
            alone = beside(Path(path.name)).name
            return [alone] if folder == path.parent and store.exists(str(path.with_name(alone))) else []

    near, others = config_files(path, names)
    return [str(file) for file in (*near, *others)]


def _checksum(store: Any, inside: str) -> str:
    try:
        return str(store.checksum(inside))
    except OSError:  # it was deleted meanwhile
        return ""


def _described(path: Path) -> Fetched:
    if is_here(str(path)):
        return Fetched(path, *digests_of(path))
    files = shards(path)
    size = sum(size_of(str(file)) for file in files)
    data, whole = None, hashlib.sha256()
    if len(files) == 1 and size < LARGE:
        data = read_bytes(path, most=LARGE, error=CheckpointError)
        whole.update(data)
    for file in files if data is None else ():
        with open_file(file, error=CheckpointError) as opened:
            while block := opened.read(BLOCK):
                whole.update(block)
    settings = beside(path)
    more = read_bytes(settings, error=CheckpointError) if settings != path and settings.exists() else b""
    digest = whole.hexdigest()
    content = hashlib.sha256(digest.encode() + more + _configuration(path))
    return Fetched(path, digest, content.hexdigest(), size, more, data)


@lru_cache(maxsize=64)
def _described_alone(path: Path, state: str) -> bool:
    """True for a native checkpoint, whose own JSON is its whole configuration.

    A job asks several times of a file, and reading its JSON takes a tenth of what scoring takes: known while the files
    are in the same state, as of `stamp`.
    """
    with suppress(GrokscopeError):  # opening says what is wrong with it
        return beside(path).exists() and is_native(path)
    return False


def _configuration(path: Path) -> bytes:
    """The settings that opening a stranger's file takes from the files beside it; empty of a native checkpoint."""
    with suppress(GrokscopeError):  # opening says what is wrong
        if _described_alone(path, stamp(path)):
            return b""
        settings, _ = settings_beside(path)
        return json.dumps(settings, sort_keys=True, default=str).encode() if settings else b""
    return b""


def announce(path: str) -> None:
    """Have the system read a local file into memory meanwhile, where it can be told to."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError, ConfigError), open_file(path) as file:  # whoever reads it says what is wrong
        os.posix_fadvise(file.fileno(), 0, LARGE, os.POSIX_FADV_WILLNEED)


def content_of(path: str) -> str | None:
    """The digest of what decides a checkpoint's rows; None if it cannot be read."""
    try:
        with fetched(path) as at_hand:
            return at_hand.content
    except Exception:  # measuring says what is wrong with it; no file may end the planning of a job
        return None
