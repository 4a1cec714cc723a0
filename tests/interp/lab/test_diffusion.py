"""Noise, samples and distances against closed forms and loops; neurons that are known; a small run."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure
from scipy import linalg
from scipy.spatial.distance import cdist

from interp.errors import ConfigError
from interp.interventions import intervene
from interp.lab.diffusion.denoising import (
    SITES,
    generate,
    noised,
    noisy_inputs,
    signal,
    train_denoiser,
    with_level,
)
from interp.lab.diffusion.neuron_scores import FLOOR, edits, greedy_scores, neuron_scores, random_like, select
from interp.lab.diffusion.samples import Bench, copy_limits, digits, frechet, near, overlap
from interp.lab.diffusion.study import Config, Maker, judge
from interp.lab.running import run_study
from interp.lab.sets import Candidate
from interp.lab.study import Record, StudyResult, study_called
from interp.models import Adopted
from interp.progress import Report, silent

TINY = {
    "n_images": 2,
    "width": 64,
    "steps": 60,
    "n_samples": 200,
    "n_candidates": 4,
    "longest": 2,
    "n_random": 2,
}


@pytest.fixture(scope="module")
def model() -> Adopted:
    pictures = torch.rand(12, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return train_denoiser(pictures, width=64, steps=30, seed=3)


@pytest.fixture(scope="module")
def seen() -> list[int]:
    """Progress of the run below."""
    return []


@pytest.fixture(scope="module")
def result(seen: list[int]) -> StudyResult:
    study = study_called("diffusion")

    def measure(config: Config, seed: int, report: Report) -> Record:
        def kept(done: int, note: str = "") -> None:
            seen.append(done)
            report(done, note)

        return study.measure(config, seed, kept)

    return run_study(replace(study, measure=measure), [0], show_progress=False, **TINY)


def exactly(mean: np.ndarray, covariance: np.ndarray, seed: int) -> np.ndarray:
    """Examples that have precisely this mean and covariance."""
    raw = np.random.default_rng(seed).normal(size=(60, len(mean)))
    raw = raw - raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def without_weights(model: Adopted, gone: list[int], inputs: torch.Tensor) -> torch.Tensor:
    """The network's output if what reads these neurons were 0: another way to take them out."""
    network = copy.deepcopy(model.module)
    width = model.neuron_sites()[0].width
    for neuron in gone:
        layer = network.get_submodule("2" if neuron < width else "4")
        layer.weight[:, neuron % width] = 0
    return network(inputs)


def test_frechet_distances_of_normal_distributions_are_the_closed_form() -> None:
    mean, other = np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 0.5])
    spread, other_spread = np.array([0.5, 2.0, 1.0]), np.array([1.5, 1.0, 3.0])
    one, two = exactly(mean, np.diag(spread**2), 0), exactly(other, np.diag(other_spread**2), 1)
    closed = ((mean - other) ** 2).sum() + ((spread - other_spread) ** 2).sum()
    assert frechet(one, two) == pytest.approx(closed)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)
    mixed = np.array([[2.0, 0.7, 0.0], [0.7, 1.0, -0.3], [0.0, -0.3, 0.5]])
    three = exactly(other, mixed, 2)
    root = linalg.sqrtm(np.diag(spread**2) @ mixed).real
    general = ((mean - other) ** 2).sum() + (np.diag(spread**2) + mixed - 2 * root).trace()
    assert frechet(one, three) == pytest.approx(general)
    with pytest.raises(ConfigError, match="1 and 60 examples"):
        frechet(one[:1], two)


