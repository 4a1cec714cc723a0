"""Checkpoints that are unlike the others under the same settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from interp.jobs.columns import TELLING, checkpoint_columns
from probes.labels import LABELS

UNUSUAL = 3.5
"""The robust z-score from which a checkpoint counts as an outlier (Iglewicz and Hoaglin 1993)."""
LEAST_DIFFERENCE = 0.05
"""Differences below this, in IPR, accuracy or share of the neurons, are nothing to look at, however rare."""
LEAST_PEERS = 5
AROUND = 2
"""Checkpoints before and after one in its series that say what is to be expected of it."""


@dataclass(frozen=True)
class Outlier:
    """A checkpoint that is unlike the others under the same settings.

    Attributes:
        settings: Their digest.
        score: Its robust z-score, at least `UNUSUAL`.
        column: Which column it is largest in.
        expected: The median there of its neighbours in the series, or of all.
    """

    checkpoint: str
    settings: str
    score: float
    column: str
    value: float
    expected: float


def compared() -> dict[str, str]:
    """Columns that are compared, with titles; counts of neurons as shares."""
    columns = checkpoint_columns("ipr_mean", "periodic", "accuracy_<split>", "<label>")
    kept = ("ipr_mean", "periodic", *(f"accuracy_{split}" for split in TELLING), *LABELS)
    titles = {name: columns[name].title for name in kept}
    return {
        name: f"share of {title} neurons" if columns[name].kind == "count" else title
        for name, title in titles.items()
    }


def outliers(rows: pa.Table, most: int = 12) -> list[Outlier]:
    """The checkpoints that are least like what the others under the same settings lead one to expect, worst first.

    Expected is the median of the two before and the two after in a checkpoint's series; that of all, where there is no
    series of at least `LEAST_PEERS`. The score is the largest distance from it, over the columns in `compared`, in
    units of 1.4826 times the median of all such distances (1.2533 times their mean, where more than half are 0).
    Among fewer than `LEAST_PEERS` checkpoints none is called an outlier.
    """
    columns = [name for name in compared() if name in rows.column_names]
    needed = ["checkpoint", "settings", "series", "step", "status", "neurons", *columns]
    good = [row for row in rows.select(needed).to_pylist() if row["status"] == "ok"]
    unusual: list[Outlier] = []
    for settings in {row["settings"] for row in good}:
        peers = [row for row in good if row["settings"] == settings]
        if len(peers) >= LEAST_PEERS:
            unusual += _unusual(peers, columns)
    return sorted(unusual, key=lambda one: (-one.score, one.checkpoint))[:most]


def _unusual(peers: list[dict[str, Any]], columns: list[str]) -> Iterator[Outlier]:
    kinds = checkpoint_columns()
    values = np.array([[row[name] for name in columns] for row in peers], float)
    sizes = np.array([row["neurons"] or np.nan for row in peers], float)
    for i, name in enumerate(columns):
        if kinds[name].kind == "count":
            values[:, i] /= sizes
    known = np.isfinite(values).sum(0) >= LEAST_PEERS
    values, columns = values[:, known], [name for name, keep in zip(columns, known, strict=True) if keep]
    if not columns:
        return
    expected = np.tile(np.nanmedian(values, 0), (len(peers), 1))
    for chosen in _series(peers):
        expected[chosen] = _from_neighbours(values[chosen])
    apart = np.nan_to_num(np.abs(values - expected))
    middle, mean = 1.4826 * np.median(apart, 0), 1.2533 * apart.mean(0)
    scores = apart / np.maximum(np.where(middle > 0, middle, mean), LEAST_DIFFERENCE / UNUSUAL)
    for i, row in enumerate(peers):
        at = int(scores[i].argmax())
        if scores[i, at] >= UNUSUAL:
            score, value, usual = (float(array[i, at]) for array in (scores, values, expected))
            yield Outlier(row["checkpoint"], row["settings"], score, columns[at], value, usual)


def _series(peers: list[dict[str, Any]]) -> Iterator[np.ndarray]:
    """The positions of each long enough series, in order of their steps."""
    members: dict[str, list[int]] = {}
    for i, row in enumerate(peers):
        if row["step"] is not None:
            members.setdefault(row["series"], []).append(i)
    for chosen in members.values():
        steps = [peers[i]["step"] for i in chosen]
        if len(set(steps)) == len(steps) >= LEAST_PEERS:
            yield np.array(chosen)[np.argsort(steps)]


def _from_neighbours(values: np.ndarray) -> np.ndarray:
    """The median of the values around each, itself left out; at the ends, of the nearest ones."""
    places = np.arange(len(values))
    first = np.clip(places - AROUND, 0, len(values) - 2 * AROUND - 1)
    window = first[:, None] + np.arange(2 * AROUND + 1)
    around = window[window != places[:, None]].reshape(len(values), 2 * AROUND)
    return np.median(values[around], axis=1)
