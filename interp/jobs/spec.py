"""A job as data: which files, under which settings, and where the results go."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, choose
from interp.files import read_toml, write_json
from interp.jobs.executors import ENGINES
from interp.jobs.settings import Settings
from interp.jobs.sources import is_remote

RECORD = "job.json"
FILES = ("split_from", "table", "model")
"""Settings that name a file."""


@dataclass(frozen=True)
class Group:
    """Checkpoints that are measured alike.

    Args:
        paths: Files, folders and globs.
        settings: Each checkpoint is measured under each of them.
    """

    paths: tuple[str, ...]
    settings: tuple[Settings, ...] = (Settings(),)


@dataclass(frozen=True)
class Job:
    """What `run` does.

    Args:
        groups: Which checkpoints, under which settings.
        out: The folder of the results.
        workers: Processes; one for each processor if None.
        engine: ``"local"`` or ``"ray"``.
        ray_address: Of a Ray cluster; one is started here if None.
        force: Measure again what is stored already.
        retry_failed: Measure again what failed before, even if its file has not changed.
        outliers: How many of the most unusual checkpoints are listed first, each with an audit of its own.

    Raises:
        ConfigError: A value cannot be used.
    """

    groups: tuple[Group, ...]
    out: Path
    workers: int | None = None
    engine: str = "local"
    ray_address: str | None = None
    force: bool = False
    retry_failed: bool = False
    outliers: int = 5

    def __post_init__(self) -> None:
        choose("engine", self.engine, ENGINES)
        if self.ray_address is not None and self.engine != "ray":
            raise ConfigError(f"ray_address={self.ray_address!r} says nothing without engine='ray'")
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 1):
            raise ConfigError(f"workers={self.workers!r} must be a whole number of at least 1")
        if not isinstance(self.outliers, int) or self.outliers < 0:
            raise ConfigError(f"outliers={self.outliers!r} must be a whole number of at least 0")

    def record(self) -> None:
        """Write down in the job's folder what was asked for, so that `recorded` can go on with it."""
        groups = [
            {
                "paths": [path if is_remote(path) else os.path.abspath(path) for path in group.paths],
                "settings": [settings.to_dict() for settings in group.settings],
            }
            for group in self.groups
        ]
        write_json(self.out / RECORD, {"groups": groups})


def recorded(out: Path | str, **options: Any) -> Job:
    """The job whose results are in a folder, to go on with it.

    Args:
        out: The folder.
        options: Fields of `Job` that are not recorded: ``workers``, ``retry_failed`` and so on.

    Raises:
        ConfigError: No job is recorded there.
    """
    file = Path(out) / RECORD
    try:
        groups = json.loads(file.read_text(encoding="utf-8"))["groups"]
        found = tuple(
            Group(tuple(group["paths"]), tuple(Settings.from_dict(values) for values in group["settings"]))
            for group in groups
        )
    except FileNotFoundError:
        raise ConfigError(f"no job is recorded in {str(out)!r}; name the checkpoints to measure") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{str(file)!r} does not describe a job: {error}") from None
    return Job(found, Path(out), **options)


def read_job(file: Path | str, **options: Any) -> Job:
    """A job from a TOML file.

    At its top are fields of `Job` (``out``, ``workers``, …) and settings for all files; each ``[[files]]`` has
    ``paths`` and settings of its own; ``[grid]`` has lists, and every checkpoint is measured under every combination.
    Paths are relative to the file.

    Args:
        file: The TOML file.
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
    file = Path(file)
    values = read_toml(file, "job")
    return _job(values, file.parent, {name: value for name, value in options.items() if value is not None})


def _job(values: dict[str, Any], folder: Path, options: Mapping[str, Any]) -> Job:
    own = [field.name for field in fields(Job) if field.name != "groups"]
    grid, files = values.pop("grid", {}), values.pop("files", [])
    if not isinstance(files, list) or not files or not all(isinstance(one, dict) for one in files):
        raise ConfigError("a job needs at least one [[files]] with its paths")
    for name, choices in grid.items():
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"[grid] {name} = {choices!r} is no list of values to try")
    given = {name: values.pop(name) for name in own if name in values} | dict(options)
    if "out" not in given:
        raise ConfigError('the job does not say where its results go; add out = "FOLDER"')
    groups = tuple(_group(one, values, grid, folder) for one in files)
    return Job(groups, folder / given.pop("out") if "out" not in options else Path(given.pop("out")), **given)


def _group(one: dict[str, Any], common: dict[str, Any], grid: dict[str, list[Any]], folder: Path) -> Group:
    """One [[files]] with every combination of the grid."""
    own = dict(one)
    paths = own.pop("paths", None)
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ConfigError(f"[[files]] needs paths, a list of files, folders and globs; it has {paths!r}")
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    settings = tuple(
        Settings.from_dict(_placed({**common, **own, **chosen}, folder)) for chosen in combinations
    )
    return Group(tuple(path if is_remote(path) else str(folder / path) for path in paths), settings)


def _placed(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with the files that they name found from the job's folder."""
    return values | {name: str(folder / values[name]) for name in FILES if isinstance(values.get(name), str)}
