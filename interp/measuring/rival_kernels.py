"""Compiled inner loops for each example's largest rivals, on CPU: see `interp.measuring.rivals`."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from interp.compiled import compiled, in_parts
from interp.measuring.kernels import HIDDEN


@compiled(fastmath=True)
def _raise_to(tops, change, weights, value):
    """Raise each neuron's largest rival to one more of them, and give the largest of what they are raised to."""
    for n in range(tops.shape[0]):
        raised = value + change[n] * weights[n]
        tops[n] = raised if raised > tops[n] else tops[n]


@compiled(fastmath=True)
def _passed(tops, change, low, high, value):
    """True if a class whose logit is at most `value` could pass the largest rival, for any neuron."""
    worst = HIDDEN
    for n in range(tops.shape[0]):
        up, down = change[n] * high[n], change[n] * low[n]
        most = value + (up if up > down else down) - tops[n]
        worst = most if most > worst else worst
    return worst > 0


@compiled(fastmath=True)
def _add_margins(tops, change, own, truth, of_label, of_true, same, least, hits, sums):
    """Count the right answers without each neuron alone, and add up the margins."""
    for n in range(tops.shape[0]):
        mine, true, top = own + change[n] * of_label[n], truth + change[n] * of_true[n], tops[n]
        first = mine - (top if same or top > true else true)
        second = true - (top if same or top > mine else mine)
        hits[0, n] += first > least
        hits[1, n] += second > least
        sums[0, n] += first
        sums[1, n] += second


@compiled(fastmath=True)
def _rivals_part(
    part, n_parts, counts, sums, left_out, change, weights, extremes, own, values, classes, labels, true_labels,
    group, complete, least,
):  # fmt: skip
    """Every `n_parts`-th example of `effects_on_rivals`."""
    kept, tops = values.shape[1], np.empty(change.shape[1], np.float32)
    for i in range(part, change.shape[0], n_parts):
        moved, open_ = change[i], True
        tops[:] = HIDDEN
        for j in range(kept):
            if open_:
                _raise_to(tops, moved, weights[classes[i, j]], values[i, j])
                following = values[i, j + 1] if j + 1 < kept else values[i, j]
                open_ = _passed(tops, moved, extremes[0], extremes[1], following)
        if open_ and not complete:
            left_out[i] = True
        else:
            a, b, g = labels[i], true_labels[i], group[i]
            _add_margins(
                tops, moved, own[0, i], own[1, i], weights[a], weights[b], a == b, least, counts[part, g],
                sums[part, g],
            )  # fmt: skip


def effects_on_rivals(
    change, weights, own, values, classes, labels, true_labels, group, complete, n_groups, n_workers, tolerance,
):  # fmt: skip
    """Right answers and margins after changing each neuron alone, from the largest rivals of each example.

    A class that is not among them has at most the logit of the last. Where that and the extreme weights of a neuron do
    not prove that such a class stays behind, for every neuron, the example is left out.

    Args:
        change: New minus old activation, ``(example, neuron)``, C-contiguous float32.
        weights: Of the readout, ``(output, neuron)``, C-contiguous float32.
        own, values, classes, complete: As in `interp.measuring.rivals.Rivals`.

    Returns:
        Counts and sums as `single_effects`, and the examples that were left out.
    """
    shape = n_workers, n_groups, 2, change.shape[1]
    counts, sums = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    left_out = np.zeros(len(change), dtype=bool)
    extremes = np.stack([weights.min(axis=0), weights.max(axis=0)])
    in_parts(
        _rivals_part, n_workers, counts, sums, left_out, change, weights, extremes, own, values, classes,
        labels, true_labels, group, complete, np.float32(tolerance),
    )  # fmt: skip
    return counts.sum(axis=0), sums.sum(axis=0), left_out


@compiled()
def _largest_part(part, n_parts, logits, labels, true_labels, values, classes):
    """Every `n_parts`-th example of `largest_rivals`."""
    kept = values.shape[1]
    for i in range(part, logits.shape[0], n_parts):
        row, a, b, top, which = logits[i], labels[i], true_labels[i], values[i], classes[i]
        top[:] = -np.inf
        which[:] = 0
        least = top[kept - 1]
        for c in range(row.shape[0]):
            value = row[c]
            if value > least and c != a and c != b:
                j = kept - 1
                while j > 0 and top[j - 1] < value:
                    top[j], which[j] = top[j - 1], which[j - 1]
                    j -= 1
                top[j], which[j] = value, c
                least = top[kept - 1]


def largest_rivals(n_workers, logits, labels, true_labels, values, classes):
    """Fill in the largest logits of each example beside those of its labels, in descending order, and their classes.

    Args:
        logits: ``(example, output)``, C-contiguous float32; without NaN.
        values, classes: ``(example, rival)``; minus infinity and class 0 where there are no more classes.
    """
    in_parts(_largest_part, n_workers, logits, labels, true_labels, values, classes)
