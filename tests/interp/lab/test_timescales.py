"""The study of timescales: its tasks, ablation by time constant, and its judgement."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from figures import check_figure
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
from interp.lab.study import Record, StudyResult
from interp.lab.timescales.ablation import SETS, accuracy, delay_numbers, sets_by_time_constant
from interp.lab.timescales.measure import activity_timescales
from interp.lab.timescales.parity import learn, parities, parity_inputs, robustness, slope
from interp.lab.timescales.study import STUDY, Config
from interp.lab.timescales.tasks import delayed_recall
from interp.models import adopt
from interp.models.taps import tap
from interp.progress import silent
from interp.time_scope import TimeScope


def test_sets_are_thirds_by_time_constant() -> None:
    tau = np.random.default_rng(0).permutation(np.arange(1.0, 13))
    sets = sets_by_time_constant(tau, np.random.default_rng(1))
    assert sorted(tau[sets["longest"][0]]) == [9, 10, 11, 12]
    assert sorted(tau[sets["middle"][0]]) == [5, 6, 7, 8]
    assert sorted(tau[sets["shortest"][0]]) == [1, 2, 3, 4]
    assert [len(set(one.tolist())) for one in sets["random"]] == [4] * 5


def test_ablation_at_all_steps_leaves_what_the_bias_answers() -> None:
    network = LeakyRNN(4, 6, 4, torch.Generator().manual_seed(0))
    recall = delayed_recall(40, [2], torch.Generator().manual_seed(1), symbols=4, steps=6, noise=0)
    with torch.no_grad():
        network.readout.bias[2] = 1
    model = adopt(network, ["tap:hidden"], example=recall.inputs[:4])
    everything = np.arange(6)
    expected = (recall.labels == 2).float().mean().item()
    assert accuracy(model, "tap:hidden", recall, everything) == expected
    assert accuracy(model, "tap:hidden", recall, everything, TimeScope(5, 5)) == expected
    early, nothing = (
        accuracy(model, "tap:hidden", recall, *one) for one in ((everything, TimeScope(0, 2)), ())
    )
    assert early == nothing  # the symbol comes at step 3; the state before it is noise's


def test_numbers_by_delay_are_means_over_delays() -> None:
    curves = {"whole": np.array([1.0, 0.9, 0.8]), "longest": np.array([1.0, 0.5, 0.2])}
    curves |= {name: curves["whole"] for name in SETS if name != "longest"}
    numbers = delay_numbers(curves, [1, 2, 4], [1], [2, 4])
    assert numbers["lost_longest_short"] == 0
    np.testing.assert_allclose([numbers["lost_longest_long"], numbers["excess_longest"]], 0.5)
    assert numbers["excess_shortest"] == 0


def test_without_recurrence_activity_has_the_timescale_of_the_parameters() -> None:
    """Then a unit is a first-order process, as phi of white noise is white, and correlates as (1 - 1/tau)^lag."""
    network = LeakyRNN(3, 12, 2, torch.Generator().manual_seed(0), longest=8)
    with torch.no_grad():
        network.recurrent.weight.zero_()
    inputs = torch.randn(600, 60, 3, generator=torch.Generator().manual_seed(1))
    scores = activity_timescales(adopt(network, ["tap:hidden"], example=inputs[:4]), inputs)
    expected = -1 / np.log1p(-1 / network.tau.detach().numpy())
    kept = expected > 0.5  # below, a step's correlation is too small to be measured
    np.testing.assert_allclose(scores["timescale"][kept], expected[kept], rtol=0.12)
    assert (scores["time_p_value"] < 0.01).mean() < 0.3


def test_timescales_need_time_and_enough_of_it() -> None:
    inputs = torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(1))
    model = adopt(
        LeakyRNN(3, 4, 2, torch.Generator().manual_seed(0)), ["tap:hidden", "readout:input"], example=inputs
    )
    with pytest.raises(
        ConfigError, match="4 examples of 9 steps are too few for timescales; give 8 steps and 100"
    ):
        activity_timescales(model, inputs, "tap:hidden")
    with pytest.raises(
        ConfigError, match="'readout:input' has no axis called time: its axes are example, neuron"
    ):
        activity_timescales(model, inputs, "readout:input")


def test_parity_is_that_of_a_loop() -> None:
    inputs = parity_inputs(30, 7, torch.Generator().manual_seed(0))
    for n in (2, 5):
        expected = []
        for row in inputs[:, :, 0].tolist():
            odd = 0
            for bit in row[7 - n :]:
                odd ^= bit > 0
            expected.append(odd)
        assert parities(inputs, n).tolist() == expected
    assert slope([2, 3, 4, 5], [1.0, None, 2.0, 2.5]) == pytest.approx(0.5)


def test_both_curricula_begin_alike_and_part_at_the_second_n() -> None:
    def learnt(curriculum: str) -> tuple[Tensor, list[float]]:
        model, stages = learn([2, 3], curriculum, 3, 12, 4.0, torch.Generator().manual_seed(0), silent)
        assert [(one.n, one.updates, one.learnt) for one in stages] == [(2, 3, False), (3, 3, False)]
        return model.module.readout.weight.detach(), [one.tau for one in stages]

    single, multi = learnt("single"), learnt("multi")
    assert torch.equal(learnt("single")[0], single[0])
    assert single[1][0] == multi[1][0]
    assert single[1][1] != multi[1][1]
    assert not torch.equal(single[0], multi[0])


class Majority(nn.Module):
    """Parity of two bits, which each of several equal units computes by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, inputs: Tensor) -> Tensor:
        before = torch.zeros(len(inputs), self.width)
        for bit in inputs[..., 0].unbind(1):
            before, now = bit[:, None].expand(-1, self.width), before
            state = tap("hidden", torch.where(before == now, -1.0, 1.0))
        return torch.stack([-state.sum(1), state.sum(1)], 1)


