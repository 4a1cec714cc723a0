"""Descriptions of neurons: predicates of the inputs that hold of the inputs by which a neuron is most active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from scipy.special import gammaln

MOST = 0.5
"""Share of the inputs from which ties at the threshold are no exemplars."""


@dataclass(frozen=True, eq=False)
class Predicates:
    """Candidates for descriptions: properties that each input has or does not have.

    Attributes:
        names: Of the predicates.
        holds: Which inputs have each property.
        classes: For each predicate that is a class of a variable's values the variable's name, else an empty text.
        variables: Values of these variables. Inputs that share a value share what a neuron does with it, so that they
            are no independent evidence for a class of values; see `class_p_values`.

    Raises:
        ValueError: There are not as many names as predicates, a name occurs twice, or a variable is missing.

    Example:
        >>> a = np.arange(6)
        >>> Predicates(("a = 0", "a is even"), np.stack([a == 0, a % 2 == 0]), ("", "a"), {"a": a}).classes
        ('', 'a')
    """

    names: tuple[str, ...]
    holds: Bool[np.ndarray, "predicate example"]
    classes: tuple[str, ...]
    variables: Mapping[str, Int[np.ndarray, " example"]]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.holds) == len(self.classes):
            raise ValueError(
                f"{len(self.names)} names and {len(self.classes)} classes of {len(self.holds)} predicates"
            )
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"two predicates are named {twice!r}")
        if missing := set(self.classes) - {"", *self.variables}:
            raise ValueError(f"no values of the variable {missing.pop()!r}")

    def __len__(self) -> int:
        return len(self.names)

    def at(self, rows: Int[np.ndarray, " row"]) -> Predicates:
        """The same of some inputs."""
        variables = {name: values[rows] for name, values in self.variables.items()}
        return Predicates(self.names, self.holds[:, rows], self.classes, variables)

    def varying(self, rows: Int[np.ndarray, " row"]) -> Predicates:
        """Those that hold of some of these inputs, and not of all; of several that hold of the same ones the first."""
        holds = self.holds[:, rows]
        first: dict[bytes, int] = {}
        for place, row in enumerate(np.packbits(holds, axis=1)):
            first.setdefault(row.tobytes(), place)
        kept = [place for place in first.values() if holds[place].any() and not holds[place].all()]
        names, classes = ([values[i] for i in kept] for values in (self.names, self.classes))
        return Predicates(tuple(names), self.holds[kept], tuple(classes), self.variables)


def exemplars(
    activations: Float[np.ndarray, "example neuron"], quantile: float = 0.99, fewest: int = 10
) -> Bool[np.ndarray, "example neuron"]:
    """Mask of the inputs with a neuron's highest activations.

    They are the share ``1 - quantile`` of the inputs, or `fewest` if these are more, and all that tie with the last of
    them. Where ties make up more than half of the inputs and others are above them, as those of a ReLU that is mostly
    off, only those above count, however few. A constant neuron has none.

    Raises:
        ValueError: The quantile is not in [0, 1), or there are no more inputs than `fewest`.

    Example:
        >>> exemplars(np.array([[0.1, 0, 2], [0.9, 0, 2], [0.5, 0, 2], [0.2, 1, 2]]), fewest=2).sum(0).tolist()
        [2, 1, 0]
    """
    n = len(activations)
    if not 0 <= quantile < 1:
        raise ValueError(f"quantile={quantile}; expected a share of the inputs, at least 0 and below 1")
    if not 1 <= fewest < n:
        raise ValueError(f"fewest={fewest}; expected a number from 1 to below that of the inputs, {n}")
    place = max(fewest, round((1 - quantile) * n))
    least = np.partition(activations, n - place, axis=0)[n - place]
    inside = activations >= least
    tied = (inside.mean(0) > MOST) & ((activations.max(0) > least) | (activations.min(0) == least))
    inside[:, tied] = activations[:, tied] > least[tied]
    return inside


def shares(
    exemplar: Bool[np.ndarray, "example neuron"], holds: Bool[np.ndarray, "predicate example"]
) -> Float[np.ndarray, "neuron predicate"]:
    """Share of each neuron's exemplars of which a predicate holds, p(d | E); nan without exemplars."""
    with np.errstate(invalid="ignore"):
        return _counts(exemplar, holds) / exemplar.sum(0)[:, None]


