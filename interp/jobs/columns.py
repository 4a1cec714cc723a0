"""Columns of the two tables that a job writes: schemas, rows, overview and guide are made from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product

from interp.data.splits import SPLITS
from probes.labels import LABELS, REMOVED

SCHEMA_VERSION = 1
"""Of both tables. Rises when a column changes its name, type or meaning; new columns alone do not raise it."""
TELLING = ("test", "corrupted_as_labelled")
"""Splits that tell memory from the rule: measured after removals, and compared between checkpoints."""
RECORDED = ("train", "test")
"""Splits whose accuracy some checkpoints record."""
GROUPS = ("which", "what it is", "periodicity", "labels", "causal", "how")


@dataclass(frozen=True)
class StoredColumn:
    """One column of the table of checkpoints.

    Attributes:
        kind: ``"text"``, ``"count"``, ``"number"``, or a list of them: ``"texts"``, ``"counts"``.
        meaning: A clause for the guide; empty where the name says it.
        title: As headings call it; the name if empty.
        varies: From run to run.
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
    "periodic": StoredColumn("count", "periodicity", "neurons with q ≤ .01 and one frequency explaining at least half"),
    "accuracy_<split>": StoredColumn("number", "labels", title="accuracy: {}"),
    "accuracy_test_without_leakage": StoredColumn("number", "labels"),
    "stored_<recorded split>": StoredColumn("number", "what it is", "accuracies that the file records"),
    "phase": StoredColumn("text", "labels"),
    "<label>": StoredColumn("count", "labels", "neurons with that label"),
    "without_<removed label>_<telling split>": StoredColumn("number", "causal", "accuracy without those neurons"),
    "random_<removed label>_<telling split>": StoredColumn("number", "causal", "the same of random ones"),
    "agreement_auc": StoredColumn("number", "causal", "of periodicity with causal effect"),
    **dict.fromkeys(("agreement_low", "agreement_high"), StoredColumn("number", "causal")),
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
        ['phase', 'generalizing', 'memorizing', 'dead', 'inconclusive']
    """
    splits = {name: split.title for name, split in SPLITS.items()}
    meant = {
        "<split>": splits,
        "<recorded split>": {name: splits[name] for name in RECORDED},
        "<telling split>": {name: splits[name] for name in TELLING},
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
