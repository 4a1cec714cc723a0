"""Where language models are: folders of Hugging Face, those of a trainer's series below a folder, and GGUF files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from interp.checkpoints.files import number_of
from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.files import digest_of, read_json
from interp.language.source import CONFIG, GGUF, deciding_files, hub_name, is_language_model

WEIGHTS = (".safetensors", ".bin", GGUF)
TRAINER = "trainer_state.json"


def find_language_models(patterns: Iterable[str]) -> list[str]:
    """The language models that paths, folders and globs name, each once.

    A folder means itself if it has a ``config.json``, and every folder with one and GGUF file below it. A path that
    does not exist is kept, so that the job says so of it.

    Returns:
        In the order of the patterns, absolute; within one by folder, then by the number that the name ends in.

    Raises:
        ConfigError: Nothing matches, or a pattern names the hub.
    """
    patterns = list(patterns)
    paths: dict[str, None] = {}
    for pattern in patterns:
        if "://" in pattern or hub_name(pattern):
            raise ConfigError(
                f"{pattern!r} is not on this machine; a batch of language models takes folders and GGUF files here"
            )
        paths |= dict.fromkeys(sorted(_models(os.path.abspath(os.path.expanduser(pattern))), key=_place))
    if not any(os.path.lexists(path) for path in paths):
        raise ConfigError(
            f"no language model matches {', '.join(map(repr, patterns)) or 'an empty list of paths'}; expected folders "
            f"with {CONFIG} and weights, or {GGUF} files, or globs of them"
        )
    return list(paths)


def _models(pattern: str) -> Iterator[str]:
    literal = os.path.lexists(pattern) or not glob.has_magic(pattern)
    for path in [pattern] if literal else glob.glob(pattern, recursive=True):
        if not os.path.isdir(path):
            if literal or path.lower().endswith(GGUF):
                yield path
            continue
        for folder, _, names in os.walk(path):
            if CONFIG in names:
                yield folder
            yield from (os.path.join(folder, name) for name in names if name.lower().endswith(GGUF))


def _place(path: str) -> tuple[str, int, str]:
    number = number_of(Path(path))
    return os.path.dirname(path), -1 if number is None else number, os.path.basename(path)


def step_of(path: Path) -> int | None:
    """The step of a trainer's checkpoint, from the file that it leaves there or else the number its name ends in."""
    try:
        step = read_json(path / TRAINER, dict).get("global_step")
    except GrokscopeError:
        step = None
    return step if type(step) is int else number_of(path)


def is_here(path: str) -> bool:
    """True if a path is a language model's on this machine: not that of weights alone, nor a name on the hub."""
    return not hub_name(path) and (os.path.isdir(path) or is_language_model(path))


def state_of(path: str) -> str:
    """A text that changes whenever a file that decides what is opened is written to."""
    states = [(file, file.stat()) for file in deciding_files(path)]
    return " ".join(f"{file.name}-{one.st_size}-{one.st_mtime_ns}-{one.st_ctime_ns}" for file, one in states)


def digests_of(path: Path) -> tuple[str, str, int]:
    """SHA-256 of the weights, and of all that decides what is opened, and the bytes of weights.

    Raises:
        CheckpointError: There are no weights, or a file cannot be read.
    """
    weights, whole, size = sha256(), sha256(), 0
    for file in deciding_files(path):
        try:
            own = digest_of(file)
        except ConfigError as error:
            raise CheckpointError(str(error)) from None
        whole.update(f"{file.name if path != file else ''} {own}\n".encode())
        if file.suffix.lower() in WEIGHTS:
            weights.update(own.encode())
            size += file.stat().st_size
    if not size:
        raise CheckpointError(
            f"{str(path)!r} has no weights; expected a folder of Hugging Face, or a {GGUF} file"
        )
    return weights.hexdigest(), whole.hexdigest(), size
