"""Columns of a trajectory that compare neurons and networks, described once for tables, figures and files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from interp.measuring.arrays import as_array
from interp.output import plain
from interp.subject import Subject
from probes.labels import GENERALIZING, LABELS, MEMORIZING
from probes.regime import gram, kernel_alignment, relative_change
from probes.separability import discrimination_value

EXAMPLES = 600
"""Drawn of each checkpoint's, the same of all."""


@dataclass(frozen=True)
class SeriesColumn:
    """One number of each checkpoint of a series.

    Attributes:
        title: Above the table's column, and in the legend.
        panel: Of the figure, with its unit.
        colour: Of the line.
        meaning: In a sentence.
    """

    title: str
    panel: str
    colour: str
    meaning: str


SEPARABILITY_PANEL = "separability (GDV)"
SHARES_PANEL = "structure (share)"
CHANGE_PANEL = "weight change (share)"
SERIES_COLUMNS: dict[str, SeriesColumn] = {
    f"separability_{label}": SeriesColumn(
        f"separability, {label}",
        SEPARABILITY_PANEL,
        LABELS[label].colour,
        f"Generalised discrimination value of the true classes in {label} neurons: 0 for none, about -1 at most; "
        f"of {EXAMPLES} examples.",
    )
    for label in (GENERALIZING, MEMORIZING)
} | {
    "weight_change": SeriesColumn(
        "weight change",
        CHANGE_PANEL,
        "#7F7F7F",
        "Norm of the change of all weights since the first checkpoint, over their norm there.",
    ),
    "representation_alignment": SeriesColumn(
        "alignment with the first",
        SHARES_PANEL,
        "#56B4E9",
        "Cosine of the centred Gram matrices of the neurons' activations at the first checkpoint and here; wide "
        f"networks are alike without any common origin, see interp.regime. Of {EXAMPLES} examples.",
    ),
}
"""By the name that a record has it under."""


class SeriesColumns:
    """The numbers of `SERIES_COLUMNS` of one checkpoint after another, the first of which later ones are compared with.

    Args:
        seed: Of the examples that are drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._first: tuple[dict[str, np.ndarray], np.ndarray] | None = None

    def of(self, subject: Subject) -> dict[str, float | None]:
        """The numbers of a checkpoint, None where one is not defined."""
        data = subject.data
        n = min(EXAMPLES, len(data))
        rows = np.sort(np.random.default_rng(self.seed).choice(len(data), n, replace=False))
        some = torch.as_tensor(rows, device=data.labels.device)
        acts = as_array(subject.cached.activations[some])
        values = separabilities(acts, data.true_labels[some].cpu().numpy(), subject.table["label"])
        return plain({**values, **self._since_first(subject, gram(acts))})

    def _since_first(self, subject: Subject, products: np.ndarray) -> dict[str, float | None]:
        weights = {name: as_array(one) for name, one in subject.model.named_parameters()}  # type: ignore[attr-defined]
        if self._first is None:
            self._first = {name: one.copy() for name, one in weights.items()}, products
        first, start = self._first
        if [(name, one.shape) for name, one in first.items()] != [
            (name, one.shape) for name, one in weights.items()
        ]:
            return {"weight_change": None, "representation_alignment": None}
        return {
            "weight_change": relative_change(list(first.values()), list(weights.values())),
            "representation_alignment": kernel_alignment(start, products)
            if start.shape == products.shape
            else None,
        }


def separabilities(activations: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Generalised discrimination value of the classes in the neurons of each label; nan where there are none."""
    values: dict[str, float] = {}
    for label in (GENERALIZING, MEMORIZING):
        chosen = labels == label
        values[f"separability_{label}"] = (
            discrimination_value(activations[:, chosen], classes) if chosen.any() else float("nan")
        )
    return values
