"""The group behind a table with wrong results, and no group behind tables that have none."""

import numpy as np
import pytest

from interp.data.group_tables import group_table
from probes.nearest_group import nearest_group


@pytest.mark.parametrize(
    ("name", "share"), [("S3", 0.1), ("S4", 0.3), ("D13", 0.4), ("Z2xZ4xZ10", 0.5), ("A5", 0.4)]
)
def test_wrong_results_are_outvoted(name, share):
    generator = np.random.default_rng(0)
    table = group_table(name)
    order = generator.permutation(len(table))
    place = np.argsort(order)
    table = order[table[place][:, place]]
    wrong = table.copy()
    changed = generator.random(table.shape) < share
    wrong[changed] = generator.integers(0, len(table), changed.sum())
    group = nearest_group(wrong)
    assert (wrong != table).any()
    assert (group.table == table).all()


@pytest.mark.parametrize("seed", range(5))
def test_random_and_constant_tables_have_none(seed):
    generator = np.random.default_rng(seed)
    assert nearest_group(generator.integers(0, 30, (30, 30))) is None
    assert nearest_group(np.full((30, 30), seed)) is None
    n = np.arange(15)
    assert nearest_group(n[:, None] * n % 15) is None
    assert nearest_group((n[:, None] - n) % 15) is None