def test_noise_is_added_by_the_cosine_schedule() -> None:
    level = torch.tensor([0.0, 0.25, 0.6, 1.0])
    assert signal(level).tolist() == pytest.approx([1, math.cos(math.pi / 8), math.cos(0.3 * math.pi), 1e-3])
    pictures = torch.linspace(-1, 1, 12).reshape(4, 3)
    found = noised(pictures, level, torch.Generator().manual_seed(5))
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
    for i in range(4):
        left = float(signal(level)[i])
        for j in range(3):
            expected = left * float(pictures[i, j]) + math.sqrt(1 - left**2) * float(noise[i, j])
            assert float(found[i, j]) == pytest.approx(expected, abs=1e-5)
    assert torch.equal(found[0], pictures[0])
    read = with_level(pictures, level)
    angles = [0.6 * 2 ** (6 * k / 7) for k in range(8)]
    assert read[2, 3:].tolist() == pytest.approx(
        [f(a) for f in (math.sin, math.cos) for a in angles], abs=1e-4
    )


def test_samples_follow_the_same_steps_as_a_loop() -> None:
    def denoise(inputs: Any) -> Any:
        return 0.6 * inputs[:, :3] + 0.5 * inputs[:, 3:4] - 0.2

    found = generate(denoise, 5, 3, steps=4, seed=2)
    noisy = torch.randn(5, 3, generator=torch.Generator().manual_seed(2)).double().numpy()
    for here, there in ((1.0, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0.0)):
        left, next_left = (max(1e-3, math.cos(x * math.pi / 2)) for x in (here, there))
        clean = np.clip(0.6 * noisy + 0.5 * math.sin(here) - 0.2, -1, 1)
        noise = (noisy - left * clean) / math.sqrt(1 - left**2)
        noisy = next_left * clean + math.sqrt(1 - next_left**2) * noise
    np.testing.assert_allclose(found.numpy(), noisy, atol=1e-4)
    with pytest.raises(ConfigError, match="steps=0"):
        generate(denoise, 5, 3, steps=0)


def test_the_ideal_denoiser_gives_back_the_data() -> None:
    point = torch.tensor([0.3, -0.7])
    assert torch.allclose(generate(lambda x: point.expand(len(x), 2), 50, 2), point)
    mean, spread = 0.2, 0.15

    def ideal(inputs: torch.Tensor) -> torch.Tensor:  # the posterior mean of normal data, given what is noisy
        left = signal(torch.asin(inputs[:, 2:3]))  # the first sine has the level as its angle
        weight = left * spread**2 / (left**2 * spread**2 + 1 - left**2)
        return mean + weight * (inputs[:, :2] - left * mean)

    found = generate(ideal, 4000, 2, steps=200)
    assert found.mean().item() == pytest.approx(mean, abs=0.01)
    assert found.std().item() == pytest.approx(spread, rel=0.05)


def test_training_is_repeatable_and_learns() -> None:
    pictures = torch.tensor([[0.8, -0.8, 0.1]])
    one, two = (train_denoiser(pictures, width=64, steps=150, batch=32, lr=0.01, seed=1) for _ in range(2))
    samples = generate(one, 20, 3)
    assert torch.equal(samples, generate(two, 20, 3))
    assert torch.allclose(samples, pictures.expand(20, 3), atol=0.1)
    sparse = train_denoiser(pictures, width=64, steps=150, batch=32, lr=0.01, seed=1, sparsity=1.0)
    read = noisy_inputs(pictures, 50, 0)[1]
    activity = [float(m.run_with_cache(read)[1][SITES[1]].mean()) for m in (one, sparse)]
    assert activity[1] < 0.5 * activity[0]


def test_a_copy_is_nearer_to_its_image_than_to_any_other() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(30, 4))
    images = np.concatenate([images, images[:2]])  # duplicates of the chosen ones are no other images
    limits = copy_limits(images[:2], images)
    for i in range(2):
        others = [math.dist(images[i], x) for x in images if not np.array_equal(x, images[i])]
        assert limits[i] == pytest.approx(min(others) / 2)
        direction = generator.normal(size=4)
        inside = images[i] + direction / np.linalg.norm(direction) * limits[i] * 0.999
        assert cdist(inside[None], images).argmin() in (i, 30 + i)


