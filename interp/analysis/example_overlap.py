"""Neurons that examples have in common: do memorised ones share more than chance, activity and clean ones explain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.analysis.example_kinds import (
    FEWEST,
    MatchedExamples,
    activated,
    attributed,
    draw_examples,
    input_similarity,
)
from interp.data import Task
from interp.drawing import Drawable
from interp.errors import ConfigError, choose
from interp.markup import number, percentage
from interp.measuring.traces import p_in_words
from interp.output import plain
from interp.progress import progress
from interp.subject import Network, Subject, subject_of
from probes.active_sets import (
    MatchedOverlaps,
    matched_overlaps,
    membership_test,
    most_active,
    overlaps,
    similarity_preservation,
)
from probes.null import benjamini_hochberg
from probes.overlap import overlap_distribution

BY = ("attribution", "activation")
LEVEL, ALPHA = 0.05, 0.01
"""False-discovery rate over pairs, and significance of means."""
FEWEST_DRAWS = round(1 / ALPHA) - 1
"""Of each null, below which no p-value could reach `ALPHA`."""


@dataclass(frozen=True, eq=False)
class Group:
    """Pairs of examples of one kind, or of one of each.

    Attributes:
        name: Of the kind.
        pairs: Their number.
        mean: Neurons that two of them share, on average.
        matched: The mean of the same in draws where every neuron keeps its rate over all the examples.
        matched_low, matched_high: Where 95 % of the draws lie.
        matched_p, matched_fewer: Of a mean at least as large, and at least as small, one-sided, by draws.
        significant: Share of the pairs whose overlap is significant against uniformly drawn sets, in [0, 1], at a
            false-discovery rate of 5 % (Benjamini and Hochberg).
        matched_significant: The same against the draws.
        counts: Pairs by number of shared neurons, from 0 on.
    """

    name: str
    pairs: int
    mean: float
    matched: float
    matched_low: float
    matched_high: float
    matched_p: float
    matched_fewer: float
    significant: float
    matched_significant: float
    counts: Int[np.ndarray, " overlap"]

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True, eq=False)
class ExampleOverlap(Drawable):
    """Overlaps of the most active neurons of examples, within two kinds of them and between these.

    Attributes:
        by: What neurons are ranked by, one of `BY`.
        n: Neurons that are not dead.
        active: Neurons that are taken of each example.
        examples: Of each kind, with the same labels as trained on in both.
        available: Of each kind, before the draw.
        expected: Neurons that two uniformly drawn sets share on average.
        first, second, between: Within the kinds, and one example of each.
        difference: Mean overlap within the first kind minus that within the second.
        difference_p, difference_fewer: Of so large, and so small, a difference, one-sided, by permutation of the
            examples with one label.
        similarity, similarity_p: Spearman's correlation of the similarity of two inputs with their overlap, over the
            first kind, and its p-value; None where one does not vary.
        tied: Share of the examples where a tie decided which neurons are the most active, in [0, 1].
        distribution, matched_distribution: Probability of each overlap for uniform sets, and over the draws.
    """

    figure: ClassVar[str] = "plots.overlap.example_overlap"

    by: str
    n: int
    active: int
    examples: int
    available: tuple[int, int]
    expected: float
    first: Group
    second: Group
    between: Group
    difference: float
    difference_p: float
    difference_fewer: float
    similarity: float | None
    similarity_p: float | None
    tied: float
    distribution: Float[np.ndarray, " overlap"]
    matched_distribution: Float[np.ndarray, " overlap"]

    @property
    def common(self) -> bool:
        """True if the first kind shares more than the neurons' rates explain, and more than the second, at 1 %."""
        return self.first.matched_p <= ALPHA and self.difference_p <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {"kind": "examples"} | plain(vars(self)) | {"common": self.common}

    def sentences(self) -> list[str]:
        """The finding in words."""
        one, other = self.first, self.second
        sentences = [
            f"{self.examples} examples of each kind ({one.name}: {self.available[0]} in all, {other.name}: "
            f"{self.available[1]}), of as many with each label; the {self.active} of {self.n} neurons with the largest "
            f"{self.by} of each.",
            f"Two {one.name} examples share {number(one.mean)} neurons, {number(one.mean / self.expected)} times the "
            f"{number(self.expected)} of random sets ({percentage(one.significant)} of the pairs are significant).",
            f"Neurons that keep their own rates explain {number(one.matched)} ({number(one.matched_low)} to "
            f"{number(one.matched_high)}): {_compared(one.matched_p, one.matched_fewer)} "
            f"({percentage(one.matched_significant)} of the pairs are significant).",
            f"Two {other.name} examples share {number(other.mean)}, one of each kind {number(self.between.mean)}: the "
            f"{one.name} share {_compared(self.difference_p, self.difference_fewer)}.",
            f"The {one.name} examples have neurons of their own in common."
            if self.common
            else f"That the {one.name} examples have neurons of their own in common is not shown.",
        ]
        if self.similarity is not None and self.similarity_p is not None:
            sentences.append(
                f"Similarity of inputs and overlap have a rank correlation of {number(self.similarity)} (p "
                f"{p_in_words(self.similarity_p)})."
            )
        if self.tied:
            sentences.append(f"In {percentage(self.tied)} of the examples ties were broken at random.")
        return sentences


def _compared(more: float, fewer: float) -> str:
    """A comparison in words, from both one-sided p-values."""
    if more <= ALPHA:
        return f"more (p {p_in_words(more)})"
    return (
        f"fewer (p {p_in_words(fewer)})" if fewer <= ALPHA else f"not decidedly more (p {p_in_words(more)})"
    )


