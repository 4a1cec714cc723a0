"""Neurons held at zero while a network is trained: what becomes of grokking without those that would memorise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from interp.data import ModularTask
from interp.errors import ConfigError
from interp.interventions import Edit, bake
from interp.lab.clamp.figure import clamp_figure
from interp.lab.clamp.schedule import Held, Schedule, first_reaching
from interp.lab.delays import delay
from interp.lab.study import Record, Study, StudyResult
from interp.models import MLPConfig
from interp.modes import Scale, Zero
from interp.progress import Report
from interp.subject import score
from interp.training import TrainConfig, TrainResult, finish, prepare

HOOK = "blocks.0.mlp.hook_post"
GROUPS = ("memorizing", "random", "generalizing")
MOMENTS = ("start", "memorised", "halfway")
WORDS = {
    "start": "from the start",
    "memorised": "from memorisation",
    "halfway": "from halfway to generalisation",
}
GONE = 0.15
"""Accuracy on corrupted labels up to which nothing much of memory is left."""
ARMS = ("baseline", *(f"{group}_{moment}" for moment in MOMENTS for group in GROUPS))


@dataclass(frozen=True)
class Config:
    """What is trained: the quadratic network of arXiv 2310.13061, smaller, where memory and the rule coexist.

    Args:
        p: The modulus of the sums.
        width: Neurons.
        train_fraction: Share of all pairs that is trained on.
        corrupt_fraction: Share of these whose labels are redrawn.
        weight_decay: Of AdamW.
        lr: Learning rate.
        steps: Updates of every run.
        log_every: Updates between measurements.
        level: Test accuracy from which a network generalises.

    Raises:
        ConfigError: A value is out of range.
    """

    p: int = 71
    width: int = 300
    train_fraction: float = 0.5
    corrupt_fraction: float = 0.3
    weight_decay: float = 0.0
    lr: float = 0.01
    steps: int = 600
    log_every: int = 10
    level: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:
            raise ConfigError(f"level={self.level} is no accuracy; expected a number above 0 and up to 1")
        if not 0 < self.corrupt_fraction <= 1:
            raise ConfigError(f"corrupt_fraction={self.corrupt_fraction} leaves nothing to memorise")
        for name in ("p", "width", "steps"):
            if getattr(self, name) < 3:
                raise ConfigError(f"{name}={getattr(self, name)} is too small; expected 3 or more")


def measure(config: Config, seed: int, report: Report) -> Record:
    """One baseline, and the same network with neurons of each group held at zero from each moment on."""
    task = ModularTask(
        p=config.p, train_fraction=config.train_fraction, corrupt_fraction=config.corrupt_fraction, seed=seed
    )

    def run(place: int, name: str, schedule: Schedule | None) -> TrainResult:
        shape = MLPConfig(width=config.width)
        training = TrainConfig(
            config.steps, config.lr, config.weight_decay, log_every=config.log_every, save_every=0, seed=seed
        )

        def tell(done: int, note: str = "") -> None:
            report(place * config.steps + done, f"{name.replace('_', ' ')}  {note}")

        return finish(prepare(task, shape, training), tell, during=schedule)

    baseline = run(0, "baseline", None)
    begin = moments(baseline.history, config)
    groups = _groups(baseline, task, seed)
    idle = Held(Edit(HOOK, groups["memorizing"], Scale(1.0)), stop=config.steps // 2)
    same = _same(baseline, run(1, "held as they are, then let go", Schedule((idle,))))
    found = {"baseline": (baseline, np.array([], dtype=np.int64))}
    for place, arm in enumerate(ARMS[1:], 2):
        group, moment = arm.split("_")
        held = Held(Edit(HOOK, groups[group], Zero()), start=begin[moment])
        found[arm] = (run(place, arm, Schedule((held,))), groups[group])
    numbers: dict[str, float | None] = {f"begin_{name}": float(step) for name, step in begin.items()}
    numbers |= {f"held_{name}": float(len(chosen)) for name, chosen in groups.items()}
    numbers["identical"] = float(same)
    for arm, (result, gone) in found.items():
        numbers |= _end(arm, result, gone, task, config)
    curves = {arm: _curves(result.history) for arm, (result, _) in found.items()}
    steps = [record["step"] for record in baseline.history]
    return Record(numbers, {"steps": steps, "begin": begin, "arms": curves})


def moments(history: Sequence[Mapping[str, Any]], config: Config) -> dict[str, int]:
    """From which update on neurons are held: the first, at 99 % training accuracy, halfway on to generalisation."""
    steps = [record["step"] for record in history]
    train, test = ([record["accuracy"][split] for record in history] for split in ("train", "test"))
    memorised = first_reaching(steps, train, 0.99)
    memorised = config.steps if memorised is None else memorised
    generalises = first_reaching(steps, test, config.level)
    generalises = config.steps if generalises is None else max(generalises, memorised)
    return {"start": 0, "memorised": round(memorised), "halfway": round((memorised + generalises) / 2)}


def _groups(baseline: TrainResult, task: ModularTask, seed: int) -> dict[str, np.ndarray]:
    """Neurons by their label at the end of the baseline, and as many random ones as memorizing ones."""
    label = score(baseline.model, task)["label"]
    memorizing = np.flatnonzero(label == "memorizing")
    random = np.random.default_rng([seed, len(label)]).choice(len(label), len(memorizing), replace=False)
    return {
        "memorizing": memorizing,
        "random": random,
        "generalizing": np.flatnonzero(label == "generalizing"),
    }


def _same(first: TrainResult, second: TrainResult) -> bool:
    """Whether two runs have the same weights and the same history, to the bit."""
    one, other = first.model.state_dict(), second.model.state_dict()
    return first.history == second.history and all(torch.equal(one[name], other[name]) for name in one)


def _end(
    arm: str, result: TrainResult, gone: np.ndarray, task: ModularTask, config: Config
) -> dict[str, float | None]:
    """When an arm generalises, its accuracy at the end, and the share of its other neurons that memorise then."""
    curves, last = _curves(result.history), result.history[-1]["accuracy"]
    at = first_reaching([record["step"] for record in result.history], curves["test"], config.level)
    edited = bake(result.model, Edit(HOOK, gone, Zero()))
    rest = np.delete(score(edited, task)["label"], gone)
    return {
        f"step_{arm}": float(config.steps) if at is None else at,
        f"reached_{arm}": float(at is not None),
        f"test_{arm}": last["test"],
        f"corrupted_{arm}": last["corrupted_as_labelled"],
        f"grown_{arm}": float((rest == "memorizing").mean()) if len(rest) else None,
    }


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Accuracy on held-out and on corrupted examples."""
    names = {"test": "test", "corrupted": "corrupted_as_labelled"}
    return {name: [record["accuracy"][split] for record in history] for name, split in names.items()}