def test_samples_are_judged_as_loops_would() -> None:
    generator = np.random.default_rng(1)
    images = generator.normal(size=(40, 5))
    bench = Bench(images[:2], images, lambda x: x[:, :3] ** 2)
    samples = np.concatenate([np.repeat(images[:1], 30, 0) + 1e-3, generator.normal(size=(270, 5))])
    found = bench.measured(samples)
    distance = [[math.dist(s, m) for m in images[:2]] for s in samples]
    limits = copy_limits(images[:2], images)
    rest = [s for s, d in zip(samples, distance, strict=True) if d[0] >= limits[0] and d[1] >= limits[1]]
    assert 30 <= 300 - len(rest) < 40
    assert found["copies"] == pytest.approx(1 - len(rest) / 300)
    assert found["near"] == pytest.approx(np.mean([sorted(d[i] for d in distance)[:3] for i in range(2)]))
    assert found["mean"] == pytest.approx(np.mean([min(d) for d in distance]))
    real = images[:, :3] ** 2
    assert found["rest"] == pytest.approx(frechet(np.array(rest)[:, :3] ** 2, real))
    assert found["all"] == pytest.approx(frechet(samples[:, :3] ** 2, real))
    low, high = bench.interval(samples, 0)
    assert low <= found["near"] <= high
    assert low < high
    assert bench.interval(np.repeat(samples[-1:], 300, 0), 0) == pytest.approx(
        (near(cdist(samples[-1:], images[:2])),) * 2
    )


def test_neurons_are_taken_out_of_both_layers(model: Adopted) -> None:
    inputs = noisy_inputs(torch.zeros(3, 6), 4, 0)[1]
    gone = [0, 5, 63, 64, 100, 127]
    with intervene(model, *edits(model, gone)):
        found = model(inputs)
    assert torch.allclose(found, without_weights(model, gone, inputs), atol=1e-6)
    assert not torch.allclose(found, model(inputs), atol=1e-4)
    with intervene(model, *edits(model, [])):
        assert torch.equal(model(inputs), model.module(inputs))


def test_neurons_are_chosen_by_what_they_do_after_those_before() -> None:
    # 0 and 1 do the same; 2 does less, but on its own; 3 does much to both sets; 4 does nothing
    def effect(gone: list[int]) -> tuple[float, float]:
        here = set(gone)
        return 5.0 * bool(here & {0, 1}) + 2.0 * (2 in here) + 8.0 * (3 in here), 1.0 * len(here) + 9.0 * (
            3 in here
        )

    alone, scores = greedy_scores(effect, 5, 2)
    assert alone.tolist() == pytest.approx(
        [f / (o + FLOOR) for f, o in ((5, 1), (5, 1), (2, 1), (8, 10), (0, 1))]
    )
    assert (-scores).argsort().tolist()[:2] == [0, 2]
    assert (-alone).argsort(kind="stable").tolist()[:3] == [0, 1, 2]
    kept_to_pool = greedy_scores(effect, 5, 2, pool=2)[1]
    assert (-kept_to_pool).argsort().tolist()[:2] == [0, 1]


def test_scores_of_a_network_are_those_of_edited_weights(model: Adopted) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, size=(12, 6)).astype(np.float32).astype(float)
    found = neuron_scores(model, images[:2], images, 1, 7)
    clean, first = noisy_inputs(torch.tensor(images[:2]).float(), 256, 7)
    _, other = noisy_inputs(torch.tensor(images[2:][::3]).float(), 1, 8)
    assert set(found) == {"auroc", "z", "contrast", "alone", "by change", "by error"}
    for neuron in (2, 70):
        gained = (without_weights(model, [neuron], first) - clean).square().mean() - (
            model.module(first) - clean
        ).square().mean()
        cost = (without_weights(model, [neuron], other) - model.module(other)).square().mean()
        assert found["alone"][neuron] == pytest.approx(float(gained / (cost + FLOOR)), rel=0.02, abs=1e-3)
    hidden = torch.relu(model.module[0](first)).double(), torch.relu(model.module[0](other)).double()
    z = (hidden[0].mean(0) - hidden[1].mean(0)) / hidden[1].std(0, correction=0)
    used = hidden[1].std(0) > 1e-6
    assert found["z"][:64][used.numpy()] == pytest.approx(z[used].numpy(), rel=1e-3, abs=1e-4)


