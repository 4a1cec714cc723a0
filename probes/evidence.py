"""Evidence that neurons serve a rule or remember examples, with p-values whose nulls can be drawn.

The rule is judged on held-out examples, memory by comparing training with held-out examples of the same true class.
Effects are what a neuron adds to the logits: activation times readout where all that follows is linear, else what its
removal changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from probes.permutation import permuted_traces

BLOCK = 4_000_000
"""Activations that are held in double precision at once."""
MIN_EFFECTIVE = 8.0
"""Examples that must carry an effect for its normal p-value."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Labels and membership of the examples that evidence is taken from, ``(example,)`` each.

    Attributes:
        labels: Classes as trained on.
        classes: True classes.
        trained: Mask of the training examples whose memory is asked for.
        held_out: Mask of the held-out examples.
        n_classes: Number of the network's outputs.
        against_true: Take what a neuron adds to the label beyond what it adds to the true class, for examples whose
            label is wrong; else beyond the mean over classes.
    """

    labels: Int[np.ndarray, " example"]
    classes: Int[np.ndarray, " example"]
    trained: Bool[np.ndarray, " example"]
    held_out: Bool[np.ndarray, " example"]
    n_classes: int
    against_true: bool = False

    @cached_property
    def sizes(self) -> Float[np.ndarray, "two true"]:
        """Training and held-out examples of each true class, of those that have both."""
        masks = (self.trained, self.held_out)
        counts = np.stack([np.bincount(self.classes[m], minlength=self.n_classes) for m in masks])
        return (counts * (counts > 0).all(0)).astype(float)

    @cached_property
    def counts(self) -> Float[np.ndarray, "true label"]:
        """Training examples by true class and label, of classes that also have held-out examples."""
        pairs = self.classes[self.trained] * self.n_classes + self.labels[self.trained]
        counts = np.bincount(pairs, minlength=self.n_classes**2).reshape(-1, self.n_classes)
        return counts * (self.sizes[0] > 0)[:, None].astype(float)

    @cached_property
    def weights(self) -> Float[np.ndarray, "true output"]:
        """For a held-out example of each true class, how much each of its logits counts for the training examples."""
        return self.counts - np.diag(self.sizes[0]) if self.against_true else self.counts

    @cached_property
    def trained_rows(self) -> np.ndarray:
        """The training examples that are compared, sorted by true class."""
        return self.in_classes(self.trained)

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """The held-out examples that they are compared with, sorted by true class."""
        return self.in_classes(self.held_out)

    def in_classes(self, mask: np.ndarray) -> np.ndarray:
        """Rows of the mask whose true class has both kinds, sorted by class."""
        rows = np.flatnonzero(mask & (self.sizes[0] > 0)[self.classes])
        return rows[np.argsort(self.classes[rows], kind="stable")]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence that each neuron serves something, ``(neuron,)`` each.

    Attributes:
        effect: What the neuron adds for it to a logit, mean over the examples; NaN where there are none.
        p: One-sided p-value; NaN where it cannot be tested.
    """

    effect: Float[np.ndarray, " neuron"]
    p: Float[np.ndarray, " neuron"]


def rule_evidence(
    activations: Float[np.ndarray, "example neuron"],
    readout: Float[np.ndarray, "neuron output"],
    classes: Int[np.ndarray, " example"],
    seed: int = 0,
) -> Evidence:
    """Evidence that each neuron raises the right class of held-out examples, by permuting its readout over classes.

    The effect is the covariance of activation and readout over the classes, sum_c f_c (m_c - m) W_c with f_c the
    share and m_c the mean activation of class c: what the neuron adds to the true class of an example beyond what it
    adds to that class anyway. Its null is that the readout is assigned to the classes at random, as in a network
    that was never trained, or trained on random labels; that activations differ between classes is no evidence.

    Args:
        activations: On held-out examples.
        classes: Their true classes. With fewer than five of them p is NaN.
        seed: Of the permutations, where there are too many to take all.

    Example:
        >>> classes = np.repeat(np.arange(9), 20)
        >>> fires = (classes == 3)[:, None] * 1.0
        >>> weights = np.eye(9)[[3]]
        >>> evidence = rule_evidence(fires, weights, classes)
        >>> evidence.effect.round(3).tolist(), bool(evidence.p[0] > 0.1)   # one class alone can be chance: 1 in 9
        ([0.099], True)
    """
    return rule_evidence_of_sums(sums_by_class(activations, classes), readout, classes, seed)


def rule_evidence_of_sums(
    sums: Float[np.ndarray, "present neuron"],
    readout: Float[np.ndarray, "neuron output"],
    classes: Int[np.ndarray, " example"],
    seed: int = 0,
) -> Evidence:
    """The same from the sums of activations over the examples of each class that there is, in ascending order."""
    present, counts = np.unique(classes, return_counts=True)
    if not len(classes):
        return _nothing(readout.shape[0])
    share, means = counts / counts.sum(), sums / counts[:, None]
    left = (share[:, None] * (means - share @ means)).T
    right = np.asarray(readout[:, present], np.float64)
    right = right - right.mean(1, keepdims=True)
    return _permuted(left, right, seed)


