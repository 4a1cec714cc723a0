"""Orders of the tokens that explain a network's neurons better than the one that they were read in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float

from interp.data import OPERATIONS, Ordering, Task, group_ordering
from interp.data.operations import is_prime, steps_of
from interp.measuring.arrays import distinct_vectors, grid_of, weight_vectors
from interp.models import NeuronSite
from interp.scoring.periodicity import all_pairs_activations, operands_of
from interp.subject import Network, Subject, subject_of
from probes import activity
from probes.features import PHASE_COLUMNS, joint_scores
from probes.labels import Criteria, dead_neurons
from probes.null import benjamini_hochberg

MIN_GAIN, MIN_RATIO, CLEAR_GAIN = 0.1, 1.5, 0.25
"""Another ordering must raise the mean share by this much, and the number of periodic neurons to this many times. Or it
raises the share clearly and that number not at all, as where one operand alone was read in a wrong order."""
CRITERIA = Criteria()
"""Of the tests, of a periodic neuron and of a dead one."""
SAME_SHARE = 1e-3
"""Shares in two orderings that are equal up to this are of the same spectrum."""
MIN_ALIGNED = 0.5
"""By how much mean cosines of phases must differ to tell an operation from its inverse."""
FEWEST = 5
"""Of so few neurons nothing is said."""
MOST_GRIDS = 64
"""Activations over all pairs are transformed for at most so many neurons, the strongest."""
PAIRS = {"natural": ("add", "subtract"), "log": ("multiply", "divide")}
"""Operations that are addition in an order; the second with its second operand backwards, which spectra do not show."""
WORDS = {
    "add": "addition",
    "subtract": "subtraction",
    "multiply": "multiplication",
    "divide": "division",
}


Columns = dict[str, np.ndarray]
Reader = Callable[[Ordering], Columns | None]


@dataclass(frozen=True, eq=False)
class Explained:
    """Measures of how well an ordering explains live neurons.

    Attributes:
        ordering: The ordering.
        operations: Those that are addition along it, as far as spectra and phases can tell; none for a polynomial's.
        share: Of each neuron's variance at one frequency, the mean over its vectors, in [0, 1].
        periodic: Whether that frequency is significant (Fisher's g-test, false-discovery rate 1 %) and explains at
            least half. Of activations half is enough: of noise one frequency explains about 8 in p².
        aligned: Cosine of the residual of each neuron's phases, which is 1 in the analytic solution, in [-1, 1]; nan
            where a neuron has not three vectors.
        weight: Each neuron's part of their summed strength.
    """

    ordering: Ordering
    operations: tuple[str, ...]
    share: Float[np.ndarray, " neuron"]
    periodic: Bool[np.ndarray, " neuron"]
    aligned: Float[np.ndarray, " neuron"]
    weight: Float[np.ndarray, " neuron"]

    @property
    def mean_share(self) -> float:
        """Mean over the neurons, weighted by their strength, in [0, 1]."""
        return float(self.share @ self.weight)

    @property
    def mean_aligned(self) -> float:
        """Mean cosine of the periodic neurons' phase residual, in [-1, 1]; nan if there is none."""
        known = self.aligned[self.periodic & ~np.isnan(self.aligned)]
        return float(known.mean()) if len(known) else float("nan")


@dataclass(frozen=True, eq=False)
class BetterOrdering:
    """An ordering that explains the neurons significantly better than the one they were read in.

    Attributes:
        better: The better one.
        read: The one that was read in.
        p: p-value of the paired comparison over neurons.
        by_phases: Whether only phases tell the two apart: the spectra are the same.
    """

    better: Explained
    read: Explained
    p: float
    by_phases: bool

    def sentence(self, task: Task) -> str:
        """The finding in words, with the options that read the network so."""
        better, read, operations = self.better, self.read, self.better.operations
        meant = " or ".join(WORDS.get(name, name) for name in operations)
        if self.by_phases:
            evidence = (
                f"The phases of {int(read.periodic.sum())} periodic neurons fit {meant} (mean cosine "
                f"{better.mean_aligned:.2f}), not the order that they were read in ({read.ordering.name}: "
                f"{read.mean_aligned:.2f})."
            )
        else:
            evidence = (
                f"Another order ({better.ordering.name}) explains the neurons better than the one that they were read "
                f"in ({read.ordering.name}): {int(better.periodic.sum())} are periodic instead of "
                f"{int(read.periodic.sum())}, and one frequency explains {100 * better.mean_share:.0f} % of a neuron "
                f"on average instead of {100 * read.mean_share:.0f} %."
            )
        own = getattr(task, "operation", None)
        if own in operations:
            return f"{evidence} It is the task's own: read the network in it (--ordering task)."
        options = ", ".join(f"--task {name}" for name in operations)
        question = f"{evidence} Was the task {meant} ({options})?"
        names = [name for name, (forward, _) in PAIRS.items() if forward in operations]
        if own is None or self.by_phases or not names:
            return question
        return f"{question} --ordering {names[0]} changes the order alone."


def candidate_orderings(p: int) -> dict[str, Ordering]:
    """Orderings of p tokens in which some network may be periodic: natural, and the discrete logarithm for a prime.

    Example:
        >>> {name: len(order) for name, order in candidate_orderings(13).items()}, list(candidate_orderings(12))
        ({'natural': 13, 'log': 12}, ['natural'])
    """
    names = PAIRS if is_prime(p) and p > 2 else ["natural"]
    orders = {name: group_ordering(PAIRS[name][0], p, name) for name in names}
    return {name: order for name, order in orders.items() if order is not None}


def better_ordering(
    network: Network, task: Task | None = None, *, site: str | None = None
) -> BetterOrdering | None:
    """Read the neurons in every candidate ordering, and compare with the order that the task has them read in.

    Weights over the tokens are compared, or, where the neurons have none, activations over all pairs of operands. An
    operation and its inverse (subtraction) have the same spectra; where an output is known, the phases tell them apart.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        task: The task that it is held to compute; read in natural order without an ordering.
        site: Hook name of the neurons; the model's last site if None. Dead neurons are left out.

    Returns:
        The candidate with the largest mean share, if the share is larger by at least .1, 1.5 times as many neurons are
        periodic (or as many, for .25) and the neurons' shares are significantly larger (Wilcoxon's signed-rank test,
        p < .01). Or one with the same spectra that the phases of periodic neurons fit, where they do not fit the order
        read in. Else None; also where the neurons are not read by tokens, or their order is given by a table.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = better_ordering(analytic_mlp("multiply", p=31), ModularTask("add", p=31))
        >>> result.better.ordering.name, result.better.operations
        ('discrete logarithm to base 3, without 0', ('multiply',))
    """
    subject = subject_of(network, task, site=site)
    task, strength = subject.task, subject.table["strength"]
    p, live = _tokens(subject), ~dead_neurons(strength, CRITERIA.dead_ratio)
    if p is None or live.sum() < FEWEST:
        return None
    columns_of = _reader(subject, p, np.where(live, strength, 0))
    stated = task.ordering or group_ordering("add", p)
    assert stated is not None
    columns = columns_of(stated)
    if columns is None:
        return None
    read = _explained(columns, stated, ())
    candidates = [
        candidate
        for name, order in candidate_orderings(p).items()
        for candidate in _directions(columns_of, name, order, p)
    ]
    own = _own_ordering(task)
    if own is not None and (columns := columns_of(own)) is not None:
        candidates.append(_explained(columns, own, (getattr(task, "operation", ""),)))
    for compare in (_more_periodic, _aligned):
        results = [result for one in candidates if (result := compare(one, read)) is not None]
        if results:
            return max(results, key=lambda result: result.better.mean_share)
    return None


def _own_ordering(task: Task) -> Ordering | None:
    """That of a polynomial whose network is read in another one; other operations' are candidates anyway."""
    operation, p = getattr(task, "operation", None), getattr(task, "p", None)
    if (
        operation is None
        or p is None
        or operation in OPERATIONS
        or getattr(task, "read_in", "task") == "task"
    ):
        return None
    return group_ordering(operation, p)


def _tokens(subject: Subject) -> int | None:
    """Number of values of an operand; None where neurons are not read by two tokens, or a table gives their order."""
    task, inputs, vectors = subject.task, subject.data.inputs, subject.place.input_vectors
    ordered_by_table = task.ordering is None and getattr(task, "positions", None) is not None
    if inputs.shape[1:] != (2,) or inputs.is_floating_point() or ordered_by_table:
        return None
    lengths = {vector.shape[1] for vector in vectors}
    if not vectors:
        return operands_of(task)
    return (operands_of(task) or lengths.pop()) if len(vectors) == 2 and len(lengths) == 1 else None


def _reader(subject: Subject, p: int, strength: np.ndarray) -> Reader:
    """A function that scores the neurons of a strength above 0 in an ordering; of activations the strongest ones."""
    site = subject.place
    if site.input_vectors:
        live = np.flatnonzero(strength)
        scores: Reader = partial(_of_weights, site, live)
    else:
        live = np.argsort(-strength, kind="stable")[: min(MOST_GRIDS, int((strength > 0).sum()))]
        activations = all_pairs_activations(subject.cached, subject.task, p, torch.as_tensor(live))
        scores = partial(_of_activations, activations, p)
    weight = {"weight": strength[live] / strength[live].sum()}

    def columns_of(ordering: Ordering) -> Columns | None:
        columns = scores(ordering)
        return None if columns is None else columns | weight

    return columns_of


def _of_weights(site: NeuronSite, live: np.ndarray, ordering: Ordering) -> Columns | None:
    """Scores of weights as in `interp.score`."""
    vectors = [vector[live] for vector in weight_vectors(site, ordering)[1]]
    columns = joint_scores(vectors, distinct=distinct_vectors(site), steps=steps_of(ordering, len(vectors)))
    share = np.nan_to_num(columns["frequency_share"])
    periodic = CRITERIA.periodic(benjamini_hochberg(columns["p_value"]), share)
    return {"share": share, "periodic": periodic} | {name: columns[name] for name in PHASE_COLUMNS}


def _of_activations(activations: torch.Tensor, p: int, ordering: Ordering) -> Columns | None:
    """Scores of activations over all pairs; None where the ordering has pairs that were not measured."""
    grid = grid_of(activations, p, ordering)
    if np.isnan(grid).any():
        return None
    share = np.nan_to_num(activity.explained_by_one_frequency(grid, ordering.steps)[0])
    return {"share": share, "periodic": share >= CRITERIA.min_share} | dict.fromkeys(
        PHASE_COLUMNS, np.full(len(share), np.nan)
    )


def _explained(columns: Columns, ordering: Ordering, operations: tuple[str, ...], turn: int = 1) -> Explained:
    left, right, output = (columns[name] for name in PHASE_COLUMNS)
    aligned = np.cos(left + turn * right - output)
    return Explained(ordering, operations, columns["share"], columns["periodic"], aligned, columns["weight"])


def _directions(columns_of: Reader, name: str, ordering: Ordering, p: int) -> Iterator[Explained]:
    """An ordering as it is, and with its second operand backwards; both at once where phases do not tell."""
    columns, (forward, backward) = columns_of(ordering), PAIRS[name]
    if columns is None:
        return
    one = _explained(columns, ordering, (forward,))
    turned = group_ordering(backward, p)
    assert turned is not None
    other = _explained(columns, turned, (backward,), turn=-1)
    difference = one.mean_aligned - other.mean_aligned
    if difference >= MIN_ALIGNED:
        yield one
    elif difference <= -MIN_ALIGNED:
        yield other
    else:
        yield replace(one, operations=(forward, backward))


def _more_periodic(better: Explained, read: Explained) -> BetterOrdering | None:
    """The comparison of shares, if it clearly favours the other order."""
    gain, counts = better.mean_share - read.mean_share, (int(better.periodic.sum()), int(read.periodic.sum()))
    ratio = 1.0 if gain >= CLEAR_GAIN else MIN_RATIO
    if gain < MIN_GAIN or counts[0] < max(FEWEST, ratio * counts[1]):
        return None
    p = _paired(better.share - read.share)
    return BetterOrdering(better, read, p, by_phases=False) if p < CRITERIA.alpha else None


def _aligned(better: Explained, read: Explained) -> BetterOrdering | None:
    """The comparison of phases, if the spectra are the same and it clearly favours the other order."""
    if len(better.operations) > 1 or not np.allclose(better.share, read.share, atol=SAME_SHARE):
        return None
    both = better.periodic & read.periodic & ~np.isnan(better.aligned) & ~np.isnan(read.aligned)
    if both.sum() < FEWEST or better.mean_aligned < read.mean_aligned + MIN_ALIGNED:
        return None
    p = _paired((better.aligned - read.aligned)[both])
    return BetterOrdering(better, read, p, by_phases=True) if p < CRITERIA.alpha else None


def _paired(difference: np.ndarray) -> float:
    """One-sided p-value of Wilcoxon's signed-rank test that the differences tend to be above 0."""
    from scipy.stats import wilcoxon  # takes half a second to import

    difference = difference[difference != 0]
    return float(wilcoxon(difference, alternative="greater").pvalue) if len(difference) >= FEWEST else 1.0
