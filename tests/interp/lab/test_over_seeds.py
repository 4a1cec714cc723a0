"""Intervals over seeds against scipy's, and differences seed by seed."""

import numpy as np
import pytest
from scipy import stats

from interp.errors import ConfigError
from interp.lab.over_seeds import OverSeeds


def test_the_interval_is_students() -> None:
    values = np.array([0.2, 0.4, 0.5, 0.1])
    found = OverSeeds.of(values)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.agrees(high + 1e-3) is False
    assert found.agrees(high - 1e-3) is None  # so wide an interval agrees with nothing
    narrow = OverSeeds.of([0.50, 0.52, 0.51])
    assert narrow.agrees(narrow.high - 1e-6, within=0.0) is True
    assert narrow.agrees(narrow.high + 1e-3, within=0.0) is False
    alone = OverSeeds.of([0.5])
    assert alone.agrees(0.54)
    assert not alone.agrees(0.56)
    assert alone.to_dict() == {"mean": 0.5, "low": None, "high": None, "values": [0.5]}


def test_a_difference_is_taken_seed_by_seed() -> None:
    first, second = OverSeeds.of([10.0, 20.0, 30.0]), OverSeeds.of([9.0, 18.5, 29.2])
    found = first.minus(second)
    test = stats.ttest_rel(first.values, second.values).confidence_interval()
    assert (found.low, found.high) == pytest.approx((test.low, test.high))
    assert found.sign == 1
    assert second.minus(first).sign == -1
    with pytest.raises(ConfigError, match="3 values cannot be compared"):
        first.minus(OverSeeds.of([1.0]))


def test_what_the_seeds_do_not_decide_has_no_sign() -> None:
    assert OverSeeds.of([1.0, -1.0, 0.5]).sign is None
    assert OverSeeds.of([5.0]).sign is None  # a single seed has no interval
