"""Files of checkpoints, and what lies beside them. Nothing here loads PyTorch.

A native checkpoint has its weights in safetensors, everything else in a JSON of the same name; a series is a folder of
``step-NNNNNNNN`` pairs with one ``history.json``. The JSON is written first: a checkpoint exists once its weights do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from math import inf, prod
from pathlib import Path
from typing import Any

from interp.checkpoints.tensor_file import tensor_file
from interp.errors import CheckpointError, cut
from interp.files import read_json, write_json

FORMAT = "grokscope-1"
HISTORY, RESUME = "history.json", "resume.safetensors"
"""Beside the checkpoints of a native series: its training curve, and the state from which training goes on."""
INDEX = ".safetensors.index.json"
"""How the file ends that says which shard holds which tensor, where weights are spread over several files."""
INDEX_ENDING = ".index.json"
"""The end of its name in any format of the shards, such as ``pytorch_model.bin.index.json``."""
STEP = re.compile(r"step-\d+")
WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".msgpack")
SHARD = re.compile(r"-\d{5}-of-\d{5}$")
NO_WEIGHTS = re.compile(
    r"(?:optimi[sz]er|optim|scheduler|lr_scheduler|scaler|rng_state|random_states?|training_args|trainer_state|resume"
    r"|train_data|test_data|val_data|train_pairs|test_pairs)(?:[-_.]\d+)*\.\w+"
)
"""Names of what a trainer leaves beside weights: states of the optimiser and of random numbers, arguments, data."""
BESIDE = ("train_data.pth", "train_data.pt", "train_pairs.pth", "train.json")


@lru_cache(maxsize=1)
def library_version() -> str:
    """The installed version of Grokscope."""
    try:
        return version("grokscope")
    except PackageNotFoundError:
        return "not installed"


MOST_DIGITS = 18
"""Of a number that a table can hold."""


_SIZES = (
    "p",
    "prime",
    "mod",
    "modulus",
    "v",
    "version",
    "d",
    "dim",
    "width",
    "hidden",
    "layers",
    "heads",
    "batch",
)
_CHOICES = (
    "seed",
    "lr",
    "wd",
    "frac",
    "fraction",
    "alpha",
    "beta",
    "gamma",
    "dropout",
    "fold",
    "run",
    "trial",
)
SETTINGS = frozenset((*_SIZES, *_CHOICES, "bs", "repeat", "rank", "loss", "acc", "accuracy", "score"))
"""Words after which a number in a file's name is a setting of a run, or a measurement, and no step."""
_NUMBER = re.compile(
    r"(?:(?P<decimal>\d\.|\de[-+]?)|(?<![A-Za-z])(?P<word>[A-Za-z]+)[-_= ]?)?(?P<number>\d+)$", re.ASCII
)


def number_of(file: Path) -> int | None:
    """The number that a file's name ends in, such as a step; None if it is a setting of the run, or a fraction.

    Example:
        >>> [number_of(Path(name)) for name in ("step-20.pt", "model_7.pt", "mlp_p11.pt", "lr1e-3.pt", "wd0.1.pt")]
        [20, 7, None, None, None]
    """
    match = _NUMBER.search(file.stem)
    if match is None or match["decimal"] or (match["word"] or "").lower() in SETTINGS:
        return None
    return int(match["number"]) if len(match["number"]) <= MOST_DIGITS else None


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


def is_native(file: Path) -> bool:
    """True if a file's JSON says that it is a native checkpoint, or its weights do."""
    return native_settings(file) is not None


def native_settings(file: Path) -> dict[str, Any] | None:
    """The JSON beside a native checkpoint, unchecked; empty if only its weights say what it is, else None."""
    if file.suffix != ".safetensors" and not file.name.endswith(INDEX):
        return None
    described = beside(file)
    if described.exists():
        settings = read_json(described, purpose=f"it lies beside {file.name}", error=CheckpointError)
        if isinstance(settings, dict) and "format" in settings:
            return settings
    if file.name.endswith(INDEX):
        return None
    try:
        with tensor_file(file) as opened:
            return {} if opened.metadata.get("format") == FORMAT else None
    except CheckpointError:
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


def stamp(file: Path, others: Iterable[Path] = ()) -> str:
    """A text that changes whenever a checkpoint's files, or others that are read with them, are written to or replaced.

    No weights are read.
    """
    files = {file, *shards(file), beside(file), *others}
    states = [one.stat() for one in sorted(files) if one.exists()]
    return " ".join(f"{one.st_ino}-{one.st_size}-{one.st_mtime_ns}-{one.st_ctime_ns}" for one in states)


@contextmanager
def unchanged(file: Path) -> Iterator[None]:
    """A block at whose end it is an error if the files of a checkpoint changed: their parts may be of two networks.

    Raises:
        CheckpointError: They did.
    """
    before = stamp(file)
    yield
    if stamp(file) != before:
        raise CheckpointError(
            f"{str(file)!r} was written to while it was read; open it again once it is complete"
        )


