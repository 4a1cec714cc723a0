"""Columns of the two tables that a job writes, from which all else of them is made, and results that fill them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from interp.data.splits import SPLITS
from probes.labels import LABELS, REMOVED, Criteria
from probes.parts import FREQUENCIES, Parts

SCHEMA_VERSION = 1
"""Of both tables. Rises when a column changes its name, type or meaning; new columns alone do not raise it."""
TELLING = ("test", "corrupted_as_labelled")
"""Splits that tell memory from the rule: measured after removals, and compared between checkpoints."""
RECORDED = ("train", "test")
KNOWN = {"trained": "trained", "held_out": "held-out", "control": "controls", "unmarked": "not marked"}
"""Splits of sequences, as columns and as titles call them."""
IPR_BINS = 20
"""Equal bins of ``ipr_histogram`` over [0, 1]."""
Identity = tuple[str, str]
"""A checkpoint's path, and the digest of the settings it was measured under."""
GROUPS = ("which", "what it is", "periodicity", "labels", "causal", "memory", "how")


@dataclass(frozen=True)
class StoredColumn:
    """One column of the table of checkpoints.

    Attributes:
        kind: ``"text"``, ``"count"``, ``"number"``, or a list of them: ``"texts"``, ``"counts"``.
        meaning: A clause for the guide; empty where the name says it.
        title: As headings call it; the name if empty.
    """

    kind: str
    group: str
    meaning: str = ""
    title: str = ""
    varies: bool = False


CHECKPOINTS: dict[str, StoredColumn] = {
    "checkpoint": StoredColumn("text", "which", "its path"),
    "settings": StoredColumn("text", "which", "twelve digits that change with any of them"),
    "series": StoredColumn("text", "which", "its folder"),
    "step": StoredColumn("count", "which"),
    "status": StoredColumn("text", "which", "`ok` or `failed`"),
    **dict.fromkeys(("error_type", "error"), StoredColumn("text", "which")),
    "digest": StoredColumn("text", "which", "SHA-256 of its weights"),
    "key": StoredColumn("text", "which", "of content and settings"),
    "stamp": StoredColumn("text", "which", "of its files"),
    **dict.fromkeys(("measure", "dialect", "task"), StoredColumn("text", "what it is")),
    "p": StoredColumn("count", "what it is"),
    "corrupt_fraction": StoredColumn("number", "what it is"),
    "site": StoredColumn("text", "what it is"),
    **dict.fromkeys(("seed", "neurons"), StoredColumn("count", "what it is")),
    "source": StoredColumn("text", "periodicity", "`weights` or `activations`"),
    "ipr_mean": StoredColumn("number", "periodicity", title="mean IPR"),
    "ipr_median": StoredColumn("number", "periodicity"),
    "ipr_histogram": StoredColumn("counts", "periodicity", "20 bins over 0..1"),
    "periodic": StoredColumn("count", "periodicity", "neurons with q ≤ .01 and half in one frequency or component"),
    "components": StoredColumn("texts", "periodicity", "names of those of a group with periodic neurons, most first"),
    "component_sizes": StoredColumn("counts", "periodicity", "real dimensions of each"),
    "component_neurons": StoredColumn("counts", "periodicity", "periodic neurons of each"),
    "accuracy_<split>": StoredColumn("number", "labels", title="accuracy: {}"),
    "accuracy_test_without_leakage": StoredColumn("number", "labels"),
    "stored_<recorded split>": StoredColumn("number", "what it is", "accuracies that the file records"),
    "phase": StoredColumn("text", "labels"),
    "<label>": StoredColumn("count", "labels", "neurons with that label"),
    "without_<removed label>_<telling split>": StoredColumn("number", "causal", "accuracy without those neurons"),
    "random_<removed label>_<telling split>": StoredColumn("number", "causal", "the same of random ones"),
    "agreement_auc": StoredColumn("number", "causal", "of periodicity with causal effect"),
    **dict.fromkeys(("agreement_low", "agreement_high"), StoredColumn("number", "causal")),
    "sequences": StoredColumn("count", "memory", "measured"),
    "verdicts": StoredColumn("texts", "memory", "kinds of verdict, as an audit words them"),
    "verdict_sequences": StoredColumn("counts", "memory", "trained or unmarked sequences with each"),
    "text_accuracy_<known split>": StoredColumn(
        "number", "memory", "mean share of continuation tokens that are the model's choice", "accuracy: {}"
    ),
    "log_loss_<known split>": StoredColumn("number", "memory", "mean, nats a token", "log loss: {}"),
    "recalled_<known split>": StoredColumn(
        "number", "memory", "mean accuracy on tokens that cannot be guessed", "recalled: {}"
    ),
    "memory_auc": StoredColumn("number", "memory", "of the recalled share, trained against held-out ones"),
    **dict.fromkeys(("memory_auc_low", "memory_auc_high"), StoredColumn("number", "memory")),
    "loss_auc": StoredColumn("number", "memory", "the same of the log loss"),
    "report": StoredColumn("text", "causal", "the audit's page"),
    "notes": StoredColumn("texts", "what it is"),
    "convention": StoredColumn("text", "how", "JSON"),
    "tool_version": StoredColumn("text", "how"),
    "schema_version": StoredColumn("count", "how"),
    "seconds": StoredColumn("number", "how", varies=True),
    "peak_memory_mib": StoredColumn("number", "how", "of the process so far", varies=True),
}  # fmt: skip
"""Every column of the table of checkpoints, in order; a name in angle brackets stands for each of several."""
COSTS = tuple(name for name, column in CHECKPOINTS.items() if column.varies)


