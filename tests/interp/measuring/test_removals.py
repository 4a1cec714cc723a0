"""Removals and their size-matched random control."""

from __future__ import annotations

import numpy as np
import pytest

from interp.data import ModularTask
from interp.errors import InterventionError
from interp.interventions import ablate
from interp.measuring.cached_pass import cached_pass
from interp.measuring.evaluation import accuracy
from interp.measuring.removals import removal
from interp.models import HookedMLP, MLPConfig, analytic_mlp

TASK = ModularTask("add", p=11, corrupt_fraction=0.3)


def test_a_removal_measures_what_hooks_measure() -> None:
    model = analytic_mlp("add", p=11, width=40)
    found = removal(cached_pass(model, TASK), [1, 5, 7], n_draws=3)
    with ablate(model, [1, 5, 7]):
        wanted = accuracy(model, TASK)
    assert found.after == wanted
    assert found.before == accuracy(model, TASK)
    assert found.controlled
    assert found.removed == 3


def test_random_sets_come_from_the_pool_and_the_seed() -> None:
    model = HookedMLP(MLPConfig(width=20), vocab=11, seed=3)
    cached = cached_pass(model, TASK)
    found = removal(cached, [0, 1], n_draws=5, pool=np.array([2, 3]), seed=1)
    with ablate(model, [2, 3]):
        only = accuracy(model, TASK)
    assert vars(found.random["test"]) == {"mean": only.test, "low": only.test, "high": only.test}
    a, b = (removal(cached, range(8), n_draws=6, seed=4).random for _ in range(2))
    assert {s: vars(band) for s, band in a.items()} == {s: vars(band) for s, band in b.items()}


def test_a_pool_too_small_for_the_set_is_widened_to_all_neurons() -> None:
    cached = cached_pass(HookedMLP(MLPConfig(width=6), vocab=11), TASK)
    assert removal(cached, range(5), n_draws=2, pool=np.array([0])).removed == 5


def test_hurts_tells_a_set_with_causal_weight_from_one_without() -> None:
    model = analytic_mlp("add", p=31, width=120)
    task = ModularTask("add", p=31)
    cached = cached_pass(model, task)
    nothing, same_size = removal(cached, [], n_draws=20), removal(cached, range(60), n_draws=20)
    assert nothing.hurts("test") is False
    assert nothing.hurts("corrupted_as_labelled") is None
    assert (
        same_size.hurts("test") is False
    )  # all neurons are alike here: a chosen set is as good as a random one


def test_nearly_all_neurons_have_no_control() -> None:
    cached = cached_pass(analytic_mlp("add", p=11, width=20), TASK)
    found = removal(cached, range(17), n_draws=4)
    assert not found.controlled
    assert found.hurts("test") is None
    assert found.differs("test") is None
    assert not removal(cached, range(9), n_draws=4, pool=np.arange(10)).controlled


def test_unusable_neurons_are_refused() -> None:
    with pytest.raises(InterventionError, match="neuron 99 does not exist"):
        removal(cached_pass(HookedMLP(MLPConfig(width=6), vocab=11), TASK), [99])