def test_robustness_is_the_share_of_accuracy_above_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    model = adopt(Majority(20), ["tap:hidden"], example=parity_inputs(4, 4, generator))
    left = robustness(model, [2], 20, generator, np.random.default_rng(0))
    assert left == {0.05: 1.0, 0.1: 1.0, 0.2: 1.0}  # any unit that is left answers rightly


def made_up(tau_slope: float, excess: float) -> StudyResult:
    """A result of three seeds with these numbers, which differ a little."""
    records = []
    for jitter in (-0.01, 0.0, 0.01):
        numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.5 + jitter)
        numbers |= {"tau_slope_single": tau_slope + jitter, "excess_longest": excess + jitter}
        numbers |= {
            "tau_slope_multi": jitter,
            "excess_random": jitter,
            "excess_middle": excess,
            "whole_short": 1.0,
            "learnt_single": 5.0,
            "learnt_multi": 5.0,
        }
        parity = {"tau": [1.0] * 5}
        curves = {"tau": [1.0, 3.0], "activity": [2.0, None], "delays": [1, 2], "bits": [2, 3, 4, 5, 6]}
        curves |= {"accuracy": {name: [1.0, 0.5] for name in ("whole", *SETS)}}
        records.append(Record(numbers, curves | {"parity": {"single": parity, "multi": parity}}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    text = " ".join(made_up(0.2, 0.4).findings())
    assert "long delays lose more (difference 0.400" in text
    assert "the mean time constant rises" in text
    assert "does not hold here" not in text
    text = " ".join(made_up(-0.2, -0.4).findings())
    assert "long delays lose less (difference -0.400" in text
    assert "the mean time constant falls" in text
    assert "That it rises with N does not hold here." in text
    unknown = made_up(0.2, 0.4)
    changed = dataclasses.replace(
        unknown.records[0], numbers={**unknown.records[0].numbers, "tau_slope_single": None}
    )
    text = " ".join(dataclasses.replace(unknown, records=(changed, *unknown.records[1:])).findings())
    assert "is not known in every seed" in text


def test_a_set_that_leaves_chance_decides_nothing() -> None:
    """A control that has nothing left after short delays could not have come out otherwise, and is said to be so."""
    result = made_up(0.2, 0.4)
    first, second = (one for one in result.findings() if one.startswith("Without the third"))
    assert "this is not decidedly more or less than that without the third between, and more than" in first
    assert "hardly more than chance" not in first + second
    for record in result.records:
        record.numbers["lost_random_short"] = record.numbers["lost_shortest_short"] = 0.85  # type: ignore[index]
        record.numbers["lost_longest_short"] = -0.006  # type: ignore[index]
    first, second = (one for one in result.findings() if one.startswith("Without the third"))
    assert first.endswith(
        "random units (after short delays hardly more than chance is left, so that long ones can "
        "lose no more)."
    )
    assert second.endswith(
        ", but after short delays hardly more than chance is left, so that long ones can lose no more."
    )
    assert (
        "accuracy rises by 0.6% after short delays and falls by 50.0% (47.5% to 52.5%) after long ones"
        in first
    )


def test_the_figure_is_complete() -> None:
    check_figure(made_up(0.2, 0.4).plot(), inner=3)