def information(
    exemplar: Bool[np.ndarray, "example neuron"],
    holds: Bool[np.ndarray, "predicate example"],
    weight: float = 1.0,
) -> Float[np.ndarray, "neuron predicate"]:
    """Pointwise mutual information of predicates and exemplars: log p(d | E) - weight * log p(d), in nats.

    At a weight of 1 a predicate that holds of one exemplar, and of no other input, scores as high as one that holds of
    exactly the exemplars. Below 1 the score prefers predicates that hold of more exemplars. Minus infinity where a
    predicate holds of none; nan without exemplars.

    Example:
        >>> a = np.arange(8)
        >>> holds = np.stack([a == 0, a < 2])
        >>> information((a < 2)[:, None], holds).round(2).tolist()
        [[1.39, 1.39]]
        >>> information((a < 2)[:, None], holds, 0.5).round(2).tolist()
        [[0.35, 0.69]]
    """
    with np.errstate(divide="ignore"):
        return np.log(shares(exemplar, holds)) - weight * np.log(holds.mean(1))


def exemplar_p_values(
    exemplar: Bool[np.ndarray, "example neuron"], holds: Bool[np.ndarray, "predicate example"]
) -> Float[np.ndarray, "neuron predicate"]:
    """Probability that a predicate holds of so many exemplars or more, were these a random sample of the inputs.

    One-sided and exact (hypergeometric); 1 without exemplars. Assumes that inputs are independent of each other.

    Example:
        >>> a = np.arange(8)
        >>> exemplar_p_values((a < 2)[:, None], np.stack([a < 2, a >= 0])).round(4).tolist()
        [[0.0357, 1.0]]
    """
    n, counts = len(exemplar), _counts(exemplar, holds)
    sizes, sets, log_factorial = holds.sum(1), exemplar.sum(0), gammaln(np.arange(n + 1) + 1.0)

    def log_choose(of: Any, some: Any) -> Any:
        return log_factorial[of] - log_factorial[some] - log_factorial[of - some]

    p = np.ones(counts.shape)
    for drawn, size in {(int(drawn), int(size)) for drawn in sets[sets > 0] for size in sizes}:
        least, most = max(0, drawn + size - n), min(drawn, size)
        hits = np.arange(least, most + 1)
        log_mass = log_choose(size, hits) + log_choose(n - size, drawn - hits) - log_choose(n, drawn)
        tail = np.minimum(np.cumsum(np.exp(log_mass)[::-1])[::-1], 1.0)
        some = np.ix_(sets == drawn, sizes == size)
        p[some] = tail[counts[some] - least]
    return p


def class_p_values(
    activations: Float[np.ndarray, "example neuron"],
    values: Int[np.ndarray, " example"],
    holds: Bool[np.ndarray, "predicate example"],
) -> Float[np.ndarray, "neuron predicate"]:
    """Significance of a class of a variable's values, were these values renamed at random.

    A neuron with random weights prefers some values of an operand, and by chance most of them are of one class; inputs
    with the same value then all say so. Here values are what is independent: the mean activations of those in the class
    are compared with those of the others by the rank sum (Mann and Whitney, one-sided, with its normal approximation,
    which is conservative in the tail).

    Raises:
        ValueError: A predicate is no function of the values, or the same for all.

    Example:
        >>> values = np.arange(12).repeat(2)
        >>> even = (values % 2 == 0)[None]
        >>> class_p_values(np.stack([even[0], values < 6], 1) * 1.0, values, even).round(3).tolist()
        [[0.001], [0.537]]
    """
    known, place = np.unique(values, return_inverse=True)
    count = np.bincount(place)
    inside = np.zeros((len(holds), len(known)))
    for row, mask in enumerate(holds):
        inside[row] = np.bincount(place, mask) / count
    if not np.isin(inside, (0, 1)).all() or not ((inside.sum(1) > 0) & (inside.sum(1) < len(known))).all():
        raise ValueError("a class holds of some inputs with a value only, or of all values, or of none")
    means = np.stack([np.bincount(place, column) / count for column in activations.T])
    p = np.ones((len(means), len(holds)))
    varied = means.max(1) > means.min(1)
    for row, mask in enumerate(inside.astype(bool)):
        groups = means[varied][:, mask], means[varied][:, ~mask]
        p[varied, row] = stats.mannwhitneyu(
            *groups, alternative="greater", axis=1, method="asymptotic"
        ).pvalue
    return p


