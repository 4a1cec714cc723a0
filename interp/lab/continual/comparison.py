"""Methods run on a benchmark, and what is measured of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.lab.continual.arms import HOMEOSTATIC_RANDOM, arms, penalties, penalty
from interp.lab.continual.benchmarks import BENCHMARKS, Benchmark, Sequences, benchmark
from interp.lab.continual.method import Method
from interp.lab.continual.methods.example_gradients import fisher, sensitivity
from interp.lab.continual.methods.homeostatic import Modulated
from interp.lab.continual.metrics import sequence_metrics
from interp.lab.continual.protection import protection
from interp.lab.continual.sequence import DivergedError, Learnt, learn_in_sequence
from interp.lab.study import setting
from interp.progress import Report, shifted

MEASURES = {
    "average": "average accuracy",
    "backward": "backward transfer",
    "forward": "forward transfer",
    "forgetting": "forgetting",
    "learnt": "accuracy right after learning",
}
PROTECTS = {"fisher": "Fisher", "mas": "MAS"}


@dataclass(frozen=True)
class Compared(Sequences):
    """Methods on sequences of tasks."""

    kept: int = setting(40, "Examples of each task that replay and fine-tuning may keep.", "[1, inf)")


@dataclass(eq=False)
class Comparison:
    """Runs on one benchmark.

    Attributes:
        numbers: By ``benchmark_measure_method``, and ``benchmark_measure_method_strength``; None where it diverged.
        curves: Accuracy of each task (column) after each (row), by method.
    """

    name: str
    bench: Benchmark
    numbers: dict[str, float | None] = field(default_factory=dict)
    curves: dict[str, list[list[float]] | None] = field(default_factory=dict)
    importances: list[tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]] = field(default_factory=list)

    def run(self, key: str, method: Method, report: Report) -> Learnt | None:
        """Learn the sequence with a method; None if it diverged."""
        network = self.bench.network()
        try:
            learnt = learn_in_sequence(
                network, self.bench.tasks, method, self.bench.training, seed=self.bench.seed, report=report
            )
        except DivergedError:
            learnt = None
        self.keep(key, learnt)
        return learnt

    def keep(self, key: str, learnt: Learnt | None) -> None:
        """Add the numbers of a run, all of them None if it diverged."""
        values = dict.fromkeys(MEASURES) if learnt is None else measured(learnt)
        self.numbers |= {f"{self.name}_{measure}_{key}": value for measure, value in values.items()}
        self.curves[key] = None if learnt is None else learnt.accuracy.round(4).tolist()
        if self.name == "permuted":
            for kind in PROTECTS:
                value = None if learnt is None else protection(learnt, self.importance(learnt)[kind])
                self.numbers[f"protects_{kind}_{key}"] = None if value is None or np.isnan(value) else value

    def importance(self, learnt: Learnt) -> dict[str, dict[str, Tensor]]:
        """Importance of weights after the first task, which most methods learn alike."""
        after, task = learnt.snapshots[0], learnt.tasks[0]
        for known, importance in self.importances:
            if all(torch.equal(known[name], after[name]) for name in after):
                return importance
        network = self.bench.network()
        network.load_state_dict(after)
        result = {
            "fisher": fisher(network, task.inputs, task.labels),
            "mas": sensitivity(network, task.inputs),
        }
        self.importances.append((dict(after), result))
        return result


def measured(learnt: Learnt) -> dict[str, float | None]:
    """The numbers of `MEASURES`."""
    metrics = sequence_metrics(learnt.accuracy, learnt.untrained)
    return {**metrics, "learnt": float(np.diagonal(learnt.accuracy).mean())}


def planned(name: str, config: Compared, n_tasks: int, updates: int) -> Iterator[tuple[str, Method]]:
    """Every run on a benchmark but that of homeostatic rates in random order: its key, and its method."""
    for arm, one in arms(n_tasks, updates, config.kept).items():
        if one.everywhere or name == "permuted":
            yield arm, one.method
    for arm, strengths in penalties(name).items():
        for strength in strengths:
            yield f"{arm}_{strength:g}", penalty(arm, strength)
    for arm in penalties(name):
        if name == "permuted" and not arm.endswith("_shuffled"):
            yield f"{arm}_0", penalty(arm, 0.0)


def compare(config: Compared, seed: int, report: Report) -> tuple[dict[str, float | None], dict[str, Any]]:
    """All methods on all benchmarks.

    Returns:
        Numbers and curves of every `Comparison`, by benchmark; with ``same_at_zero`` (1 if penalties of strength 0
        left training as it was), ``overlap`` and ``overlap_worst`` of Hebbian subspaces with principal components, and
        ``moved`` by module. What a run that diverged would have left is None, or not there.
    """
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    done = 0
    for name in BENCHMARKS:
        comparison = Comparison(name, benchmark(name, config, seed))
        bench, part = comparison.bench, shifted(report, done, BENCHMARKS[name])
        runs = list(planned(name, config, len(bench.tasks), bench.training.updates))
        for place, (key, method) in enumerate(runs):
            learnt = comparison.run(key, method, shifted(part, place * bench.updates, key))
            if learnt is not None and name == "permuted":
                _more(key, method, learnt, comparison, curves)
        done += len(runs) * bench.updates
        if name == "permuted":
            _homeostatic_random(comparison, curves.pop("factors", None), seed, shifted(report, done))
            done += bench.updates
            zero = [comparison.curves[f"{arm}_0"] for arm in ("l2", "ewc", "mas")]
            numbers["same_at_zero"] = float(all(one == comparison.curves["naive"] for one in zero))
            numbers |= _overlaps(curves.get("overlaps", {}))
        numbers |= comparison.numbers
        curves[name] = comparison.curves
    return numbers, curves


def _more(key: str, method: Method, learnt: Learnt, comparison: Comparison, curves: dict[str, Any]) -> None:
    """Keep what single methods leave behind."""
    if key == "projection":
        protected = learnt.memory[method]
        curves["overlaps"] = protected.overlaps
        curves["ranks"] = {name: len(rows) for name, rows in protected.used.items()}
    elif key == "fpf_all":
        curves["moved"] = learnt.memory[method].moved
    elif key == "homeostatic":
        curves["factors"] = learnt.memory[method].factors


def _overlaps(overlaps: dict[str, list[float]]) -> dict[str, float | None]:
    every = [value for values in overlaps.values() for value in values]
    if not every:
        return {"overlap": None, "overlap_worst": None}
    return {"overlap": float(np.mean(every)), "overlap_worst": min(every)}


def _homeostatic_random(
    comparison: Comparison, factors: list[float] | None, seed: int, report: Report
) -> None:
    """The rates of the homeostatic run in random order; there are none if it diverged."""
    if factors is None:
        comparison.keep(HOMEOSTATIC_RANDOM, None)
    else:
        order = np.random.default_rng(seed).permutation(factors)
        comparison.run(HOMEOSTATIC_RANDOM, Modulated(tuple(order.tolist())), report)


def units(config: Compared) -> int:
    """Updates of all runs."""
    total = 0
    for name in BENCHMARKS:
        bench = benchmark(name, config, 0)
        runs = len(list(planned(name, config, len(bench.tasks), bench.training.updates)))
        total += (runs + (name == "permuted")) * bench.updates
    return total
