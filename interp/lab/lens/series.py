"""Frequencies that neurons wrote at each checkpoint of a training run, and when they had settled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from interp.checkpoints import Checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_files, load_series
from interp.checkpoints.series import run_of, series_files
from interp.errors import ConfigError, GrokscopeError
from interp.lab.lens.components import written_components
from interp.lab.lens.effects import direct_effect
from interp.measuring.evaluation import accuracy
from interp.measuring.phase import GOOD


@dataclass(frozen=True, eq=False, repr=False)
class SeriesDecoding:
    """Frequencies that neurons wrote at each checkpoint of a training run.

    Attributes:
        accuracy: On held-out examples, or on all where it is not known which were trained on.
        frequency: Written by each neuron, 0 for a dead one.
        cosine: Between a neuron's effects on the outputs, means apart, at a checkpoint and at the next.
        others: The same between a neuron and another one at the next checkpoint: the control.
    """

    steps: Int[np.ndarray, " checkpoint"]
    accuracy: Float[np.ndarray, " checkpoint"]
    frequency: Int[np.ndarray, "checkpoint neuron"]
    cosine: Float[np.ndarray, "pair neuron"]
    others: Float[np.ndarray, "pair neuron"]

    def settled(self) -> Float[np.ndarray, " neuron"]:
        """The step from which on each neuron wrote the frequency that it writes at the end; nan for a dead one."""
        same = self.frequency == self.frequency[-1]
        first = len(same) - np.logical_and.accumulate(same[::-1]).sum(0)
        return np.where(self.frequency[-1] > 0, self.steps[first].astype(float), np.nan)

    def learnt(self) -> int | None:
        """The first step at which the accuracy was at least 90 %; None if it never was."""
        good = np.flatnonzero(self.accuracy >= GOOD)
        return int(self.steps[good[0]]) if len(good) else None


def decode_series(checkpoints: Iterable[Checkpoint] | Path | str, site: str | None = None) -> SeriesDecoding:
    """Decode the neurons at every checkpoint of a training run, of two or more.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> one = Checkpoint(analytic_mlp("add", p=13, width=20), ModularTask("add", p=13), "in memory")
        >>> decode_series([one, one]).cosine.round(6).min().tolist()
        1.0
    """
    given = load_series(Path(checkpoints)) if isinstance(checkpoints, (Path, str)) else checkpoints
    steps, known, centred, written = [], [], [], []
    for i, one in enumerate(given):
        named = None if one.path is None else number_of(one.path)
        step = named if one.step is None else one.step
        effect, right = direct_effect(one.model, site), accuracy(one.model, one.task)
        steps.append(i if step is None else step)
        known.append(right.all if right.test is None else right.test)
        centred.append(effect.centred())
        written.append(written_components(effect.effect, one.task.ordering).frequency)
    if len(steps) < 2:
        raise ConfigError(f"{len(steps)} checkpoints are no series; give two or more")
    if any(one >= other for one, other in pairwise(steps)):
        steps = list(range(len(steps)))
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in centred]  # nan for a dead neuron
    pairs = list(pairwise(unit))
    return SeriesDecoding(
        np.array(steps),
        np.array(known, float),
        np.array(written),
        np.array([(one * later).sum(1) for one, later in pairs]),
        np.array([(np.roll(one, 1, axis=0) * later).sum(1) for one, later in pairs]),
    )


def series_before(opened: Checkpoint, site: str | None = None) -> tuple[SeriesDecoding | None, str]:
    """Decode the neurons of the training run that a checkpoint is part of, up to it, or say why that fails, else "".

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> series_before(Checkpoint(analytic_mlp("add", p=13, width=20), ModularTask("add", p=13), "in memory"))
        (None, '')
    """
    path = opened.path
    if path is None or not path.is_file():
        return None, ""
    try:
        files = series_files(path.parent, run_of(path.stem))
        before = files[: files.index(path)] if path in files else []
        if not before:
            return None, ""
        ones = [one for one in load_files(files) if one.path in before]
        if {one.settings.get("reading") for one in ones} != {opened.settings.get("reading")}:
            return None, "they are read in another way than this one."
        return decode_series([*(replace(one, task=opened.task) for one in ones), opened], site), ""
    except GrokscopeError as error:
        return None, str(error)
