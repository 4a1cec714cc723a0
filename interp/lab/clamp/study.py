"""Neurons held at zero while a network is trained: grokking without those that would memorise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from interp.data import ModularTask
from interp.interventions import Edit, bake
from interp.lab.clamp.figure import clamp_figure
from interp.lab.event_times import arm_quantities, delay, event_numbers, first_reaching, restored
from interp.lab.schedule import Held, Schedule
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.models import MLPConfig
from interp.modes import Scale, Zero
from interp.progress import Report, shifted
from interp.subject import score
from interp.training import TrainConfig, TrainResult, finish, prepare

HOOK = "blocks.0.mlp.hook_post"
GROUPS = ("memorizing", "random", "generalizing")
MOMENTS = {
    "start": "from the start",
    "memorised": "from memorisation",
    "halfway": "from halfway to generalisation",
}
GONE = 0.15  # accuracy on corrupted labels up to which nothing much of memory is left
HELD = {f"{group}_{moment}": f"{group} held {words}" for moment, words in MOMENTS.items() for group in GROUPS}
ARMS = {"baseline": "nothing held", **HELD}


@dataclass(frozen=True)
class Config(Settings):
    """The quadratic network of arXiv 2310.13061, smaller, where memory and the rule coexist."""

    p: int = setting(71, "The modulus of the sums.", "[3, inf)")
    width: int = setting(300, "Neurons.", "[3, inf)")
    train_fraction: float = setting(0.5, "Share of all pairs that is trained on.")
    corrupt_fraction: float = setting(0.3, "Share of these whose labels are redrawn.", "(0, 1]")
    weight_decay: float = setting(0.0, "Of AdamW.")
    lr: float = setting(0.01, "Learning rate.")
    steps: int = setting(600, "Updates of every run.", "[3, inf)")
    log_every: int = setting(10, "Updates between measurements.")
    level: float = setting(0.9, "Test accuracy from which a network generalises.", "(0, 1]")


def measure(config: Config, seed: int, report: Report) -> Record:
    """One baseline, and the same network with neurons of each group held at zero from each moment on."""
    task = ModularTask("add", config.p, config.train_fraction, config.corrupt_fraction, seed=seed)
    training = TrainConfig(
        config.steps, config.lr, config.weight_decay, log_every=config.log_every, save_every=0, seed=seed
    )

    def run(place: int, name: str, *held: Held) -> TrainResult:
        part = shifted(report, place * config.steps, name.replace("_", " "))
        return finish(prepare(task, MLPConfig(width=config.width), training), part, during=Schedule(held))

    baseline = run(0, "baseline")
    begin = moments(baseline.history, config)
    label = score(baseline.model, task)["label"]
    groups = {kind: np.flatnonzero(label == kind) for kind in ("memorizing", "generalizing")}
    n, generator = len(groups["memorizing"]), np.random.default_rng([seed, len(label)])
    groups["random"] = generator.choice(len(label), n, replace=False)  # as many as memorizing ones
    idle = Held(Edit(HOOK, groups["memorizing"], Scale(1.0)), stop=config.steps // 2)
    again = run(1, "held as they are, then let go", idle)
    weights, others = baseline.model.state_dict(), again.model.state_dict()
    same = baseline.history == again.history and all(torch.equal(weights[k], others[k]) for k in weights)
    runs = {"baseline": (baseline, np.array([], dtype=np.int64))}
    for place, arm in enumerate(HELD, 2):
        group, moment = arm.split("_")
        held = Held(Edit(HOOK, groups[group], Zero()), start=begin[moment])
        runs[arm] = (run(place, arm, held), groups[group])
    numbers: dict[str, float | None] = {f"begin_{name}": float(step) for name, step in begin.items()}
    numbers |= {f"held_{name}": float(len(groups[name])) for name in GROUPS}
    numbers["identical"] = float(same)
    for arm, (result, gone) in runs.items():
        numbers |= _end(arm, result, gone, task, config)
    curves = {arm: _curves(result.history) for arm, (result, _) in runs.items()}
    steps = [record["step"] for record in baseline.history]
    return Record(numbers, {"steps": steps, "begin": begin, "arms": curves})


def moments(history: Sequence[Mapping[str, Any]], config: Config) -> dict[str, int]:
    """The updates from which on neurons are held: 0, at 99 % training accuracy, halfway on to generalisation."""
    steps = [record["step"] for record in history]
    levels, reached = {"train": 0.99, "test": config.level}, []
    for split, level in levels.items():
        at = first_reaching(steps, [record["accuracy"][split] for record in history], level)
        reached.append(config.steps if at is None else at)
    memorised, generalises = reached[0], max(reached)
    return {"start": 0, "memorised": round(memorised), "halfway": round((memorised + generalises) / 2)}


def _end(
    arm: str, result: TrainResult, gone: np.ndarray, task: ModularTask, config: Config
) -> dict[str, float | None]:
    """When an arm generalises, its accuracy at the end, and the share of its other neurons that memorise then."""
    steps, curves = [record["step"] for record in result.history], _curves(result.history)
    rest = np.delete(score(bake(result.model, Edit(HOOK, gone, Zero())), task)["label"], gone)
    return {
        **event_numbers(arm, steps, curves["test"], config.level, config.steps),
        f"test_{arm}": curves["test"][-1],
        f"corrupted_{arm}": curves["corrupted"][-1],
        f"grown_{arm}": float((rest == "memorizing").mean()) if len(rest) else None,
    }


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    names = {"test": "test", "corrupted": "corrupted_as_labelled"}
    return {name: [record["accuracy"][split] for record in history] for name, split in names.items()}


def judge(result: StudyResult) -> list[str]:
    """When generalisation comes, against the baseline and as many random neurons, and what becomes of memory."""
    sentences = [
        f"Memorizing neurons held at zero {words}: generalisation comes "
        f"{delay(result, f'memorizing_{moment}', 'baseline', 'in the baseline')}, and "
        f"{delay(result, f'memorizing_{moment}', f'random_{moment}', 'with as many random neurons held')}. "
        f"{_memory(result, f'memorizing_{moment}')}"
        for moment, words in MOMENTS.items()
    ]
    sentences.append(
        "What a smaller network does by itself: with as many random neurons held from the start it comes "
        f"{delay(result, 'random_start', 'baseline', 'in the baseline')}."
    )
    n = len(result.seeds)
    few = sum(number or 0.0 for number in result.each("held_generalizing")) / n
    comes = [
        f"{words} it comes {delay(result, f'generalizing_{moment}', 'baseline', 'in the baseline')}"
        for moment, words in MOMENTS.items()
    ]
    sentences.append(f"Generalizing neurons held at zero, {few:.0f} of them: {'; '.join(comes)}.")
    sentences.append(restored(result))
    none = result.each("held_memorizing").count(0.0)
    return sentences + [f"In {none} of {n} seeds no neuron memorises in the end, so none was held."] * bool(
        none
    )


def _memory(result: StudyResult, arm: str) -> str:
    control = arm.replace("memorizing", "corrupted_random")
    numbers = result.all_over(f"corrupted_{arm}", "corrupted_baseline", control, f"grown_{arm}")
    if numbers is None:
        return "What becomes of the corrupted labels is not known."
    left, before, random, grown = numbers
    shares = f"{left.mean:.1%} of the corrupted labels are given in the end"
    shares += f" ({before.mean:.1%} in the baseline, {random.mean:.1%} with random ones held)"
    others = f"{grown.mean:.1%} of the other neurons memorise then"
    fell = left.minus(before).sign
    if before.low <= GONE or np.isnan(left.high):
        verdict = "What becomes of memory is not decided"
    elif left.high <= GONE:
        alike = ", as with random ones held" if random.high <= GONE else ""
        verdict = f"The neurons that are left do not memorise{alike}"
    elif fell is None:
        verdict = "Whether memory suffers is not decided"
    else:
        verdict = "Other neurons take over memory" + " in part" * (fell < 0)
    return f"{verdict}: {shares}; {others}."


STUDY = Study(
    name="clamp",
    title="Grokking while neurons are held at zero",
    about=(
        "Does a network that could memorise corrupted labels generalise sooner or later if the neurons that will "
        "memorise are held at zero while it trains? A quadratic network learns modular addition with corrupted "
        "labels (arXiv 2310.13061); its neurons are labelled at the end. The same network is trained again with the "
        "memorizing ones, as many random ones, or the generalizing ones held at zero by a schedule (the clamping of "
        "arXiv 2404.07129) from the first update, from memorisation, or from halfway to generalisation. The figure "
        "shows accuracy on held-out and on corrupted examples, mean, lowest and highest over the seeds; the dotted "
        "line is where neurons begin to be held. Generalizing neurons are fewer: that arm has no control."
    ),
    config=Config,
    measure=measure,
    units=lambda config: (len(ARMS) + 1) * config.steps,
    quantities={
        "begin_memorised": "step of memorisation",
        "begin_halfway": "step halfway to generalisation",
        "held_memorizing": "memorizing (and random) neurons held",
        "held_generalizing": "generalizing neurons held",
        "identical": "baseline restored to the bit",
        **arm_quantities(
            {"step": "generalises at", "corrupted": "corrupted labels learnt", "test": "test accuracy"}, ARMS
        ),
    },
    judge=judge,
    draw=clamp_figure,
)
