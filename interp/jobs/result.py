"""Results of measuring one checkpoint: its row and its neurons' columns. Needs neither PyTorch nor Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from probes.labels import Criteria

IPR_BINS = 20
"""Equal bins of ``ipr_histogram`` over [0, 1]."""
Identity = tuple[str, str]
"""A checkpoint's path, and the digest of the settings it was measured under."""


@dataclass(frozen=True, eq=False)
class Result:
    """Measurements of one checkpoint.

    Attributes:
        row: Columns as in `interp.jobs.columns.CHECKPOINTS`.
        neurons: Columns of its neurons: ``(neuron,)`` arrays, or one value for all; None if it failed.
        page: The HTML of its audit.
    """

    row: dict[str, Any]
    neurons: dict[str, Any] | None
    page: str | None = None


def scores_result(
    columns: Mapping[str, Any], known: Mapping[str, Any], site: str, source: str | None = "weights"
) -> Result:
    """The result of scoring alone, from columns of the neurons and what is known of the row: step, dialect, task, …

    Periodicity was read from the source: weights, activations or, if it is not known, None.
    """
    width = len(columns["ipr"])
    neurons = {"site": site, "step": known["step"], "neuron": np.arange(width), **columns}
    return Result({**known, "site": site, "neurons": width, **summary(columns, source)}, neurons)


def summary(columns: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """Periodicity of the neurons in a few numbers; nothing where it is not known."""
    if source is None:
        return {}
    live = columns["ipr"][np.isfinite(columns["ipr"])]
    periodic = Criteria().periodic(columns["q_value"], columns["frequency_share"])
    counted = np.bincount(np.minimum((live * IPR_BINS).astype(int), IPR_BINS - 1), minlength=IPR_BINS)
    return {
        "source": source,
        "ipr_mean": float(live.mean(dtype=np.float64)) if len(live) else None,
        "ipr_median": float(np.median(live)) if len(live) else None,
        "ipr_histogram": counted.tolist(),
        "periodic": int(periodic.sum()),
    }
