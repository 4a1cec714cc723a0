"""Neurons that serve one set of inputs and not another, found without any periodicity."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from interp import ModularTask, TrainConfig
from interp.lab.contrast.figure import contrast_figure
from interp.lab.contrast.methods import METHODS, compared, crossfitted, left_by
from interp.lab.contrast.scores import effect_of, input_sets, scores_of
from interp.lab.over_seeds import OverSeeds
from interp.lab.sets import Effect, chosen_neurons, search_sets
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.markup import number, percentage
from interp.measuring.curves import measure_curve
from interp.models import MLPConfig
from interp.progress import Report
from interp.scoring.table import NeuronTable
from interp.subject import Subject
from interp.training import finish, prepare
from probes.agreement import auc

SCORES = {
    "attribution": "attribution to the label",
    "selectivity": "selectivity of ablation",
    "kurtosis": "kurtosis",
    "contrast": "|weight| · activation",
    "average_precision": "average precision",
    "z": "z of the activation",
    "mean_ratio": "ratio of means",
    "auroc": "activation as a detector",
    "selected": "chosen by outputs",
    "maximum_ratio": "ratio of maxima",
    "periodicity": "IPR (needs Fourier)",
}
"""All but the last know nothing of periodicity. The first that there is, is used."""
ENOUGH = 0.99


@dataclass(frozen=True)
class Config(Settings):
    """The network, and what is done to it."""

    p: int = setting(97, "The modulus of the addition.")
    width: int = setting(500, "Neurons.", "[1, inf)")
    train_fraction: float = setting(0.5, "Share of all pairs that is trained on.")
    corrupt_fraction: float = setting(0.35, "Share of the training set whose labels are redrawn.", "(0, 1]")
    steps: int = setting(1000, "Updates of the full training set.", "[1, inf)")
    lr: float = setting(0.01, "Learning rate.")
    share: float = setting(
        0.5, "Share of the neurons that is taken out, those first that serve the wrong labels most.", "(0, 1)"
    )
    n_random: int = setting(20, "Random sets of neurons for each control.", "[1, inf)")
    n_candidates: int = setting(60, "Sets of neurons that are tried for the best trade.", "[1, inf)")
    site: str = setting("", "Hook name of the neurons of a checkpoint; the last if empty.")


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train a network that knows a rule and wrong labels, and tell the neurons of the two apart."""
    task = ModularTask("add", config.p, config.train_fraction, config.corrupt_fraction, seed=seed)
    training = TrainConfig(steps=config.steps, lr=config.lr, save_every=0, log_every=50, seed=seed)
    run = prepare(task, MLPConfig(width=config.width), training)
    finish(run, report)
    return _contrasted(Subject(run.model.eval(), task, config.site or None, seed=seed), config)


def inspect(opened: Any, config: Config, seed: int, report: Report) -> Record:
    """The same of the neurons of a checkpoint."""
    record = _contrasted(Subject(opened.model, opened.task, config.site or None, seed=seed), config)
    report(config.steps)
    return record


def _contrasted(subject: Subject, config: Config) -> Record:
    cached, table, seed = subject.cached, subject.table, subject.seed
    sets = input_sets(cached.data)
    scores = scores_of(subject, sets)
    # with labels right by chance
    effect = effect_of(cached, replace(sets, first=cached.data.split(sets.split)[0]))
    used = next(name for name in SCORES if name in scores)
    order = chosen_neurons(scores[used], 1.0)
    curve = measure_curve(cached, order, n_random=config.n_random, seed=seed)
    at = max(1, int(np.abs(curve.fraction - config.share).argmin()))  # at least one neuron
    gone = order[: curve.removed[at]]
    known = {name: values for name, values in scores.items() if name != "periodicity"}
    tried = search_sets(effect, known, n_candidates=config.n_candidates, seed=seed)
    numbers = _agreement(scores, table) | _pruned(effect, gone, scores["periodicity"])
    numbers["memorizing_share"] = float((table["label"][gone] == "memorizing").mean())
    unhurt = effect(gone[:0])[1]
    numbers["front_first"] = min((one.first for one in tried if one.other >= unhurt), default=None)
    thin = curve.thinned()
    curves: dict[str, Any] = {"used": used, "split": sets.split, "candidates": [asdict(c) for c in tried]}
    curves["removed"] = thin.fraction.tolist()
    checked = crossfitted(subject, config.n_random)
    numbers |= left_by(checked)
    curves["sizes"] = {name: list(result.sizes) for name, result in checked.items()}
    for name, split in (("first", sets.split), ("other", "test")):
        line, band, whole_band = thin.accuracy[split], thin.random[split], curve.random[split]
        assert line is not None
        assert band is not None
        assert whole_band is not None
        numbers[f"{name}_random"] = float(whole_band.mean[at])
        curves[name] = {"line": line.tolist(), **band.to_dict()}
    return Record(numbers, curves)


def _agreement(scores: dict[str, np.ndarray], table: NeuronTable) -> dict[str, float | None]:
    positive = table["label"] == "memorizing"
    labelled = positive | (table["label"] == "generalizing")
    return {
        f"auroc_{name}": auc(scores[name][labelled], positive[labelled]) if name in scores else None
        for name in SCORES
    }