def example_overlap(
    network: Network,
    task: Task | None = None,
    first: Any = "examples:memorised",
    second: Any = "examples:clean",
    *,
    by: str = "attribution",
    active: float = 0.1,
    examples: int = 100,
    draws: int = 199,
    site: str | None = None,
    seed: int | None = None,
) -> ExampleOverlap:
    """Compare the most active neurons of two kinds of examples with chance, with the neurons' own rates, and by kind.

    Of each kind as many examples are drawn with each label as trained on, so that what a label has in common does not
    count. Three controls: sets drawn uniformly; curveball draws, in which each neuron is active for as many of the
    examples with each label, of both kinds together, as it is; and the second kind, by permutation of examples with one
    label, the only exact one where neurons are active in groups. "A common subspace" needs the last two.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        first: ``examples:NAME`` with a name in `interp.analysis.example_kinds.EXAMPLES`, indices, or a mask.
        second: The same; no example is in both.
        by: ``"attribution"``, what a neuron adds to the logit of the label as trained on above the mean of all logits;
            or ``"activation"``, its activation.
        active: Share of the neurons that are taken of each example, in (0, 0.5].
        examples: Of each kind, at most.
        draws: Of each null, at least 99; p is never below 1 / (1 + draws).
        site: Hook name of the neurons; the model's last site if None.
        seed: Of all draws.

    Raises:
        ConfigError: A number is out of range, there are fewer than ten examples of each kind with the same labels, or
            attribution cannot be read as what follows the neurons is not linear.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> result = example_overlap(planted_mlp(task, memorizing=60).model, task, draws=99)
        >>> result.first.name, result.first.mean > 0, result.first.pairs == result.examples * (result.examples - 1) // 2
        ('memorised', True, True)
    """
    _check_settings(by, active, examples, draws)
    subject = subject_of(network, task, site=site, seed=seed)
    generator = np.random.default_rng(subject.seed)
    drawn = draw_examples(subject, first, second, examples, generator)
    values = _ranked_by(subject, drawn, by)
    n = values.shape[1]
    taken = max(1, round(active * n))
    sets, tied = most_active(values, taken, generator)
    near = input_similarity(subject, drawn.rows[: len(drawn.rows) // 2])
    with progress("overlaps", 1) as report:
        compared = _compare(sets, drawn, near, draws, generator)
        report(1)
    counts = (n, taken, len(near), drawn.available, taken**2 / n)
    return ExampleOverlap(by, *counts, **compared, tied=tied / len(drawn.rows))


def _check_settings(by: str, active: float, examples: int, draws: int) -> None:
    choose("ranking of neurons, by", by, BY)
    if not 0 < active <= 0.5 or examples < FEWEST or draws < FEWEST_DRAWS:
        raise ConfigError(
            f"active={active}, examples={examples}, draws={draws}; expected a share in (0, 0.5], at least {FEWEST} "
            f"examples and {FEWEST_DRAWS} draws, as with fewer no p-value could be {ALPHA:g}"
        )


def _ranked_by(subject: Subject, drawn: MatchedExamples, by: str) -> Float[np.ndarray, "example alive"]:
    """The number that neurons are ranked by, of those that are not dead."""
    attribution = by == "attribution"
    values = attributed(subject, drawn.rows, drawn.labels) if attribution else activated(subject, drawn.rows)
    if values.shape[1] < 2:
        raise ConfigError(f"only {values.shape[1]} neurons are not dead; at least two are needed")
    return values


def _compare(
    sets: Bool[np.ndarray, "example neuron"],
    drawn: MatchedExamples,
    near: Float[np.ndarray, "half half"],
    draws: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """The groups of pairs beside their nulls, the difference of the kinds, and similarity of inputs."""
    half, (n, taken) = len(near), (sets.shape[1], int(sets[0].sum()))
    uniform, square = overlap_distribution(n, taken, taken), overlaps(sets)
    one, other = np.triu_indices(half, 1)
    left, right = np.indices((half, half)).reshape(2, -1)
    pairs = {"first": (one, other), "second": (one + half, other + half), "between": (left, right + half)}
    matched, null = matched_overlaps(sets, pairs, drawn.labels, draws, generator)
    names = dict(zip(pairs, (*drawn.names, "one of each"), strict=True))
    groups = {name: _group(names[name], result, uniform) for name, result in matched.items()}
    member = np.arange(2 * half) < half
    difference, more, fewer = membership_test(square, member, drawn.labels, 10 * draws, generator)
    rho, p_value = similarity_preservation(near, square[:half, :half], draws, generator)
    return {
        **groups,
        "difference": difference,
        "difference_p": more,
        "difference_fewer": fewer,
        "similarity": rho,
        "similarity_p": p_value,
        "distribution": uniform,
        "matched_distribution": null,
    }


def _group(name: str, overlaps: MatchedOverlaps, uniform: Float[np.ndarray, " overlap"]) -> Group:
    observed, drawn = overlaps.observed, overlaps.drawn
    tail = np.minimum(uniform[::-1].cumsum()[::-1], 1.0)
    shares = [float((benjamini_hochberg(p) <= LEVEL).mean()) for p in (tail[observed], overlaps.pair_p)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Group(
        name=name,
        pairs=len(observed),
        mean=float(observed.mean()),
        matched=float(drawn.mean()),
        matched_low=float(low),
        matched_high=float(high),
        matched_p=overlaps.p_value,
        matched_fewer=overlaps.p_fewer,
        significant=shares[0],
        matched_significant=shares[1],
        counts=np.bincount(observed, minlength=len(uniform)),
    )
