"""Regime of learning: kernels against autograd one at a time, networks that did not learn, and series."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import check_figure

from interp import regime
from interp.analysis.dealt_weights import dealt_anew
from interp.analysis.regime import rank_of
from interp.analysis.tangent_kernel import output_directions, tangent_kernel
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=7, train_fraction=0.8)
FEW = {"examples": 30, "kernel_examples": 6, "unrelated": 4}


def network(seed: int = 0, width: int = 12) -> HookedMLP:
    return HookedMLP(MLPConfig(width=width, activation="relu"), vocab=7, seed=seed)


def test_the_tangent_kernel_is_that_of_jacobians() -> None:
    model, inputs = network(), TASK.dataset.inputs[:5]
    model.unembed.weight.requires_grad_(False)
    gradients = np.zeros((5, 7, 2 * 7 * 12 + 12 * 7))
    for example in range(5):
        for output in range(7):
            copy = deepcopy(model).requires_grad_(True)
            copy(inputs)[example, output].backward()
            gradients[example, output] = torch.cat([one.grad.flatten() for one in copy.parameters()]).numpy()
    expected = np.einsum("iop,jop->ij", gradients, gradients)
    kernel = tangent_kernel(model, inputs, np.eye(7))
    np.testing.assert_allclose(kernel, expected, rtol=1e-4, atol=1e-7)
    assert [one.requires_grad for one in model.parameters()] == [True, False]
    signs = output_directions(7, 3, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(signs), 7**-0.5)
    many = output_directions(7, 6, np.random.default_rng(0))
    assert many.shape == (6, 7)
    assert np.array_equal(output_directions(7, 7, np.random.default_rng(0)), np.eye(7))


def test_a_network_that_did_not_move_is_aligned_with_itself() -> None:
    model = network()
    result = regime(model, deepcopy(model), TASK, **FEW)
    last = result.last
    assert (last.relative_change, last.sign_similarity) == (0, 1)
    for name in ("representation", "representation_centred", "kernel", "kernel_centred"):
        assert getattr(last, name) == pytest.approx(1)
        assert result.p_value(name) < 0.1
    assert result.nearer("representation_centred").startswith("nearer")


def test_unrelated_networks_are_seldom_called_nearer() -> None:
    p_values = []
    start = network(width=20)
    for seed in range(30):
        other = dealt_anew(start, np.random.default_rng(1000 + seed))
        result = regime(start, other, TASK, examples=25, kernel_examples=0, unrelated=5, seed=seed)
        p_values.append(result.p_value("representation_centred"))
        assert result.last.kernel is None
        assert result.nearer("kernel") == "not known"
    assert np.mean(np.array(p_values) <= 0.05) <= 0.15
    assert 0.35 < np.mean(p_values) < 0.65


def test_weights_that_move_more_are_less_alike() -> None:
    start = network(width=40)
    after = []
    for size in (0.1, 1.0):
        moved = deepcopy(start)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for weight in moved.parameters():
                weight += size * weight.std() * torch.randn(weight.shape, generator=generator)
        after.append(regime(start, moved, TASK, **FEW).last)
    assert after[0].relative_change == pytest.approx(0.1, rel=0.2)
    assert after[1].relative_change == pytest.approx(1, rel=0.2)
    for name in ("sign_similarity", "representation_centred", "kernel_centred"):
        assert getattr(after[0], name) > getattr(after[1], name)


def test_a_series_is_compared_with_its_first_checkpoint(tmp_path: Path) -> None:
    config = TrainConfig(steps=60, save_every=20)
    train(TASK, MLPConfig(width=20), config, out=tmp_path / "run", show_progress=False)
    result = regime(tmp_path / "run", **FEW)
    assert [change.step for change in result.changes] == [20, 40, 60]
    moved = [change.relative_change for change in result.changes]
    assert moved == sorted(moved)
    assert list(result.to_pandas()["step"]) == [20, 40, 60]
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["changes"][0]["step"] == 20
    check_figure(result.plot())
    train(TASK, MLPConfig(width=20), TrainConfig(steps=0), out=tmp_path / "one", show_progress=False)
    with pytest.raises(CheckpointError, match="fewer than two"):
        regime(tmp_path / "one", **FEW)


def test_transformers_and_figures_of_two_networks() -> None:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=20)
    models = [SmallTransformer(config, 7, 7, seed=seed) for seed in (0, 1)]
    result = regime(*models, TASK, examples=20, kernel_examples=4, unrelated=3)
    assert 0 < result.last.kernel_centred < 1
    assert {name for name, rank in result.ranks.items() if rank.effective is None} == set()
    check_figure(result.plot())
    assert "tangent kernel alignment" in repr(result)


def test_ranks_are_means_over_stacked_matrices() -> None:
    one, other = np.diag([1.0, 1.0, 0.0]), np.diag([1.0, 0.0, 0.0])
    assert rank_of(np.stack([one, other])).effective == pytest.approx(1.5)
    assert rank_of(one[:2]).to_dict() == {"effective": pytest.approx(2.0), "full": 2}
    assert rank_of(np.zeros((4, 2, 3, 3))).full == 4
    assert rank_of(np.ones((3000, 2500))).effective is None


def test_a_start_with_nan_has_unknown_numbers() -> None:
    start = network()
    with torch.no_grad():
        start.unembed.weight[0, 0] = float("nan")
    result = regime(start, network(), TASK, **FEW)
    assert result.ranks["unembed.W_U"].effective is None
    assert result.ranks["embed.W_E"].effective > 1
    assert result.last.relative_change is None
    assert result.last.kernel is None
    json.dumps(result.to_dict(), allow_nan=False)


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(ConfigError, match="different weights, such as"):
        regime(network(), network(width=13), TASK, **FEW)
    with pytest.raises(ConfigError, match="give a later one"):
        regime(network(), None, TASK)
    with pytest.raises(ConfigError, match="a series alone"):
        regime("runs/r0", network(), TASK)
    with pytest.raises(ConfigError, match="kernel_examples=2"):
        regime(network(), network(), TASK, kernel_examples=2)
    with pytest.raises(ConfigError, match="examples=2 is out of range"):
        regime(network(), network(), TASK, examples=2)
