"""One run of a study in a grid: its settings and seed as data, and the work on it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

from interp.errors import ConfigError
from interp.held import held
from interp.jobs.columns import Result
from interp.jobs.toml import field_kinds, typed
from interp.jobs.worker import Chunk, failure, success
from interp.lab.grids.run import LONGEST_NAME, RUNS
from interp.lab.kept import KeptRecords
from interp.lab.study import Record, Study, study_called
from interp.plots.canvas import shown
from interp.safeguards import deferred_interrupt
from interp.threads import limited


@dataclass(frozen=True, eq=False)
class StudyRun:
    """A study with some settings, for one seed.

    Args:
        study: Its name.
        settings: Those that are given; the others are the study's own.
        axes: Those that tell it from the other runs of its grid, ``seed`` among them.
        variant: The name of the part of the grid that it belongs to.

    Raises:
        ConfigError: There is no such study or setting, or a value is of another type than its setting, or out of range.

    Example:
        >>> run = StudyRun("lens", {"p": 13}, 2, {"p": 13, "seed": 2})
        >>> run.config.p, run.name.startswith("lens_p-13_"), run.file(Path("out")).name
        (13, True, 'seed-2.json')
    """

    study: str
    settings: Mapping[str, Any]
    seed: int
    axes: Mapping[str, Any]
    variant: str = ""

    def __post_init__(self) -> None:
        typed("seed", self.seed, int)
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} is below 0")
        _ = self.meant  # raise here what would be raised when the run begins, after hours of other runs

    @cached_property
    def config(self) -> Any:
        """All settings of the study."""
        study = study_called(self.study)
        kinds = field_kinds(study.config)
        for name, value in self.settings.items():
            if name in kinds:
                typed(name, value, kinds[name])
        return study.settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in self.settings.items()})

    @property
    def meant(self) -> Study:
        """The study; the one that the settings choose, where it is a family."""
        study = study_called(self.study)
        return study if study.variant is None else study.variant(self.config)

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with study and settings; seeds share them."""
        text = json.dumps([self.study, asdict(self.config)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """Of its folder, which all its seeds share: study, variant, the values of its axes, and the digest."""
        values = [f"{axis}-{shown(value)}" for axis, value in self.axes.items() if axis != "seed"]
        text = re.sub(r"[^a-zA-Z0-9_.+-]+", "-", "_".join(filter(None, [self.study, self.variant, *values])))
        return f"{text[:LONGEST_NAME]}_{self.digest}"

    def file(self, out: Path) -> Path:
        """Where its record is: its settings decide, also in a grid of other axes."""
        runs = out.absolute() / RUNS
        return next(runs.glob(f"*_{self.digest}"), runs / self.name) / f"seed-{self.seed}.json"

    def kept(self, folder: Path) -> KeptRecords:
        """The records in its folder; `run_study` with the same settings reads them too."""
        return KeptRecords(folder, self.meant, asdict(self.config))

    def record(self, out: Path) -> Record | None:
        """The record, None if it was not, or is damaged."""
        return _read(self, self.file(out).parent)


@dataclass(frozen=True, eq=False)
class StudyChunk(Chunk):
    """A run that one worker measures, with one thread.

    Args:
        run: Its path is the file of its record.
        place: As in `TrainChunk`.
        force: Measure it also if its record is there.
    """

    run: StudyRun
    place: int | None = None
    force: bool = False

    def alone(self) -> Iterator[StudyChunk]:
        yield self

    def results(self) -> list[Result]:
        start = perf_counter()
        known = {"measure": "study", "task": self.run.study, "seed": self.run.seed}
        try:
            self._measure(Path(self.paths[0]))
        except Exception as error:  # of one run, which must not end the others
            return [failure(self.paths[0], self.settings, error)]
        return [success(self.paths[0], self.settings, {**known, "seconds": perf_counter() - start})]

    def _measure(self, file: Path) -> None:
        out, run = file.parents[2], self.run
        with held(out, create=False), limited(1, everywhere=True), deferred_interrupt() as interrupted:
            if self.place not in (None, out.stat().st_ino):
                raise ConfigError(f"{str(out)!r} is not the folder any more that the job writes to")
            if not self.force and _read(run, file.parent) is not None:
                return

            def watched(done: int, note: str = "") -> None:
                if interrupted():
                    raise KeyboardInterrupt

            record = run.meant.measure(run.config, run.seed, watched)
            watched(0)  # what Ctrl-C ended early is not what was asked for
            run.kept(file.parent).write(run.seed, record)


def _read(run: StudyRun, folder: Path) -> Record | None:
    try:
        return run.kept(folder).read(run.seed)
    except ConfigError:
        return None
