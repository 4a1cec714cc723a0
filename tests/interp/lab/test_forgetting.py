"""The study of forgetting: its sets, probes and changes against loops, a small run, and its judgement."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.errors import ConfigError
from interp.lab.continual.method import LearningTask, Run
from interp.lab.continual.methods.refresh import Refresh
from interp.lab.forgetting import measuring
from interp.lab.forgetting.neurons import contributions, moved
from interp.lab.forgetting.refresh import candidates, unlearning_change
from interp.lab.forgetting.skills import (
    SKILLS,
    GatedNetwork,
    accuracy,
    chance_interval,
    draw_examples,
    fit,
    subject_of_skill,
)
from interp.lab.forgetting.study import STUDY, Config, measure
from interp.lab.forgetting.unlearning import Relearnt, fine_tuned, forget, probed, relearn
from interp.lab.study import Record, StudyResult
from interp.models import HookedMLP, MLPConfig
from interp.progress import silent


def test_sets_are_disjoint_and_labels_follow_the_operations() -> None:
    examples = draw_examples(11, 0.8, 0.1, torch.Generator().manual_seed(0))
    for (a, skill, b), true in zip(examples.inputs.tolist(), examples.true.tolist(), strict=True):
        assert true == [(a + b) % 11, (a - b) % 11, (-a - b) % 11, a][skill]
    for skill in range(len(SKILLS)):
        sets = [set(examples.rows(skill, kind).tolist()) for kind in ("forget", "other", "held_out")]
        assert len(set.union(*sets)) == sum(map(len, sets))
        assert all(sets)
        assert not set.union(*sets) & set(examples.wrong.nonzero()[:, 0].tolist())
    own = examples.forget | ~examples.train
    assert (examples.labels[own] == examples.true[own]).all()


def test_the_network_is_its_formula_and_a_skill_sees_the_same() -> None:
    examples = draw_examples(7, 0.8, 0.2, torch.Generator().manual_seed(0))
    network = GatedNetwork(7, 4, 6, torch.Generator().manual_seed(1))
    a, b, gate, out = (
        one.detach().numpy()
        for one in (network.a.weight, network.b.weight, network.gate.weight, network.out.weight)
    )
    logits = network(examples.inputs).detach().numpy()
    for row in (0, 60, 120, 190):
        i, skill, j = examples.inputs[row].tolist()
        np.testing.assert_allclose(
            logits[row], out @ (gate[skill] * (a[i] + b[j]) ** 2), rtol=1e-4, atol=1e-5
        )
    subject = subject_of_skill(network, examples, 2, 0)
    own = examples.skill == 2
    np.testing.assert_allclose(subject.cached.logits.numpy(), logits[own.numpy()], rtol=1e-4, atol=1e-5)


def test_changes_of_neurons_are_those_of_loops() -> None:
    examples = draw_examples(5, 0.6, 0.0, torch.Generator().manual_seed(0))
    before, after = (GatedNetwork(5, 4, 6, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    change = moved(before, after, examples, 1, np.array(["generalizing"] * 6))
    for neuron in range(6):

        def weights(one: GatedNetwork, n: int = neuron) -> np.ndarray:
            parts = (
                one.a.weight[:, n],
                one.b.weight[:, n],
                one.gate.weight[1, n : n + 1],
                one.out.weight[:, n],
            )
            return torch.cat(parts).detach().numpy()

        expected = np.linalg.norm(weights(after) - weights(before)) / np.linalg.norm(weights(before))
        assert change.weights[neuron] == pytest.approx(expected, rel=1e-5)
    rows, total = examples.rows(1, "held_out"), np.zeros(6)
    for row in rows.tolist():
        hidden, readout = before.hidden(examples.inputs[row : row + 1])[0], before.out.weight
        total += (hidden * (readout[examples.true[row]] - readout.mean(0))).detach().numpy()
    np.testing.assert_allclose(contributions(before, examples, 1), total / len(rows), rtol=1e-4, atol=1e-6)
    assert change.mean("weights", "memorizing") is None


@pytest.mark.parametrize("few", [4, 5])
def test_both_kinds_are_compared_over_the_same_operations(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = draw_examples(5, 0.6, 0.0, torch.Generator().manual_seed(0))
    networks = [GatedNetwork(5, 4, 12, torch.Generator().manual_seed(seed)) for seed in (1, 2, 3)]
    labels = np.array(["memorizing"] * few + ["generalizing"] * (12 - few))
    monkeypatch.setattr(measuring, "labels_of", lambda *_: labels)
    numbers = measuring._neurons(*networks, examples, 1, 0)
    for quantity in ("weights", "effect"):
        excess = [numbers[f"{quantity}_excess_{kind}"] for kind in ("generalizing", "memorizing")]
        assert [one is None for one in excess] == [few < 5] * 2
        own, control = numbers[f"{quantity}_generalizing"], numbers[f"{quantity}_control_generalizing"]
        assert few < 5 or excess[0] == pytest.approx(np.log(own / control))


def test_forgetting_ends_at_chance_and_leaves_the_network_alone() -> None:
    examples = draw_examples(7, 0.8, 0.0, torch.Generator().manual_seed(0))
    network = GatedNetwork(7, 4, 40, torch.Generator().manual_seed(1))
    rows = examples.train.nonzero()[:, 0]
    fit(network, lambda _: (rows, examples.labels[rows]), examples, 60, 0.02)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forgotten = forget(network, examples, 0, 60, 0.05, torch.Generator().manual_seed(2))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert forgotten.at_chance
    assert forgotten.updates + 1 == len(forgotten.curves["forget"])
    assert np.mean(forgotten.curves["forget"][-5:]) <= chance_interval(len(examples.rows(0, "forget")), 7)[1]
    assert accuracy(fine_tuned(network, examples, 0, 5, 0.01), examples, examples.rows(0, "forget")) == 1.0
    relearnt = relearn(
        forgotten.network, deepcopy(network), examples, 0, 12, 0.02, torch.Generator().manual_seed(3)
    )
    assert relearnt["scratch"].updates(0.9) == 0  # here it starts from the network that knows all
    assert 0 < relearnt["true"].updates(0.9) < len(relearnt["true"].part)
    assert Relearnt([0.2, 0.6], [0.1, 0.2]).updates(0.5, "rest") == 1


def test_a_probe_reads_what_activations_show() -> None:
    examples = draw_examples(11, 0.8, 0.0, torch.Generator().manual_seed(0))
    network = GatedNetwork(11, 4, 300, torch.Generator().manual_seed(1))
    assert probed(network, examples, 3) > 0.9  # the first operand, in an untrained network
    assert probed(network, examples, 3, np.random.default_rng(0)) < 0.3


def refreshed(method: Refresh) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Parameters before and after one refresh step, and the gradient of the loss."""
    from interp.lab.continual.method import Batch

    network = torch.nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]]))
    inputs, labels = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]]), torch.tensor([0, 1])
    task = LearningTask("one", inputs, labels, inputs, labels)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    run = Run(network, [task], optimizer, 1, 0.1, torch.Generator().manual_seed(0))
    before = network.weight.detach().clone()
    torch.nn.functional.cross_entropy(network(inputs), labels).backward()
    gradient = network.weight.grad.clone()  # type: ignore[union-attr]
    method.start(run)
    method.before_batch(run, Batch(inputs, labels))
    return before, network.weight.detach(), gradient


