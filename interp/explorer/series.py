"""A training run, scored in the background while the page is in use already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from interp.analysis.dynamics import Dynamics, dynamics_of
from interp.checkpoints import is_native
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.series import find_checkpoint, series_files
from interp.checkpoints.unwrap import read_series
from interp.errors import GrokscopeError
from interp.explorer.session import answer_codes
from interp.measuring.arrays import weight_vectors
from interp.scoring.table import NeuronTable
from interp.subject import Subject

MOST_NUMBERS = 50_000_000
"""So many weights are kept over all checkpoints; beyond, those of evenly chosen neurons."""


@dataclass(frozen=True, eq=False)
class Series:
    """The parts of a training run that the page shows.

    Attributes:
        codes: From `answer_codes`, ``(checkpoint, example)``.
        neurons: Those whose weights were kept.
        weights: Theirs, one ``(checkpoint, neuron, position)`` array for each vector, in the task's order.
    """

    dynamics: Dynamics
    codes: np.ndarray
    neurons: np.ndarray
    weights: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.dynamics.steps)

    def vectors(self, checkpoint: int, neuron: int) -> list[np.ndarray] | None:
        """One neuron's weights at one checkpoint; None if they were not kept."""
        kept = np.flatnonzero(self.neurons == neuron)
        known = len(kept) and self.weights
        return [vector[checkpoint, kept[0]] for vector in self.weights] if known else None

    def table(self, checkpoint: int) -> NeuronTable:
        measure, values = self.periodicity
        rows = {"neuron": np.arange(values.shape[1]), "label": self.dynamics.columns["label"][checkpoint]}
        meta = {"order": measure, "null": {"components": self.dynamics.parts.to_list()}}
        return NeuronTable({**rows, measure: values[checkpoint]}, self.dynamics.site, meta)

    @property
    def periodicity(self) -> tuple[str, np.ndarray]:
        """The column that orders the network's tables by periodicity, and its values, ``(checkpoint, neuron)``."""
        columns = self.dynamics.columns
        if self.dynamics.records[-1]["score"] == "activation_share":
            return "activation_share", columns["frequency_share"]
        return "ipr", columns["ipr"]


class Scoring:
    """A training run of `total` checkpoints to be scored beside the page by `interp.dynamics_of`.

    Attributes:
        scored: Number of checkpoints that are scored.
        done: Set at the end, when there is a `series`, or an `error` that says why there is none.
    """

    def __init__(self, path: Path, options: OpenOptions, total: int, **settings: Any) -> None:
        self.path, self.options, self.total, self.settings = path, options, total, settings
        self.scored = 0
        self.series: Series | None = None
        self.error: str | None = None
        self.done, self._stop, self._lock = Event(), Event(), Lock()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def stop(self) -> None:
        """End after the checkpoint that is being scored, and wait for that."""
        self._stop.set()
        with self._lock:
            begun = self._thread.ident is not None
        if begun:
            self._thread.join()

    def _run(self) -> None:
        try:
            self.series = self._score()
        except _Stopped:
            self.error = "stopped"
        except GrokscopeError as error:
            self.error = str(error)
        except Exception as error:  # the page must say that the background work died, whatever of
            self.error = f"scoring the run failed with {type(error).__name__}: {error}"
        finally:
            self.done.set()

    def _score(self) -> Series:
        codes: list[np.ndarray] = []
        weights: list[list[np.ndarray]] = []
        neurons = np.empty(0, np.int64)

        def watch(subject: Subject) -> None:
            nonlocal neurons
            if self._stop.is_set():
                raise _Stopped
            cached = subject.cached
            codes.append(answer_codes(cached.margins, cached.data, cached.tolerance).astype(np.int8))
            _, vectors = weight_vectors(subject.place, subject.task.ordering)
            if not weights:
                per_neuron = self.total * sum(vector.shape[1] for vector in vectors)
                kept = min(max(1, MOST_NUMBERS // max(per_neuron, 1)), cached.width)
                neurons = np.unique(np.linspace(0, cached.width - 1, kept).round().astype(np.int64))
            weights.append([vector[neurons].astype(np.float32) for vector in vectors])
            self.scored += 1

        dynamics = dynamics_of(self.path, self.options, watch=watch, **self.settings)
        stacked = tuple(np.stack(parts) for parts in zip(*weights, strict=True))
        return Series(dynamics, np.stack(codes), neurons, stacked)


class _Stopped(Exception):
    """The page was closed before all checkpoints were scored."""


def scoring_of(
    path: Path, options: OpenOptions, *, site: str | None = None, seed: int = 0, most: int = 60
) -> Scoring | None:
    """The scoring of at most so many checkpoints in a folder or file, not yet started; None for a single one."""
    if path.is_dir():
        count = len(series_files(path, options.weights))
    else:
        path = find_checkpoint(path)
        count = 1 if is_native(path) else sum(1 for _ in read_series(path, weights=options.weights))
    if count < 2:
        return None
    return Scoring(path, options, min(most, count), site=site, seed=seed, most=most)
