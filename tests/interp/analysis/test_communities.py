"""Communities of a network's neurons: planted frequencies, networks without any, series, and what cannot be tested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import check_figure

import interp
from interp.analysis import communities as module
from interp.analysis.communities import communities, communities_of, joined, sampled_activations
from interp.checkpoints import Checkpoint, save_checkpoint
from interp.data import Dataset, ModularTask, TableTask
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig, adopt, analytic_mlp
from interp.subject import Subject
from probes.communities import affinity_of

TASK = ModularTask("add", p=31, train_fraction=0.6, seed=1)


@pytest.fixture(scope="module")
def periodic() -> module.Communities:
    return communities(analytic_mlp("add", p=31, width=90, seed=4), TASK)


def frequencies(model: HookedMLP) -> np.ndarray:
    """Of the left weights, by a loop over neurons."""
    weights = model.embed.W_E[0].detach().numpy()
    return np.array([1 + np.abs(np.fft.rfft(column)[1:]).argmax() for column in weights.T])


def test_communities_are_the_frequencies_of_the_closed_form(periodic: module.Communities) -> None:
    model = analytic_mlp("add", p=31, width=90, seed=4)
    truth, community = frequencies(model), periodic.community
    np.testing.assert_array_equal(periodic.last.frequency, truth)
    pure = [len(set(truth[community == k].tolist())) for k in range(periodic.last.count)]
    assert np.mean(np.array(pure) == 1) > 0.9
    assert periodic.last.connected == (community >= 0).sum() > 80
    test = periodic.last.agreement
    assert test.ari > 0.9
    assert test.p_value == 0.005
    assert test.null_high < 0.1
    assert periodic.last.p_value == 1 / 40
    assert periodic.modularity > periodic.last.dealt.max()
    assert interp.communities is communities


def test_links_are_correlations_of_the_networks_own_activations(periodic: module.Communities) -> None:
    model = analytic_mlp("add", p=31, width=90, seed=4)
    left, right = model.embed.W_E.detach().double().numpy()
    acts = ((left[:, None] + right[None]) ** 2).reshape(31 * 31, 90)
    every = affinity_of(acts)
    expected = np.where(every >= periodic.last.threshold * (1 - 1e-4), every, 0)
    np.testing.assert_allclose(periodic.last.affinity, expected, atol=1e-4)


def test_an_untrained_network_has_no_communities_and_is_left_alone() -> None:
    model = HookedMLP(MLPConfig(width=40), vocab=31, seed=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = communities(model, TASK)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert result.last.connected <= 4
    assert result.last.agreement is None
    assert "0 neurons are generalizing" in result.last.reason
    assert any("not testable" in line for line in result.notes())
    nothing = module.NeuronCommunities(
        np.full(3, -1),
        np.zeros((3, 3)),
        float("inf"),
        None,
        np.zeros(0),
        np.full(3, -1),
        None,
        "",
        None,
        None,
        9,
        "",
    )
    assert nothing.p_value is None
    assert nothing.to_dict()["threshold"] is None
    assert nothing.row()[4:] == ("–",) * 6


def test_a_series_is_compared_with_its_last_frequencies(tmp_path: Path) -> None:
    models = [HookedMLP(MLPConfig(width=60), vocab=31, seed=1), analytic_mlp("add", p=31, width=60, seed=1)]
    for step, model in zip((10, 200), models, strict=True):
        save_checkpoint(tmp_path / f"step-{step:08d}.safetensors", model, TASK, step=step)
    result = communities(tmp_path)
    assert [one.step for one in result.networks] == [10, 200]
    assert result.networks[0].agreement is None
    assert result.final[0].ari < 0.1
    assert result.final[1] == result.last.agreement
    assert result.final[1].ari > 0.8
    data = json.loads(json.dumps(result.to_dict()))
    assert data["agreement_with_final_frequency"][1]["ari"] == result.final[1].ari
    assert data["networks"][1]["community"] == result.community.tolist()
    header, rows = result.table()
    assert [len(row) for row in rows] == [len(header)] * 2
    check_figure(result.plot(), inner=1)
    assert "2 networks" in repr(result)
    one = communities(tmp_path / "step-00000200.safetensors")
    np.testing.assert_array_equal(one.community, result.community)
    np.testing.assert_array_equal(communities(tmp_path, most=1).community, result.community)


def test_one_network_has_a_figure_of_its_communities(periodic: module.Communities) -> None:
    figure = periodic.plot()
    check_figure(figure, unitless=True)
    heat, sizes = figure.data
    assert len(heat.z) == periodic.last.connected
    assert sum(sizes.y) == periodic.last.connected
    assert list(sizes.y) == sorted(sizes.y, reverse=True)


def test_of_many_examples_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EXAMPLES", 300)
    subject = Subject(analytic_mlp("add", p=31, width=60, seed=1), TASK)
    acts, grid, rows = sampled_activations(subject, np.random.default_rng(0))
    assert acts.shape == (961, 60)
    assert grid.shape == (961, 2)
    assert len(set(rows.tolist())) == 300
    result = communities(subject)
    assert result.last.examples == 300
    assert any("300 examples drawn" in line for line in result.notes())
    assert result.last.agreement.ari > 0.5


def test_a_task_without_operands_is_permuted_by_examples() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 6, generator=generator)
    labels, train = (inputs[:, 0] > 0).long(), torch.arange(200) < 100
    data = Dataset(inputs, labels, labels, train, torch.zeros(200, dtype=torch.bool), 2)
    network = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.ReLU(), torch.nn.Linear(12, 2))
    with torch.no_grad():
        network[0].weight[1] = network[0].weight[0] * 2
        network[0].bias[1] = network[0].bias[0] * 2
    subject = Subject(adopt(network, "2:input", example=inputs[:2]), TableTask(data))
    result = communities_of(subject)
    assert result.affinity[0, 1] == pytest.approx(1, abs=1e-5)
    assert result.community[0] == result.community[1] >= 0
    assert "no ordering" in result.reason
    assert (result.frequency == -1).all()


def test_wrong_input_is_refused(tmp_path: Path, periodic: module.Communities) -> None:
    model = analytic_mlp("add", p=11, width=20)
    task = ModularTask("add", p=11)
    for given, message in (
        ({"affinity": "cosine"}, "unknown affinity 'cosine'"),
        ({"draws": 0}, "draws=0"),
        ({"options": interp.OpenOptions()}, "options say how a path is opened"),
    ):
        with pytest.raises(ConfigError, match=message):
            communities(model, task, **given)
    with pytest.raises(ConfigError, match="leave the task out"):
        communities(tmp_path, task)
    other = communities(Checkpoint(model, task, "in memory", step=5))
    with pytest.raises(ConfigError, match="90 and 20 neurons"):
        joined([periodic.last, other.last], "squared", 0)
    with pytest.raises(ConfigError, match="do not rise"):
        joined([other.last, other.last], "squared", 0)