def judge(result: StudyResult) -> list[str]:
    """When generalisation comes, against the baseline and as many random neurons, and what becomes of memory."""
    told = [
        f"Memorizing neurons held at zero {WORDS[moment]}: generalisation comes "
        f"{delay(result, f'memorizing_{moment}', 'baseline', 'in the baseline')}, and "
        f"{delay(result, f'memorizing_{moment}', f'random_{moment}', 'with as many random neurons held')}. "
        f"{_memory(result, f'memorizing_{moment}')}"
        for moment in MOMENTS
    ]
    told.append(
        "What a smaller network does by itself: with as many random neurons held from the start it comes "
        f"{delay(result, 'random_start', 'baseline', 'in the baseline')}."
    )
    few = sum(record.numbers["held_generalizing"] or 0.0 for record in result.records) / len(result.seeds)
    comes = [
        f"{WORDS[moment]} it comes {delay(result, f'generalizing_{moment}', 'baseline', 'in the baseline')}"
        for moment in MOMENTS
    ]
    told.append(f"Generalizing neurons held at zero, {few:.0f} of them: {'; '.join(comes)}.")
    same, n = sum(record.numbers["identical"] == 1.0 for record in result.records), len(result.seeds)
    told.append(f"Held as they are and then let go, {same} of {n} runs are the baseline to the bit.")
    none = sum(record.numbers["held_memorizing"] == 0.0 for record in result.records)
    return told + [f"In {none} of {n} seeds no neuron memorises in the end, so none was held."] * bool(none)


def _memory(result: StudyResult, arm: str) -> str:
    """Whether other neurons come to memorise in the end."""
    control = arm.replace("memorizing", "corrupted_random")
    left, before, random, grown = map(
        result.over, (f"corrupted_{arm}", "corrupted_baseline", control, f"grown_{arm}")
    )
    if left is None or before is None or random is None or grown is None:
        return "What becomes of the corrupted labels is not known."
    shares = f"{left.mean:.1%} of the corrupted labels are given in the end"
    shares += f" ({before.mean:.1%} in the baseline, {random.mean:.1%} with random ones held)"
    others = f"{grown.mean:.1%} of the other neurons memorise then"
    fell = left.minus(before).sign
    if before.low <= GONE or np.isnan(left.high):
        verdict = "What becomes of memory is not decided"
    elif left.high <= GONE:
        verdict = "The neurons that are left do not memorise" + ", as with random ones held" * (
            random.high <= GONE
        )
    elif fell is None:
        verdict = "Whether memory suffers is not decided"
    else:
        verdict = "Other neurons take over memory" + " in part" * (fell < 0)
    return f"{verdict}: {shares}; {others}."


def _quantities() -> dict[str, str]:
    told = {
        "begin_memorised": "step of memorisation",
        "begin_halfway": "step halfway to generalisation",
        "held_memorizing": "memorizing (and random) neurons held",
        "held_generalizing": "generalizing neurons held",
        "identical": "baseline restored to the bit",
    }
    names = {"baseline": "nothing held"} | {
        f"{group}_{moment}": f"{group} held {WORDS[moment]}" for moment in MOMENTS for group in GROUPS
    }
    measured = {"step": "generalises at", "corrupted": "corrupted labels learnt", "test": "test accuracy"}
    for quantity, words in measured.items():
        told |= {f"{quantity}_{arm}": f"{words}, {name}" for arm, name in names.items()}
    return told


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
    quantities=_quantities(),
    judge=judge,
    draw=clamp_figure,
)
