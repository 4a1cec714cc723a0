"""Options that say where results go, the same in every command, checked when the command line is read.

``--html``, ``--json``, ``--markdown``, ``--csv`` and ``--parquet`` write the result in that format to a file, or to
standard output if it is ``-``. ``--save`` writes a network. ``--out`` names the folder of what a command makes in
several steps, which the same command takes up again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from interp.errors import ConfigError
from interp.files import check_place

DASH = "-"
"""Stands for standard output."""
FORMATS = {
    "html": "Write a page that works offline",
    "json": "Write the result as JSON",
    "markdown": "Write the result as Markdown",
    "csv": "Write all rows as CSV",
    "parquet": "Write all rows as Parquet",
}
"""Options by format, and their help."""
SUFFIXES = {"markdown": ".md"}
"""Endings of files that are not called as their format."""
RESULT = re.compile(rb'\s*\{\s*"\$?schema"\s*:')
"""The beginning of JSON that a command wrote, which states its schema, or of a schema."""


def _checked_path(check: Callable[[str, Path], Path], help: str, *names: str, **how: Any) -> Any:
    """An option for a place, whose check is given the option's name."""

    def callback(context: Any, parameter: Any, value: Path | None) -> Path | None:
        return None if value is None else check(parameter.opts[0], value)

    return typer.Option(*names, help=help, callback=callback, **how)


def written(format: str, end: str = ".") -> Any:
    """The option that writes a result in a format; `end` is the end of its help.

    The value is the file, or one named ``-`` with the format's ending.
    """
    suffix = SUFFIXES.get(format, f".{format}")

    def check(name: str, path: Path) -> Path:
        if str(path) == DASH:
            return Path(f"{DASH}{suffix}")
        if path.suffix.lower() != suffix:
            raise ConfigError(f"{name} {str(path)!r} should end in {suffix}, or be - for standard output")
        check_file(name, path)
        if suffix == ".json" and path.is_file() and not _is_result(path):
            raise ConfigError(
                f"{name} {str(path)!r} is there already and no result of grokscope, so it is kept; choose another name"
            )
        return path

    return _checked_path(check, f"{FORMATS[format]}{end}", metavar="FILE|-")


def _network(name: str, path: Path) -> Path:
    check_file(name, path)
    return path


def _folder(name: str, path: Path) -> Path:
    check_folder(name, path)
    return path


def folder(help: str, **how: Any) -> Any:
    """The option ``--out`` of a command."""
    return _checked_path(_folder, help, "--out", metavar="FOLDER", **how)


Html = Annotated[Path | None, written("html")]
Json = Annotated[Path | None, written("json")]
Markdown = Annotated[Path | None, written("markdown")]
Csv = Annotated[Path | None, written("csv")]
Parquet = Annotated[Path | None, written("parquet")]
Save = Annotated[
    Path | None,
    _checked_path(_network, "Write the network with the change in its weights.", "--save", metavar="FILE"),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file or model that --save would meet.")]


def _is_result(path: Path) -> bool:
    """True for JSON that may be replaced: not a checkpoint's description, a configuration or someone's data."""
    with path.open("rb") as file:
        start = file.read(200)
    return not start or RESULT.match(start) is not None


def check_inputs_kept(values: Mapping[str, Any]) -> None:
    """Refuse to write a result, of the options' values by name, in the place of a file that the command reads."""
    given = [one for name, value in values.items() if name not in FORMATS for one in _several(value)]
    for name in FORMATS:
        result = values.get(name)
        if result is not None and any(_same_file(result, one) for one in given):
            raise ConfigError(
                f"--{name} {str(result)!r} is a file that the command reads; choose another name for the result"
            )


def _several(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _same_file(result: Path, other: Any) -> bool:
    both = result, other
    return isinstance(other, (str, Path)) and all(map(os.path.isfile, both)) and os.path.samefile(*both)


def _check_no_dash(name: str, path: Path) -> None:
    if str(path) == DASH:
        formats = ", ".join(f"--{one}" for one in FORMATS)
        raise ConfigError(f"{name} cannot be - for standard output; expected a place, only {formats} can")


def check_file(name: str, path: Path) -> None:
    """Refuse a file that cannot be written; a `ConfigError` that names the option."""
    _check_no_dash(name, path)
    shown = f"{name} {str(path)!r}"
    if path.is_dir():
        raise ConfigError(f"{shown} is a folder; expected the name of a file in it")
    parent = path.parent
    if parent.exists() and not parent.is_dir():
        raise ConfigError(f"{str(parent)!r} is a file, so {shown} can be no file in it; choose another place")
    if not parent.is_dir():
        raise ConfigError(f"there is no folder {str(parent)!r} for {shown}; make it, or choose another")
    check_place(path)


def check_folder(name: str, path: Path) -> None:
    """Refuse a folder that can neither be used nor made; a `ConfigError` that names the option."""
    _check_no_dash(name, path)
    known = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not known.is_dir():
        raise ConfigError(
            f"{str(known)!r} is a file, so {name} {str(path)!r} can be no folder; choose another place"
        )
    if not os.access(known, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{name} {str(path)!r}: the folder {str(known)!r} cannot be written to; choose another"
        )


def to_standard_output(values: Iterable[Any]) -> bool:
    """True if one of the values of options is standard output; a `ConfigError` if several are."""
    standard = [value for value in values if isinstance(value, Path) and _is_standard(value)]
    if len(standard) > 1:
        raise ConfigError(f"{len(standard)} results are asked for on standard output; expected one - at most")
    return bool(standard)


def _is_standard(path: Path) -> bool:
    return path.stem == DASH and path.suffix != "" and path.parent == Path()


def put(save: Callable[[Path], Path], path: Path) -> bool:
    """Write a result to a file, or to standard output; True if it was a file."""
    if not _is_standard(path):
        save(path)
        return True
    with TemporaryDirectory() as aside:
        content = save(Path(aside, f"result{path.suffix}")).read_bytes()
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
    return False
