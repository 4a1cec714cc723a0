"""Files of checkpoints: the one that a path means, and what lies beside it. Nothing here loads PyTorch.

A native checkpoint has its weights in safetensors, everything else in a JSON of the same name; a series is a folder of
``step-NNNNNNNN`` pairs with one ``history.json``. The JSON is written first: a checkpoint exists once its weights do.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from interp.errors import CheckpointError
from interp.files import beside_missing, write_json

FORMAT = "grokscope-1"
HISTORY, RESUME = "history.json", "resume.safetensors"
"""Beside the checkpoints of a native series: its training curve, and the state from which training goes on."""
INDEX = ".safetensors.index.json"
"""How the file ends that says which shard holds which tensor, where weights are spread over several files."""
INDEX_ENDING = ".index.json"
"""How such a file ends whatever the format of the shards, such as ``pytorch_model.bin.index.json``."""
STEP = re.compile(r"step-\d+")
WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".msgpack")
SHARD = re.compile(r"-\d{5}-of-\d{5}$")
NO_WEIGHTS = re.compile(
    r"(?:optimi[sz]er|optim|scheduler|lr_scheduler|scaler|rng_state|random_states?|training_args|trainer_state|resume"
    r"|train_data|test_data|val_data|train_pairs|test_pairs)(?:[-_.]\d+)*\.\w+"
)
"""Names of what a trainer leaves beside weights: states of the optimiser and of random numbers, arguments, data."""
NUMBERED_FOLDER = re.compile(
    r"(?:.*[^a-z])?(?:step|epoch|iteration|iter|checkpoint|ckpt)s?[-_=. ]?(\d{1,15})", re.I
)
BESIDE = ("train_data.pth", "train_data.pt", "train_pairs.pth", "train.json")


@lru_cache(maxsize=1)
def library_version() -> str:
    """The installed version of Grokscope."""
    try:
        return version("grokscope")
    except PackageNotFoundError:
        return "not installed"


def number_of(file: Path) -> int | None:
    """The number that a file's name ends in, such as a step."""
    match = re.search(r"(\d+)$", file.stem)
    return int(match[1]) if match else None


def checkpoint_files(folder: Path | str) -> list[Path]:
    """The weights of a native series in order of their step."""
    return sorted(file for file in Path(folder).glob("step-*.safetensors") if STEP.fullmatch(file.stem))


def is_weights(name: str) -> bool:
    """True if a file's name is one of weights, and none that a trainer leaves beside them.

    Example:
        >>> [is_weights(name) for name in ("model.safetensors", "rng_state_0.pth", "optimizer.pt", "notes.txt")]
        [True, False, False, False]
    """
    return name.endswith(WEIGHTS) and not name.startswith(".") and not NO_WEIGHTS.fullmatch(name.lower())


def weights_in(folder: Path) -> list[Path]:
    """The weights of a folder by name; shards count as one, their index."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    indexes = [file for file in files if file.name.endswith(INDEX_ENDING)]
    named = {index.name.removesuffix(INDEX_ENDING).partition(".")[0] for index in indexes}
    alone = [file for file in files if is_weights(file.name) and SHARD.sub("", file.stem) not in named]
    return [*alone, *indexes]


def series_files(folder: Path) -> list[Path]:
    """The checkpoints of a folder in order of their step.

    They are native ones, else weights whose names end in a number, else those in folders such as ``checkpoint-400``.
    """
    if native := checkpoint_files(folder):
        return native
    weights = weights_in(folder)
    numbered = [(number_of(file), file) for file in weights if not file.name.endswith(INDEX_ENDING)]
    if not weights:
        inner = [
            (m, place) for place in folder.iterdir() if place.is_dir() and (m := _step_of(place)) is not None
        ]
        return [one for _, place in sorted(inner) if len(one_of := weights_in(place)) == 1 for one in one_of]
    series = [file for number, file in sorted((n, f) for n, f in numbered if n is not None)]
    return series if len(series) > 1 or len(numbered) == 1 else []


def _step_of(folder: Path) -> int | None:
    match = NUMBERED_FOLDER.fullmatch(folder.name)
    return int(match[1]) if match else None


def find_checkpoint(path: Path) -> Path:
    """The weights' file that a path means: itself, the weights beside a JSON, or the last of a folder.

    Raises:
        CheckpointError: There is none.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise CheckpointError(f"cannot open {str(path)[:80]!r}…: {error.strerror}") from None
    if path.is_dir():
        series, files = series_files(path), weights_in(path)
        if not series and len(files) != 1:
            content = f"no checkpoints ({', '.join(WEIGHTS)})"
            if files:
                numbered = "only one" if any(number_of(file) is not None for file in files) else "none"
                content = f"several weights, {numbered} numbered"
            raise CheckpointError(f"the folder {str(path)!r} holds {content}; name a file")
        return (series or files)[-1]
    if not exists:
        raise CheckpointError(f"there is no file {str(path)!r}; {beside_missing(path)}")
    if path.suffix == ".json":
        weights = [path.with_suffix(suffix) for suffix in WEIGHTS if path.with_suffix(suffix).exists()]
        return (weights or [path])[0]
    return path


