"""Compiled inner loops of removal curves and single-neuron effects, for CPU.

Where all that follows the neurons is linear, changing neuron n adds the outer product of its change of activation
and its output weights to the logits. Both kernels keep the logits of a block of examples in cache, a row a class,
apply one such update after another (the cumulative one two at a time), and take each example's maximum in the same
pass. Examples that fill up the last block are zeros and count nowhere.

The logits of an example's label and true label are kept apart from the others, where a huge negative number stands for
them: the maximum is then over all other classes, and an answer is right if its logit is above that and above the other
special one. A tie is no answer.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from interp.compiled import compiled, in_parts

BLOCK = 128
"""Examples that are worked on together, side by side in memory, so that one instruction serves several of them."""
HIDDEN = np.float32(-1e30)


@compiled()
def _load(logits, start, labels, true_labels, rows, own, truth):
    """Copy the logits of a block of examples, moving the two special ones of each out of them."""
    rows[:] = 0
    n = min(BLOCK, logits.shape[0] - start)
    for c in range(logits.shape[1]):
        for i in range(n):
            rows[c, i] = logits[start + i, c]
    for i in range(n):
        own[i], truth[i] = rows[labels[start + i], i], rows[true_labels[start + i], i]
        rows[labels[start + i], i] = HIDDEN
        rows[true_labels[start + i], i] = HIDDEN


@compiled()
def _take(change, neuron, start, amount):
    """Copy a neuron's change on a block of examples."""
    amount[:] = 0
    for i in range(min(BLOCK, change.shape[1] - start)):
        amount[i] = change[neuron, start + i]


@compiled(fastmath=True)
def _advance(rows, weights_1, weights_2, change_1, change_2, factor_2, tops):
    """Apply two updates to the logits in place, and note each example's maximum after either."""
    top_1, top_2 = tops[0], tops[1]
    top_1[:] = HIDDEN
    top_2[:] = HIDDEN
    for c in range(rows.shape[0]):
        weight_1, weight_2 = weights_1[c], factor_2 * weights_2[c]
        for i in range(BLOCK):
            value = rows[c, i] + change_1[i] * weight_1
            top_1[i] = value if value > top_1[i] else top_1[i]
            value += change_2[i] * weight_2
            top_2[i] = value if value > top_2[i] else top_2[i]
            rows[c, i] = value


@compiled(fastmath=True)
def _tops_with(rows, weights, change, top):
    """Each example's maximum after an update that leaves the logits as they are."""
    top[:] = HIDDEN
    for c in range(rows.shape[0]):
        weight = weights[c]
        for i in range(BLOCK):
            value = rows[c, i] + change[i] * weight
            top[i] = value if value > top[i] else top[i]


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


