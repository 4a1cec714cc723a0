"""Components that neurons read and write, against plain Fourier sums; rotated directions, against exact tests."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
import torch
from scipy import stats

from interp.data import ModularTask, TableTask, group_ordering
from interp.errors import ConfigError
from interp.lab.lens.components import (
    Components,
    chance_of_match,
    explained_by,
    match_of,
    read_components,
    significance,
    written_components,
)
from interp.lab.lens.effects import DirectEffect, direct_effect
from interp.measuring.arrays import activation_grid
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, analytic_mlp
from interp.subject import Subject
from probes.features import joint_scores

TURN = 2 * np.pi


def plain(effect: np.ndarray, exact: bool = True) -> DirectEffect:
    return DirectEffect("post", effect, exact, "a matrix")


def differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Absolute differences of angles, in [0, pi]."""
    return np.abs(np.angle(np.exp(1j * (one - other))))


@pytest.mark.parametrize("n", [12, 13])
def test_written_components_are_those_of_a_plain_fourier_sum(n: int) -> None:
    effect = np.random.default_rng(0).normal(size=(5, n)) + 3
    found = written_components(effect)
    for i, row in enumerate(effect):
        sums = [sum(x * cmath.exp(-TURN * 1j * k * q / n) for q, x in enumerate(row)) for k in range(n)]
        energy = {
            k: (abs(sums[k]) ** 2 + (abs(sums[n - k]) ** 2 if 2 * k != n else 0))
            for k in range(1, n // 2 + 1)
        }
        best = max(energy, key=energy.__getitem__)
        assert found.frequency[i] == best
        assert found.share[i] == pytest.approx(energy[best] / (n**2 * row.var()))
        assert differ(found.phase[i], np.array(cmath.phase(sums[best]))) < 1e-9


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "3*a + b", "2*a*b", "a**2*b"])
def test_the_closed_form_writes_the_wave_that_it_reads(operation: str) -> None:
    model, task = analytic_mlp(operation, p=31, width=40), ModularTask(operation, p=31)
    keep = slice(0, 39)  # the last neuron handles zero in multiplication
    effect = direct_effect(model)
    read, written = read_components(Subject(model, task)), written_components(effect.effect, task.ordering)
    assert (read.frequency[keep] == written.frequency[keep]).all()
    assert written.share[keep] == pytest.approx(1, abs=1e-6)
    assert differ(read.phase[keep], written.phase[keep]).max() < 1e-4
    found = match_of(read, written)
    assert found["same"] == found["explained"] >= 39
    assert found["resultant"] == pytest.approx(1, abs=1e-6)
    tested = significance(effect, task.ordering, rotations=499)
    assert (tested.p_share[keep] == 1 / 500).all()
    assert tested.p_class[keep].min() > 0.5  # a wave is no single class


def test_in_a_wrong_order_the_closed_form_writes_no_wave() -> None:
    effect = direct_effect(analytic_mlp("multiply", p=31, width=40))
    right, wrong = (
        significance(effect, group_ordering(name, 31), rotations=499) for name in ("multiply", "add")
    )
    assert np.nanmedian(right.p_share) < 0.01 < 0.2 < np.nanmedian(wrong.p_share)


def test_what_a_transformer_reads_is_in_its_activations() -> None:
    task = ModularTask("subtract", p=7)
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6)
    model = SmallTransformer(config, 7, 7).double()
    hook = "blocks.0.mlp.hook_post"
    found, grid = read_components(Subject(model, task)), activation_grid(model, task, hook)
    wave = np.exp(-TURN * 1j * np.arange(7) / 7)
    for i, one in enumerate(grid):
        if one.std() == 0:
            assert found.frequency[i] == 0
            continue
        power = np.abs(np.fft.fft2(one)) ** 2
        blocks = {
            k: sum(power[a, b] for a in (0, k, -k) for b in (0, k, -k) if (a, b) != (0, 0)) for k in (1, 2, 3)
        }
        best = max(blocks, key=blocks.__getitem__)
        assert found.frequency[i] == best
        assert found.share[i] == pytest.approx(blocks[best] / (power.sum() - power[0, 0]))
        assert differ(found.phase[i], np.angle(wave**best @ one @ wave**best)) < 1e-6
    assert (found.frequency > 0).any()


def test_a_network_with_tied_inputs_has_twice_the_phase_and_a_dead_neuron_none() -> None:
    model = HookedMLP(MLPConfig(width=2, tied=True), vocab=11)
    with torch.no_grad():
        model.embed.W_E.zero_()
        model.embed.W_E[0, :, 0] = torch.cos(TURN * 4 * torch.arange(11) / 11 + 2.5)
    found = read_components(Subject(model, ModularTask("add", p=11)))
    assert found.frequency.tolist() == [4, 0]
    assert differ(found.phase[:1], np.array([5.0])).max() < 1e-5
    assert np.isnan(found.share[1])
    assert np.isnan(found.phase[1])