def tensor_files(index: Path) -> dict[str, Path]:
    """The file that holds each tensor, as an index says; a `CheckpointError` if that is not beside it."""
    settings = read_json(index, purpose="it says which file holds which tensor", error=CheckpointError)
    names = settings.get("weight_map") if isinstance(settings, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(f"{str(index)!r} has no 'weight_map' from tensors to files")
    for name in names.values():
        if not name or Path(name).name != name:
            raise CheckpointError(f"{str(index)!r} names the file {name!r}; expected one that lies beside it")
    return {tensor: index.with_name(name) for tensor, name in names.items()}


def read_settings(file: Path, settings: Any = None) -> dict[str, Any]:
    """The JSON beside a weights' file, or its content if that is at hand, with its own values checked.

    The network and the task check theirs when they are built.

    Raises:
        CheckpointError: It is missing, unreadable, of another format, or has a value of the wrong type.
    """
    place = beside(file)
    if not settings:
        purpose = f"{file.name} needs it to say which network and task it belongs to"
        settings = read_json(place, purpose=purpose, error=CheckpointError)
    known = settings if isinstance(settings, dict) else {}
    described = isinstance(known.get("model"), dict) and isinstance(known.get("task"), dict)
    if not described or known.get("format") != FORMAT:
        raise CheckpointError(f"{str(place)!r} does not describe a checkpoint of format {FORMAT!r}")
    for name, (kind, words) in OWN_VALUES.items():
        if known.get(name) is not None and not isinstance(known[name], kind):
            raise CheckpointError(f"{name} = {cut(known[name])} in {str(place)!r} is not {words}")
    for name in SWITCHES & known["model"].keys():
        if type(known["model"][name]) is not bool:
            raise CheckpointError(
                f"{name} = {cut(known['model'][name])} in {str(place)!r} is not true or false"
            )
    check_step(known.get("step"), str(place))
    return known


OWN_VALUES: dict[str, tuple[type, str]] = {
    "training": (dict, "an object of settings"),
    "metrics": (dict, "an object of numbers"),
    "edited": (str, "text"),
}
"""Of a native JSON, beside step, model and task."""
SWITCHES = {"tied", "bias"}
"""Values of a network that are true or false."""


def check_step(step: Any, where: str) -> None:
    """Refuse, as a `CheckpointError`, a step that is neither None nor a whole number of 0 or more."""
    if step is not None and (type(step) is not int or not 0 <= step < 2**63):
        raise CheckpointError(f"step = {cut(step)} in {where!r} is not a whole number of 0 or more")


def check_sizes(settings: dict[str, Any], shapes: Iterable[Sequence[int]], file: Path) -> None:
    """Refuse, before memory is taken, a description of a network that is larger than its weights.

    Args:
        settings: The JSON beside the weights.
        shapes: Of all tensors of the file.

    Raises:
        CheckpointError: A size is beyond what the file holds; the message names both.
    """
    shapes = list(shapes)
    numbers = sum(map(prod, shapes))
    for name, value in settings["model"].items():
        most = len(shapes) if name in LAYERS else numbers
        if type(value) is int and value > max(most, SMALL):
            content = f"{most:,} {'tensors' if name in LAYERS else 'numbers'}"
            raise CheckpointError(
                f"{name} = {cut(value)} in {str(beside(file))!r} describes another network than {file.name}, "
                f"which holds {content}"
            )


LAYERS = ("depth", "n_layers")
SMALL = 64
"""A size up to which none needs to be compared with the weights before the network is built."""


def training_history(path: Path | str) -> list[dict[str, Any]]:
    """Metrics over training, of the series that a checkpoint belongs to; empty if it has none."""
    path = Path(path)
    file = (path if path.is_dir() else path.parent) / HISTORY
    if not file.exists():
        return []
    history = read_json(file, list, purpose="it holds the training curve", error=CheckpointError)
    for record in history:
        _check_record(record, str(file))
    return history


def _check_record(record: Any, where: str) -> None:
    """Refuse what is no record of a training curve: a step, and numbers by split under accuracy and margin."""
    known = record if isinstance(record, dict) else {}
    if "step" not in known or not isinstance(known.get("accuracy"), dict):
        raise CheckpointError(f"{where!r} is no training curve; expected records of step, loss and accuracy")
    check_step(known["step"], where)
    if known["step"] is None:
        raise CheckpointError(f"{where!r} has a record without a step; expected a whole number of 0 or more")
    _check_number("loss", known.get("loss"), -inf, inf, where)
    for name, least, most in (("accuracy", 0, 1), ("margin", -inf, inf)):
        values = known.get(name, {})
        if not isinstance(values, dict):
            raise CheckpointError(f"{name} = {cut(values)} in {where!r} is no object of numbers by split")
        for split, value in values.items():
            _check_number(f"{name}.{split}", value, least, most, where)


def _check_number(name: str, value: Any, least: float, most: float, where: str) -> None:
    """Refuse what is neither None nor a finite number in a range."""
    number = type(value) in (int, float) and least <= value <= most and abs(value) < inf
    if value is not None and not number:
        raise CheckpointError(f"{name} = {cut(value)} in {where!r} is no usable number")


def write_history(folder: Path | str, history: list[dict[str, Any]]) -> None:
    """Store metrics over training beside a series, whole or not at all."""
    write_json(Path(folder) / HISTORY, history)