def checkpoint_columns(*patterns: str) -> dict[str, StoredColumn]:
    """Columns named as in `CHECKPOINTS`, or all of them, those for each split and label written out.

    Example:
        >>> list(checkpoint_columns("phase", "<label>"))
        ['phase', 'generalizing', 'memorizing', 'both', 'dead', 'inconclusive']
    """
    splits = {name: split.title for name, split in SPLITS.items()}
    meant = {
        "<split>": splits,
        "<recorded split>": {name: splits[name] for name in RECORDED},
        "<telling split>": {name: splits[name] for name in TELLING},
        "<known split>": KNOWN,
        "<label>": {name: name for name in LABELS},
        "<removed label>": {name: name for name in REMOVED},
    }
    columns: dict[str, StoredColumn] = {}
    for pattern in patterns or CHECKPOINTS:
        column = CHECKPOINTS[pattern]
        for chosen in product(*(meant[mark].items() for mark in re.findall("<.*?>", pattern))):
            name = re.sub("<.*?>", "{}", pattern).format(*(value for value, _ in chosen))
            title = column.title.format(*(title for _, title in chosen)) or name.replace("_", " ")
            columns[name] = replace(column, title=title)
    return columns


@dataclass(frozen=True, eq=False)
class Result:
    """Measurements of one checkpoint.

    Attributes:
        row: Columns as in `interp.jobs.columns.CHECKPOINTS`.
        neurons: Columns of its neurons: ``(neuron,)`` arrays, or one value for all; None if it failed.
        sequences: Columns of the sequences whose memory was measured: ``(sequence,)`` arrays, or one value for all.
    """

    row: dict[str, Any]
    neurons: dict[str, Any] | None
    page: str | None = None
    sequences: dict[str, Any] | None = None


def scores_result(
    columns: Mapping[str, Any],
    known: Mapping[str, Any],
    site: str,
    source: str | None = "weights",
    parts: Parts = FREQUENCIES,
) -> Result:
    """The result of scoring alone, from columns of the neurons and what is known of the row: step, dialect, task, …

    Periodicity was read from the source: weights, activations or, if it is not known, None.
    """
    width = len(columns["ipr"])
    neurons = {"site": site, "step": known["step"], "neuron": np.arange(width), **columns}
    return Result({**known, "site": site, "neurons": width, **summary(columns, source, parts)}, neurons)


def summary(columns: Mapping[str, Any], source: str | None, parts: Parts = FREQUENCIES) -> dict[str, Any]:
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
        **_components(parts.counts(columns["frequency"][periodic])),
    }


def _components(counted: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    if counted is None:
        return {}
    named = {"components": "name", "component_sizes": "size", "component_neurons": "neurons"}
    return {column: [one[name] for one in counted] for column, name in named.items()}