def test_a_refresh_step_goes_up_the_gradient_by_a_share_of_the_parameters() -> None:
    before, after, gradient = refreshed(Refresh(size=0.01, noise=0.0))
    torch.testing.assert_close(after - before, 0.01 * before.norm() * gradient / gradient.norm())
    before, after, gradient = refreshed(Refresh(size=0.01, noise=0.0, direction="random"))
    assert (after - before).norm() == pytest.approx(0.01 * before.norm().item(), rel=1e-5)
    assert abs(torch.cosine_similarity((after - before).flatten(), gradient.flatten(), dim=0)) < 0.9
    important = Refresh(size=0.1, noise=0.0, damping=2.0)
    values, fisher = torch.ones(4), torch.tensor([0.0, 1.0, 2.0, 3.0])
    step = important.step(values, torch.ones(4), fisher, torch.Generator())
    torch.testing.assert_close(step, 0.1 / (1 + 2 * fisher))
    with pytest.raises(ConfigError, match="size=2"):
        Refresh(size=2)


def test_changes_in_the_unlearning_step_are_gradients_by_neuron() -> None:
    model = HookedMLP(MLPConfig(width=5), vocab=7)
    inputs, labels = torch.tensor([[1, 2], [3, 3], [0, 6]]), torch.tensor([0, 4, 2])
    change = unlearning_change(model, inputs, labels)
    loss = (model(inputs) - torch.eye(7)[labels]).square().mean()
    embed, unembed = torch.autograd.grad(loss, [model.embed.W_E, model.unembed.W_U])
    for neuron in range(5):
        own = torch.cat([model.embed.W_E[:, :, neuron].flatten(), model.unembed.W_U[neuron]])
        grown = torch.cat([embed[:, :, neuron].flatten(), unembed[neuron]])
        assert change[neuron] == pytest.approx((grown.norm() / own.norm()).item(), rel=1e-4)


