"""Communities of a network that groks, over its checkpoints, beside one that cannot generalise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.analysis.communities import (
    Communities,
    NeuronCommunities,
    communities_of,
    joined,
    sampled_activations,
)
from interp.checkpoints.open import load_checkpoint, load_series
from interp.data import ModularTask
from interp.models import MLPConfig
from interp.progress import Report
from interp.subject import Subject, subject_of
from interp.training import TrainConfig, train
from probes.affinity_tensor import affinity_tensor, factorise_by_rank
from probes.communities import affinity_of, agreement, linked, partition

LOW, HALF = 0.1, 0.5
"""Held-out accuracy below which a network is before grokking, and from which it is at it."""
Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Training:
    """Settings of a network that is trained on wrong labels through grokking."""

    p: int
    width: int
    steps: int
    weight_decay: float
    wrong: float
    every: int


def measure_communities(settings: Training, seed: int, report: Report) -> tuple[Numbers, dict[str, Any]]:
    """Numbers and curves of one network, and of one of its shape all of whose labels are random."""
    with TemporaryDirectory() as folder:
        train_accuracy = _train(settings, settings.wrong, seed, Path(folder))
        report(settings.steps, "training")
        result, halves = _communities(Path(folder), seed, lambda done: report(settings.steps + 10 * done))
        last = subject_of(load_checkpoint(folder), seed=seed)
        rectified = communities_of(last, "rectified").agreement
    with TemporaryDirectory() as folder:
        _train(settings, 1.0, seed, Path(folder))
        untaught = subject_of(load_checkpoint(folder), seed=seed)
    control = communities_of(untaught)
    steps = [one.step or 0 for one in result.networks]
    accuracy = [one.accuracy or 0.0 for one in result.networks]
    final = [0.0 if one is None else one.ari for one in result.final]
    numbers = _by_phase(result, halves, accuracy, train_accuracy, seed)
    more, courses = _of_components(result, halves, seed)
    numbers |= more
    numbers |= {
        "step_half": _first(steps, accuracy, HALF),
        "step_communities": _first(steps, final, final[-1] / 2),
        "ari_rectified": None if rectified is None else rectified.ari,
        "control_accuracy": control.accuracy,
        "control_linked": control.connected / settings.width,
    }
    for name, network, subject in (("control", control, untaught), ("all", result.last, last)):
        numbers |= _of_all_neurons(name, network, subject)
    curves = {
        "steps": steps,
        "accuracy": accuracy,
        "ari": final,
        "ari_high": [0.0 if one is None else one.null_high for one in result.final],
        "modularity": [one.modularity for one in result.networks],
        "linked": [one.connected / settings.width for one in result.networks],
        "components": courses,
    }
    return numbers, curves


def _train(settings: Training, wrong: float, seed: int, folder: Path) -> dict[int, float]:
    """A run saved to the folder; its accuracy on the training set by step."""
    task = ModularTask("add", p=settings.p, train_fraction=0.6, corrupt_fraction=wrong, seed=seed)
    config = TrainConfig(
        settings.steps,
        weight_decay=settings.weight_decay,
        save_every=settings.every,
        log_every=settings.every,
        seed=seed,
    )
    result = train(task, MLPConfig(width=settings.width), config, out=folder, show_progress=False)
    return {record["step"]: record["accuracy"]["train"] for record in result.history}


@dataclass(frozen=True, eq=False)
class _Halves:
    """Affinities of two halves of the examples at each checkpoint, and partitions of all pairs without a threshold."""

    first: list[Float[np.ndarray, "neuron neuron"]]
    second: list[Float[np.ndarray, "neuron neuron"]]
    every_pair: list[Int[np.ndarray, " neuron"]]


def _communities(folder: Path, seed: int, report: Callable[[int], None]) -> tuple[Communities, _Halves]:
    """Communities of every checkpoint, and affinities of each half of the examples above the threshold of all."""
    networks, halves = [], _Halves([], [], [])
    for done, checkpoint in enumerate(load_series(folder, most=10**6), 1):
        subject = subject_of(checkpoint, seed=seed)
        networks.append(communities_of(subject))
        acts, _, _ = sampled_activations(subject, np.random.default_rng(seed))
        order = np.random.default_rng(seed).permutation(len(acts))
        for kept, rows in zip((halves.first, halves.second), np.array_split(order, 2), strict=True):
            kept.append(linked(affinity_of(acts[rows]), networks[-1].threshold))
        halves.every_pair.append(partition(affinity_of(acts), seed))
        report(done)
    return joined(networks, "squared", seed), halves


def _members(halves: _Halves) -> Int[np.ndarray, " member"]:
    """Neurons that are linked in the first half at some checkpoint."""
    return np.flatnonzero(np.any([one.any(1) for one in halves.first], 0))


def _kept(halves: _Halves) -> list[list[np.ndarray]]:
    members = _members(halves)
    return [[one[np.ix_(members, members)] for one in half] for half in (halves.first, halves.second)]


def _by_phase(
    result: Communities,
    halves: _Halves,
    accuracy: Sequence[float],
    train_accuracy: dict[int, float],
    seed: int,
) -> Numbers:
    """Agreement with the final frequencies before, at and after grokking; None if the network never groks."""
    at = next((place for place, value in enumerate(accuracy) if value >= HALF), None)
    above = next((place for place, value in enumerate(accuracy) if value > LOW), 0)
    places = {"before": above - 1 if above else None, "at": at, "after": len(accuracy) - 1}
    numbers: Numbers = {}
    frequency = result.last.frequency
    chosen = frequency >= 0
    for phase, place in places.items():
        known = place is not None and at is not None
        test = result.final[place] if known and place is not None else None
        numbers[f"ari_{phase}"] = None if test is None else test.ari
        numbers[f"p_{phase}"] = None if test is None else test.p_value
        numbers[f"high_{phase}"] = None if test is None else test.null_high
        numbers[f"linked_{phase}"] = (
            result.networks[place].connected / len(frequency) if known and place is not None else None
        )
        numbers[f"accuracy_{phase}"] = accuracy[place] if known and place is not None else None
        every = None
        if test is not None and place is not None:
            labels, communities_now = frequency[chosen], halves.every_pair[place][chosen]
            every = agreement(communities_now, labels, np.random.default_rng(seed), 1).ari
        numbers[f"ari_every_pair_{phase}"] = every
    before = places["before"]
    step = None if before is None or at is None else result.networks[before].step
    numbers["train_before"] = None if step is None else train_accuracy[step]
    last = result.last
    dealt = float(last.dealt.mean()) if len(last.dealt) else None
    numbers |= {"modularity": last.modularity, "modularity_dealt": dealt, "modularity_p": last.p_value}
    numbers |= {
        "generalizing": float(chosen.sum()),
        "frequencies": float(len(set(frequency[chosen].tolist()))),
    }
    one, two = (partition(half[-1], seed) for half in (halves.first, halves.second))
    numbers["ari_halves"] = (
        agreement(one[chosen], _alone(two)[chosen], np.random.default_rng(seed), 1).ari
        if chosen.any()
        else None
    )
    return numbers


def _alone(community: Int[np.ndarray, " neuron"]) -> Int[np.ndarray, " neuron"]:
    """Communities with a number of its own for every isolated neuron."""
    numbers = count(int(community.max(initial=-1)) + 1)
    return np.array([next(numbers) if one < 0 else one for one in community.tolist()])


def _of_components(result: Communities, halves: _Halves, seed: int) -> tuple[Numbers, list[list[float]]]:
    """Rank, agreement and the steps of half strength of the tensor's components; and their courses, of the strongest.

    Numbers are None, and there are no courses, where no pair of neurons is ever linked.
    """
    names = ("rank", "explained", "explained_held_out", "ari_components", "p_components", "step_components")
    members = _members(halves)
    numbers: Numbers = dict.fromkeys(names)
    if not len(members):
        return numbers, []
    tensor, other = (affinity_tensor(half) for half in _kept(halves))
    factors = factorise_by_rank(tensor, other, seed)
    courses = [course / course.max() for course in factors.course.T if course.max() > 0]
    steps = [float(one.step or 0) for one in result.networks]
    rises = [_first(steps, course.tolist(), 0.5) for course in courses]
    numbers |= {
        "rank": float(factors.rank),
        "explained": factors.explained,
        "explained_held_out": factors.held_out,
        "step_components": float(np.median([rise for rise in rises if rise is not None])),
    }
    frequency = result.last.frequency[members]
    chosen = frequency >= 0
    if len(np.unique(frequency[chosen])) > 1:
        test = agreement(factors.strongest()[chosen], frequency[chosen], np.random.default_rng(seed))
        numbers |= {"ari_components": test.ari, "p_components": test.p_value}
    return numbers, [course.round(4).tolist() for course in courses]


def _first(steps: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """The first step from which on a curve has reached a level; None if it never does."""
    return next((float(step) for step, value in zip(steps, values, strict=True) if value >= level > 0), None)


def _of_all_neurons(name: str, network: NeuronCommunities, subject: Subject) -> Numbers:
    """Agreement with the strongest frequency of every neuron that is not dead, generalizing or not."""
    alive = subject.alive
    labels = np.asarray(subject.table["frequency"]).astype(int)[alive]
    test = agreement(network.community[alive], labels, np.random.default_rng(subject.seed))
    return {f"{name}_ari": test.ari, f"{name}_p": test.p_value}
