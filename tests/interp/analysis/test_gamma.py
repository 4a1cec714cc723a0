"""Norm weights carried from one network to another, against edited weights and formulas from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from interp.analysis.gamma import gamma_of, gamma_rescale, transfer_gamma
from interp.checkpoints import Checkpoint, save_checkpoint
from interp.data import SPLITS, ModularTask
from interp.errors import ConfigError, HookNameError
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig, planted_mlp
from interp.subject import score
from probes.agreement import rank_correlation

TASK = ModularTask("add", p=31, train_fraction=0.5, corrupt_fraction=0.35)
POST = "blocks.0.mlp.hook_post"


@pytest.fixture(scope="module")
def target() -> Checkpoint:
    """A network with known memorizing, generalizing and dead neurons."""
    return Checkpoint(planted_mlp(TASK).model.eval(), TASK, "memory")


@pytest.fixture(scope="module")
def donor(target: Checkpoint) -> Checkpoint:
    """The same neurons behind a norm that hears the periodic ones only."""
    ipr = score(target.model, TASK)["ipr"].astype(float)
    width = len(ipr)
    model = HookedMLP(MLPConfig(width=width, norm="batch"), vocab=31).eval()
    with torch.no_grad():
        model.embed.W_E.copy_(target.model.embed.W_E)
        model.unembed.weight.copy_(target.model.unembed.weight)
        weight = torch.from_numpy(np.where(np.nan_to_num(ipr) > 0.5, 0.06, -0.02))
        model.layers[0].mlp.norm.weight.copy_(weight)
    return Checkpoint(model, TASK, "memory")


def test_scales_follow_periodicity_and_leave_dead_neurons(donor: Checkpoint, target: Checkpoint) -> None:
    table = score(target.model, TASK)
    scales = transfer_gamma(donor.model, score(donor.model, TASK), table)
    ipr, dead = table["ipr"].astype(float), table["label"] == "dead"
    assert dead.any()
    np.testing.assert_array_equal(scales[dead], 1.0)
    np.testing.assert_allclose(scales[~dead & (ipr > 0.6)], 1.0)
    np.testing.assert_allclose(scales[~dead & (ipr < 0.4)], 1 / 3, rtol=1e-6)


def test_the_target_is_rescaled_as_its_edited_weights_say(donor: Checkpoint, target: Checkpoint) -> None:
    before = {name: tensor.clone() for name, tensor in target.model.state_dict().items()}
    found = gamma_rescale(donor, target, n_random=6, strength=1.5)
    scales = torch.from_numpy(found.scales).float()
    edited = target.model.absorb(POST, scales, torch.zeros_like(scales))
    wanted, unchanged = accuracy(edited, TASK), accuracy(target.model, TASK)
    for split in SPLITS:
        assert found.after[split] == pytest.approx(wanted[split], abs=1e-9)
        assert found.before[split] == pytest.approx(unchanged[split])
        low, mean, high = (getattr(found.random[split], key) for key in ("low", "mean", "high"))
        assert low <= mean <= high
    assert found.scales.min() == pytest.approx((1 / 3) ** 1.5)
    assert all(torch.equal(before[name], tensor) for name, tensor in target.model.state_dict().items())
    # Weaker memory loses corrupted labels; the same scales on other neurons lose fewer.
    assert found.after.corrupted_as_labelled < found.before.corrupted_as_labelled - 0.05
    assert found.after.corrupted_as_labelled < found.random["corrupted_as_labelled"].low


def test_a_strength_of_zero_changes_nothing(donor: Checkpoint, target: Checkpoint) -> None:
    found = gamma_rescale(donor, target, n_random=2, strength=0)
    assert found.after == found.before
    assert {found.random["all"].low, found.random["all"].high} == {found.before.all}


def test_networks_with_more_layers_after_the_neurons_are_rescaled_too(donor: Checkpoint) -> None:
    model = HookedMLP(MLPConfig(width=20, depth=3, activation="relu"), vocab=31, seed=4).eval()
    found = gamma_rescale(donor, Checkpoint(model, TASK, "memory"), n_random=1, strength=3, site=POST)
    scales = torch.from_numpy(found.scales).float()
    edited = model.absorb(POST, scales, torch.zeros_like(scales))
    assert found.after.to_dict() == pytest.approx(accuracy(edited, TASK).to_dict())


def test_the_correlation_is_scipys_and_its_interval_holds_it(donor: Checkpoint, target: Checkpoint) -> None:
    found = gamma_rescale(donor, target, n_random=1)
    known = np.isfinite(found.donor_ipr)
    assert found.correlation.rho == pytest.approx(
        spearmanr(found.donor_ipr[known], found.donor_gamma[known]).statistic
    )
    assert found.correlation.low < found.correlation.rho < found.correlation.high
    x, noise = np.random.default_rng(0).normal(size=(2, 60))
    mixed = rank_correlation(x, x + noise)
    assert mixed.rho == pytest.approx(spearmanr(x, x + noise).statistic)
    assert 0.2 < mixed.low < mixed.rho < mixed.high < 0.95
    assert rank_correlation(x, -x).rho == pytest.approx(-1)


@pytest.mark.parametrize("y", [np.ones(5), np.full(5, np.nan), np.array([1, 2, np.nan, np.nan, np.nan])])
def test_a_correlation_that_is_not_defined_is_none(y: np.ndarray) -> None:
    found = rank_correlation(np.arange(5.0), y)
    assert (found.rho, found.low, found.high) == (None, None, None)


def test_results_are_plain_and_drawn(donor: Checkpoint, target: Checkpoint) -> None:
    found = gamma_rescale(donor, target, n_random=2)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["random_draws"] == 2
    points, line = found.plot().data
    known = np.isfinite(found.donor_ipr)
    np.testing.assert_allclose(points.y, found.donor_gamma[known], rtol=1e-4)
    assert list(line.x) == sorted(line.x)
    assert (np.diff(line.y) >= 0).all()
    assert repr(found).startswith(f"GammaTransfer({len(found.scales)} neurons, strength 1, rank correlation")


def test_files_are_opened(donor: Checkpoint, target: Checkpoint, tmp_path: Path) -> None:
    for name, opened in (("donor", donor), ("target", target)):
        save_checkpoint(tmp_path / name, opened.model, opened.task)
    stored = gamma_rescale(tmp_path / "donor.safetensors", tmp_path / "target.safetensors", n_random=2)
    assert stored.to_dict() == gamma_rescale(donor, target, n_random=2).to_dict()


def test_gamma_is_that_of_the_site() -> None:
    model = HookedMLP(MLPConfig(width=4, depth=3, norm="layer"), vocab=5)
    with torch.no_grad():
        model.layers[0].mlp.norm.weight.copy_(torch.tensor([1.0, -2.0, 3.0, 0.0]))
    assert gamma_of(model, POST).tolist() == [1, 2, 3, 0]
    assert gamma_of(model).tolist() == [1, 1, 1, 1]
    with pytest.raises(HookNameError, match="no neurons at 'nowhere'"):
        gamma_of(model, "nowhere")


def test_what_has_no_gamma_or_no_periodicity_is_named(donor: Checkpoint, target: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="no norm after the activation at 'blocks"):
        gamma_rescale(target, target)
    small = SmallTransformer(TransformerConfig(8, 2, 4, 5, norm="layer"), 7, 7, Prompt.parse("a b", p=7))
    with pytest.raises(ConfigError, match="no norm after the activation"):
        gamma_of(small)
    with pytest.raises(ConfigError, match="strength=-1"):
        gamma_rescale(donor, target, strength=-1.0)
    table = score(target.model, TASK)
    with pytest.raises(ConfigError, match="is it of this network"):
        transfer_gamma(donor.model, table.where(label="memorizing"), table)
    deaf = HookedMLP(donor.model.config, vocab=31).eval()
    with torch.no_grad():
        deaf.layers[0].mlp.norm.weight.zero_()
    with pytest.raises(ConfigError, match="are 0"):
        transfer_gamma(deaf, table, table)
    silent = HookedMLP(MLPConfig(width=6), vocab=31).eval()
    with torch.no_grad():
        silent.unembed.weight.zero_()
    with pytest.raises(ConfigError, match="none of the target's neurons has an IPR"):
        gamma_rescale(donor, Checkpoint(silent, TASK, "memory"))
