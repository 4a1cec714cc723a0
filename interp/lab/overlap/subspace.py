"""The claim of a common subspace: neurons that memorised examples share, beside each explanation without one."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.analysis.example_kinds import EXAMPLES, activated, attributed, draw_examples, input_similarity
from interp.analysis.example_overlap import BY, example_overlap
from interp.subject import Subject
from probes.active_sets import (
    matched_overlaps,
    membership_test,
    most_active,
    overlaps,
    similarity_preservation,
)

RATIOS = {
    "uniform": "random sets",
    "matched": "neurons that keep their rates for each label",
    "clean": "clean examples",
    "never": "wrong labels never trained on",
}
PLANTED = 0.5
"""Share of the examples that neurons are planted in."""
PLANTS = (1, 4)
"""Numbers of neurons that are planted."""


def measure_subspace(
    subject: Subject, active: float, examples: int, draws: int
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Mean overlap of two memorised examples, as a ratio to each of `RATIOS`, by attribution and by activation."""
    accuracy = subject.accuracy
    numbers: dict[str, float | None] = {
        "test": accuracy.test,
        "memorised": accuracy.corrupted_as_labelled,
        "base_rate": subject.base_rate.base_rate,
    }
    curves: dict[str, Any] = {}
    settings: dict[str, Any] = {"active": active, "examples": examples, "draws": draws}
    for by in BY:
        clean = example_overlap(subject, by=by, **settings)
        never = example_overlap(subject, second="examples:never", by=by, **settings)
        numbers |= {
            f"{by}_mean": clean.first.mean,
            f"{by}_uniform": clean.first.mean / clean.expected,
            f"{by}_matched": clean.first.mean / clean.first.matched,
            f"{by}_clean": clean.first.mean / clean.second.mean,
            f"{by}_never": never.first.mean / never.second.mean,
            f"{by}_pairs_uniform": clean.first.significant,
            f"{by}_pairs_matched": clean.first.matched_significant,
            f"{by}_p_matched": clean.first.matched_p,
            f"{by}_p_clean": clean.difference_p,
            f"{by}_tied": clean.tied,
        }
        curves[by] = clean.to_dict()
    return numbers | _controls(subject, active, examples, draws), curves


def _controls(subject: Subject, active: float, examples: int, draws: int) -> dict[str, float | None]:
    """P-values for two random halves of the clean examples, as they are and with more neurons in common.

    The halves have nothing of their own in common, so the first p-values are of chance. Planted neurons are each active
    for `PLANTED` of the first half, in place of their least active ones, and else for none: they must be noticed.
    """
    generator = np.random.default_rng(subject.seed)
    clean = generator.permutation(EXAMPLES["clean"](subject).nonzero()[:, 0].cpu().numpy())
    one, other = np.array_split(clean, 2)
    drawn = draw_examples(subject, one, other, examples, generator)
    values = attributed(subject, drawn.rows, drawn.labels)
    half, order = len(values) // 2, generator.permutation(values.shape[1])
    numbers: dict[str, float | None] = {}
    for count in (0, *PLANTS):
        shown = values.copy()
        for neuron in order[:count]:
            shown[:, neuron] = values.min() - 1
            shown[generator.permutation(half)[: round(PLANTED * half)], neuron] = values.max() + 1
        sets, _ = most_active(shown, max(1, round(active * shown.shape[1])), generator)
        pairs = {"first": np.triu_indices(half, 1)}
        matched, _ = matched_overlaps(sets, pairs, drawn.labels, draws, generator)
        member = np.arange(2 * half) < half
        _, p_value, _ = membership_test(overlaps(sets), member, drawn.labels, 10 * draws, generator)
        numbers |= {
            f"planted_{count}_p_matched": matched["first"].p_value,
            f"planted_{count}_p_clean": p_value,
        }
    return numbers


def preserved(
    trained: Subject, untrained: Subject, active: float, examples: int, draws: int
) -> dict[str, float | None]:
    """Rank correlation of the similarity of inputs with the overlap of their most active neurons, of held-out examples.

    ``shuffled``: with the sets dealt to other examples.
    """
    generator = np.random.default_rng(trained.seed)
    held_out = np.flatnonzero(trained.data.test.cpu().numpy())
    rows = generator.choice(held_out, min(examples, len(held_out)), replace=False)
    near, numbers = input_similarity(trained, rows), {}
    for name, subject in {"trained": trained, "untrained": untrained}.items():
        values = activated(subject, rows)
        sets, _ = most_active(values, max(1, round(active * values.shape[1])), generator)
        numbers[f"similarity_{name}"], p_value = similarity_preservation(
            near, overlaps(sets), draws, generator
        )
        if name == "trained":
            numbers["similarity_p"] = p_value
            dealt = overlaps(sets[generator.permutation(len(sets))])
            numbers["similarity_shuffled"] = similarity_preservation(near, dealt, 1, generator)[0]
    return numbers