def p_values(
    activations: Float[np.ndarray, "example neuron"],
    exemplar: Bool[np.ndarray, "example neuron"],
    predicates: Predicates,
) -> Float[np.ndarray, "neuron predicate"]:
    """`exemplar_p_values`, and for classes of a variable's values the larger of these and `class_p_values`."""
    p = exemplar_p_values(exemplar, predicates.holds)
    for name in dict.fromkeys(predicates.classes):
        if name:
            columns = np.flatnonzero(np.array(predicates.classes) == name)
            classes = class_p_values(activations, predicates.variables[name], predicates.holds[columns])
            p[:, columns] = np.maximum(p[:, columns], classes)
    return p


@dataclass(frozen=True, eq=False)
class Choice:
    """The predicate that describes each neuron, chosen on some inputs.

    Attributes:
        predicate: Its index; -1 where none is significant.
        p_value: The smallest of the neuron's p-values, times the number of predicates (Bonferroni), at most 1.
        q_value: False-discovery rate of the neurons that are described at this p-value (Benjamini and Hochberg).
        exemplars: Number of the neuron's exemplars.
    """

    predicate: Int[np.ndarray, " neuron"]
    p_value: Float[np.ndarray, " neuron"]
    q_value: Float[np.ndarray, " neuron"]
    exemplars: Int[np.ndarray, " neuron"]


def choose(
    activations: Float[np.ndarray, "example neuron"],
    predicates: Predicates,
    *,
    quantile: float = 0.99,
    weight: float = 0.2,
    level: float = 0.05,
    fewest: int = 10,
) -> Choice:
    """Describe each neuron by the significant predicate with the most `information` on its `exemplars`.

    A neuron is described if its smallest p-value is significant: corrected for the number of predicates, and among all
    neurons at a false-discovery rate of `level`. Of its predicates those count that are significant at the level which
    is left to each described neuron, so that wrong ones among them are as rare (Benjamini and Bogomolov 2014).

    Args:
        weight: Of log p(d), see `information`.

    Example:
        >>> a = np.random.default_rng(0).integers(0, 6, 400)
        >>> predicates = Predicates(("a = 1", "a < 3"), np.stack([a == 1, a < 3]), ("", ""), {})
        >>> noise = np.random.default_rng(1).normal(size=(400, 2))
        >>> choose(noise + 9 * np.stack([a == 1, a < 0], 1), predicates).predicate.tolist()
        [0, -1]
    """
    inside = exemplars(activations, quantile, fewest)
    n = activations.shape[1]
    if not len(predicates) or not n:
        return Choice(np.full(n, -1), np.ones(n), np.ones(n), inside.sum(0))
    corrected = np.minimum(len(predicates) * p_values(activations, inside, predicates), 1.0)
    smallest = corrected.min(1)
    q = stats.false_discovery_control(smallest)
    described = q <= level
    usable = (corrected <= level * described.mean()) & described[:, None]
    score = np.where(usable, information(inside, predicates.holds, weight), -np.inf)
    return Choice(np.where(described, score.argmax(1), -1), smallest, q, inside.sum(0))


def _counts(
    exemplar: Bool[np.ndarray, "example neuron"], holds: Bool[np.ndarray, "predicate example"]
) -> Int[np.ndarray, "neuron predicate"]:
    """Exemplars of which a predicate holds; exact in float32 below 2**24 inputs, and far faster than whole numbers."""
    precision = np.float32 if len(exemplar) < 2**24 else np.float64
    return np.rint(exemplar.T.astype(precision) @ holds.T.astype(precision)).astype(np.int64)
