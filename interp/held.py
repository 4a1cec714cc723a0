"""Folders that must stay the same while a job fills them: one that is moved or replaced gets nothing more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interp.errors import ConfigError

_held: list[tuple[Path, int]] = []
"""Absolute paths, and an open handle of each, without which its number could be given to another folder."""


@contextmanager
def held(folder: Path | str | None, *, create: bool = True) -> Iterator[None]:
    """Hold a folder: what is written below it from here on is refused once another folder, or none, has its place.

    Args:
        folder: Nothing is held if None.
        create: Make it if it is not there.

    Raises:
        ConfigError: It cannot be made or opened.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place, held(Path(place, "out")):  # doctest: +ELLIPSIS
        ...     _ = Path(place, "out").rename(Path(place, "moved"))
        ...     check_held(Path(place, "out", "a.json"))
        Traceback (most recent call last):
            ...
        interp.errors.ConfigError: the folder '.../out' was moved, deleted or replaced while results were written ...
    """
    if folder is None:
        yield
        return
    path = Path(os.path.abspath(folder))
    check_held(path)
    try:
        if create:
            make_parents(path)
            path.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        message = f"cannot write to {str(folder)!r}: {error.strerror}; choose another place"
        raise ConfigError(message) from None
    _held.append((path, handle))
    try:
        yield
    finally:
        _held.remove((path, handle))
        os.close(handle)


def check_held(path: Path | str) -> None:
    """Refuse to write below a held folder that is not where it was."""
    place = os.path.abspath(path)
    for folder, handle in _held:
        if place.startswith(f"{folder}{os.sep}"):
            before = os.fstat(handle)
            try:
                same = os.path.samestat(os.stat(folder), before)
            except OSError:
                same = False
            if not same or not before.st_nlink:
                raise ConfigError(
                    f"the folder {str(folder)!r} was moved, deleted or replaced while results were written to it; "
                    "put it back, or choose another place"
                )


def make_parents(path: Path) -> None:
    """Make the folders that a file is to be written in, but none that is held, nor those above it."""
    place = Path(os.path.abspath(path))
    above = max((len(folder.parts) for folder, _ in _held if place.is_relative_to(folder)), default=0)
    if not above:
        path.parent.mkdir(parents=True, exist_ok=True)
    for folder in reversed(place.parents):
        if above and len(folder.parts) > above:
            folder.mkdir(exist_ok=True)
