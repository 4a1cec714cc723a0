"""A grid of training runs, read from TOML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import ConfigError, choose, cut
from interp.files import read_toml, write_json
from interp.jobs.columns import Identity
from interp.jobs.executors import cores
from interp.jobs.settings import MEASURES, Settings
from interp.jobs.spec import Workload
from interp.jobs.toml import check_total, combinations, take_fields, typed
from interp.lab.grids.paper import check_paper
from interp.lab.grids.run import Run, folder_of, trained_file
from interp.measuring.phase import PHASES
from interp.models import MLPConfig
from interp.training.need import check_memory

if TYPE_CHECKING:
    from interp.lab.grids.training import TrainChunk

GRID = "grid.json"  # the record of a grid, beside its results
MEASURED = tuple(measure for measure in MEASURES if measure != "scores")
MOST_TOGETHER, MOST_SMALL = 64, 32  # networks that are trained as one on an accelerator, and on a processor
SMALL_STEP = 3_000_000
"""Multiplications of one step's forward pass up to which a processor gains from training networks together."""


@dataclass(frozen=True, eq=False)
class Grid(Workload):
    """Training runs, each trained and measured; see `interp.jobs.spec.Workload` for how that is done.

    Args:
        runs: At least one; no two alike.
        measure: What is measured of each trained network: ``"labels"``, ``"causal"`` or ``"audit"``.
        early_stop: End a run once its phase is settled; see `interp.training.stopping.settled`.
        keep_series: Keep the checkpoints of the training, not only the last.
        paper: Numbers that figures show beside ours, as the file gives them.
    """

    runs: tuple[Run, ...] = ()
    title: str = ""
    measure: str = "causal"
    early_stop: bool = False
    keep_series: bool = False
    device: str = "cpu"
    paper: Mapping[str, Any] = field(default_factory=dict)
    doing = "training networks"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("measure", self.measure, MEASURED)
        if not self.runs:
            raise ConfigError("the grid has no runs")
        known: dict[str, str] = {}
        for run in self.runs:
            if run.digest in known:
                raise ConfigError(f"two runs of the grid are the same: {known[run.digest]} and {run.name}")
            known[run.digest] = run.name
        largest = max(self.runs, key=lambda run: run.memory)
        check_memory(largest.task, largest.shape, largest.training, tokens=largest.tokens)
        check_paper(self.paper)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of all settings that tell runs apart, in the order of the file."""
        return tuple(dict.fromkeys(axis for run in self.runs for axis in run.axes))

    @property
    def settings(self) -> Settings:
        """Under which trained networks are measured."""
        return Settings(self.measure)

    def items(self) -> dict[Identity, Run]:
        """Every run, by its last checkpoint, or its folder as long as it has not ended."""
        digest, items = self.settings.digest, {}
        for run in self.runs:
            folder = folder_of(self.out, run)
            items[str(trained_file(folder, early_stop=self.early_stop) or folder), digest] = run
        return items

    def processes(self, pending: list[Run]) -> int:
        return min(self.workers or cores(), max(1, len(pending)))

    def chunks(self, pending: list[Run], workers: int) -> Iterator[TrainChunk]:
        """The runs in chunks, each of which one worker trains; those that gain from it are trained together."""
        from interp.lab.grids.training import TrainChunk

        threads = max(1, cores() // workers) if self.engine == "local" else 1
        place = self.out.stat().st_ino if self.engine == "local" and self.out.exists() else None
        for alike, group in groupby(sorted(pending, key=_shape), _shape):
            same = list(group)
            most = min(_together(same[0], self.device), -(-len(same) // workers)) if alike else 1
            for first in range(0, len(same), most):
                runs = tuple(same[first : first + most])
                paths = tuple(str(folder_of(self.out, run)) for run in runs)
                how = (self.early_stop, self.keep_series, self.device, threads, place)
                yield TrainChunk(paths, self.settings, runs, *how)

    def record(self) -> None:
        names = ("name", "variant", "axes", "expect", "settings")
        runs = [{name: getattr(run, name) for name in names} for run in self.runs]
        own = {name: getattr(self, name) for name in ("title", "measure", "early_stop", "paper")}
        write_json(self.out / GRID, {**own, "runs": runs})

    def note(self, rate: float, failed: int, phases: Counter[str]) -> str:
        return ", ".join(f"{count} {phase}" for phase, count in phases.most_common(4))


def _shape(run: Run) -> str:
    """The settings that networks must share to be trained together; nothing for those that cannot be."""
    if not isinstance(run.shape, MLPConfig):
        return ""
    apart = ("seed", "weight_decay", "corrupt_fraction", "corrupt")
    return str(sorted((name, value) for name, value in run.settings.items() if name not in apart))


def _together(run: Run, device: str) -> int:
    """The number of networks like this to train as one computation."""
    if device != "cpu":
        return MOST_TOGETHER
    task, shape = run.task, run.shape
    examples = run.training.batch_size or int(task.train_fraction * task.p**2)
    assert isinstance(shape, MLPConfig)
    products = examples * shape.width * (task.p + shape.width * (shape.depth - 2))
    return MOST_SMALL if products <= SMALL_STEP else 1


def read_grid(file: Path | str, **options: Any) -> Grid:
    """A grid from a TOML file.

    At its top are settings of all runs, by the names of `ModularTask`, `TrainConfig` and `MLPConfig` (of
    `TransformerConfig` with ``model = "transformer"``), any field of `Grid`, and ``expect``: a phase, or several, that
    runs should end in. ``[grid]`` has lists: every combination is a run. Each ``[[runs]]``, if there are any, has a
    ``name``, settings, an ``expect`` and a ``grid`` of its own; each is crossed with the common grid.

    Options are fields of `Grid` that take the place of the file's; None leaves the file's.

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
    return grid_from(read_toml(file, "grid"), Path(file).parent, **options)


def grid_from(values: Mapping[str, Any], folder: Path | None = None, **options: Any) -> Grid:
    """A grid from the values in a TOML file; `folder` is what ``out`` is relative to."""
    rest = dict(values)
    parts = take_parts(rest)
    fields = take_fields(rest, Grid, "grid", folder or Path(), options)
    return Grid(
        **fields, runs=tuple(run for part, chosen in parts for run in _runs({**rest, **part}, chosen))
    )


def take_parts(values: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Take ``[grid]`` and ``[[runs]]`` out of the values in a TOML file.

    Returns:
        The settings of each of the ``[[runs]]``, and every combination of its grid and the common one.
    """
    parts, common = values.pop("runs", [{}]), typed("grid", values.pop("grid", {}), dict)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise ConfigError("[[runs]] must be tables of settings")
    taken, total = [], 0
    for part in parts:
        settings = dict(part)
        chosen = combinations({**common, **typed("grid", settings.pop("grid", {}), dict)})
        total += len(chosen)
        check_total(total, f"the {len(parts):,} [[runs]]")
        taken.append((settings, chosen))
    return taken


def _runs(settings: dict[str, Any], chosen: list[dict[str, Any]]) -> list[Run]:
    variant, expect = typed("name", settings.pop("name", ""), str), settings.pop("expect", [])
    if not isinstance(expect, (str, list)):
        raise ConfigError(f"expect = {cut(expect)} is neither a phase nor a list of phases")
    expected = tuple([expect] if isinstance(expect, str) else expect)
    for phase in expected:
        choose("expect", phase, PHASES)
    return [Run({**settings, **one}, one, variant, expected) for one in chosen]