def test_random_sets_have_as_many_neurons_of_each_layer() -> None:
    gone = np.array([1, 2, 3, 64, 100])
    draws = [random_like(gone, 64, seed) for seed in range(30)]
    assert all((draw < 64).sum() == 3 and (draw >= 64).sum() == 2 and len(set(draw)) == 5 for draw in draws)
    assert all(draw.max() < 128 for draw in draws)
    assert np.array_equal(draws[0], random_like(gone, 64, 0))
    assert len({tuple(sorted(draw)) for draw in draws}) > 20


def test_the_set_is_chosen_that_comes_back_to_the_target_at_a_cost_that_is_allowed() -> None:
    tried = [
        Candidate("z", 0.1, (0,), 1, first=-2.5, other=-0.9),
        Candidate("z", 0.2, (0,), 2, first=-2.9, other=-1.1),
        Candidate("z", 0.3, (0,), 3, first=-2.8, other=-2.0),
    ]
    assert select(tried, 2.75, 1.2) is tried[1]
    assert select(tried, 2.6, 1.2) is tried[0]
    assert select(tried, 2.8, 2.5) is tried[2]
    assert select(tried, 2.8, 0.5) is tried[0]


def test_settings_out_of_range_are_refused() -> None:
    for name, value in (("n_samples", 10), ("width", 4), ("longest", 0), ("n_random", 0), ("copies", 0)):
        with pytest.raises(ConfigError, match=f"{name}={value} is below"):
            Config(**{name: value})
    with pytest.raises(ConfigError, match=r"n_images=51 is not in \[1, 50\]"):
        Config(n_images=51)
    assert Config(n_images=50).n_images == 50
    with pytest.raises(ConfigError, match="sparsity=-1"):
        Config(sparsity=-1.0)


def test_digits_come_with_features_of_a_classifier() -> None:
    images, features = digits()
    assert tuple(images.shape) == (1797, 64)
    assert float(images.min()) == -1
    assert float(images.max()) == 1
    found = features(images.double().numpy())
    assert found.shape == (1797, 32)
    assert found.min() == 0


def told(result: StudyResult, **numbers: list[float]) -> list[str]:
    """The findings if these numbers were others, one value a seed."""
    n = len(next(iter(numbers.values())))
    base = dict(result.records[0].numbers)
    records = [
        Record(base | {k: v[i] for k, v in numbers.items()}, result.records[0].curves) for i in range(n)
    ]
    return judge(replace(result, seeds=tuple(range(n)), records=tuple(records)))


def test_findings_say_what_is_decided_and_what_is_not(result: StudyResult) -> None:
    good: dict[str, list[float]] = {
        "copies_with": [0.04, 0.05, 0.045],
        "copies_without": [0.0, 0.0, 0.001],
        "near_with": [0.6, 0.7, 0.65],
        "near_pruned": [2.5, 2.7, 2.6],
        "near_without": [2.52, 2.66, 2.61],
        "near_random": [0.9, 1.0, 0.8],
        "rise_pruned": [0.08, 0.1, 0.09],
        "rise_random": [1.0, 1.5, 2.0],
        "overlap": [1.0, 1.0, 0.0],
    }
    found = told(result, **good)
    assert "With duplicates 4.5 % of the samples are copies of these images, without 0.0 %" in found[0]
    assert "not decidedly different from the level without duplicates" in found[1]
    assert "overlap in 2 of 3 seeds" in found[1]
    assert "further than without as many random" in found[1]
    assert "is at most 20.0 %: 9.0 %" in found[2]
    bad = told(
        result,
        **good
        | {
            "copies_without": [0.1, 0.02, 0.03],
            "near_pruned": [0.92, 0.95, 0.91],
            "rise_pruned": [0.5, 0.6, 0.55],
        },
    )
    assert "is not decided" in bad[0]
    assert "still nearer than without duplicates" in bad[1]
    assert "not decidedly further than" in bad[1]
    assert "is above 20.0 %" in bad[2]
    assert "further away than" in told(result, **good | {"near_pruned": [3.5, 3.7, 3.6]})[1]
    assert "less far than" in told(result, **good | {"near_random": [3.5, 3.7, 3.6]})[1]
    assert "is not decidedly at most" in told(result, **good | {"rise_pruned": [0.1, 0.3, 0.1]})[2]


