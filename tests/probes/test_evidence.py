"""Evidence against loops over examples, its p-values against nulls, and its power on planted neurons."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from probes.evidence import (
    Evidence,
    Examples,
    either,
    memory_evidence,
    memory_evidence_of,
    memory_of_effects,
    rule_evidence,
    rule_evidence_of_effects,
)

RNG = np.random.default_rng(5)


def examples(n: int, k: int, against_true: bool = False, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    classes, trained = rng.integers(0, k, n), rng.random(n) < 0.6
    labels = np.where(trained & (rng.random(n) < 0.5), rng.integers(0, k, n), classes)
    asked = trained & (labels != classes) if against_true else trained
    return Examples(labels, classes, asked, ~trained, k, against_true)


def memory_sums(x: np.ndarray, w: np.ndarray, rows: Examples) -> np.ndarray:
    """`memory_of_effects` of a linear readout, from sums by plain formulas."""
    mean = w.mean(1)
    label, true = x.T * w[:, rows.labels], x.T * w[:, rows.classes]
    weighted = x.T * ((w - mean[:, None]) @ rows.weights.T)[:, rows.classes]
    chosen = [rows.held_out & (rows.classes == c) for c in range(rows.n_classes)]
    table = np.stack([x[mask].sum(0)[:, None] * w for mask in chosen], axis=1)
    return memory_of_effects(label, true if rows.against_true else x.T * mean[:, None], weighted, table, rows)


@pytest.mark.parametrize("against_true", [False, True])
def test_membership_by_effects_equals_a_loop_over_examples(against_true: bool) -> None:
    rows = examples(300, 4, against_true)
    x, w = RNG.normal(size=(300, 2)), RNG.normal(size=(2, 4))
    for n, (total, variance, carried) in enumerate(memory_sums(x, w, rows)):
        effects = x[:, [n]] * w[n]
        effects = effects - effects.mean(1, keepdims=True)
        residuals, spread = [], 0.0
        for c in range(4):
            held = np.flatnonzero(rows.held_out & (rows.classes == c))
            means = effects[held].mean(0)
            weights = np.zeros(4)
            for i in np.flatnonzero(rows.trained & (rows.classes == c)):
                a = np.eye(4)[rows.labels[i]] - against_true * np.eye(4)[c]
                residuals.append(a @ (effects[i] - means))
                weights += a
            spread += np.square((effects[held] - means) @ weights).sum() / len(held) ** 2
        squares = np.square(residuals)
        assert total == pytest.approx(sum(residuals))
        assert variance == pytest.approx(squares.sum() + spread)
        assert carried == pytest.approx(squares.sum() ** 2 / np.square(squares).sum())


def test_the_rule_counts_all_orders_of_few_classes() -> None:
    classes, x, w = RNG.integers(0, 5, 80), RNG.normal(size=(80, 6)), RNG.normal(size=(6, 5))
    evidence = rule_evidence(x, w, classes)
    for n in range(6):
        left = [(classes == c).mean() * (x[classes == c, n].mean() - x[:, n].mean()) for c in range(5)]
        values = np.array([np.dot(left, w[n, list(order)]) for order in permutations(range(5))])
        assert evidence.effect[n] == pytest.approx(values[0])
        assert evidence.p[n] == pytest.approx((values >= values[0] - 1e-9).mean())


@pytest.mark.parametrize("k", [10, 97])
def test_the_rule_is_uniform_for_random_readouts_of_activations_that_know_the_class(k: int) -> None:
    rng = np.random.default_rng(k)
    classes = rng.integers(0, k, 40 * k)
    x = rng.exponential(size=(k, 1500))[classes] + rng.normal(size=(len(classes), 1500))
    p = rule_evidence(x, rng.normal(size=(1500, k)), classes).p
    assert kstest(p, "uniform").pvalue > 0.001
    assert (p < 0.01).mean() < 0.02


def test_the_rule_is_seen_where_the_readout_is_of_the_classes_that_fire() -> None:
    classes = np.repeat(np.arange(12), 20)
    w = RNG.normal(size=(3, 12))
    x = np.stack([w[0, classes], -w[1, classes], RNG.normal(size=240)], axis=1) + 1
    assert (rule_evidence(x, w, classes).p < 1e-3).tolist() == [True, False, False]


def test_the_rule_cannot_be_tested_with_few_classes_or_without_examples() -> None:
    w = RNG.normal(size=(2, 4))
    assert np.isnan(rule_evidence(RNG.normal(size=(40, 2)), w, np.arange(40) % 4).p).all()
    empty = rule_evidence(np.empty((0, 2)), w, np.empty(0, int))
    assert np.isnan([empty.p, empty.effect]).all()


def test_the_rule_by_effects_equals_that_by_readout_with_unequal_classes() -> None:
    classes = np.sort(np.minimum(RNG.integers(0, 9, 300), RNG.integers(0, 9, 300)))
    x, w = RNG.normal(size=(300, 4)), RNG.normal(size=(4, 9))
    tables = np.stack([[(x[classes == c, n, None] * w[n]).mean(0) for c in range(9)] for n in range(4)])
    linear = rule_evidence(x, w, classes, seed=1)
    other = rule_evidence_of_effects(tables, np.bincount(classes, minlength=9), seed=1)
    np.testing.assert_allclose(linear.effect, other.effect, atol=1e-12)
    np.testing.assert_allclose(linear.p, other.p, rtol=0.05)


@pytest.mark.parametrize("against_true", [False, True])
def test_membership_equals_a_loop_over_examples(against_true: bool) -> None:
    rows = examples(400, 4, against_true)
    x, w = RNG.normal(size=(400, 3)), RNG.normal(size=(3, 4))
    evidence = memory_evidence(x, w, rows)
    for n in range(3):
        total = variance = 0.0
        for c in range(4):
            asked = np.flatnonzero(rows.trained & (rows.classes == c))
            held = np.flatnonzero(rows.held_out & (rows.classes == c))
            a = w[n, rows.labels[asked]] - (w[n, c] if against_true else w[n].mean())
            total += (a * (x[asked, n] - x[held, n].mean())).sum()
            spread = x[np.concatenate([asked, held]), n].var(ddof=1)
            variance += spread * ((a**2).sum() + a.sum() ** 2 / len(held))
        assert evidence.effect[n] == pytest.approx(total / rows.trained.sum())
        assert evidence.p[n] == pytest.approx(norm.sf(total / variance**0.5))


@pytest.mark.parametrize("against_true", [False, True])
@pytest.mark.parametrize("k", [2, 10])
def test_membership_is_uniform_where_nobody_was_trained_on_however_labels_were_made(
    k: int, against_true: bool
) -> None:
    rows = examples(1200, k, against_true, seed=k)
    rng = np.random.default_rng(k + 1)
    x = np.maximum(rng.normal(size=(k, 1500))[rows.classes] + rng.normal(size=(1200, 1500)), 0)
    w = rng.normal(size=(1500, k))
    p = memory_evidence(x, w, rows).p
    slow = memory_evidence_of(memory_sums(x, w, rows), rows).p
    known = ~np.isnan([p, slow]).any(0)  # some never fire
    assert known.mean() > 0.9
    for values in (p[known], slow[known]):
        assert kstest(values, "uniform").pvalue > 0.001
        assert (values < 0.01).mean() < 0.02
    assert np.corrcoef(p[known], slow[known])[0, 1] > 0.99


def test_membership_finds_what_was_memorised_with_two_classes() -> None:
    rows = examples(600, 2)
    x, w = RNG.normal(size=(600, 2)), np.array([[-1.0, 1.0]] * 2)
    x[:, 0] += np.where(rows.trained, 0.5 * (2 * rows.labels - 1), 0)
    assert (memory_evidence(x, w, rows).p < 1e-3).tolist() == [True, False]


def test_membership_is_unknown_without_both_kinds_or_with_few_examples() -> None:
    rows = examples(100, 3)
    nobody = Examples(rows.labels, rows.classes, rows.trained, np.zeros(100, bool), 3)
    x, w = RNG.normal(size=(100, 2)), RNG.normal(size=(2, 3))
    assert np.isnan(memory_evidence(x, w, nobody).p).all()
    assert np.isnan(memory_sums(x, w, nobody)[:, :2]).all()
    x[:] = 0
    x[:3] = 1
    assert np.isnan(memory_evidence(x, w, rows).p).all()


def test_the_stronger_of_two_kinds_of_evidence_costs_twice_its_p() -> None:
    first = Evidence(np.array([1.0, 1, 1, np.nan]), np.array([0.01, 0.5, np.nan, np.nan]))
    second = Evidence(np.array([2.0, 2, 2, np.nan]), np.array([0.2, 0.1, 0.3, np.nan]))
    evidence, later = either(first, second)
    np.testing.assert_allclose(evidence.p, [0.02, 0.2, 0.3, np.nan])
    np.testing.assert_allclose(evidence.effect, [1, 2, 2, np.nan])
    assert later.tolist() == [False, True, True, False]
