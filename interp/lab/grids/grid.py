"""A grid of training runs, read from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, choose, near_matches
from interp.files import read_toml
from interp.jobs.executors import ENGINES
from interp.jobs.settings import MEASURES
from interp.lab.grids.paper import check_paper
from interp.lab.grids.run import Run
from interp.measuring.phase import PHASES

MEASURED = tuple(measure for measure in MEASURES if measure != "scores")
OPTIONS: dict[str, type] = {
    "measure": str,
    "early_stop": bool,
    "keep_series": bool,
    "workers": int,
    "engine": str,
    "ray_address": str,
    "device": str,
}
"""What a grid may say beside settings, and of which type."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Training runs, and how they are done.

    Args:
        runs: At least one; no two alike.
        out: The folder of the results.
        title: What the grid is about.
        measure: What is found out about each trained network: ``"labels"``, ``"causal"`` or ``"audit"``.
        early_stop: End a run once its phase is settled; see `interp.training.stopping.settled`.
        keep_series: Keep the checkpoints of the training, not only the last.
        workers: Processes; one for each processor if None.
        engine: ``"local"`` or ``"ray"``.
        ray_address: Of a Ray cluster.
        device: Where to train.
        paper: Numbers that figures show beside ours, as the file gives them.

    Raises:
        ConfigError: A value cannot be used.
    """

    runs: tuple[Run, ...]
    out: Path
    title: str = ""
    measure: str = "causal"
    early_stop: bool = False
    keep_series: bool = False
    workers: int | None = None
    engine: str = "local"
    ray_address: str | None = None
    device: str = "cpu"
    paper: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choose("measure", self.measure, MEASURED)
        choose("engine", self.engine, ENGINES)
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers = {self.workers} must be at least 1")
        if not self.runs:
            raise ConfigError("the grid has no runs")
        known: dict[str, str] = {}
        for run in self.runs:
            if run.digest in known:
                raise ConfigError(f"two runs of the grid are the same: {known[run.digest]} and {run.name}")
            known[run.digest] = run.name
        check_paper(self.paper)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of all settings that tell runs apart, in the order of the file."""
        return tuple(dict.fromkeys(axis for run in self.runs for axis in run.axes))


def read_grid(file: Path | str, **options: Any) -> Grid:
    """A grid from a TOML file.

    At its top are settings of all runs, by the names of `ModularTask`, `TrainConfig` and `MLPConfig` (of
    `TransformerConfig` with ``model = "transformer"``), any of `OPTIONS`, ``title``, ``out``, and ``expect``: a phase,
    or several, that runs should end in. ``[grid]`` has lists: every combination is a run. Each ``[[runs]]``, if there
    are any, has a ``name``, settings, an ``expect`` and a ``grid`` of its own; each is crossed with the common grid.

    Args:
        file: The TOML file.
        options: Fields of `Grid` that take the place of the file's; None leaves the file's.

    Raises:
        ConfigError: The file cannot be read, or says something that cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> text = 'out = "swept"\\np = 31\\n[grid]\\nweight_decay = [0, 15]\\nseed = [0, 1]\\n'
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "grid.toml"
        ...     _ = path.write_text(text)
        ...     grid = read_grid(path)
        >>> len(grid.runs), grid.axes, grid.runs[3].training.weight_decay
        (4, ('weight_decay', 'seed'), 15.0)
    """
    file = Path(file)
    values = read_toml(file, "grid")
    return grid_from(values, file.parent, **options)


def grid_from(values: Mapping[str, Any], folder: Path | None = None, **options: Any) -> Grid:
    """A grid from what a TOML file holds; `folder` is what ``out`` is relative to."""
    rest = dict(values)
    own = {name: _typed(name, rest.pop(name), kind) for name, kind in OPTIONS.items() if name in rest}
    given = own | {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in (*OPTIONS, "out"):
            raise ConfigError(f"unknown option {name!r}; {near_matches(name, [*OPTIONS, 'out'])}")
    title, paper = _typed("title", rest.pop("title", ""), str), _typed("paper", rest.pop("paper", {}), dict)
    out = _typed("out", rest.pop("out", ""), str) or None
    parts, common = rest.pop("runs", [{}]), _typed("grid", rest.pop("grid", {}), dict)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise ConfigError("[[runs]] must be tables of settings")
    if "out" not in given:
        if out is None:
            raise ConfigError('the grid does not say where its results go; add out = "FOLDER"')
        given["out"] = (folder or Path()) / out
    runs = tuple(run for part in parts for run in _runs(part, rest, common))
    return Grid(runs, Path(given.pop("out")), title, paper=paper, **given)


def _typed(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{name} = {value!r} is not of type {kind.__name__}")
    return value


def _runs(part: Mapping[str, Any], common: Mapping[str, Any], grid: Mapping[str, Any]) -> list[Run]:
    """Every combination of one part of a grid."""
    settings = {**common, **part}
    variant, expect = _typed("name", settings.pop("name", ""), str), settings.pop("expect", [])
    if not isinstance(expect, (str, list)):
        raise ConfigError(f"expect = {expect!r} is neither a phase nor a list of phases")
    axes = {**grid, **_typed("grid", settings.pop("grid", {}), dict)}
    for name, choices in axes.items():
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"[grid] {name} = {choices!r} is no list of values to try")
        settings.pop(name, None)
    expected = tuple([expect] if isinstance(expect, str) else expect)
    for phase in expected:
        choose("expect", phase, PHASES)
    chosen = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [Run({**settings, **one}, one, variant, expected) for one in chosen]
