"""The work on training runs: train them, alone or together, and measure what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from interp.analysis.trajectory import stages_of
from interp.checkpoints.files import HISTORY, RESUME, checkpoint_files
from interp.files import write_json
from interp.jobs.settings import Settings
from interp.jobs.worker import Chunk, Result, failure, work
from interp.lab.grids.run import Run
from interp.models import HookedMLP
from interp.training import TrainingRun, finish, prepare, train_together
from interp.training.stopping import settled

RUNS, RECORD = "runs", "run.json"
"""The folder of all runs; and in a run's own folder, once it has ended, a file with its settings, the step it ended at
and why, and the name of its last checkpoint."""
SETTLED = "settled"
STATE_EVERY = 500
"""Steps after which a run that keeps no series stores what it needs to go on."""


@dataclass(frozen=True, eq=False)
class TrainChunk:
    """Runs that one worker trains, together where there are several, and then measures."""

    runs: tuple[Run, ...]
    out: str
    settings: Settings
    early_stop: bool = False
    keep_series: bool = False
    device: str = "cpu"
    threads: int | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The runs' folders."""
        return tuple(str(folder_of(Path(self.out), run)) for run in self.runs)

    def alone(self) -> Iterator[TrainChunk]:
        """Each run as a chunk of its own."""
        return (replace(self, runs=(run,)) for run in self.runs)


def folder_of(out: Path, run: Run) -> Path:
    """Where a run's checkpoints are: its settings decide, whatever the axes of the grid that it was first part of."""
    runs = out.absolute() / RUNS
    return next(runs.glob(f"*{run.digest}"), runs / run.name)


def train_and_measure(chunk: TrainChunk) -> list[Result]:
    """Train what of a chunk is not trained yet, and measure the trained networks.

    A run that cannot be trained, because it diverges for example, is a failed row named by its folder.
    """
    with _threads(chunk.threads):
        try:
            _train(chunk)
        except Exception as error:  # whatever is wrong with one run must not end the others
            if len(chunk.runs) > 1:  # one of them spoils the others
                return [result for one in chunk.alone() for result in train_and_measure(one)]
            return [failure(chunk.paths[0], chunk.settings, error)]
    results: list[Result] = []
    for folder in chunk.paths:
        results += work(
            Chunk((str(trained_file(Path(folder), early_stop=chunk.early_stop)),), chunk.settings)
        )
    return results


@contextmanager
def _threads(most: int | None) -> Iterator[None]:
    """Compute with at most so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(most or before)
    try:
        with nullcontext() if most is None else threadpool_limits(most):
            yield
    finally:
        torch.set_num_threads(before)


def trained_file(folder: Path, *, early_stop: bool) -> Path | None:
    """The last checkpoint of a run that has ended; None if it has not, or ended early where it must not."""
    record = read_record(folder)
    if record is None or (record.get("ended") == SETTLED and not early_stop):
        return None
    file = folder / record["checkpoint"]
    return file if file.exists() else None


def read_record(folder: Path) -> dict[str, Any] | None:
    """What is recorded of a run that has ended; None if nothing is, or nothing that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("checkpoint"), str) else None


def _train(chunk: TrainChunk) -> None:
    """Train what is not trained yet.

    Raises:
        GrokscopeError: A run diverges. KeyboardInterrupt: Ctrl-C; what is stored can be taken up.
    """
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
    if checkpoint_files(folder) and not (folder / RESUME).exists():
        _clear(folder)  # nothing here can be gone on with
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
    for file in () if keep_series else files[:-1]:
        file.unlink()
        file.with_suffix(".json").unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove a run's checkpoints and records, and nothing else."""
    (folder / RECORD).unlink(missing_ok=True)
    for file in checkpoint_files(folder):
        file.unlink()
        file.with_suffix(".json").unlink(missing_ok=True)
    (folder / HISTORY).unlink(missing_ok=True)
