"""Learning rates that follow a homeostatic state, where labels are permuted anew every so many updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from interp.lab.continual.concept_shift import learn_online
from interp.lab.continual.method import Method
from interp.lab.continual.methods.homeostatic import Homeostatic, Modulated
from interp.lab.continual.sequence import DivergedError
from interp.lab.continual.tasks import relabelled_digits
from interp.lab.hosts.training import seeded
from interp.lab.study import Settings, StudyResult, setting
from interp.progress import Report

WIDTH, PILOT = 64, 100_000  # what is added to a seed for the stream that learning rates are chosen on
RATES = (0.2, 0.4, 0.6, 0.8)  # 0.1 and 1.0 were worse on a trial stream
PERIODS = (20, 50, 100, 500)
FOLLOWING = ("consequence", "predicted")
CHOOSING = (
    "constant",
    "consequence",
)  # whose base rates are chosen; the mean factor of the others is about 1
ARMS = {
    "constant": "constant rate",
    "consequence": "rate by consequences",
    "consequence_shuffled": "the same rates in random order",
    "predicted": "rate by predicted classes",
    "predicted_shuffled": "their rates in random order",
}
QUANTITIES = {
    f"shift_{period}_{arm}": f"labels permuted every {period} updates, {words}: mean accuracy"
    for period in PERIODS
    for arm, words in ARMS.items()
}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class ConceptShift(Settings):
    """A stream of digits whose labels are permuted anew."""

    shift_updates: int = setting(1000, "Updates of every stream with permuted labels.", "[500, inf)")
    gain: float = setting(0.1, "Of the learning rate's logarithm by the homeostatic state.", "(0, inf)")


def units(config: ConceptShift) -> int:
    """Steps of progress of `concept_shift`: streams."""
    return len(PERIODS) * (len(CHOOSING) * len(RATES) + len(ARMS))


def concept_shift(
    config: ConceptShift, seed: int, report: Report
) -> tuple[dict[str, float | None], dict[str, dict[str, list[float]]]]:
    """Mean accuracy on streams, before each batch is learnt from, with each way to set the learning rate.

    The base rates of the constant one and of that by consequences are each the best of `RATES` on a stream of another
    seed, from other first weights; that by predicted classes takes the constant one's.

    Returns:
        The numbers of `QUANTITIES`, and by period and arm the accuracies with each rate on that other stream, 0 where
        training diverged.
    """
    done = 0

    def next_stream(words: str) -> None:
        nonlocal done
        done += 1
        report(done, words)

    numbers: dict[str, float | None] = {}
    curves: dict[str, dict[str, list[float]]] = {}
    for period in PERIODS:
        measured, chosen = _period(config, seed, period, next_stream)
        numbers |= {f"shift_{period}_{arm}": value for arm, value in measured.items()}
        curves[str(period)] = chosen
    return numbers, curves


def _period(
    config: ConceptShift, seed: int, period: int, report: Progress
) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Accuracy of each arm on the seed's stream, and by rate on the other."""
    measured: dict[str, float | None] = {}
    chosen: dict[str, list[float]] = {}
    for arm in ("constant", *FOLLOWING):
        method = Method() if arm == "constant" else Homeostatic(arm, config.gain)
        if arm in CHOOSING:
            chosen[arm] = []
            for rate in RATES:
                chosen[arm].append(_stream(config, seed + PILOT, period, method, rate)[0])
                report(f"labels permuted every {period} updates, {ARMS[arm]}")
        best = RATES[int(np.argmax(chosen[arm if arm in CHOOSING else "constant"]))]
        measured[arm], factors = _stream(config, seed, period, method, best)
        report(f"labels permuted every {period} updates, {ARMS[arm]}")
        if arm in FOLLOWING:
            control = Modulated(tuple(np.random.default_rng(seed).permutation(factors).tolist()))
            measured[f"{arm}_shuffled"] = _stream(config, seed, period, control, best)[0] if factors else None
            report(f"labels permuted every {period} updates, {ARMS[f'{arm}_shuffled']}")
    return measured, chosen


def _stream(
    config: ConceptShift, seed: int, period: int, method: Method, rate: float
) -> tuple[float, list[float]]:
    """Mean accuracy, and the factors of the learning rate; 0 and none where training diverged."""
    generator = torch.Generator().manual_seed(seed)
    tasks = relabelled_digits(-(-config.shift_updates // period), generator)
    with seeded(seed):
        network = nn.Sequential(nn.Linear(tasks[0].inputs.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    try:
        accuracy, run = learn_online(network, tasks, method, updates=period, lr=rate, generator=generator)
    except DivergedError:
        return 0.0, []
    factors = run.memory[method].factors if isinstance(method, Homeostatic) else []
    return float(accuracy.mean()), factors


def sentences(result: StudyResult) -> list[str]:
    """Sentences on each way to set the learning rate."""
    return [_compared(result, arm) for arm in FOLLOWING]


def _compared(result: StudyResult, arm: str) -> str:
    parts = []
    for period in PERIODS:
        against = [
            result.difference(f"shift_{period}_{arm}", f"shift_{period}_{other}")
            for other in ("constant", f"{arm}_shuffled")
        ]
        words = [
            "not known, as training diverged"
            if one is None
            else f"{one.verdict('better', 'worse', 'not decided')} ({one.words('{:+.3f}'.format)})"
            for one in against
        ]
        parts.append(f"every {period} updates {', '.join(words)}")
    return (
        f"A {ARMS[arm]}, against the constant one that was best on another stream and against its own rates in random "
        "order, with labels permuted "
        f"{'; '.join(parts)}."
    )
