"""Compiled inner loops for sites with a norm or a transformer block after them, on CPU.

Each works on pairs of a neuron and an example whose activation it changes.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from interp.compiled import compiled, in_parts
from interp.measuring.kernels import BLOCK, HIDDEN, _load


@compiled(fastmath=True)
def _add_rows(amounts, rows, out):
    """Add a sum of rows, each times its amount, four rows at a time."""
    k, width = len(amounts), out.shape[0]
    for i in range(0, k - k % 4, 4):
        a, b, c, d = amounts[i], amounts[i + 1], amounts[i + 2], amounts[i + 3]
        first, second, third, fourth = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for j in range(width):
            out[j] += a * first[j] + b * second[j] + c * third[j] + d * fourth[j]
    for i in range(k - k % 4, k):
        a, first = amounts[i], rows[i]
        for j in range(width):
            out[j] += a * first[j]


@compiled(fastmath=True)
def block_inputs(pairs, gathered, moved, rows, bias, eps, pre, out):
    """The inputs of a last block's neurons, and the sum that their outputs are added to, after a change of one neuron.

    Args:
        pairs: Neurons and examples, ``(pair,)`` each.
        gathered, moved: How much of each row is added up, ``(example, neuron, head * position)`` of the examples' rows
            and ``(example, neuron, head + 1)`` of the neurons'.
        rows: Of the unchanged stream ``(example, column)``; of what each head reads at each position
            ``(example, head * position, column)``; and of what each neuron writes, as each head reads it and last as
            it is, ``(neuron, head + 1, column)``. Columns are the block's neurons, then those of `out`.
        bias: Of the columns.
        eps: Of the norm before the block's neurons; below 0 if there is none.
        pre, out: To be filled in, ``(pair, …)`` each.
    """
    neuron, example = pairs
    base, values, written = rows
    width, total = pre.shape[1], np.empty(base.shape[1], np.float32)
    for i in range(len(neuron)):
        n, e = neuron[i], example[i]
        total[:] = base[e]
        _add_rows(gathered[e, n], values[e], total)
        _add_rows(moved[e, n], written[n], total)
        factor = np.float32(1)
        if eps >= 0:
            square = np.float32(0)
            for j in range(width, len(total)):
                square += total[j] * total[j]
            factor = np.float32(1) / np.sqrt(square / np.float32(out.shape[1]) + eps)
        for j in range(width):
            pre[i, j] = factor * total[j] + bias[j]
        for j in range(width, len(total)):
            out[i, j - width] = total[j] + bias[j]


@compiled(fastmath=True)
def normed_logits(pairs, change, variance, cross, spread, base, readout, bias, eps, logits):
    """Logits after a norm and a matrix, with the change of one neuron before them.

    Args:
        pairs: Neurons and examples, ``(pair,)`` each.
        change, cross: New minus old activation, and the covariance of the stream with what each neuron writes,
            ``(example, neuron)``.
        variance, spread: Of the stream ``(example,)``, and of what each neuron writes ``(neuron,)``.
        base, readout: The matrix times the stream ``(example, output)`` and times what each neuron writes.
        bias, eps: Of the matrix, and of the norm.
        logits: To be filled in, ``(pair, output)``.
    """
    neuron, example = pairs
    for i in range(len(neuron)):
        n, e = neuron[i], example[i]
        d = change[e, n]
        total = variance[e] + d * (np.float32(2) * cross[e, n] + d * spread[n])
        scale = np.float32(1) / np.sqrt(max(total, np.float32(0)) + eps)
        for c in range(logits.shape[1]):
            logits[i, c] = scale * (base[e, c] + d * readout[n, c]) + bias[c]


@compiled(fastmath=True)
def _move(rows, weights, amount):
    """Add a multiple of the amounts to each row."""
    for c in range(rows.shape[0]):
        weight = weights[c]
        for i in range(BLOCK):
            rows[c, i] += weight * amount[i]


@compiled(fastmath=True)
def _norm_scale(x, eps, scale):
    """The factor of a norm for each column, whose mean is 0."""
    scale[:] = 0
    for c in range(x.shape[0]):
        for i in range(BLOCK):
            scale[i] += x[c, i] * x[c, i]
    for i in range(BLOCK):
        scale[i] = np.float32(1) / np.sqrt(scale[i] / np.float32(x.shape[0]) + eps)


@compiled(fastmath=True)
def _scaled_tops(rows, scale, bias, top):
    """The largest scaled and shifted entry of each column."""
    top[:] = HIDDEN
    for c in range(rows.shape[0]):
        shift = bias[c]
        for i in range(BLOCK):
            value = scale[i] * rows[c, i] + shift
            top[i] = value if value > top[i] else top[i]


@compiled(fastmath=True)
def _normed_hits_part(
    part,
    n_parts,
    counts,
    change,
    order,
    counted,
    stream,
    written,
    base,
    readout,
    bias,
    eps,
    answers,
    tolerance,
):
    """One part of `normed_hits`."""
    n_examples, n_steps, n_outputs = change.shape[1], len(order), base.shape[0]
    rows, x = np.empty((n_outputs, BLOCK), np.float32), np.empty((stream.shape[0], BLOCK), np.float32)
    own, truth = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    amount, scale = np.zeros(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    top = np.empty(BLOCK, np.float32)
    for start in range(part * BLOCK, n_examples, n_parts * BLOCK):
        end = min(n_examples, start + BLOCK)
        n, label, true_label = end - start, answers[0][start:end], answers[1][start:end]
        _load(base[:, start:end].T, 0, label, true_label, rows, own, truth)
        x[:] = 0
        x[:, :n] = stream[:, start:end]
        for step in range(n_steps + 1):
            if step:
                neuron = order[step - 1]
                amount[:n] = change[neuron, start:end]
                _move(rows, readout[neuron], amount)
                _move(x, written[neuron], amount)
                for i in range(n):
                    own[i] += amount[i] * readout[neuron, label[i]]
                    truth[i] += amount[i] * readout[neuron, true_label[i]]
            if counted[step]:
                _norm_scale(x, eps, scale)
                _scaled_tops(rows, scale, bias, top)
                for i in range(n):
                    a, b, g = label[i], true_label[i], answers[2][start + i]
                    mine, true = scale[i] * own[i] + bias[a], scale[i] * truth[i] + bias[b]
                    least = top[i] + tolerance
                    counts[part, step, g, 0] += (mine > least) & ((a == b) | (mine > true + tolerance))
                    counts[part, step, g, 1] += (true > least) & ((a == b) | (true > mine + tolerance))


def normed_hits(
    change, order, counted, stream, written, base, readout, bias, eps, answers, n_groups, tolerance, n_workers
):
    """Right answers while neurons are changed one after another, where a norm and a matrix follow.

    Args:
        change: What each step adds to each activation, ``(neuron, example)``.
        order: Neurons in the order in which they are changed, ``(step,)``.
        counted: Mask of the points that are counted, before the first step and after each, ``(step + 1,)``.
        stream, written: Before the first step ``(stream, example)``, and what each neuron writes ``(neuron, stream)``,
            both without their means.
        base, readout: The matrix times both, ``(output, example)`` and ``(neuron, output)``.
        bias, eps: Of the matrix, and of the norm.
        answers: Labels, true labels and groups, ``(example,)`` each.
        n_groups: Groups.
        tolerance: Margins up to this are no right answers.
        n_workers: Parts that the examples are worked on in.

    Returns:
        Counts ``(step + 1, group, 2)`` as labelled and by the true label; 0 where they are not asked for.
    """
    counts = np.zeros((n_workers, len(order) + 1, n_groups, 2), dtype=np.int64)
    arrays = change, order, counted, stream, written, base, readout, bias, eps, answers, tolerance
    in_parts(_normed_hits_part, n_workers, counts, *arrays)
    return counts.sum(axis=0)


@compiled()
def add_pairs(pairs, low, logits, before, answers, margins, tolerance, totals, effects, plan):
    """Add the logits of pairs to all sums.

    Args:
        pairs: Neurons and examples, ``(pair,)`` each.
        low: The example of the first row of `before`.
        logits, before: After the change of a neuron ``(pair, output)``, and before any ``(example, output)``.
        answers: Labels, true labels and groups, ``(example,)`` each.
        margins: Before any change, ``(two, example)``.
        tolerance: Margins up to this are no right answers.
        totals, effects, plan: See `interp.measuring.effect_sums`.
    """
    neuron, example = pairs
    labels, true_labels, group = answers
    counts, sums = totals
    of_label, of_true, of_mean, of_weights, tables = effects
    in_tables, in_sums, starts, outputs, weights, totals_of_weights = plan
    classes = logits.shape[1]
    added = np.empty(classes, np.float32)
    for i in range(len(neuron)):
        n, e = neuron[i], example[i]
        a, b, g = labels[e], true_labels[e], group[e]
        mine, true, top = logits[i, a], logits[i, b], _rival(logits[i], a, b)
        margin = mine - (top if a == b else max(top, true))
        true_margin = true - (top if a == b else max(top, mine))
        counts[n, g, 0] += np.float64(margin > tolerance) - np.float64(margins[0, e] > tolerance)
        counts[n, g, 1] += np.float64(true_margin > tolerance) - np.float64(margins[1, e] > tolerance)
        sums[n, g, 0] += np.float64(margin) - np.float64(margins[0, e])
        sums[n, g, 1] += np.float64(true_margin) - np.float64(margins[1, e])
        if not of_label.shape[1]:
            continue
        mean = _subtract(before[e - low], logits[i], added)
        of_label[n, e], of_true[n, e], of_mean[n, e] = added[a], added[b], mean
        for t in range(len(in_tables)):
            if in_tables[t, e]:
                row = tables[t, n, b]
                for c in range(classes):
                    row[c] += added[c]
        for s in range(len(in_sums)):
            if in_sums[s, e]:
                total = -mean * totals_of_weights[s, b]
                for k in range(starts[s * classes + b], starts[s * classes + b + 1]):
                    total += weights[k] * added[outputs[k]]
                of_weights[s, n, e] = total


@compiled(fastmath=True)
def _rival(logits, label, true_label):
    """The largest logit of other classes."""
    top = HIDDEN
    for start, stop in (
        (0, min(label, true_label)),
        (min(label, true_label) + 1, max(label, true_label)),
        (max(label, true_label) + 1, len(logits)),
    ):
        for c in range(start, stop):
            top = logits[c] if logits[c] > top else top
    return top


@compiled(fastmath=True)
def _subtract(before, after, added):
    """Fill in what a neuron adds to each logit, and return its mean."""
    total = np.float64(0)
    for c in range(len(before)):
        added[c] = before[c] - after[c]
        total += added[c]
    return total / len(before)