def test_a_small_run_is_complete(result: StudyResult) -> None:
    record = result.records[0]
    assert len(record.curves["candidates"]) == 4
    assert record.curves["chosen"] in record.curves["candidates"]
    assert len(record.curves["random"]) == 2
    numbers = record.numbers
    assert numbers["size"] == record.curves["chosen"]["size"]
    assert numbers["rise_pruned"] == pytest.approx(numbers["rest_pruned"] / numbers["rest_with"] - 1)
    assert numbers["near_random"] == pytest.approx(np.mean([one["near"] for one in record.curves["random"]]))
    low, high = record.curves["intervals"]["without"]
    assert low < numbers["near_without"] < high
    assert numbers["overlap"] == overlap(record.curves["intervals"]["pruned"], (low, high))
    assert len(result.findings()) == 3
    check_figure(result.plot())


def test_intervals_overlap_where_they_share_a_value() -> None:
    for one, other, shared in (((0, 1), (0.5, 2), True), ((0, 1), (1.5, 2), False), ((0, 3), (1, 2), True)):
        assert overlap(one, other) is shared
        assert overlap(other, one) is shared


def test_the_images_are_in_one_training_set_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[torch.Tensor] = []

    def train(pictures: torch.Tensor, **_: Any) -> None:
        given.append(pictures)
        if len(given) == 2:
            raise InterruptedError

    monkeypatch.setattr("interp.lab.diffusion.study.train_denoiser", train)
    with pytest.raises(InterruptedError):
        study_called("diffusion").measure(Config(n_images=3, copies=7), 4, silent)
    alone, duplicated = given
    assert torch.equal(alone, digits()[0])
    _, counts = duplicated.unique(dim=0, return_counts=True)
    assert len(duplicated) == 1797 + 3 * 6
    assert sorted(counts.tolist())[-4:] == [1, 7, 7, 7]


def test_progress_ends_at_the_units(result: StudyResult, seen: list[int]) -> None:
    units = result.study.units(result.config)
    assert seen == sorted(seen)
    assert 0.9 * units < seen[-1] <= units


@pytest.mark.slow
def test_a_run_is_repeatable(result: StudyResult) -> None:
    again = run_study("diffusion", [0], show_progress=False, **TINY).records[0]
    assert again.numbers == result.records[0].numbers
    assert again.curves == result.records[0].curves


def test_samples_are_made_without_the_neurons(model: Adopted) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, size=(12, 6))
    maker = Maker(Bench(images[:2], images, lambda x: x), 20, lambda done, note="": None, 0)
    found = maker.samples(model, [3, 70], 4)
    expected = generate(lambda x: without_weights(model, [3, 70], x), 20, 6, seed=4)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.slow
def test_memorised_images_are_forgotten_at_little_cost_for_the_others() -> None:
    settings = {"steps": 2500, "n_samples": 1000, "n_candidates": 54, "n_random": 4}
    numbers = run_study("diffusion", [0], show_progress=False, **settings).records[0].numbers
    assert numbers["copies_with"] > 0.01 > 0.002 > numbers["copies_without"]
    assert numbers["near_with"] < 0.5 * numbers["near_without"]
    assert numbers["near_pruned"] > 0.8 * numbers["near_without"]
    assert numbers["rise_pruned"] < 0.35
    assert numbers["near_random"] < 0.7 * numbers["near_pruned"]