@pytest.mark.slow
def test_a_small_run_has_every_quantity() -> None:
    record = measure(Config(p=11, width=40, updates=60, forget_updates=8, relearn_updates=5), 0, silent)
    assert set(STUDY.quantities) <= set(record.numbers)
    assert len(record.curves["curves"]) == len(SKILLS)
    assert np.array([one["lost"] for one in record.curves["curves"]]).shape == (4, 4)
    result = StudyResult(STUDY, Config(), (0, 1), (record, record))
    assert result.findings()
    check_figure(result.plot(), inner=3)
    assert candidates(1, modulus=13, width=30)["candidates_test"] is not None


def made_up(**given: float) -> StudyResult:
    """A result of three seeds with these numbers, which differ a little."""
    records = []
    for jitter in (-0.01, 0.0, 0.01):
        numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.5 + jitter)
        more = ("held_out_before", "others_control", "wrong_before", "chance_high", "probe_after_sums")
        more += ("probe_untrained_sums", "probe_after_linear", "probe_untrained_linear")
        more += tuple(
            f"ipr_{time}_{kind}"
            for time in ("before", "after", "control")
            for kind in ("generalizing", "memorizing")
        )
        numbers |= dict.fromkeys(more, 0.5 + 2 * jitter)
        numbers |= {"at_chance": 1.0, "lowest_before": 0.995}
        numbers |= {name: value + 3 * jitter * (name != "lowest_before") for name, value in given.items()}
        curves = {
            "forgetting": {name: [1.0, 0.5] for name in ("forget", "other", "held_out")},
            "relearning": {
                name: {"part": [0.0, 1.0], "rest": [0.0, 0.5]}
                for name in ("true", "shifted", "never", "scratch")
            },
        }
        records.append(Record(numbers, {"curves": [curves]}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    text = " ".join(
        made_up(
            held_out_after_sums=0.8,
            relearn_true_50=0.1,
            rest_true_sums=0.9,
            weights_excess_generalizing=0.9,
            probe_after_sums=0.9,
            digits_refresh=0.8,
            auc_unlearning=0.9,
        ).findings()
    )
    for words in (
        "are partly kept",
        "(slower)",
        "come back as well, more than follow",
        "higher for generalizing ones",
    ):
        assert words in text
    assert "of generalizing neurons by +146% (" in text  # the ratio whose logarithm is 0.9
    assert "too few to say it of others" in text
    assert "better than replay alone" in text
    assert "The first is above .5, and above that of labels dealt anew." in text
    assert "no candidates" not in text
    assert "the probe reads more than in the untrained network" in text
    text = " ".join(
        made_up(
            held_out_after_sums=0.2,
            relearn_true_50=0.9,
            rest_true_sums=0.1,
            weights_excess_generalizing=0.1,
            probe_after_sums=0.1,
            lowest_before=0.7,
            digits_refresh=0.2,
            auc_unlearning=0.1,
            at_chance=0.0,
        ).findings()
    )
    for words in (
        "are not kept",
        "(faster)",
        "come back as well, fewer than follow",
        "higher for memorizing ones",
    ):
        assert words in text
    assert "Not every operation had generalised: one was at 70.0%." in text
    assert "did not come to chance" in text
    assert "worse than replay alone" in text
    assert "no candidates for memory here" in text
    assert "the probe reads less than in the untrained network" in text


def test_what_does_not_differ_is_not_decided_and_the_figure_is_complete() -> None:
    result = made_up()
    text = " ".join(result.findings())
    assert text.count("not decided") >= 8
    assert "not decidedly apart from that of labels dealt anew" in text
    text = " ".join(made_up(auc_unlearning=0.501).findings())
    assert "The first is not decidedly apart from .5" in text
    assert "no candidates" not in text
    check_figure(result.plot(), inner=3)
