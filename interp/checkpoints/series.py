"""Checkpoints of a training run, and the one that a path means. Nothing here loads PyTorch.

Of a folder that holds the checkpoints of several runs, such as averaged weights beside raw ones, none is chosen unless
the user names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from interp.checkpoints.copies import named_by
from interp.checkpoints.files import (
    BESIDE,
    INDEX_ENDING,
    SHARD,
    WEIGHTS,
    checkpoint_files,
    is_weights,
    number_of,
)
from interp.checkpoints.folders import check_folder
from interp.errors import CheckpointError
from interp.files import beside_missing

LISTED = 6  # files or runs that are named
_STEP_WORD = r"(?:step|epoch|iteration|iter|checkpoint|ckpt)s?[-_=. ]?"
_NUMBERED_FOLDER = re.compile(rf"(?:.*[^a-z])?{_STEP_WORD}(\d{{1,15}})", re.I)
_CHANGING = re.compile(
    rf"((?<![a-z]){_STEP_WORD}|(?<![a-z])(?:loss|acc|accuracy|score)[-_=. ]?)\d+(?:\.\d+)?", re.I
)
"""Numbers of a name that change during a run: steps, and what was measured at them."""


def run_of(stem: str) -> str:
    """The name of a run, as its checkpoints' names state it: without steps, and what was measured at them.

    Example:
        >>> [run_of(stem) for stem in ("model_ema_500", "epoch=3-step=400", "mlp_p11-20", "9")]
        ['model_ema', 'epoch=-step', 'mlp_p11', '']
    """
    return re.sub(r"[-_=. ]*\d*$", "", _CHANGING.sub(r"\1", stem)).lower()


def weights_in(folder: Path) -> list[Path]:
    """The weights of a folder by name; shards count as one, their index."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    indexes = [file for file in files if file.name.endswith(INDEX_ENDING)]
    named = {index.name.removesuffix(INDEX_ENDING).partition(".")[0] for index in indexes}
    alone = [file for file in files if is_weights(file.name) and SHARD.sub("", file.stem) not in named]
    return [*alone, *indexes]


def series_files(folder: Path, choice: str | None = None) -> list[Path]:
    """The checkpoints of a folder in order of their step.

    They are native ones, else weights whose names end in a number, else those in folders such as ``checkpoint-400``.

    Args:
        choice: Names one of several runs: the whole of its name or a word of it, or "ema" or "raw".

    Raises:
        CheckpointError: There are several runs, one has two files of a step, or a step's folder several weights.
    """
    if native := checkpoint_files(folder):
        return native
    weights = weights_in(folder)
    if not weights:
        places = _run(folder, [(_step_of(place), place) for place in _numbered_folders(folder)], choice)
        return [file for place in places for file in _alone_in(place)]
    files = [file for file in weights if not file.name.endswith(INDEX_ENDING)]
    numbered = [(number, file) for file in files if (number := number_of(file)) is not None]
    series = _run(folder, numbered, choice)
    of_several = len(series) < len(numbered)
    return series if len(series) > 1 or len(files) == 1 or of_several else []


def left_out_of(folder: Path, series: list[Path]) -> Iterator[str]:
    """Weights and folders that are no part of a folder's series, in sentences."""
    used = {*series, *(folder / name for name in BESIDE)}
    others = [file for file in weights_in(folder) if file not in used]
    inside = [file for file in series if file.parent == folder]
    if inside:
        names = [file.name for file in others if number_of(file) is None]
        runs = [file.name for file in others if number_of(file) is not None]
        if names:
            yield f"not used, as their names end in no number: {', '.join(names)}"
        if runs:
            yield f"not used, as they are of another run: {', '.join(runs)}"
    unused = [
        place.name for place in _numbered_folders(folder) if place not in {one.parent for one in series}
    ]
    if unused:
        reason = (
            "weights lie beside them" if inside or others else "they hold no weights or are of another run"
        )
        yield f"not used, as {reason}: {', '.join(sorted(unused))}"


