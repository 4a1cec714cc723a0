"""What comes sooner, against counting by hand and the log-rank statistic written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from interp.lab.event_times import sooner, times_in_words


def log_rank(first: list[float | None], second: list[float | None], limit: float) -> float:
    """Observed less expected events of the first group, over the root of their hypergeometric variance."""
    times = [np.array([limit if t is None else t for t in group]) for group in (first, second)]
    came = [np.array([t is not None for t in group]) for group in (first, second)]
    excess = variance = 0.0
    for t in sorted(set(np.concatenate([ts[c] for ts, c in zip(times, came, strict=True)]))):
        n1, n2 = ((group >= t).sum() for group in times)
        d1, d2 = (((group == t) & c).sum() for group, c in zip(times, came, strict=True))
        n, d = n1 + n2, d1 + d2
        excess += d1 - d * n1 / n
        if n > 1:
            variance += d * n1 / n * n2 / n * (n - d) / (n - 1)
    return float(excess / variance**0.5)


def exact(first: list[float | None], second: list[float | None], limit: float) -> float:
    """Twice the share of the ways to deal out the times that are as extreme on the smaller side."""
    pool, n = [*first, *second], len(first)
    dealt = []
    for chosen in combinations(range(len(pool)), n):
        rest = [pool[i] for i in range(len(pool)) if i not in chosen]
        dealt.append(log_rank([pool[i] for i in chosen], rest, limit))
    seen, values = log_rank(first, second, limit), np.array(dealt)
    return min(1.0, 2 * min((values <= seen + 1e-9).mean(), (values >= seen - 1e-9).mean()))


def test_where_everything_came_the_difference_decides() -> None:
    found = sooner([900, 1000, 1100], [1500, 1500, 1650], limit=3000)
    assert (found.seeds, found.earlier, found.later, found.p_value) == (3, 3, 0, None)
    assert found.difference is not None
    assert found.difference.values == (-600, -500, -550)
    assert found.sign == -1
    assert found.words() == "sooner in 3 of 3, later in 0; difference -550 steps (-674 to -426)"
    assert sooner([1500, 1500, 1650], [900, 1000, 1100], limit=3000).sign == 1
    assert sooner([1500, 900, 1000], [1000, 1100, 900], limit=3000).sign is None


def test_where_some_did_not_come_the_log_rank_test_decides() -> None:
    first, second = [900, 1100, 1000, 950, 1200], [None, None, 2900, None, 2950]
    found = sooner(first, second, limit=3000)
    assert found.p_value == pytest.approx(exact(first, second, 3000))
    assert (found.earlier, found.later, found.sign) == (5, 0, -1)
    assert found.difference is not None
    assert found.difference.values == (1000 - 2900, 1200 - 2950)
    assert "where both came -1825 steps" in found.words()
    assert f"log-rank p = {found.p_value:.2g}" in found.words()
    assert sooner(second, first, limit=3000).sign == 1
    mixed = [None, 1000, 1100, 900, 2800]
    tied = sooner(mixed, [950, None, 1050, 1000, 2900], limit=3000)
    assert tied.p_value == pytest.approx(exact(mixed, [950, None, 1050, 1000, 2900], 3000))
    assert tied.sign is None


def test_nothing_is_known_of_what_never_came() -> None:
    found = sooner([None, None], [None, None], limit=3000)
    assert (found.earlier, found.later, found.difference, found.p_value, found.sign) == (
        0,
        0,
        None,
        None,
        None,
    )
    assert found.words() == "sooner in 0 of 2, later in 0"
    assert sooner([5.0], [7.0], limit=9).sign is None


def test_times_in_words_are_honest_about_those_given_up() -> None:
    assert times_in_words([None, None], 3000) == "in 0 of 2 seeds by step 3000"
    assert times_in_words([1000, None, 1200, 1100, 1150], 3000) == "in 4 of 5 seeds, at 1150 in the median"
    assert times_in_words([1000, None, 1200, None, None], 3000) == "in 2 of 5 seeds, at 1000, 1200"


def test_three_seeds_that_are_given_up_decide_nothing() -> None:
    found = sooner([900, 1000, 1100], [None] * 3, limit=3000)
    assert (found.p_value, found.sign) == (pytest.approx(0.1), None)


def test_one_seed_that_is_given_up_decides_nothing() -> None:
    alone = sooner([900], [None], limit=3000)
    assert (alone.earlier, alone.p_value, alone.sign) == (1, 1.0, None)
    assert alone.words() == "sooner in 1 of 1, later in 0; exact log-rank p = 1"
