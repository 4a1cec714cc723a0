"""The study of descriptions: its detectors and truths by hand, its cue, and findings that can be either."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from figures import check_figure

from interp.data import ModularTask
from interp.lab.describe.cue import (
    ARMS,
    CLASS,
    TRAIN,
    Digits,
    describe_digits,
    lit,
    measure_cue,
    train_digits,
)
from interp.lab.describe.facets import NETWORKS
from interp.lab.describe.planted import (
    EACH,
    SETTINGS,
    planted_detectors,
    residue_columns,
    shuffled,
    train_on_residues,
    truths_of,
)
from interp.lab.describe.study import STUDY, Config, measure
from interp.lab.study import Record, StudyResult
from interp.progress import silent


def test_detectors_answer_to_their_truths() -> None:
    planted = planted_detectors(13, 0.0, 3)
    inputs = ModularTask("add", p=13).dataset.inputs
    _, cache = planted.model.run_with_cache(inputs, names_filter="blocks.0.mlp.hook_post")
    active = cache["blocks.0.mlp.hook_post"].numpy()
    a, b = inputs.T.numpy()
    for neuron, truth in enumerate(planted.truths):
        operand, _, residue = truth.partition(" = ")
        name, _, modulus = operand.partition(" mod ")
        values = {"a": a, "b": b}[name]
        assert np.array_equal(active[:, neuron], values % int(modulus or 13) == int(residue))
    assert [truth[:7] for truth in planted.truths[::EACH]] == [
        "a mod 3",
        "b mod 4",
        planted.truths[2 * EACH][:7],
    ]
    noisy = planted_detectors(13, 0.1, 3)
    assert noisy.truths == planted.truths
    assert not torch.equal(noisy.model.embed.W_E, planted.model.embed.W_E)


def test_truths_are_the_residues_with_the_largest_weights() -> None:
    names = np.random.default_rng(0).permutation(12)
    model, task = train_on_residues(12, names, 5, 0, 0)
    data = task.dataset
    labels = [(names[a] % 3 + names[b] % 3) % 3 for a, b in data.inputs.tolist()]
    assert data.labels.tolist() == labels
    weights = model.embed.W_E.detach().numpy()
    for neuron, (left, right, answer) in enumerate(truths_of(model, names).tolist()):
        best = []
        for side in (0, 1):
            means = [
                weights[side, [i for i in range(12) if names[i] % 3 == r], neuron].mean() for r in range(3)
            ]
            best.append(int(np.argmax(means)))
        assert left == f"input 0 mod 3 = {best[0]}"
        assert right == f"input 1 mod 3 = {best[1]}"
        assert answer == f"answer = {sum(best) % 3}"
    columns = residue_columns(task, names)
    assert len(columns) == 6
    assert columns["own input 1 mod 3 = 2"].tolist() == [names[b] % 3 == 2 for _, b in data.inputs.tolist()]


@pytest.mark.slow
def test_dealt_anew_nothing_is_described() -> None:
    numbers = shuffled(planted_detectors(13, 0.1, 0).model, ModularTask("add", p=13), 0.05, 0)
    assert numbers["shuffled_described"] < 0.01
    assert numbers["shuffled_networks"] <= 0.25  # 20 networks at 5 %: more than 5 in 1 of 3,000


def test_the_cue_is_lit_as_its_class_says_and_its_neurons_are_those_that_see_it() -> None:
    generator = torch.Generator().manual_seed(0)
    data = Digits.of(ARMS["cue"], generator)
    assert torch.equal(data.marked, data.digits == CLASS)
    images = lit(data.images, data.marked, 4.0)
    assert torch.equal(images[:, 0] > 0, data.marked)
    assert torch.equal(images[:, 1:], data.images[:, 1:])
    halves = Digits.of(ARMS["halves"], generator)
    assert torch.equal(halves.classes, (halves.digits >= 5).long())
    model = train_digits(images[:TRAIN], data.classes[:TRAIN], 40, generator)
    on = torch.rand(TRAIN, generator=generator) < 0.5
    described = describe_digits(model, lit(data.images[:TRAIN], on, 4.0), data, on, 0.05, 0)
    chosen = described.neurons_described_as("corner pixel is lit")
    weights = model.module[0].weight.detach()[:, 0].numpy()
    others = np.setdiff1d(np.arange(40), chosen)
    assert len(chosen) >= 3
    assert weights[chosen].min() > 0
    assert weights[chosen].mean() > weights[others].mean()


@pytest.mark.slow
def test_a_small_run_has_every_quantity() -> None:
    config = Config(p=23, residues=12, width=16, updates=30, digits_width=40)
    record = measure(config, 0, silent)
    assert set(STUDY.quantities) <= set(record.numbers)
    result = StudyResult(STUDY, config, (0, 1), (record, record))
    assert result.findings()
    check_figure(result.plot(), inner=3)
    assert measure_cue("dim", 30, 20, 0.05, 0)["dim_random_before"] > 0.5


def made_up(**given: float) -> StudyResult:
    """A result of three seeds with these numbers, which differ a little."""
    names = {
        f"{key}_{way}"
        for key in ("right", "exact", "trained_right", "trained_chance")
        for way in ("95", "99", "pmi")
    }
    records = []
    for jitter in (-0.01, 0.0, 0.01):
        numbers: dict[str, float | None] = dict.fromkeys({*names, *STUDY.quantities}, 0.5 + jitter)
        numbers |= {name: value + jitter**2 for name, value in given.items()}
        lobes = {name: {"frequency": [1, 2], "lobes": [1, 2]} for name in NETWORKS}
        curves = {"noise": [0.0, 1.0], "right": {way: [1.0, 0.5] for way in SETTINGS}}
        records.append(Record(numbers, curves | {"facets": {"lobes": lobes}}))
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_findings_can_say_either() -> None:
    good = made_up(
        right_95=0.97,
        trained_right_95=0.95,
        cue_random_after=0.9,
        cue_random_control=0.6,
        shuffled_networks=0.01,
    )
    text = " ".join(good.findings())
    for words in (
        "97.0%, at least 90%",
        "and more than the descriptions of other neurons",
        "more than without random ones (60.0%,",
        "a gain of 30.0 (30.0 to 30.0) points, at least 10)",
        "at most the rate of 5%",
    ):
        assert words in text
    bad = made_up(right_95=0.3, trained_right_95=0.1, cue_random_after=0.4, cue_random_control=0.45)
    text = " ".join(bad.findings())
    for words in (
        "more than the rate of 5%",
        "below 90%",
        "and fewer than the descriptions",
        "less than without random ones",
        "more than the rate of 5%",
    ):
        assert words in text
    small = " ".join(made_up(cue_random_after=0.64, cue_random_control=0.6).findings())
    assert "points, less than 10)" in small
    text = " ".join(made_up().findings())
    assert text.count("not decidedly more than without random ones") == 3
    check_figure(made_up().plot(), inner=3)
