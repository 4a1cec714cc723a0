"""Curves by rank-1 updates, by blocks, by cached prefix and by plain hooks are the same curve."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import interp
from interp.data import GROUPS, SPLITS, ModularTask
from interp.interventions import Edit, ablate, intervene
from interp.measuring import kernels
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import (
    counts_by_blocks,
    counts_by_prefix,
    kernel_arguments,
    measure_curve,
    split_accuracy,
)
from interp.measuring.evaluation import all_logits, evaluate
from interp.models import HookedMLP, MLPConfig
from interp.modes import make_intervention

TASK = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
SHAPES = {
    "square": MLPConfig(width=13),
    "relu with bias, tied": MLPConfig(width=13, activation="relu", bias=True, tied=True),
    "batch norm": MLPConfig(width=13, norm="batch"),
    "layer norm": MLPConfig(width=13, norm="layer"),
    "three layers": MLPConfig(width=13, depth=3, activation="relu"),
}


def network(shape: str) -> HookedMLP:
    return HookedMLP(SHAPES[shape], vocab=TASK.p, seed=7).eval()


def accuracies_by_hooks(
    model: HookedMLP, order: np.ndarray, mode: str, site: str | None
) -> dict[str, list[float]]:
    """The slow way: one hooked forward pass over all pairs for each number of removed neurons."""
    found: dict[str, list[float]] = {split: [] for split in SPLITS}
    for k in range(len(order) + 1):
        with ablate(model, order[:k], mode, site=site, reference=TASK):
            measured = evaluate(model, TASK).accuracy
        for split in SPLITS:
            found[split].append(measured[split])
    return found


@pytest.mark.parametrize("mode", ["zero", "mean", "scale=-0.5"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_path_gives_the_curve_of_plain_hooks(shape: str, mode: str) -> None:
    model, order = network(shape), np.random.default_rng(0).permutation(13)
    cached = cached_pass(model, TASK, mode=mode)
    wanted = accuracies_by_hooks(model, order, mode, None)
    found = {
        "kernel": measure_curve(cached, order, n_random=0).accuracy,
        "blocks": split_accuracy(counts_by_blocks(cached, order), cached),
        "prefix": split_accuracy(counts_by_prefix(cached, order, np.arange(14)), cached),
    }
    for path, accuracy in found.items():
        for split in SPLITS:
            # Neither zeroing nor a mean leaves a rule at the last step: logits are then rounding, which the
            # sweep calls no answer and a plain forward pass may call one.
            np.testing.assert_allclose(
                accuracy[split][:-1], wanted[split][:-1], atol=1e-9, err_msg=f"{path} {split}"
            )


@pytest.mark.parametrize("shape", SHAPES)
def test_rank_one_prefix_and_hooks_agree_in_logits(shape: str) -> None:
    model, order = network(shape), np.random.default_rng(1).permutation(13)[:6]
    cached = cached_pass(model, TASK)
    change, readout, logits, *labelled = kernel_arguments(cached)
    _, by_kernel = kernels.cumulative_hits(change, readout, order, logits, *labelled, len(GROUPS), 2, 0.0)
    changed = cached.activations.clone()
    changed[:, order] = 0
    with torch.no_grad():
        by_prefix = cached.prefix.logits(changed)
    with ablate(model, order):
        by_hooks = all_logits(model, TASK.dataset)
    np.testing.assert_allclose(by_kernel, by_hooks, atol=1e-4)
    np.testing.assert_allclose(by_prefix, by_hooks, atol=1e-4)
    np.testing.assert_allclose(cached.logits_after(torch.as_tensor(order)), by_hooks, atol=1e-4)


def test_a_site_with_layers_after_it_is_swept_from_its_prefix() -> None:
    model, site = network("three layers"), "blocks.0.mlp.hook_post"
    cached, order = cached_pass(model, TASK, site=site), np.arange(13)[::-1]
    assert cached.readout is None
    found, wanted = measure_curve(cached, order, n_random=2), accuracies_by_hooks(model, order, "zero", site)
    for split in SPLITS:
        np.testing.assert_allclose(found.accuracy[split][:-1], wanted[split][:-1], atol=1e-9)
    assert measure_curve(cached, order, n_random=0, points=5).removed.tolist() == [0, 3, 6, 10, 13]


def test_resampling_moves_whole_rows_of_activations() -> None:
    model, order = network("square"), np.array([4, 2, 9])
    cached = cached_pass(model, TASK, mode="resample", seed=5)
    edit = Edit(cached.hook, order, make_intervention("resample", cached.activations[:, order], seed=5))
    with intervene(model, edit):
        wanted = all_logits(model, TASK.dataset)
    np.testing.assert_allclose(cached.logits_after(torch.as_tensor(order)), wanted, atol=1e-5)


@pytest.mark.parametrize("n_steps", [0, 1, 2, 13])
def test_odd_and_even_numbers_of_steps_are_all_counted(n_steps: int) -> None:
    model = network("square")
    cached, order = cached_pass(model, TASK), np.arange(13)[:n_steps]
    found = measure_curve(cached, order, n_random=0).accuracy
    wanted = split_accuracy(counts_by_prefix(cached, order, np.arange(n_steps + 1)), cached)
    for split in SPLITS:
        np.testing.assert_array_equal(found[split], wanted[split])


def test_the_random_control_is_the_mean_of_seeded_orders_and_their_interval() -> None:
    cached = cached_pass(network("square"), TASK)
    found = measure_curve(cached, np.arange(13), n_random=4, seed=9)
    generator = np.random.default_rng(9)
    draws = [measure_curve(cached, generator.permutation(13), n_random=0).accuracy["test"] for _ in range(4)]
    band = found.random["test"]
    np.testing.assert_allclose(band.mean, np.mean(draws, axis=0))
    assert (band.low <= band.mean).all()
    assert (band.mean <= band.high).all()
    again = measure_curve(cached, np.arange(13), n_random=4, seed=9)
    np.testing.assert_array_equal(band.low, again.random["test"].low)


def test_splits_without_examples_are_none() -> None:
    task = ModularTask("add", p=5, train_fraction=1.0)
    found = measure_curve(cached_pass(HookedMLP(MLPConfig(width=4), vocab=5), task), np.arange(4), n_random=2)
    assert found.accuracy["test"] is None
    assert found.random["corrupted_as_true"] is None
    assert found.accuracy["train"] is not None


def test_a_thinned_curve_keeps_its_ends() -> None:
    found = measure_curve(cached_pass(network("square"), TASK), np.arange(13), n_random=2)
    thin = found.thinned(5)
    assert thin.removed.tolist() == [0, 3, 6, 10, 13]
    assert thin.accuracy["test"][-1] == found.accuracy["test"][-1]
    assert thin.at(1.0, "test") == found.at(1.0, "test")


def test_kernels_leave_pytorchs_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        measure_curve(cached_pass(network("square"), TASK), np.arange(13), n_random=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


UNWRITABLE = """
from numba.core import caching

def refuse(self):
    raise OSError(30, "Read-only file system")

for kind in vars(caching).values():
    if isinstance(kind, type) and hasattr(kind, "ensure_cache_path"):
        kind.ensure_cache_path = refuse
from interp.audit import audit
from interp.data import ModularTask
from interp.models import analytic_mlp
print(audit(analytic_mlp("add", p=7, width=60), ModularTask("add", p=7), n_random=1).accuracy.all)
"""


@pytest.mark.slow
def test_without_a_place_for_compiled_code_nothing_is_kept() -> None:
    home = {**os.environ, "HOME": "/proc/none", "PYTHONPATH": str(Path(interp.__file__).parents[1])}
    words = [sys.executable, "-c", UNWRITABLE]
    done = subprocess.run(words, env=home, capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n"
