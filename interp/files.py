"""Files: one way to open any that is read, and writing whole or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, GrokscopeError, cut, near_matches
from interp.held import check_held, make_parents
from interp.memory import check_need

MAX_BYTES = 8 * 2**30
"""Of any file that is read."""
MAX_TEXT = 2**26
"""Bytes of JSON, TOML and lists of indices."""
MAX_TOML = 2**20
"""Bytes of TOML, which takes longer to read."""
BLOCK = 2**20
SMALL = 2**20
"""Bytes up to which the need of a text is not worked out."""
JSON_COPIES = 32
"""Bytes that values of JSON take at the most, for each one of its text."""
MOST_PARTS = 64
_LONG_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}"""
)
"""Keys of TOML with more parts, for which the reader would take memory with the square of their number."""


def open_file(
    path: Path | str,
    kind: str = "file",
    *,
    least: int = 0,
    most: int = MAX_BYTES,
    error: type[GrokscopeError] = ConfigError,
) -> io.BufferedReader:
    """Open an ordinary file of acceptable size for reading bytes; every file that is read is opened here.

    Pipes and devices are refused without waiting for them. Use it in a ``with`` block, at whose end a file that was
    written to meanwhile is an error.

    Args:
        path: Of the file.
        kind: Noun for messages: "file", "job", "table".
        least, most: Bytes.
        error: The exception to raise.

    Raises:
        ConfigError: It is missing, no ordinary file, too large, or cannot be read; or the `error` that was given.

    Example:
        >>> open_file("/dev/zero")
        Traceback (most recent call last):
            ...
        interp.errors.ConfigError: '/dev/zero' is a device; expected an ordinary file
    """
    path = Path(path)
    shown = repr(str(path)) if len(str(path)) <= 300 else f"{str(path)[:80]!r}…"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise error(f"there is no {kind} {shown}; {beside_missing(path)}") from None
    except (OSError, ValueError) as reason:  # a name with a null byte is the latter
        why = reason.strerror if isinstance(reason, OSError) else reason
        raise error(f"cannot read the {kind} {shown}: {why}") from None
    state = os.fstat(handle)
    message = ""
    if stat.S_ISDIR(state.st_mode):
        message = f"{shown} is a folder; expected one of its files"
    elif not stat.S_ISREG(state.st_mode):
        noun = "pipe" if stat.S_ISFIFO(state.st_mode) else "device"
        message = f"{shown} is a {noun}; expected an ordinary file"
    elif state.st_size < least == 1:
        message = f"{shown} is empty; is it still being written?"
    elif not least <= state.st_size <= most:
        message = f"{shown} has {state.st_size} bytes; expected {least} to {most}"
    if message:
        os.close(handle)
        raise error(message)
    return _Watched(handle, shown, error)


class _Watched(io.BufferedReader):
    """A file whose block ends with an error if the file was written to while the block ran."""

    def __init__(self, handle: int, shown: str, error: type[GrokscopeError]) -> None:
        super().__init__(io.FileIO(handle, "rb"))
        self._shown, self._error, self._before = shown, error, self._state()

    def _state(self) -> tuple[int, ...]:
        state = os.fstat(self.fileno())
        return state.st_size, state.st_mtime_ns

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        changed = not self.closed and self._state() != self._before
        super().__exit__(kind, *rest)
        if changed and kind is None:
            raise self._error(
                f"{self._shown} was written to while it was read; open it again once it is complete"
            )


def read_bytes(path: Path | str, kind: str = "file", *, most: int = MAX_TEXT, **how: Any) -> bytes:
    """The content of a file; keywords are those of `open_file`.

    Raises:
        ConfigError: It is no ordinary file, cannot be read, is too large, or takes more memory than the budget; or the
            `error` that was given.
    """
    error = how.get("error", ConfigError)
    try:
        with open_file(path, kind, most=most, **how) as file:
            size = os.fstat(file.fileno()).st_size
            if size > SMALL:
                check_need(size, f"the {kind} {cut(str(path))}", "take a smaller one")
            content = file.read(size + 1)  # not more, as room is made for all that is asked for
    except OSError as reason:
        raise error(f"cannot read the {kind} {str(path)!r}: {reason.strerror}") from None
    if len(content) > size:
        raise error(f"{str(path)!r} grew while it was read; open it again once it is complete")
    return content


def digest_of(path: Path | str, kind: str = "file") -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    whole = sha256()
    with open_file(path, kind) as file:
        while block := file.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()


def read_json(
    path: Path | str, expected: type = object, *, purpose: str = "", error: type[GrokscopeError] = ConfigError
) -> Any:
    """The content of a JSON file.

    Args:
        path: Of the file.
        expected: The type of its outermost value: dict for an object.
        purpose: A clause for messages that says what it is needed for.
        error: The exception to raise if it cannot be read, is no JSON or holds another type of value.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "config.json").write_text('{"p": 113}')
        ...     read_json(Path(folder, "config.json"), dict)
        {'p': 113}
    """
    end = f": {purpose}" if purpose else ""
    try:
        content = read_bytes(path, error=error)
        if len(content) > SMALL:
            check_need(JSON_COPIES * len(content), f"the JSON of {cut(str(path))}", "take a smaller one")
        return parse_json(content, expected)
    except ValueError as reason:
        raise error(f"{str(path)!r} is no valid JSON ({reason}){end}") from None
    except GrokscopeError as reason:
        raise error(f"{reason}{end}") from None