def rule_evidence_of_effects(
    tables: Float[np.ndarray, "neuron true output"], sizes: Int[np.ndarray, " true"], seed: int = 0
) -> Evidence:
    """The same where what follows the neurons is not linear, from their effects by true class.

    With G[c, k] what a neuron adds to logit k, mean over held-out examples of class c, the effect is sum_c f_c
    (G[c, c] - G[., c]); its null permutes the columns.

    Args:
        tables: G of each neuron.
        sizes: Held-out examples of each class.

    Example:
        >>> classes, rng = np.repeat(np.arange(9), 20), np.random.default_rng(0)
        >>> x, w = rng.normal(size=(180, 1)), rng.normal(size=(1, 9))
        >>> G = np.stack([(x[classes == c] * w).mean(0) for c in range(9)])[None]
        >>> linear = rule_evidence(x, w, classes)
        >>> bool(np.isclose(linear.effect, rule_evidence_of_effects(G, np.full(9, 20)).effect).all())
        True
    """
    present = np.flatnonzero(sizes)
    if not len(present):
        return _nothing(len(tables))
    share = sizes[present] / sizes.sum()
    tables = tables[:, present][:, :, present]
    centred = share[:, None] * (tables - np.einsum("c,nck->nk", share, tables)[:, None])
    return _permuted(centred, None, seed)


def memory_evidence(
    activations: Float[np.ndarray, "example neuron"],
    readout: Float[np.ndarray, "neuron output"],
    examples: Examples,
) -> Evidence:
    """Evidence of membership: a neuron serves the labels of training examples more than held-out ones of their class.

    Over training examples i of true class c, sum a_i (x_i - mean of x over held-out examples of c), with x the
    activation and a_i the readout of the label; its variance is sum_c S_c^2 (sum a_i^2 + (sum a_i)^2 / held-out
    examples of c), S_c^2 that of x within the class. Neither two classes nor noise that depends on the class are in
    its way, and nobody needs to know which labels are wrong. The null: within a true class, training and held-out
    examples are exchangeable. So it is not valid where wrong labels depend on the input itself. Normal, so it assumes
    many examples; p is NaN where fewer than 8 carry the effect.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> classes, trained = np.arange(400) % 2, np.arange(400) < 200
        >>> x = rng.normal(size=(400, 2))
        >>> x[trained, 0] += 1   # the first neuron knows who was trained on
        >>> labels = np.where(trained, 1, classes)
        >>> examples = Examples(labels, classes, trained, ~trained, 2)
        >>> (memory_evidence(x, np.array([[-1.0, 1.0]] * 2), examples).p < 0.01).tolist()
        [True, False]
    """
    rows, others, n = examples.trained_rows, examples.held_out_rows, len(readout)
    if not len(rows) or not n:
        return _nothing(n)
    step = max(1, BLOCK // len(activations))
    parts = [
        _memory_of_some(activations[:, i : i + step], readout[i : i + step], examples, rows, others)
        for i in range(0, n, step)
    ]
    return joined(parts)


def _memory_of_some(
    activations: np.ndarray, readout: np.ndarray, examples: Examples, rows: np.ndarray, others: np.ndarray
) -> Evidence:
    """`memory_evidence` of neurons that are worked on together, from training and held-out examples."""
    weights = np.asarray(readout, np.float64)
    weights = weights - weights.mean(1, keepdims=True)
    c, held, counts = examples.n_classes, examples.sizes[1][:, None], examples.counts
    x, y = (np.asarray(activations[chosen], np.float64) for chosen in (rows, others))
    by_class, by_held = _class_sums(x, examples.classes[rows], c), _class_sums(y, examples.classes[others], c)
    labels, classes = examples.labels[rows], examples.classes[rows]
    by_label = by_class if np.array_equal(labels, classes) else _class_sums(x, labels, c)
    first, second = counts @ weights.T, counts @ np.square(weights.T)
    total = (weights.T * by_label).sum(0)
    if examples.against_true:
        size, own = examples.sizes[0][:, None], weights.T
        total = total - (own * by_class).sum(0)
        second = second - 2 * own * first + size * np.square(own)
        first = first - size * own
    held = np.maximum(held, 1)
    effect = total - (first * by_held / held).sum(0)
    squares, effective = _within(x, y, examples.classes[rows], examples.classes[others], by_class + by_held)
    return _normal(effect, (squares * (second + np.square(first) / held)).sum(0), effective, len(rows))


def memory_of_effects(
    label: Float[np.ndarray, "neuron example"],
    reference: Float[np.ndarray, "neuron example"],
    weighted: Float[np.ndarray, "neuron example"],
    table: Float[np.ndarray, "neuron true output"],
    examples: Examples,
) -> Float[np.ndarray, "neuron three"]:
    """The same where what follows the neurons is not linear, from sums of what each adds to the logits.

    Args:
        label: What it adds to the label's logit.
        reference: What it adds to the logits' mean, or, with `against_true`, to that of the true class.
        weighted: Over held-out examples, what it adds to each logit beyond their mean, weighted by
            `Examples.weights`.
        table: Sums over held-out examples of what it adds to each logit, by true class.

    Returns:
        Total effect, its variance, and how many examples carry it, to give to `memory_evidence_of`.
    """
    rows, others = (examples.in_classes(m) for m in (examples.trained, examples.held_out))
    if not len(rows):
        return np.tile([np.nan, np.nan, 0.0], (len(label), 1))
    classes, labels, held = examples.classes, examples.labels, np.maximum(examples.sizes[1], 1)
    means = table / held[:, None]
    own = means.mean(2) if not examples.against_true else np.diagonal(means, axis1=1, axis2=2)
    expected = means[:, classes[rows], labels[rows]] - own[:, classes[rows]]
    squared = np.asarray(label[:, rows], np.float64) - reference[:, rows] - expected
    total = squared.sum(1)
    np.square(squared, out=squared)
    base = np.asarray(weighted[:, others], np.float64).T
    centre = _class_sums(base, classes[others], examples.n_classes) / held[:, None]
    spread = np.square(base - centre[classes[others]]) / np.square(held[classes[others]])[:, None]
    effective = squared.sum(1) ** 2 / np.maximum(np.square(squared).sum(1), 1e-300)
    return np.stack([total, squared.sum(1) + spread.sum(0), effective], axis=1)


def memory_evidence_of(sums: Float[np.ndarray, "neuron three"], examples: Examples) -> Evidence:
    """Evidence of membership from the sums of `memory_of_effects`, a row a neuron."""
    effect, variance, effective = np.asarray(sums, float).T
    return _normal(effect, variance, effective, int(examples.sizes[0].sum()))


def sums_by_class(
    activations: Float[np.ndarray, "example neuron"], classes: Int[np.ndarray, " example"]
) -> Float[np.ndarray, "present neuron"]:
    """Sums over the examples of each class that there is, in ascending order."""
    present, inverse = np.unique(classes, return_inverse=True)
    return _class_sums(activations, inverse, len(present))


def joined(parts: Sequence[Evidence]) -> Evidence:
    """Evidence on some neurons after others, as one."""
    return Evidence(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("effect", "p")))


