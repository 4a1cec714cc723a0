"""Norm weights of a grid's networks beside the periodicity of their neurons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.grids.figures import gammas_of
from interp.models import HookedMLP, MLPConfig, analytic_mlp
from interp.plots import gammas_against_ipr

TASK = ModularTask("add", p=13, train_fraction=0.7)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Networks with half of their neurons periodic, which the norm amplifies more."""
    found = []
    for seed in (0, 1):
        model = HookedMLP(MLPConfig(width=40, norm="batch"), vocab=13, seed=seed)
        waves = analytic_mlp("add", p=13, width=40, seed=seed)
        state = model.state_dict()
        state["embed.W_E"][..., 20:] = waves.embed.W_E[..., 20:]
        state["unembed.W_U"][20:] = waves.unembed.W_U[20:]
        state["blocks.0.mlp.norm.weight"].copy_(
            state["unembed.W_U"].new_tensor([-0.1] * 20 + [0.5 + seed] * 20)
        )
        model.load_state_dict(state)
        found.append(save_checkpoint(tmp_path / str(seed), model, TASK))
    return found


def test_medians_and_correlations_are_those_of_each_network(files: list[Path]) -> None:
    first, second = gammas_of(files)
    assert first.gamma == pytest.approx([0.1] * 20 + [0.5] * 20)
    assert (first.high, second.high) == pytest.approx((0.5, 1.5))
    rho = stats.spearmanr(first.ipr, first.gamma).statistic
    assert first.correlation.rho == pytest.approx(rho)
    assert first.correlation.rho > 0.8
    model_ipr = np.array(first.ipr)
    assert (model_ipr[20:] > 0.9).all()
    assert first.to_dict()["median_high"] == first.high


def test_the_figure_has_a_point_for_each_neuron(files: list[Path]) -> None:
    gammas = zip(["one", "two"], gammas_of(files), strict=True)
    figure = gammas_against_ipr({name: (one.ipr, one.gamma) for name, one in gammas})
    assert [trace.name for trace in figure.data] == ["one", "two"]
    assert [len(trace.x) for trace in figure.data] == [40, 40]


def test_networks_without_a_norm_are_refused(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path / "plain", HookedMLP(MLPConfig(width=9), vocab=13), TASK)
    with pytest.raises(ConfigError, match="no norm after the activation"):
        gammas_of([file])
