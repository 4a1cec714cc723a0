"""Training runs as a piece of work: they are trained, alone or together, and then measured as any checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from interp.analysis.trajectory import stages_of
from interp.checkpoints.files import HISTORY, RESUME, checkpoint_files
from interp.errors import ConfigError
from interp.files import write_json
from interp.held import held
from interp.jobs.worker import Chunk
from interp.lab.grids.run import RECORD, SETTLED, Run, trained_file
from interp.models import HookedMLP
from interp.threads import limited, paying
from interp.training import TrainingRun, finish, prepare, train_together
from interp.training.stopping import settled

STATE_EVERY = 500  # steps after which a run that keeps no series stores what it needs to go on


@dataclass(frozen=True, eq=False)
class TrainChunk(Chunk):
    """Runs that one worker trains, together where there are several, and then measures.

    A run that diverges is a failed row named by its folder; paths are the runs' folders. Threads are at most
    as many as given, or as PyTorch likes if None, and one where so many are no faster; the other fields are as in
    `Grid`. The place is the number of the results' folder in its file system, if that is known to be the same for all
    workers.
    """

    runs: tuple[Run, ...] = ()
    early_stop: bool = False
    keep_series: bool = False
    device: str = "cpu"
    threads: int | None = None
    place: int | None = None

    def files(self) -> tuple[str, ...]:
        """The runs' last checkpoints; runs that have not ended yet are trained first, which Ctrl-C interrupts."""
        out = Path(self.paths[0]).parents[1]
        with held(out, create=False), limited(paying(self.threads), everywhere=True):
            if self.place not in (None, out.stat().st_ino):
                raise ConfigError(f"{str(out)!r} is not the folder any more that the job writes to")
            _train(self)
        return tuple(str(trained_file(Path(path), early_stop=self.early_stop)) for path in self.paths)

    def alone(self) -> Iterator[TrainChunk]:
        for path, run in zip(self.paths, self.runs, strict=True):
            yield replace(self, paths=(path,), runs=(run,))


def _train(chunk: TrainChunk) -> None:
    start = perf_counter()
    left = [
        (run, _prepared(run, Path(path), chunk))
        for run, path in zip(chunk.runs, chunk.paths, strict=True)
        if trained_file(Path(path), early_stop=chunk.early_stop) is None
    ]
    states = [state for _, state in left]
    if len(states) > 1 or (states and chunk.device != "cpu" and isinstance(states[0].model, HookedMLP)):
        train_together(states)
    elif states:
        finish(states[0])
    for run, state in left:
        if state.ended:
            _record(run, state, (perf_counter() - start) / len(left), keep_series=chunk.keep_series)
    if not all(state.ended for state in states):
        raise KeyboardInterrupt


def _prepared(run: Run, folder: Path, chunk: TrainChunk) -> TrainingRun:
    config = run.training
    if checkpoint_files(folder) and not (folder / RESUME).exists():  # nothing here can be gone on with
        for name in (RECORD, HISTORY):
            (folder / name).unlink(missing_ok=True)
        _remove(checkpoint_files(folder))
    if not chunk.keep_series:
        config = replace(config, save_every=STATE_EVERY)

    def until(history: Sequence[Mapping[str, Any]]) -> bool:
        return settled(history, config.steps, run.task.corrupt_fraction)

    return prepare(
        run.task,
        run.shape,
        config,
        tokens=run.tokens,
        out=folder,
        resume=True,
        until=until if chunk.early_stop else None,
        device=chunk.device,
    )


def _record(run: Run, state: TrainingRun, seconds: float, *, keep_series: bool) -> None:
    """Write down that a run has ended, and remove what only going on with it would need."""
    assert state.folder is not None
    files = checkpoint_files(state.folder)
    record = {
        "settings": dict(run.settings),
        "step": state.step,
        "ended": SETTLED if state.step < run.training.steps else "all steps",
        "checkpoint": files[-1].name,
        "seconds": round(seconds, 3),
        "stages": [stage.to_dict() for stage in stages_of(state.history)],
        "best_test": max((record["accuracy"]["test"] or 0.0 for record in state.history), default=0.0),
    }
    write_json(state.folder / RECORD, record, durable=True)
    (state.folder / RESUME).unlink(missing_ok=True)
    if not keep_series:
        _remove(files[:-1])


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink()
        file.with_suffix(".json").unlink(missing_ok=True)
