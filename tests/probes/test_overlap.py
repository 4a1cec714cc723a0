"""Overlaps of two sets: exact fractions, unions against a loop over patterns, strata against sampled sets."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, log

import numpy as np
import pytest

from probes.overlap import (
    any_match,
    log_overlap_tail,
    matched_tail,
    overlap_distribution,
    overlap_tail,
    random_sets,
    sampled_overlaps,
    union_tail,
)


def exact(n: int, a: int, s: int, threshold: int) -> Fraction:
    ways = sum(comb(s, b) * comb(n - s, a - b) for b in range(max(threshold, 0), min(a, s) + 1))
    return Fraction(ways, comb(n, a))


@pytest.mark.parametrize(
    "sizes", [(1024, 20, 20), (10, 3, 4), (10, 7, 8), (5, 0, 3), (5, 5, 5), (1, 1, 0), (300, 150, 90)]
)
def test_the_tail_is_the_sum_of_binomials(sizes: tuple[int, int, int]) -> None:
    for threshold in range(-1, min(sizes[1:]) + 2):
        expected = exact(*sizes, threshold)
        assert overlap_tail(*sizes, threshold) == pytest.approx(float(expected), rel=1e-9, abs=0)
    assert overlap_distribution(*sizes).sum() == pytest.approx(1)


def test_tails_far_below_a_double_keep_their_logarithm() -> None:
    expected = exact(4096, 400, 400, 390)
    logarithm = log(expected.numerator) - log(expected.denominator)
    assert logarithm < -1000
    assert log_overlap_tail(4096, 400, 400, 390) == pytest.approx(logarithm, rel=1e-9)
    assert overlap_tail(4096, 400, 400, 390) == 0


@pytest.mark.parametrize("sizes", [(5, 6, 1), (5, 1, 6), (5, -1, 1)])
def test_sizes_above_the_number_of_units_are_errors(sizes: tuple[int, int, int]) -> None:
    for function in (overlap_tail, log_overlap_tail):
        with pytest.raises(ValueError, match="expected sizes"):
            function(*sizes, 1)


def test_a_union_is_that_of_every_choice_of_patterns() -> None:
    n, a, s = 5, 2, 3
    patterns = [set(one) for one in combinations(range(n), a)]
    for threshold in range(s + 1):
        for number in (1, 2, 3):
            unions = [set()]
            for _ in range(number):
                unions = [union | pattern for union in unions for pattern in patterns]
            share = np.mean([len(union & set(range(s))) >= threshold for union in unions])
            assert union_tail(n, a, s, threshold, number) == pytest.approx(share)
    with pytest.raises(ValueError, match="at least 1"):
        union_tail(5, 2, 3, 1, 0)


def test_one_match_of_many_is_exact_and_less_than_a_union() -> None:
    p = overlap_tail(200, 10, 10, 3)
    generator = np.random.default_rng(0)
    overlaps = sampled_overlaps(200, 10, 10, 5 * 40_000, generator).reshape(-1, 5)
    assert (overlaps >= 3).any(1).mean() == pytest.approx(any_match(p, 5), abs=4 * (p * 5 / 40_000) ** 0.5)
    assert union_tail(200, 10, 10, 3, 5) > any_match(p, 5)
    assert any_match(1.0, 3) == 1
    assert any_match(1e-300, 10) == pytest.approx(1e-299)


@pytest.mark.parametrize(("n", "size"), [(100, 5), (12, 9), (7, 7), (3, 0)])
def test_random_sets_are_distinct_and_uniform(n: int, size: int) -> None:
    sets = random_sets(n, size, 20_000, np.random.default_rng(0))
    assert sets.shape == (20_000, size)
    assert all(len(set(row)) == size for row in sets[:200].tolist())
    counts = np.bincount(sets.ravel(), minlength=n)
    assert np.abs(counts - 20_000 * size / n).max() <= 5 * (20_000 * size / n) ** 0.5


def test_simulation_agrees_with_the_formula() -> None:
    draws = 200_000
    for sizes in ((128, 12, 12), (64, 30, 6)):
        overlaps = sampled_overlaps(*sizes, draws, np.random.default_rng(1))
        for threshold in range(1, 6):
            p = overlap_tail(*sizes, threshold)
            assert (overlaps >= threshold).mean() == pytest.approx(p, abs=5 * (p / draws) ** 0.5)


def test_strata_are_sampled_one_by_one() -> None:
    generator = np.random.default_rng(0)
    stratum = generator.integers(3, size=30)
    first = generator.random(30) < np.array([0.8, 0.3, 0.1])[stratum]
    second = generator.random(30) < np.array([0.7, 0.4, 0.1])[stratum]
    p, expected = matched_tail(first, second, stratum)
    drawn = []
    for _ in range(6000):
        dealt = np.zeros(30, bool)
        for one in range(3):
            inside = np.flatnonzero(stratum == one)
            dealt[generator.permutation(inside)[: int(first[inside].sum())]] = True
        drawn.append(int((dealt & second).sum()))
    shared = int((first & second).sum())
    assert np.mean(drawn) == pytest.approx(expected, abs=0.1)
    assert (np.array(drawn) >= shared).mean() == pytest.approx(p, abs=0.03)
    assert p > overlap_tail(30, int(first.sum()), int(second.sum()), shared)
