"""Compiled inner loops of removal curves and single-neuron effects, for CPU.

Where all that follows the neurons is linear, changing neuron n adds the outer product of its change of activation
and its output weights to the logits. Both kernels keep a block of logit rows in cache, apply one such update after
another (the cumulative one two at a time), and take each row's maximum in the same pass.

The logits of an example's label and true label are kept apart from its row, where a huge negative number stands for
them: the row's maximum is then over all other classes, and an answer is right if its logit is above that and above
the other special one. A tie is no answer.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit, prange

BLOCK = 64
HIDDEN = np.float32(-1e30)


def compiled(**how):
    """A decorator that compiles a function, and keeps the result on the disk where there is a place for it."""

    def compile_one(function):
        try:
            return njit(cache=True, **how)(function)
        except RuntimeError:  # neither the installation nor a home can be written to
            return njit(**how)(function)

    return compile_one


@compiled()
def _load(logits, start, labels, true_labels, rows, own, truth):
    """Copy a block of logit rows, moving the two special logits of each out of it."""
    for i in range(min(BLOCK, logits.shape[0] - start)):
        for c in range(logits.shape[1]):
            rows[i, c] = logits[start + i, c]
        own[i], truth[i] = rows[i, labels[start + i]], rows[i, true_labels[start + i]]
        rows[i, labels[start + i]] = HIDDEN
        rows[i, true_labels[start + i]] = HIDDEN


@compiled(fastmath=True)
def _advance(rows, n, weights_1, weights_2, change_1, change_2, factor_2, tops):
    """Apply two updates to each row in place, and note its maximum after either."""
    for i in range(n):
        amount_1, amount_2 = change_1[i], factor_2 * change_2[i]
        top_1 = top_2 = HIDDEN
        for c in range(rows.shape[1]):
            value = rows[i, c] + amount_1 * weights_1[c]
            top_1 = max(top_1, value)
            value += amount_2 * weights_2[c]
            top_2 = max(top_2, value)
            rows[i, c] = value
        tops[0, i], tops[1, i] = top_1, top_2


@compiled(fastmath=True)
def _count(n, weights, change, answers, top, tolerance, counts):
    """Apply an update to the special logits, and count the right answers by label and by true label."""
    label, true_label, group, own, truth = answers
    for i in range(n):
        a, b = label[i], true_label[i]
        own[i] += change[i] * weights[a]
        truth[i] += change[i] * weights[b]
        same, least = a == b, top[i] + tolerance
        counts[group[i], 0] += (own[i] > least) & (same | (own[i] > truth[i] + tolerance))
        counts[group[i], 1] += (truth[i] > least) & (same | (truth[i] > own[i] + tolerance))


@compiled(parallel=True, fastmath=True)
def cumulative_hits(
    change, readout, order, logits, labels, true_labels, group, n_groups, n_workers, tolerance
):
    """Right answers while neurons are changed one after another and stay changed.

    Args:
        change: New minus old activation, ``(neuron, example)``, C-contiguous float32.
        readout, logits: ``(neuron, output)``, and ``(example, output)`` of the unchanged network, float32.
        order: Neurons in the order in which they are changed, ``(step,)``.
        labels, true_labels, group: As trained on, by the rule, and a number below `n_groups`, ``(example,)`` each.
        n_workers: Parts that the examples are worked on in.
        tolerance: An answer is right if its logit is above all others by more than this.

    Returns:
        Counts ``(step + 1, group, 2)`` of right answers by label and by true label, and the final logits.
    """
    n_steps, least = order.shape[0], np.float32(tolerance)
    counts = np.zeros((n_workers, n_steps + 2, n_groups, 2), dtype=np.int64)
    final = np.empty_like(logits)
    for worker in prange(n_workers):
        own, truth = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
        rows, tops = np.empty((BLOCK, logits.shape[1]), np.float32), np.empty((2, BLOCK), np.float32)
        for start in range(worker * BLOCK, logits.shape[0], n_workers * BLOCK):
            end = min(start + BLOCK, logits.shape[0])
            n, label, true_label = end - start, labels[start:end], true_labels[start:end]
            mine, groups = counts[worker], group[start:end]
            _load(logits, start, labels, true_labels, rows, own, truth)
            for i in range(n):
                tops[0, i] = rows[i].max()
            none = np.zeros(n, np.float32)
            answers = label, true_label, groups, own, truth
            _count(n, readout[0], none, answers, tops[0], least, mine[0])
            for step in range(0, n_steps, 2):
                first, second = order[step], order[min(step + 1, n_steps - 1)]
                weights_1, weights_2 = readout[first], readout[second]
                change_1, change_2 = change[first, start:end], change[second, start:end]
                factor_2 = np.float32(step + 1 < n_steps)
                _advance(rows, n, weights_1, weights_2, change_1, change_2, factor_2, tops)
                _count(n, weights_1, change_1, answers, tops[0], least, mine[step + 1])
                if step + 1 < n_steps:
                    _count(n, weights_2, change_2, answers, tops[1], least, mine[step + 2])
            for i in range(n):
                rows[i, label[i]], rows[i, true_label[i]] = own[i], truth[i]
                final[start + i] = rows[i]
    return counts[:, : n_steps + 1].sum(axis=0), final


@compiled(parallel=True, fastmath=True)
def single_effects(change, readout, logits, labels, true_labels, group, n_groups, n_workers, tolerance):
    """Right answers and margins after changing each neuron alone; arguments as in `cumulative_hits`.

    Returns:
        Counts ``(neuron, group, 2)`` of right answers and sums of margins of the same shape.
    """
    width = readout.shape[0]
    counts = np.zeros((n_workers, width, n_groups, 2), dtype=np.int64)
    sums = np.zeros((n_workers, width, n_groups, 2), dtype=np.float64)
    for worker in prange(n_workers):
        own, truth = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
        rows = np.empty((BLOCK, logits.shape[1]), np.float32)
        for start in range(worker * BLOCK, logits.shape[0], n_workers * BLOCK):
            _load(logits, start, labels, true_labels, rows, own, truth)
            for neuron in range(width):
                weights = readout[neuron]
                for i in range(min(BLOCK, logits.shape[0] - start)):
                    label, true_label, g = labels[start + i], true_labels[start + i], group[start + i]
                    amount = change[neuron, start + i]
                    top = HIDDEN
                    for c in range(rows.shape[1]):
                        top = max(top, rows[i, c] + amount * weights[c])
                    mine = own[i] + amount * weights[label]
                    true = truth[i] + amount * weights[true_label]
                    same = label == true_label
                    margin = mine - (top if same else max(top, true))
                    true_margin = true - (top if same else max(top, mine))
                    counts[worker, neuron, g, 0] += margin > tolerance
                    counts[worker, neuron, g, 1] += true_margin > tolerance
                    sums[worker, neuron, g, 0] += margin
                    sums[worker, neuron, g, 1] += true_margin
    return counts.sum(axis=0), sums.sum(axis=0)