def find_checkpoint(path: Path, choice: str | None = None) -> Path:
    """The weights' file that a path means: itself, the weights beside a JSON, or the last of a folder.

    Args:
        choice: Names one of several runs in a folder; see `series_files`.

    Raises:
        CheckpointError: There is none, or nothing says which of several.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise CheckpointError(f"cannot open {str(path)[:80]!r}…: {error.strerror}") from None
    if path.is_dir():
        series, files = series_files(path, choice), weights_in(path)
        if not files and not series:
            check_folder(path)
        if not series and len(files) != 1:
            content = f"no checkpoints ({', '.join(WEIGHTS)})"
            if files:
                numbered = "only one" if any(number_of(file) is not None for file in files) else "none"
                content = f"several weights, {numbered} numbered by a step"
            raise CheckpointError(f"the folder {str(path)!r} holds {content}; name a file")
        return (series or files)[-1]
    if not exists:
        raise CheckpointError(f"there is no file {str(path)!r}; {beside_missing(path)}")
    if path.suffix == ".json":
        weights = [path.with_suffix(suffix) for suffix in WEIGHTS if path.with_suffix(suffix).exists()]
        if len(weights) > 1:
            raise CheckpointError(f"{_listed(weights)} lie beside {str(path)!r}; name one of them")
        return (weights or [path])[0]
    return path


def _run(folder: Path, numbered: list[tuple[int, Path]], choice: str | None) -> list[Path]:
    """The files or folders of one run in order of their numbers: the only one, or the one that a choice names."""
    runs: dict[str, list[tuple[int, Path]]] = {}
    for number, place in sorted(numbered):
        runs.setdefault(run_of(place.name if place.is_dir() else place.stem), []).append((number, place))
    asked = [] if choice is None else named_by(choice, runs)
    taken = list(runs) if len(runs) < 2 else asked
    if len(runs) > 1 and len(asked) != 1:
        shown = [f"{name!r} ({len(run)}, the last is {run[-1][1].name})" for name, run in runs.items()]
        more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
        some = next((name for name in runs if name), "")
        raise CheckpointError(
            f"the folder {str(folder)!r} holds checkpoints of several runs, by their names: "
            f"{', '.join(shown[:LISTED])}{more}; name a file, or say which run is meant, such as weights={some!r} "
            f"(--weights {some})"
        )
    run = [place for name in taken for place in runs[name]]
    for (number, one), (other, two) in pairwise(run):
        if number == other:
            raise CheckpointError(
                f"the folder {str(folder)!r} holds two checkpoints of step {number}, {one.name!r} and {two.name!r}; "
                "name a file"
            )
    return [place for _, place in run]


def numbered_folders(folder: Path) -> list[tuple[int, Path]]:
    """Folders in a folder whose names end in a step, such as ``checkpoint-400``, in order of it."""
    return sorted((_step_of(place), place) for place in _numbered_folders(folder))


def _numbered_folders(folder: Path) -> list[Path]:
    return [place for place in folder.iterdir() if _NUMBERED_FOLDER.fullmatch(place.name) and place.is_dir()]


def _step_of(folder: Path) -> int:
    match = _NUMBERED_FOLDER.fullmatch(folder.name)
    assert match is not None
    return int(match[1])


def _alone_in(folder: Path) -> list[Path]:
    """The weights of a step's folder, none or one."""
    files = weights_in(folder)
    if len(files) > 1:
        raise CheckpointError(
            f"the folder {str(folder)!r} holds several weights ({_listed(files)}), and nothing says which are those of "
            "its step; name a file"
        )
    return files


def _listed(files: list[Path]) -> str:
    more = f" and {len(files) - LISTED} more" if len(files) > LISTED else ""
    return ", ".join(repr(file.name) for file in files[:LISTED]) + more
