"""Work as data: which files, under which settings, and where the results go."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from interp.errors import ConfigError, choose, cut
from interp.files import read_json, read_toml, write_json
from interp.jobs.columns import Identity
from interp.jobs.executors import ENGINES, cores
from interp.jobs.language_sources import find_language_models
from interp.jobs.settings import FILES, MEMORY, Settings
from interp.jobs.sources import find_sources, in_text, is_remote, size_of
from interp.jobs.toml import check_total, combinations, take_fields, typed
from interp.jobs.worker import Chunk

RECORD = "job.json"
CHUNKS = {"scores": 32, "labels": 4, "causal": 2, "audit": 1, MEMORY: 1}
"""Checkpoints in one chunk, by what is measured: about a tenth of a second's work or one checkpoint's."""
SECONDS = {"scores": 0.004, "labels": 1.0, "causal": 1.5, "audit": 3.0, MEMORY: 60.0}
"""Roughly what the paper's network takes one processor."""
CHUNK_BYTES = 2**26
WORTH_A_POOL = 10.0
"""Seconds of work from which starting processes, which takes seconds itself, is worth it."""
Item = tuple[str, Settings]


@dataclass(frozen=True, eq=False)
class Workload(ABC):
    """Work that is handed out in chunks, and goes on where it was stopped: checkpoints to measure, or runs to train.

    Args:
        out: The folder of the results.
        workers: Processes; one for each processor if None.
        engine: ``"local"`` or ``"ray"``.
        ray_address: Of a Ray cluster; one is started here if None.
        force: Measure again what is stored already.
        retry_failed: Measure again what failed before, even if its file has not changed.
    """

    out: Path
    workers: int | None = field(default=None, kw_only=True)
    engine: str = field(default="local", kw_only=True)
    ray_address: str | None = field(default=None, kw_only=True)
    force: bool = field(default=False, kw_only=True)
    retry_failed: bool = field(default=False, kw_only=True)
    doing: ClassVar[str]
    """What progress is called."""

    def __post_init__(self) -> None:
        choose("engine", self.engine, ENGINES)
        if self.ray_address is not None and self.engine != "ray":
            raise ConfigError(f"ray_address={self.ray_address!r} says nothing without engine='ray'")
        check_count("workers", self.workers, 1)

    @abstractmethod
    def items(self) -> dict[Identity, Any]:
        """Everything that there is to do, by the identity of its row; a `ConfigError` if there is nothing."""

    @abstractmethod
    def processes(self, pending: list[Any]) -> int:
        """The number of processes to use for items."""

    @abstractmethod
    def chunks(self, pending: list[Any], workers: int) -> Iterator[Chunk]:
        """Items in chunks, small enough that every worker gets some."""

    @abstractmethod
    def record(self) -> None:
        """Write down in the folder what was asked for."""

    def note(self, rate: float, failed: int, phases: Counter[str]) -> str:
        """A few words beside the progress, from results a second, failures, and counts of phases."""
        return f"{rate:.{int(rate < 10)}f}/s, {failed} failed"


def check_count(name: str, value: Any, least: int) -> None:
    """Refuse what is neither None nor a whole number that is large enough."""
    if value is not None and (not isinstance(value, int) or value < least):
        raise ConfigError(f"{name} = {value!r} must be a whole number of at least {least}")


@dataclass(frozen=True)
class Group:
    """Checkpoints that are measured alike.

    Args:
        paths: Files, folders and globs.
        settings: Each checkpoint is measured under each of them.
    """

    paths: tuple[str, ...]
    settings: tuple[Settings, ...] = (Settings(),)


