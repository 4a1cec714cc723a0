"""Neurons that examples have in common: do memorised ones share more than chance, activity and clean ones explain?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.data import Task
from interp.drawing import Drawable
from interp.errors import ConfigError, choose
from interp.markup import number, percentage
from interp.measuring.logits import whole_of
from interp.measuring.traces import p_in_words
from interp.output import plain
from interp.progress import PATIENCE, progress
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

PREFIX, NEVER = "examples:", "never"
FEWEST = 10
"""Examples of each kind."""
BY = ("attribution", "activation")
LEVEL, ALPHA = 0.05, 0.01
"""False-discovery rate over pairs, and significance of means."""


def _answered(subject: Subject) -> Bool[Tensor, " example"]:
    return subject.cached.margins[0] > subject.cached.tolerance


EXAMPLES: dict[str, Callable[[Subject], Tensor]] = {
    "memorised": lambda subject: subject.data.mislabelled & _answered(subject),
    "clean": lambda subject: subject.data.clean & ~subject.data.mislabelled & _answered(subject),
    "train": lambda subject: subject.data.train,
    "test": lambda subject: subject.data.test,
    NEVER: lambda subject: subject.data.test,
}
"""Kinds of examples: training ones whose wrong label is answered; those whose own is; all training, all held-out ones;
and, as the second kind only, held-out ones that are each given a wrong label of the first kind, never trained on."""


@dataclass(frozen=True, eq=False)
class Group:
    """Pairs of examples of one kind, or of one of each.

    Attributes:
        name: Of the kind.
        pairs: Their number.
        mean: Neurons that two of them share, on average.
        matched: The mean of the same in draws where every neuron keeps its rate over all the examples.
        matched_low, matched_high: Where 95 % of the draws lie.
        matched_p: Of a mean at least as large, one-sided, by draws.
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
        difference_p: Of so large a difference, one-sided, by permutation of the examples with one label.
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
            f"{number(one.matched_high)}, p {p_in_words(one.matched_p)}; {percentage(one.matched_significant)} of the "
            "pairs are significant).",
            f"Two {other.name} examples share {number(other.mean)}, one of each kind {number(self.between.mean)}; more "
            f"within the {one.name}: p {p_in_words(self.difference_p)}.",
            f"The {one.name} examples {'share neurons of their own' if self.common else 'are not shown to share more'}"
            f"{'' if self.common else ' than their neurons’ rates and the other examples explain'}.",
        ]
        if self.similarity is not None and self.similarity_p is not None:
            sentences.append(
                f"Similarity of inputs and overlap have a rank correlation of {number(self.similarity)} (p "
                f"{p_in_words(self.similarity_p)})."
            )
        if self.tied:
            sentences.append(f"In {percentage(self.tied)} of the examples ties were broken at random.")
        return sentences


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
    examples, of both kinds together, as it is; and the second kind, by permutation of examples with one label. "A
    common subspace" of the first kind needs the last two.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        first: ``examples:NAME`` with a name in `EXAMPLES`, indices of examples, or a mask.
        second: The same; no example is in both.
        by: ``"attribution"``, what a neuron adds to the logit of the label as trained on above the mean of all logits;
            or ``"activation"``, its activation.
        active: Share of the neurons that are taken of each example, in (0, 0.5].
        examples: Of each kind, at most.
        draws: Of each null; p is never below 1 / (1 + draws).
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
    choose("ranking of neurons, by", by, BY)
    if not 0 < active <= 0.5 or examples < FEWEST or draws < 19:
        raise ConfigError(
            f"active={active}, examples={examples}, draws={draws}; expected a share in (0, 0.5], at least {FEWEST} "
            "examples and 19 draws"
        )
    subject = subject_of(network, task, site=site, seed=seed)
    generator = np.random.default_rng(subject.seed)
    drawn = _draw(subject, first, second, examples, generator)
    values = attributed(subject, drawn.rows, drawn.labels) if by == "attribution" else activated(subject, drawn.rows)
    n = values.shape[1]
    taken = max(1, round(active * n))
    if taken >= n:
        raise ConfigError(f"only {n} neurons are not dead; at least two are needed")
    sets, tied = most_active(values, taken, generator)
    square, half = overlaps(sets), len(drawn.rows) // 2
    within = np.triu_indices(half, 1)
    across = tuple(side.ravel() for side in np.indices((half, half)))
    pairs = {"first": within, "second": tuple(side + half for side in within), "between": (across[0], across[1] + half)}
    with progress("overlaps", 2, after=PATIENCE) as report:
        matched, null = matched_overlaps(sets, pairs, draws, generator)
        report(1)
        member = np.arange(len(drawn.rows)) < half
        difference, p = membership_test(square, member, drawn.labels, 10 * draws, generator)
        near = input_similarity(subject, drawn.rows[:half])
        similarity = similarity_preservation(near, square[:half, :half], draws, generator)
        report(2)
    uniform = overlap_distribution(n, taken, taken)
    names = (*drawn.names, "one of each")
    groups = [_group(name, one, uniform) for name, one in zip(names, matched.values(), strict=True)]
    return ExampleOverlap(
        by, n, taken, half, drawn.available, taken**2 / n, *groups, difference, p, *similarity,
        tied / len(drawn.rows), uniform, null,
    )  # fmt: skip