def either(first: Evidence, second: Evidence) -> tuple[Evidence, Bool[np.ndarray, " neuron"]]:
    """The stronger of two kinds of evidence for each neuron, paid for by twice its p-value, and where it is the second.

    Example:
        >>> one = lambda p: Evidence(np.ones(1), np.array([p]))
        >>> evidence, second = either(one(0.4), one(0.001))
        >>> evidence.p.tolist(), second.tolist()
        ([0.002], [True])
    """
    p = np.stack([first.p, second.p])
    later = np.where(np.isnan(p), np.inf, p).argmin(0).astype(bool)
    both = ~np.isnan(p).any(0)
    smaller = np.where(later, second.p, first.p)
    return Evidence(
        np.where(later, second.effect, first.effect), np.minimum(smaller * (1 + both), 1.0)
    ), later


def _permuted(left: np.ndarray, right: np.ndarray | None, seed: int) -> Evidence:
    """Evidence from the trace of ``left`` (a table), or of its product with ``right``."""
    return Evidence(*permuted_traces(left, right, seed))


def _class_sums(values: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Sums over the examples of each class, ``(class, column)``."""
    order = None
    if len(classes) and (classes[1:] < classes[:-1]).any():
        small = classes.astype(np.int16) if n_classes <= np.iinfo(np.int16).max else classes
        order = np.argsort(small, kind="stable")  # by its digits
    ordered = classes if order is None else classes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    present = ordered[starts]
    sums, step = np.zeros((n_classes, values.shape[1])), max(1, BLOCK // max(1, len(values)))
    for i in range(0, values.shape[1] if len(present) else 0, step):
        some = np.asarray(values[:, i : i + step], np.float64)
        some = some if order is None else some[order]
        sums[present, i : i + step] = np.add.reduceat(some, starts, axis=0)
    return sums


def _within(
    x: np.ndarray, y: np.ndarray, of_x: np.ndarray, of_y: np.ndarray, sums: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance within each class, training and held-out examples together, and how many examples carry it."""
    size = np.bincount(np.concatenate([of_x, of_y]), minlength=len(sums)).astype(float)[:, None]
    means = sums / np.maximum(size, 1)
    squares, fourth = np.zeros_like(sums), np.zeros(sums.shape[1])
    for values, classes in ((x, of_x), (y, of_y)):
        square = np.square(values - means[classes])
        squares += _class_sums(square, classes, len(sums))
        fourth += np.square(square).sum(0)
    effective = np.square(squares.sum(0)) / np.maximum(fourth, 1e-300)
    return squares / np.maximum(size - 1, 1), effective


def _normal(effect: np.ndarray, variance: np.ndarray, effective: np.ndarray, n: int) -> Evidence:
    known = variance > 0
    z = effect / np.sqrt(np.where(known, variance, 1.0))
    return Evidence(effect / max(n, 1), np.where(known & (effective >= MIN_EFFECTIVE), ndtr(-z), np.nan))


def _nothing(n: int) -> Evidence:
    return Evidence(np.full(n, np.nan), np.full(n, np.nan))