@dataclass(frozen=True, eq=False)
class Job(Workload):
    """Checkpoints to measure; see `Workload` for how that is done.

    Args:
        groups: Which checkpoints, under which settings.
        outliers: How many of the most unusual checkpoints are listed first, each with an audit of its own.
    """

    groups: tuple[Group, ...] = ()
    outliers: int = 5
    doing = "measuring checkpoints"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("outliers", self.outliers, 0)

    def items(self) -> dict[Identity, Item]:
        items: dict[Identity, Item] = {}
        for group in self.groups:
            for settings in group.settings:
                find = find_language_models if settings.measure == MEMORY else find_sources
                sources = find(group.paths)
                items |= {(in_text(path), settings.digest): (path, settings) for path in sources}
        return items

    def processes(self, pending: list[Item]) -> int:
        seconds = sum(SECONDS[settings.measure] for _, settings in pending)
        return self.workers or (cores() if seconds > WORTH_A_POOL else 1)

    def chunks(self, pending: list[Item], workers: int) -> Iterator[Chunk]:
        for _, same in groupby(pending, lambda item: item[1].digest):
            group = list(same)
            settings = group[0][1]
            most = max(1, min(CHUNKS[settings.measure], -(-len(group) // workers)))
            paths: list[str] = []
            size = 0
            for path, _ in group:
                own = size_of(path)
                if paths and (len(paths) == most or size + own > CHUNK_BYTES):
                    yield Chunk(tuple(paths), settings)
                    paths, size = [], 0
                paths.append(path)
                size += own
            yield Chunk(tuple(paths), settings)

    def record(self) -> None:
        groups = [
            {
                "paths": [path if is_remote(path) else os.path.abspath(path) for path in group.paths],
                "settings": [settings.to_dict() for settings in group.settings],
            }
            for group in self.groups
        ]
        write_json(self.out / RECORD, {"groups": groups})


def recorded(out: Path | str, *, model: str | None = None, **options: Any) -> Job:
    """The job whose results are in a folder, to go on with it.

    Args:
        out: The folder.
        model: The ``FILE.py:FUNCTION`` that the job builds a module with, if it does; see `read_job`.
        options: Fields of `Job` that are not recorded: ``workers``, ``retry_failed`` and so on.

    Raises:
        ConfigError: No job is recorded there, or it names code that the caller did not.
    """
    file = Path(out) / RECORD
    if not file.exists():
        raise ConfigError(f"no job is recorded in {str(out)!r}; name the checkpoints to measure")
    try:
        groups = tuple(
            Group(tuple(group["paths"]), tuple(Settings.from_dict(values) for values in group["settings"]))
            for group in read_json(file, dict)["groups"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{str(file)!r} does not describe a job: {error}") from None
    if not all(isinstance(path, str) for group in groups for path in group.paths):
        raise ConfigError(f"{str(file)!r} does not describe a job: its paths are no texts")
    _check_model(file, groups, model)
    return Job(Path(out), groups, **options)


def _check_model(file: Path | str, groups: Iterable[Group], model: str | None) -> None:
    """Refuse code that only a file names: whoever sends results or a job file must not be able to run it."""
    every = (one.options for group in groups for one in group.settings)
    wanted = {options.model: options.sites for options in every if options.model}
    here = None if model is None else _absolute(model)
    for name, sites in wanted.items():
        if _absolute(name) != here:
            asked = "" if model is None else f", not of {model}"
            again = " ".join([f"--model {name}", *(f"--site {site}" for site in sites)])
            raise ConfigError(
                f"{str(file)!r} would run the code of {cut(name)}{asked}; if you trust it, repeat {cut(again, 300)}"
            )
    if model is not None and not wanted:
        raise ConfigError(f"{str(file)!r} builds no module of its own; leave out --model {model}")


def _absolute(model: str) -> tuple[str, str]:
    file, _, function = model.rpartition(":")
    return os.path.realpath(file), function


def read_job(file: Path | str, *, model: str | None = None, **options: Any) -> Job:
    """A job from a TOML file.

    At its top are fields of `Job` (``out``, ``workers``, …) and settings for all files; each ``[[files]]`` has
    ``paths`` and settings of its own; ``[grid]`` has lists, and every checkpoint is measured under every combination.
    Paths are relative to the file.

    Args:
        file: The TOML file.
        model: The ``FILE.py:FUNCTION`` that the job builds a module with, if it does. Code that the file alone names is
            never run, as it may come from somebody else.
        options: Fields of `Job` that take the place of the file's; None leaves the file's.

    Raises:
        ConfigError: The file cannot be read, or says something that cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> text = 'out = "scored"\\n[[files]]\\npaths = ["runs/*"]\\n[grid]\\nseed = [0, 1]\\nmeasure = ["labels"]\\n'
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "job.toml"
        ...     _ = path.write_text(text)
        ...     job = read_job(path)
        >>> [(s.measure, s.seed) for s in job.groups[0].settings], job.out.name
        ([('labels', 0), ('labels', 1)], 'scored')
    """
    values, folder = read_toml(file, "job"), Path(file).parent
    files = values.pop("files", [])
    if not isinstance(files, list) or not files or not all(isinstance(one, dict) for one in files):
        raise ConfigError("a job needs at least one [[files]] with its paths")
    chosen = combinations(typed("grid", values.pop("grid", {}), dict))
    check_total(len(chosen) * len(files), f"the {len(files):,} [[files]]")
    fields = take_fields(values, Job, "job", folder, options)
    groups = tuple(_group({**values, **one}, chosen, folder) for one in files)
    _check_model(file, groups, model)
    return Job(**fields, groups=groups)


def _group(values: dict[str, Any], chosen: list[dict[str, Any]], folder: Path) -> Group:
    paths = values.pop("paths", None)
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ConfigError(f"[[files]] needs paths, a list of files, folders and globs; it has {cut(paths)}")
    settings = []
    for one in chosen:
        own = {**values, **one}
        named = {name: str(folder / own[name]) for name in FILES if isinstance(own.get(name), str)}
        settings.append(Settings.from_dict(own | named))
    return Group(tuple(path if is_remote(path) else str(folder / path) for path in paths), tuple(settings))
