"""Ten tasks in sequence with former ones rehearsed: by a power law of how long ago they were learnt, or all alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from interp.lab.continual.benchmarks import Benchmark
from interp.lab.continual.method import Method
from interp.lab.continual.methods.rehearsal import Rehearsal
from interp.lab.continual.metrics import sequence_metrics
from interp.lab.continual.sequence import Learnt, Training, learn_in_sequence
from interp.lab.continual.tasks import permuted_digits
from interp.lab.study import Settings, StudyResult, setting
from interp.progress import Report, shifted

TASKS, OLD = 10, 5  # a task is old from this age on, in tasks learnt since
ARMS = {
    "naive": "none",
    "uniform": "uniform rehearsal",
    "power": "power-law rehearsal",
    "uniform_few": "little uniform rehearsal",
    "power_few": "little power-law rehearsal",
}
MEASURES = {
    "average": "average accuracy",
    "forgetting": "forgetting",
    "recent": "accuracy one or two tasks later",
    "old": f"accuracy {OLD} or more tasks later",
    "steps": "updates to learn a task",
    "unreached": "tasks that were not learnt",
}
QUANTITIES = {
    f"ten_{measure}_{arm}": f"ten tasks, {name}: {words}"
    for measure, words in MEASURES.items()
    for arm, name in ARMS.items()
}


@dataclass(frozen=True)
class TenTasks(Settings):
    """Rehearsal in a sequence of ten tasks of permuted digits."""

    ten_updates: int = setting(200, "Updates of each of the ten tasks.", "[1, inf)")
    rehearsed: float = setting(0.1, "Share of rows that are rehearsed.", "(0, 1)")
    rehearsed_few: float = setting(0.03, "The same where little is rehearsed.", "(0, 1)")
    alpha: float = setting(1.0, "Exponent of the power law of rehearsal.", "[0, inf)")
    criterion: float = setting(0.85, "Held-out accuracy from which a task counts as learnt.", "(0, 1]")


def arms(config: TenTasks) -> dict[str, Method]:
    """The methods that are compared, by the names in `ARMS`."""
    return {
        "naive": Method(),
        "uniform": Rehearsal(0.0, config.rehearsed),
        "power": Rehearsal(config.alpha, config.rehearsed),
        "uniform_few": Rehearsal(0.0, config.rehearsed_few),
        "power_few": Rehearsal(config.alpha, config.rehearsed_few),
    }


def units(config: TenTasks) -> int:
    """Steps of progress of `ten_tasks`."""
    return len(ARMS) * TASKS * config.ten_updates


def ten_tasks(
    config: TenTasks, seed: int, report: Report
) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Learn ten tasks with each way to rehearse, from the same first weights.

    Returns:
        The numbers of `QUANTITIES`, and by arm the mean accuracy by age (0: the task that was just learnt).
    """
    tasks = permuted_digits(TASKS, torch.Generator().manual_seed(seed))
    training = Training(updates=config.ten_updates, criterion=config.criterion, check_every=5)
    bench = Benchmark(tasks, training, seed)
    numbers: dict[str, float | None] = {}
    curves: dict[str, list[float]] = {}
    for place, (arm, method) in enumerate(arms(config).items()):
        part = shifted(report, place * bench.updates, f"ten tasks, {ARMS[arm]}")
        learnt = learn_in_sequence(bench.network(), bench.tasks, method, training, seed=seed, report=part)
        curve = by_age(learnt.accuracy)
        curves[arm] = curve.tolist()
        numbers |= {f"ten_{name}_{arm}": value for name, value in _numbers(learnt, training.updates).items()}
    return numbers, curves


def _numbers(learnt: Learnt, updates: int) -> dict[str, float]:
    metrics, curve = sequence_metrics(learnt.accuracy, learnt.untrained), by_age(learnt.accuracy)
    later = learnt.steps[1:]  # the first task is learnt alike by all
    return {
        "average": metrics["average"],
        "forgetting": metrics["forgetting"],
        "recent": float(curve[1:3].mean()),
        "old": float(curve[OLD:].mean()),
        "steps": float(np.mean([updates if one is None else one for one in later])),
        "unreached": float(sum(one is None for one in later)),
    }


def by_age(accuracy: Float[np.ndarray, "learnt task"]) -> Float[np.ndarray, " age"]:
    """Mean accuracy on the tasks that were learnt so many tasks ago, over all times and tasks.

    Example:
        >>> by_age(np.array([[1.0, 0.0], [0.5, 0.8]])).tolist()
        [0.9, 0.5]
    """
    return np.array([np.diagonal(accuracy, -age).mean() for age in range(len(accuracy))])


def sentences(result: StudyResult) -> list[str]:
    """Sentences on power-law against uniform rehearsal."""
    return [
        _compared(result, "", "rehearsed"),
        _compared(result, "_few", "rehearsed_few"),
        _facilitation(result),
    ]


def _compared(result: StudyResult, suffix: str, share: str) -> str:
    words = []
    for name in ("average", "recent", "old"):
        difference = result.difference(f"ten_{name}_power{suffix}", f"ten_{name}_uniform{suffix}")
        if difference is not None:
            verdict = difference.verdict("higher", "lower", "not decided")
            words.append(f"{MEASURES[name]} {verdict} ({difference.words('{:+.3f}'.format)})")
    return (
        f"Ten tasks with {getattr(result.config, share):.0%} of rows rehearsed, power law (alpha "
        f"{result.config.alpha:g}) against uniform: {'; '.join(words)}."
    )


def _facilitation(result: StudyResult) -> str:
    over = {arm: result.over(f"ten_steps_{arm}") for arm in ("naive", "uniform", "power")}
    never = {arm: sum(value or 0 for value in result.each(f"ten_unreached_{arm}")) for arm in over}
    power, uniform = over["power"], over["uniform"]
    assert power is not None
    assert uniform is not None
    verdict = power.minus(uniform).verdict(
        "later with the power law than with uniform rehearsal",
        "sooner with the power law than with uniform rehearsal",
        "as soon with either, as far as the seeds decide",
    )
    each = ", ".join(
        f"{ARMS[arm]} {one.words('{:.0f}'.format)}" for arm, one in over.items() if one is not None
    )
    missed = ", ".join(f"{count:.0f}" for count in never.values())
    return (
        f"New tasks reach {result.config.criterion:.0%} {verdict}: updates {each}; not learnt at all, and counted "
        f"with all their updates: {missed} of {(TASKS - 1) * len(result.seeds)}."
    )