def test_where_there_are_no_pairs_of_operands_nothing_is_known() -> None:
    task = TableTask.from_arrays(torch.arange(6)[:, None], torch.arange(6) % 3)
    model = HookedMLP(MLPConfig(width=4), vocab=6, n_outputs=3, n_tokens=1)
    found = read_components(Subject(model, task))
    assert found.frequency.tolist() == [0] * 4
    assert not explained_by(found).any()
    assert match_of(found, written_components(direct_effect(model).effect))["resultant"] is None
    assert chance_of_match(found, found) is None


def test_rotations_in_the_space_of_outputs_agree_with_the_exact_test_of_a_wave() -> None:
    effect = np.random.default_rng(1).normal(size=(60, 31)) + 5
    effect += np.linspace(0, 2, 60)[:, None] * np.cos(TURN * 4 * np.arange(31) / 31)
    found = significance(plain(effect), rotations=20_000, seed=2)
    assert found.p_share == pytest.approx(joint_scores([effect])["p_value"], abs=0.015)
    assert found.p_share.min() < 0.01 < 0.5 < found.p_share.max()


def test_rotations_in_the_stream_take_out_what_the_unembedding_gives_to_any_direction() -> None:
    generator = np.random.default_rng(0)
    few = np.cos(TURN * np.outer([3, 3, 5, 5], np.arange(31)) / 31 + np.array([[0], [1.5], [0], [1.5]]))
    reads = np.vstack([3 * few, generator.normal(size=(12, 31))])
    writes = generator.normal(size=(400, 16))
    streams = DirectEffect("post", writes @ reads, True, "a stream", writes, reads)
    inside, outside = (significance(one, rotations=4000) for one in (streams, plain(streams.effect)))
    for p in (inside.p_share, inside.p_class):
        assert stats.kstest(p, "uniform").pvalue > 0.01
    assert stats.kstest(outside.p_share, "uniform").pvalue < 1e-10
    assert (inside.q_share > 0.01).all()
    assert set(np.unique(inside.rotated.frequency)) >= {3, 5}


def test_one_class_is_found_where_a_neuron_writes_for_it_alone() -> None:
    effect = np.random.default_rng(0).normal(size=(20, 41))
    effect[7, 11] += 12
    found = significance(plain(effect), rotations=4000)
    assert np.flatnonzero(found.q_class <= 0.01).tolist() == [7]
    assert found.p_class[7] == pytest.approx(1 / 4001)


def test_dead_neurons_are_not_tested_and_neither_scale_nor_mean_matters() -> None:
    effect = np.random.default_rng(0).normal(size=(6, 13))
    effect[2] = 0
    found = significance(plain(effect), rotations=100, seed=4)
    for p in (found.p_share, found.q_share, found.p_class, found.q_class):
        assert np.isnan(p).tolist() == [False, False, True, False, False, False]
    again = significance(plain(1000 * effect + 7), rotations=100, seed=4)
    assert np.array_equal(again.p_share, found.p_share, equal_nan=True)
    assert np.array_equal(again.p_class, found.p_class, equal_nan=True)
    assert np.linalg.norm(found.example) == pytest.approx(
        np.sqrt(np.square(effect - effect.mean(1, keepdims=True)).sum(1).mean())
    )
    with pytest.raises(ConfigError, match="rotations=0"):
        significance(plain(effect), rotations=0)


def test_a_match_counts_explained_neurons_only() -> None:
    nan = np.nan
    read = Components(np.array([1, 2, 3, 0]), np.array([0.9, 0.9, 0.5, nan]), np.array([0.0, 1.0, 2.0, nan]))
    written = Components(
        np.array([1, 5, 3, 0]), np.array([0.9, 0.9, 0.5, nan]), np.array([-0.3, 1.0, 2.0, nan])
    )
    found = match_of(read, written)
    assert (found["explained"], found["same"]) == (2, 1)
    assert found["offset"] == pytest.approx(0.3)
    found = match_of(read, written, 0.4)
    assert (found["explained"], found["same"]) == (3, 2)
    rotated = Components(np.array([1, 1, 2, 4]), np.ones(4), np.zeros(4))
    assert chance_of_match(read, rotated) == pytest.approx((0.5 + 0.25) / 2)


def test_rotated_directions_that_are_as_large_count() -> None:
    effect = np.random.default_rng(0).normal(
        size=(4, 3)
    )  # three classes have one frequency, so that all are equal
    assert (significance(plain(effect), rotations=50).p_share == 1).all()
