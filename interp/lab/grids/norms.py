"""Norm weights against periodicity, over the networks of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interp.analysis.gamma import gamma_of
from interp.progress import progress
from interp.subject import open_subject
from probes.agreement import RankCorrelation, rank_correlation

LOW, HIGH = 0.1, 0.9  # IPR below which a neuron counts as aperiodic, above which as having one frequency


@dataclass(frozen=True, eq=False)
class Gammas:
    """Absolute norm weights of one network beside the IPR of its neurons, NaN for dead ones, ``(neuron,)`` both.

    `low` and `high` are median weights of neurons with an IPR below .1 and above .9; None if there are none.
    """

    ipr: np.ndarray
    gamma: np.ndarray
    correlation: RankCorrelation
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """The summary, ready for JSON."""
        return {"correlation": vars(self.correlation), "median_low": self.low, "median_high": self.high}


def gammas_of(checkpoints: Sequence[Path | str], *, seed: int = 0) -> list[Gammas]:
    """The norm weights of several networks, each with a norm after its activation; `seed` is that of the bootstrap."""
    gammas = []
    with progress("scoring networks", len(checkpoints)) as report:
        for done, path in enumerate(checkpoints, 1):
            subject = open_subject(path, seed=seed)
            gamma = gamma_of(subject.model)
            ipr = subject.table["ipr"].astype(float)
            chosen = (gamma[ipr < LOW], gamma[ipr > HIGH])
            medians = (float(np.median(some)) if len(some) else None for some in chosen)
            gammas.append(Gammas(ipr, gamma, rank_correlation(ipr, gamma, seed=seed), *medians))
            report(done)
    return gammas
