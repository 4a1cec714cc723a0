"""The claim of a common subspace: neurons that memorised examples share, beside each explanation without one."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.analysis.example_kinds import activated, attributed, draw_examples, input_similarity
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
    "matched": "neurons that keep their rates",
    "clean": "clean examples",
    "never": "wrong labels never trained on",
}
PLANTED = 0.5
"""Share of the memorised examples that one neuron is planted in."""


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
    return numbers | _planted(subject, active, examples, draws), curves


def _planted(subject: Subject, active: float, examples: int, draws: int) -> dict[str, float | None]:
    """P-values for the same sets with one more neuron in common: the control that must be noticed.

    The neuron is active for `PLANTED` of the memorised examples, in place of their least active one, and else for none.
    """
    generator = np.random.default_rng(subject.seed)
    drawn = draw_examples(subject, "memorised", "clean", examples, generator)
    values = attributed(subject, drawn.rows, drawn.labels)
    n = values.shape[1]
    half, neuron = len(values) // 2, int(generator.integers(n))
    values[:, neuron] = values.min() - 1
    values[generator.permutation(half)[: round(PLANTED * half)], neuron] = values.max() + 1
    sets, _ = most_active(values, max(1, round(active * n)), generator)
    first = np.triu_indices(half, 1)
    matched, _ = matched_overlaps(sets, {"first": first}, draws, generator)
    member = np.arange(2 * half) < half
    _, p_value, _ = membership_test(overlaps(sets), member, drawn.labels, 10 * draws, generator)
    return {"planted_p_matched": matched["first"].p_value, "planted_p_clean": p_value}


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
