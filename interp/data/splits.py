"""The splits of a task's examples, each said once, and without PyTorch; whatever names splits is made from them."""

from __future__ import annotations

from dataclasses import dataclass

GROUPS = ("clean", "corrupted", "test")
"""Disjoint groups of examples that every split is put together from."""


@dataclass(frozen=True)
class Split:
    """Examples that a network is measured on, and the labels that its answers are compared with.

    Attributes:
        as_trained: Whether answers are compared with the labels as trained on; else with the true ones.
        title: As tables and figures call it.
    """

    groups: tuple[str, ...]
    as_trained: bool
    title: str
    colour: str
    meaning: str


# Okabe and Ito's palette, which colour-blind readers can tell apart: the rule is blue, memory vermilion.
SPLITS: dict[str, Split] = {
    "train": Split(
        ("clean", "corrupted"), True, "train", "#CC79A7", "Training examples against the labels they were trained on."
    ),
    "clean": Split(("clean",), True, "clean", "#56B4E9", "Training examples with their own label."),
    "corrupted_as_labelled": Split(
        ("corrupted",), True, "corrupted as labelled", "#D55E00",
        "Training examples whose label was redrawn, against that label: only memory gets them right.",
    ),
    "corrupted_as_true": Split(
        ("corrupted",), False, "corrupted as true", "#E69F00", "The same examples against the true label."
    ),
    "test": Split(("test",), False, "test", "#0072B2", "Held-out examples."),
    "all": Split(GROUPS, False, "all", "#009E73", "Every example against its true label."),
}  # fmt: skip
"""Every split by name, in the order in which tables show them."""