@compiled(fastmath=True)
def _cumulative_part(
    part, n_parts, counts, final, change, readout, order, logits, labels, true_labels, group, least
):
    """Every `n_parts`-th block of `cumulative_hits`."""
    n_steps, counts = order.shape[0], counts[part]
    own, truth = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    change_1, change_2 = np.zeros(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    rows, tops = np.empty((logits.shape[1], BLOCK), np.float32), np.empty((2, BLOCK), np.float32)
    for start in range(part * BLOCK, logits.shape[0], n_parts * BLOCK):
        end = min(start + BLOCK, logits.shape[0])
        n, label, true_label = end - start, labels[start:end], true_labels[start:end]
        answers = label, true_label, group[start:end], own, truth
        _load(logits, start, labels, true_labels, rows, own, truth)
        change_1[:] = 0
        _tops_with(rows, readout[0], change_1, tops[0])
        _count(n, readout[0], change_1, answers, tops[0], least, counts[0])
        for step in range(0, n_steps, 2):
            first, second = order[step], order[min(step + 1, n_steps - 1)]
            weights_1, weights_2 = readout[first], readout[second]
            _take(change, first, start, change_1)
            _take(change, second, start, change_2)
            _advance(rows, weights_1, weights_2, change_1, change_2, np.float32(step + 1 < n_steps), tops)
            _count(n, weights_1, change_1, answers, tops[0], least, counts[step + 1])
            if step + 1 < n_steps:
                _count(n, weights_2, change_2, answers, tops[1], least, counts[step + 2])
        for i in range(n):
            rows[label[i], i], rows[true_label[i], i] = own[i], truth[i]
        for c in range(rows.shape[0]):
            for i in range(n):
                final[start + i, c] = rows[c, i]


def cumulative_hits(
    change, readout, order, logits, labels, true_labels, group, n_groups, n_workers, tolerance
):
    """Right answers while neurons are changed one after another and stay changed.

    Args:
        change: New minus old activation, ``(neuron, example)``, C-contiguous float32.
        readout, logits: ``(neuron, output)``, and ``(example, output)`` of the unchanged network, float32; the latter
            best with the examples of a class side by side in memory.
        order: Neurons in the order in which they are changed, ``(step,)``.
        labels, true_labels, group: As trained on, by the rule, and a number below `n_groups`, ``(example,)`` each.
        n_workers: Threads, each of which works on a part of the examples.
        tolerance: An answer is right if its logit is above all others by more than this.

    Returns:
        Counts ``(step + 1, group, 2)`` of right answers by label and by true label, and the final logits.
    """
    counts = np.zeros((n_workers, len(order) + 1, n_groups, 2), dtype=np.int64)
    final = np.empty(logits.shape[::-1], np.float32).T
    examples = logits, labels, true_labels, group
    in_parts(
        _cumulative_part, n_workers, counts, final, change, readout, order, *examples, np.float32(tolerance)
    )
    return counts.sum(axis=0), final


@compiled(fastmath=True)
def _single_part(part, n_parts, counts, sums, change, readout, logits, labels, true_labels, group, tolerance):
    """Every `n_parts`-th block of `single_effects`."""
    counts, sums = counts[part], sums[part]
    own, truth = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    amount, top = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    rows = np.empty((logits.shape[1], BLOCK), np.float32)
    for start in range(part * BLOCK, logits.shape[0], n_parts * BLOCK):
        _load(logits, start, labels, true_labels, rows, own, truth)
        for neuron in range(readout.shape[0]):
            weights = readout[neuron]
            _take(change, neuron, start, amount)
            _tops_with(rows, weights, amount, top)
            for i in range(min(BLOCK, logits.shape[0] - start)):
                label, true_label, g = labels[start + i], true_labels[start + i], group[start + i]
                mine = own[i] + amount[i] * weights[label]
                true = truth[i] + amount[i] * weights[true_label]
                same = label == true_label
                margin = mine - (top[i] if same else max(top[i], true))
                true_margin = true - (top[i] if same else max(top[i], mine))
                counts[neuron, g, 0] += margin > tolerance
                counts[neuron, g, 1] += true_margin > tolerance
                sums[neuron, g, 0] += margin
                sums[neuron, g, 1] += true_margin


def single_effects(change, readout, logits, labels, true_labels, group, n_groups, n_workers, tolerance):
    """Right answers and margins after changing each neuron alone; arguments as in `cumulative_hits`.

    Returns:
        Counts ``(neuron, group, 2)`` of right answers and sums of margins of the same shape.
    """
    shape = n_workers, len(readout), n_groups, 2
    counts, sums = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    examples = logits, labels, true_labels, group
    in_parts(_single_part, n_workers, counts, sums, change, readout, *examples, tolerance)
    return counts.sum(axis=0), sums.sum(axis=0)


@compiled(fastmath=True)
def _top(row):
    """The largest logit of an example."""
    top = HIDDEN
    for c in range(row.shape[0]):
        top = row[c] if row[c] > top else top
    return top


@compiled()
def _answers_part(part, n_parts, counts, logits, labels, true_labels, group, least):
    """Every `n_parts`-th example of `answer_counts`."""
    for i in range(part, logits.shape[0], n_parts):
        row, a, b = logits[i], labels[i], true_labels[i]
        own, truth = row[a], row[b]
        row[a] = HIDDEN
        row[b] = HIDDEN
        top = _top(row) + least
        row[a], row[b] = own, truth
        same = a == b
        counts[part, group[i], 0] += (own > top) & (same | (own > truth + least))
        counts[part, group[i], 1] += (truth > top) & (same | (truth > own + least))


def answer_counts(logits, labels, true_labels, group, n_groups, n_workers, tolerance):
    """Right answers ``(group, 2)`` by label and by true label, of logits ``(example, output)``."""
    counts = np.zeros((n_workers, n_groups, 2), dtype=np.int64)
    in_parts(_answers_part, n_workers, counts, logits, labels, true_labels, group, np.float32(tolerance))
    return counts.sum(axis=0)