def _pruned(effect: Effect, gone: np.ndarray, periodicity: np.ndarray) -> dict[str, float | None]:
    """Both sets before and after, without the least periodic neurons, and whether the effect adds up."""
    by_ipr = chosen_neurons(periodicity, len(gone) / len(periodicity))
    before, after, ipr = effect(gone[:0]), effect(gone), effect(by_ipr)
    parts = sum(before[0] - effect(gone[start::2])[0] for start in (0, 1))
    numbers: dict[str, float | None] = {}
    for i, name in enumerate(("first", "other")):
        numbers |= {f"{name}_before": before[i], f"{name}_after": after[i], f"{name}_by_ipr": ipr[i]}
    numbers["other_gain"] = after[1] - before[1]
    numbers["additivity"] = (before[0] - after[0]) / parts if parts > 0 else None
    return numbers


def judge(result: StudyResult) -> list[str]:
    """Sentences on the scores against the audit's labels, and on both sets without the chosen neurons."""
    several = len(result.seeds) > 1
    sentences = [_best(result)]
    areas = {name: result.over(f"auroc_{name}") for name in SCORES}
    useless = [SCORES[name] for name, a in areas.items() if a is not None and _beside_chance(a) != 1]
    if several and useless:
        sentences.append(f"Not decidedly better than chance: {', '.join(useless)}.")
    for name, words in (("first", "the first set"), ("other", "the other set")):
        numbers = result.all_over(f"{name}_after", f"{name}_random")
        if numbers is None:
            continue
        after, random = numbers
        side = after.minus(random).verdict("above", "below", "not decidedly different from")
        side, one = (side, "") if several else ("beside", "; one seed does not decide")
        sentences.append(
            f"Without the chosen neurons the accuracy on {words} is {percentage(after.mean)}, {side} that without as "
            f"many random ones, {percentage(random.mean)}{one}."
        )
    sentences += compared(result)
    numbers = result.all_over("other_gain", "other_before", "other_after")
    if numbers is not None:
        gain, before, after = numbers
        verb = gain.verdict("rises", "falls", "does not decidedly change")
        change = f"from {percentage(before.mean)} to {percentage(after.mean)}"
        sentences.append(f"Without them held-out accuracy {verb} ({change}).")
    return sentences


def _best(result: StudyResult) -> str:
    used = result.records[0].curves["used"]
    area = result.over(f"auroc_{used}")
    if area is None:
        return "The audit finds no two kinds of neurons here that scores could be compared with."
    side = int(np.sign(area.mean - 0.5)) if len(area.values) < 2 else _beside_chance(area)
    come = {1: "come before", -1: "come after"}.get(side or 0, "do not decidedly come before")
    every = "in every seed" if min(area.values) >= ENOUGH else "not in every seed"
    return (
        f"Ranked by {SCORES[used]} alone, without periodicity, memorising neurons {come} generalising ones "
        f"with an area under the curve of {area.words()}: {number(ENOUGH)} or more {every}."
    )


def _beside_chance(area: OverSeeds) -> int | None:
    return OverSeeds.of(np.subtract(area.values, 0.5)).sign


STUDY = Study(
    name="contrast",
    title="Neurons that serve memorised inputs, found without Fourier",
    about=(
        "Which neurons serve the wrong labels that a network remembers, and not the rule? Ten scores contrast what "
        "each neuron does on mislabelled training examples and on held-out ones: statistics of activations (arXiv "
        "2502.17355, 2406.18566), weight times activation (arXiv 2306.11695, 2405.19458), attribution to the "
        "labels, and ablation. The bars compare them with the labels of the audit, which knows the periodicity; "
        "the lines show the accuracy on both sets while neurons are taken out, those first that serve the wrong "
        "labels most, beside random orders. The score for that is fixed beforehand, and no label of the audit is used. "
        "Seven ways to choose a set are compared cross-fitted, chosen on one half of the examples and measured on the "
        "other: a greedy search, attribution, neurons that flip an answer (arXiv 2307.09542), a learnt mask (arXiv "
        "2410.02159) and statistics of activations, each beside random sets as large."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.steps,
    quantities={
        **{f"auroc_{name}": f"AUROC of {words}" for name, words in SCORES.items()},
        "first_before": "first set: accuracy",
        "first_after": "first set, without the neurons",
        "first_random": "first set, without random ones",
        "first_by_ipr": "first set, without the least periodic",
        "other_before": "other set: accuracy",
        "other_after": "other set, without the neurons",
        "other_random": "other set, without random ones",
        "other_by_ipr": "other set, without the least periodic",
        "other_gain": "what the other set gains",
        **{
            f"{kind}{name}": f"{words}, {which}"
            for name, words in METHODS.items()
            for kind, which in (
                ("left_", "cross-fitted: memory left"),
                ("left_random_", "memory left without random sets"),
                ("lost_", "held-out accuracy lost"),
            )
        },
        "additivity": "effect of all over the sum of two halves",
        "memorizing_share": "share of them that the audit calls memorizing",
        "front_first": "least of the first set that costs the other nothing, chosen on the same examples",
    },
    judge=judge,
    draw=contrast_figure,
    inspect=inspect,
)