def _group(name: str, overlaps: MatchedOverlaps, uniform: Float[np.ndarray, " overlap"]) -> Group:
    observed, drawn = overlaps.observed, overlaps.drawn
    tail = np.minimum(uniform[::-1].cumsum()[::-1], 1.0)
    shares = [float((benjamini_hochberg(p) <= LEVEL).mean()) for p in (tail[observed], overlaps.pair_p)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    counts = np.bincount(observed, minlength=len(uniform))
    means = float(observed.mean()), float(drawn.mean()), float(low), float(high)
    return Group(name, len(observed), *means, overlaps.p_value, *shares, counts)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Examples of both kinds, the first before the second, with the labels that attribution is to."""

    rows: Int[np.ndarray, " example"]
    labels: Int[np.ndarray, " example"]
    names: tuple[str, str]
    available: tuple[int, int]


def _draw(subject: Subject, first: Any, second: Any, most: int, generator: np.random.Generator) -> _Drawn:
    """As many examples of both kinds with each label, up to so many of each."""
    labels, true = subject.data.labels.cpu().numpy(), subject.data.true_labels.cpu().numpy()
    (first_name, one), (second_name, other) = (_rows_of(subject, kind) for kind in (first, second))
    if np.intersect1d(one, other).size:
        raise ConfigError(
            f"{first_name} and {second_name} have examples in common; give kinds that exclude each other"
        )
    never = second == PREFIX + NEVER
    one, other = generator.permutation(one), generator.permutation(other)
    chosen: list[tuple[int, int]] = []
    free = dict.fromkeys(other.tolist())
    by_label: dict[int, list[int]] = {}
    for row in other.tolist():
        by_label.setdefault(int(labels[row]), []).append(row)
    for row in one.tolist():
        label = int(labels[row])
        if never:
            match = next((candidate for candidate in free if true[candidate] != label), None)
            free.pop(match, None)  # type: ignore[arg-type]
        else:
            match = by_label[label].pop() if by_label.get(label) else None
        if match is not None:
            chosen.append((row, match))
        if len(chosen) == most:
            break
    if len(chosen) < FEWEST:
        raise ConfigError(
            f"only {len(chosen)} examples of {first_name} ({len(one)}) and {second_name} ({len(other)}) can be given "
            f"the same labels; at least {FEWEST} of each kind are needed"
        )
    rows = np.array(chosen, dtype=np.int64)
    own = labels[rows[:, 0]]
    return _Drawn(rows.T.ravel(), np.concatenate([own, own]), (first_name, second_name), (len(one), len(other)))


def _rows_of(subject: Subject, kind: Any) -> tuple[str, Int[np.ndarray, " row"]]:
    """The name and the indices of a kind of examples."""
    n = len(subject.data)
    if isinstance(kind, str):
        name = choose("kind of examples", kind.removeprefix(PREFIX), EXAMPLES)
        return name, EXAMPLES[name](subject).nonzero()[:, 0].cpu().numpy()
    rows = np.atleast_1d(np.asarray(kind))
    if rows.dtype == bool and rows.shape == (n,):
        return "given", np.flatnonzero(rows)
    inside = rows.ndim == 1 and rows.dtype.kind in "iu" and rows.size and rows.min() >= 0 and rows.max() < n
    if not inside or len(np.unique(rows)) < len(rows):
        raise ConfigError(
            f"{str(kind)[:60]} are no examples; expected examples:{'|'.join(EXAMPLES)}, a mask of {n}, or different "
            f"indices from 0 to {n - 1}"
        )
    return "given", rows.astype(np.int64)


def activated(subject: Subject, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row alive"]:
    """Activations of the neurons that are not dead."""
    chosen = torch.as_tensor(rows, device=subject.data.labels.device)
    return subject.cached.activations[chosen].double().cpu().numpy()[:, subject.alive]


def attributed(
    subject: Subject, rows: Int[np.ndarray, " row"], labels: Int[np.ndarray, " row"]
) -> Float[np.ndarray, "row alive"]:
    """Amounts that the neurons that are not dead add to the logit of a label, above the mean of all logits.

    Raises:
        ConfigError: What follows the neurons is not linear.
    """
    cached = subject.cached
    if cached.readout is None or cached.change.ndim > 2:
        raise ConfigError(
            f"attribution needs one activation an example and a matrix that reads it, which {cached.hook} has not; "
            'give by="activation"'
        )
    readout = cached.readout.double()
    above = (readout - readout.mean(1, keepdim=True)).cpu().numpy()[subject.alive]
    return activated(subject, rows) * above[:, labels].T


def input_similarity(subject: Subject, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row row"]:
    """Similarity of each two inputs: positions with the same token, or the cosine of measurements."""
    inputs = subject.data.inputs[torch.as_tensor(rows, device=subject.data.labels.device)].cpu().flatten(1)
    if not inputs.is_floating_point():
        return (inputs[:, None] == inputs[None]).double().sum(2).numpy()
    values = inputs.double()
    length = values.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return ((values / length) @ (values / length).T).numpy()