def parse_json(content: bytes | str, expected: type = object) -> Any:
    """A JSON text's value; a `ValueError` if it is none, nested too deeply, or of another type.

    Example:
        >>> parse_json("[" * 100_000)
        Traceback (most recent call last):
            ...
        ValueError: nested too deeply
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, expected):
        raise ValueError(f"it holds {NOUNS[type(value)]}; expected {NOUNS[expected]}")
    return value


NOUNS: dict[type, str] = {
    dict: "an object", list: "an array", str: "a text", int: "a number", float: "a number", bool: "true or false",
    type(None): "null",
}  # fmt: skip
"""Types of values as JSON calls them."""


def write_whole(path: Path | str, write: Callable[[Path], Any], *, durable: bool = False) -> Path:
    """Have `write` fill a temporary file beside `path`, then rename it there.

    If anything fails the old file, if there is one, stays as it was.

    Args:
        path: Of the file.
        write: Fills the file whose path it is given.
        durable: Wait until the disk has the file, so that not even a power cut takes it away.

    Raises:
        ConfigError: The place cannot be written to.
    """
    write_together((Path(path), write), durable=durable)
    return Path(path)


def write_together(*files: tuple[Path, Callable[[Path], Any] | None], durable: bool = False) -> None:
    """Fill files that belong together aside, then rename them all; if one cannot be, all old ones stay.

    Args:
        files: The path of each, and what fills the file whose path it is given, or None for one that is not to be there
            any more; renamed in this order.
        durable: Wait until the disk has them.

    Raises:
        ConfigError: A place cannot be written to.
    """
    parts: list[Path] = []
    path = Path()
    try:
        for path, write in files:
            check_held(path)
            make_parents(path)
            parts.append(_aside(path))
            if write is not None:
                write(parts[-1])
                parts[-1].chmod(0o644)
            if durable:
                _to_disk(parts[-1])
        with _kept(*(path for path, _ in files) if len(files) > 1 else ()):
            for part, (path, write) in zip(parts, files, strict=True):
                check_held(path)
                part.replace(path) if write is not None else path.unlink(missing_ok=True)
                if durable:
                    _to_disk(path.parent)
    except OSError as error:
        check_held(path)
        message = f"cannot write {str(path)!r}: {error.strerror or error}; choose another place"
        raise ConfigError(message) from None
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    """An empty file beside a path, for what is to be renamed there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    return Path(name)


@contextmanager
def _kept(*paths: Path) -> Iterator[None]:
    """Put files back that were replaced or removed if not all of them could be."""
    copies: dict[Path, Path] = {}
    try:
        for path in paths:
            if path.exists():
                copies[path] = _aside(path)
                copies[path].unlink()
                try:
                    os.link(path, copies[path])
                except OSError:  # a file system without links
                    shutil.copy2(path, copies[path])
        try:
            yield
        except BaseException:
            for path in paths:
                if path in copies:
                    copies[path].replace(path)
                else:
                    path.unlink(missing_ok=True)
            raise
    finally:
        for copy in copies.values():
            copy.unlink(missing_ok=True)


def check_place(path: Path | str) -> None:
    """Make sure, before long work, that a file can be written to `path`.

    Raises:
        ConfigError: It cannot.
    """
    path = Path(path)
    write_whole(path.with_name(f".{path.name}.place"), lambda part: None).unlink()


def beside_missing(path: Path) -> str:
    """Say which files beside a missing one resemble it, as the end of an error message."""
    folder = path.parent
    if not folder.is_dir():
        return f"nor a folder {str(folder)!r}"
    return near_matches(path.name, sorted(os.listdir(folder)), owner=f"the folder {str(folder)!r}")


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_text(value: Any) -> str:
    """A value as indented JSON; NaN is an error."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_text(path: Path | str, text: str, *, durable: bool = False) -> Path:
    """Write text, whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"), durable=durable)


def write_json(path: Path | str, value: Any, *, durable: bool = False) -> Path:
    """Write a value as indented JSON, whole or not at all; NaN is an error."""
    return write_text(path, json_text(value), durable=durable)


def read_toml(path: Path | str, kind: str) -> dict[str, Any]:
    """The content of a TOML file.

    Args:
        path: Of the file.
        kind: Noun for messages: "job", "grid".

    Raises:
        ConfigError: It cannot be read, or is no valid TOML.
    """
    try:
        text = read_bytes(path, kind, most=MAX_TOML).decode("utf-8")
        if _LONG_KEY.search(text):
            raise ValueError(f"a key has more than {MOST_PARTS} parts")
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{str(path)!r} is no valid TOML: nested too deeply") from None
    except ValueError as error:  # also of a number with too many digits
        raise ConfigError(f"{str(path)!r} is no valid TOML: {error}") from None
