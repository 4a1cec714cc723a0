"""Gated neurons: which are on for whom, and the study on a small model."""

from __future__ import annotations

import numpy as np
import pytest
from figures import check_figure

from interp.lab.memory_sinks.study import STUDY, Config, judge, measure
from interp.lab.memory_sinks.training import IDENTITY, OPEN, REPEATS, SCHEMES, Pool, random_pool
from interp.lab.study import Record, StudyResult
from interp.language.small_training import ONCE, SmallTraining
from interp.progress import silent

SIZE = SmallTraining(layers=3, d_mlp=20, duplicates=5)
TINY = Config(steps=8, width=12, duplicates=4, held_out=8, n_random=2)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return random_pool(SIZE, 0.4, 0.5, 0.25, np.random.default_rng(0))


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(TINY, 0, silent)


def test_every_layer_has_as_many_gated_neurons(pool: Pool) -> None:
    assert pool.gated.sum(1).tolist() == [8, 8, 8]
    assert len(pool.units) == 24
    assert pool.units[:8].tolist() == np.flatnonzero(pool.gated[0]).tolist()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_other_neurons_are_always_on(pool: Pool, scheme: str) -> None:
    on = pool.on(scheme, np.array([ONCE, 0, 1, 4]), np.random.default_rng(0))
    assert on[:, ~pool.gated].all()


def test_the_pool_is_on_for_repeats_and_a_share_of_the_others(pool: Pool) -> None:
    identity = np.array([0, 3, *[ONCE] * 2000])
    on = pool.on(REPEATS, identity, np.random.default_rng(0))[:, pool.gated]
    assert on[:2].all()
    assert (on.all(1) | ~on.any(1)).all()
    assert on[2:].mean() == pytest.approx(0.25, abs=0.04)


def test_a_repeated_sequence_always_has_the_same_neurons(pool: Pool) -> None:
    generator = np.random.default_rng(0)
    first, second = (pool.on(IDENTITY, np.array([2, ONCE, 4]), generator) for _ in range(2))
    assert (first[[0, 2]] == second[[0, 2]]).all()
    assert (first[1] != second[1]).any()
    assert (first[0] != first[2]).any()
    assert (first[0][pool.gated] == pool.own[2][pool.gated]).all()


def test_no_gates_leave_every_neuron_on(pool: Pool) -> None:
    assert pool.on(OPEN, np.array([ONCE, 1]), np.random.default_rng(0)).all()


def test_factors_are_named_by_layer(pool: Pool) -> None:
    gates = pool.gates_of(REPEATS, np.random.default_rng(0))(np.array([1, ONCE]))
    assert list(gates) == [f"blocks.{layer}.mlp.hook_post" for layer in range(3)]
    assert [tuple(factors.shape) for factors in gates.values()] == [(2, 20)] * 3
    assert gates["blocks.1.mlp.hook_post"][0].sum() == 20


def test_the_study_measures_every_scheme(record: Record) -> None:
    assert set(STUDY.quantities) <= set(record.numbers)
    for scheme in SCHEMES:
        assert 0 <= record.numbers[f"{scheme}_auc_gradient"] <= 1
        assert record.numbers[f"{scheme}_nll_repeated_whole"] > 0
    result = StudyResult(STUDY, TINY, (0, 1), (record, record))
    assert len(judge(result)) >= 5
    check_figure(result.plot())


@pytest.mark.slow
def test_a_study_is_the_same_twice(record: Record) -> None:
    assert measure(TINY, 0, silent).numbers == record.numbers