def is_native(file: Path) -> bool:
    """True if a file's JSON says that it is a native checkpoint, or its weights do."""
    return native_settings(file) is not None


def native_settings(file: Path) -> dict[str, Any] | None:
    """The JSON beside a native checkpoint, unchecked; empty if only its weights say what it is, else None."""
    if file.suffix != ".safetensors" and not file.name.endswith(INDEX):
        return None
    described = beside(file)
    if described.exists():
        settings = read_json(described, f"it lies beside {file.name}")
        if isinstance(settings, dict) and "format" in settings:
            return settings
    if file.name.endswith(INDEX):
        return None
    try:
        with safe_open(file, framework="np") as opened:
            return {} if (opened.metadata() or {}).get("format") == FORMAT else None
    except (SafetensorError, OSError, struct.error):
        return None


def beside(file: Path) -> Path:
    """Where the settings of a weights' file are, or would be.

    Example:
        >>> beside(Path("a/step-7.safetensors")).name, beside(Path("big.safetensors.index.json")).name
        ('step-7.json', 'big.json')
    """
    stem = file.name.removesuffix(INDEX) if file.name.endswith(INDEX) else file.stem
    return file.with_name(f"{stem}.json")


def shards(file: Path) -> list[Path]:
    """The files that hold a checkpoint's weights: itself, or those that an index names, in order of their names."""
    return sorted(set(tensor_files(file).values())) if file.name.endswith(INDEX_ENDING) else [file]


def tensor_files(index: Path) -> dict[str, Path]:
    """The file that holds each tensor, as an index says; a `CheckpointError` if that is not beside it."""
    settings = read_json(index, "it says which file holds which tensor")
    names = settings.get("weight_map") if isinstance(settings, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(f"{str(index)!r} has no 'weight_map' from tensors to files")
    for name in names.values():
        if Path(name).name != name:
            raise CheckpointError(f"{str(index)!r} names the file {name!r}; expected one that lies beside it")
    return {tensor: index.with_name(name) for tensor, name in names.items()}


def read_settings(file: Path, settings: Any = None) -> dict[str, Any]:
    """The JSON beside a weights' file, or its content if that is at hand.

    Raises:
        CheckpointError: It is missing, unreadable or of another format.
    """
    place = beside(file)
    if not settings:
        settings = read_json(place, f"{file.name} needs it to say which network and task it belongs to")
    known = settings if isinstance(settings, dict) else {}
    described = isinstance(known.get("model"), dict) and isinstance(known.get("task"), dict)
    if not described or known.get("format") != FORMAT:
        raise CheckpointError(f"{str(place)!r} does not describe a checkpoint of format {FORMAT!r}")
    return settings


def read_json(path: Path, purpose: str) -> Any:
    """Parse a JSON file, or raise a `CheckpointError` that says what it is needed for."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {str(path)!r} ({error.strerror}): {purpose}") from None
    except ValueError as error:
        raise CheckpointError(f"{str(path)!r} is no valid JSON: {error}") from None


@contextmanager
def opened_tensors(file: Path, framework: str) -> Iterator[Any]:
    """A safetensors file whose tensors can be read, as arrays (``"np"``) or tensors (``"pt"``)."""
    with readable_weights(file), safe_open(file, framework=framework) as opened:
        yield opened


@contextmanager
def readable_weights(file: Path) -> Iterator[None]:
    """Turn what goes wrong inside into a `CheckpointError`."""
    try:
        yield
    except (SafetensorError, OSError, struct.error) as error:
        raise CheckpointError(
            f"cannot read weights from {str(file)!r}: {error}; is it truncated or another format?"
        ) from None


def training_history(path: Path | str) -> list[dict[str, Any]]:
    """Metrics over training, of the series that a checkpoint belongs to; empty if it has none."""
    path = Path(path)
    file = (path if path.is_dir() else path.parent) / HISTORY
    history = read_json(file, "it holds the training curve") if file.exists() else []
    records = history if isinstance(history, list) else [None]
    if not all(isinstance(r, dict) and "step" in r and isinstance(r.get("accuracy"), dict) for r in records):
        raise CheckpointError(
            f"{str(file)!r} is no training curve; expected records of step, loss and accuracy"
        )
    return history


def write_history(folder: Path | str, history: list[dict[str, Any]]) -> None:
    """Store metrics over training beside a series, whole or not at all."""
    write_json(Path(folder) / HISTORY, history)
