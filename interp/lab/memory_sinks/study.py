"""Neurons that a model was made to keep its memory in: do the methods of locating name them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.lab.memory_sinks.figure import CASES, sinks_figure
from interp.lab.memory_sinks.training import OPEN, REPEATS, SCHEMES, Pool, random_pool
from interp.lab.over_seeds import OverSeeds
from interp.lab.sequence_scores import random_alike, sequence_scores
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.language.edits import gates_without
from interp.language.locating import MEMORIZING, locate
from interp.language.methods import METHODS
from interp.language.records import UnitScores
from interp.language.small_training import SmallTrained, SmallTraining, train_small_language_model
from interp.markup import number, percentage
from interp.progress import Report, shifted
from probes.agreement import auc

SCORES = ("activation", "gradient", "integrated", "zero-out", "forgetting", "contrast", "evidence")
"""Methods that are judged; learnt masks are judged by the study ``plant``."""


@dataclass(frozen=True)
class Config(Settings):
    """The network, its gates, and the control."""

    share: float = setting(0.1, "Share of each layer's neurons that is gated: the pool.", "(0, 1)")
    leak: float = setting(
        0.02, "Share of the sequences seen once for which the pool is on as well.", "[0, 1)"
    )
    active: float = setting(
        0.25, "Share of the pool that each sequence has where all have their own.", "(0, 1]"
    )
    duplicates: int = setting(20, "Sequences that are repeated in training.", "[4, inf)")
    held_out: int = setting(60, "Sequences of the same language that are not trained on.", "[8, inf)")
    steps: int = setting(400, "Updates.", "[1, inf)")
    width: int = setting(256, "Neurons of each of the four layers.", "[10, inf)")
    n_random: int = setting(3, "Random sets of other neurons beside the pool.", "[1, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train under every scheme, and compare scores of neurons with the pool; all neurons are on when scored."""
    settings = SmallTraining(
        steps=config.steps, d_mlp=config.width, duplicates=config.duplicates, held_out=config.held_out
    )
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    for place, scheme in enumerate(SCHEMES):
        generator = np.random.default_rng(seed)
        pool = random_pool(settings, config.share, config.active, config.leak, generator)
        gates, watched = pool.gates_of(scheme, generator), shifted(report, place * config.steps, scheme)
        trained = train_small_language_model(settings, seed, gates_of=gates, report=watched)
        numbers |= _memory(trained, pool, scheme, config, generator)
        scores = _located(trained, seed)
        numbers |= _agreement(scores, pool, scheme)
        curves[scheme] = {"notes": list(scores.notes), "seconds": dict(scores.seconds)}
    return Record({**dict.fromkeys(STUDY.quantities), **numbers}, curves)


def _memory(
    trained: SmallTrained, pool: Pool, scheme: str, config: Config, generator: np.random.Generator
) -> dict[str, float | None]:
    """Accuracy of repeated and held-out sequences: as it is, without the pool, without as many other neurons."""
    model, rows = trained.model, trained.sequences
    others = [
        random_alike(model.units(), pool.units, generator, spared=pool.units) for _ in range(config.n_random)
    ]
    cases = dict(zip(CASES, ([pool.units[:0]], [pool.units], others), strict=True))
    numbers: dict[str, float | None] = {}
    for case, sets in cases.items():
        each = [sequence_scores(model, rows, gates_without(model, chosen)) for chosen in sets]
        for name, part in (("repeated", rows.candidates), ("held_out", rows.unseen)):
            means = np.mean([one.means(part) for one in each], axis=0)
            numbers[f"{scheme}_{name}_{case}"] = float(means[0])
            numbers[f"{scheme}_nll_{name}_{case}"] = float(means[1])
    memory = [sequence_scores(model, rows).nll[part].tolist() for part in (rows.candidates, rows.unseen)]
    repeated = np.repeat([True, False], [len(part) for part in memory])
    numbers[f"{scheme}_detected"] = auc(-np.concatenate(memory), repeated)
    return numbers


def _located(trained: SmallTrained, seed: int) -> UnitScores:
    rows = trained.sequences
    return locate(trained.model, rows, rows.candidates, controls=rows.unseen, methods=SCORES, seed=seed)


def _agreement(scores: UnitScores, pool: Pool, scheme: str) -> dict[str, float | None]:
    """Area under the curve of each score for neurons of the pool, and the share of the labelled that are in it."""
    truth = pool.gated.reshape(-1)
    numbers: dict[str, float | None] = {
        f"{scheme}_auc_{name}": auc(values, truth) if np.isfinite(values).all() else None
        for name, values in scores.scores.items()
    }
    labelled = None if scores.label is None else scores.label == MEMORIZING
    numbers[f"{scheme}_labelled"] = None if labelled is None else float(labelled.sum())
    exist = labelled is not None and labelled.any()
    numbers[f"{scheme}_precision"] = float(truth[labelled].mean()) if exist else None
    numbers[f"{scheme}_sensitivity"] = None if labelled is None else float(labelled[truth].mean())
    return numbers


def judge(result: StudyResult) -> list[str]:
    """Sentences on memory with and without the pool, and on scores and labels against it."""
    return [
        *(_removal(result, scheme) for scheme in SCHEMES),
        _areas(result),
        *_labels(result),
        *_control(result),
    ]


def _removal(result: StudyResult, scheme: str) -> str:
    """Log loss of the repeated sequences without the pool, between what it was and that of held-out ones."""
    cases = [f"{scheme}_nll_{part}_{case}" for part in ("repeated", "held_out") for case in CASES]
    numbers = result.all_over(*cases)
    assert numbers is not None
    whole, without, random, held, level, harm = numbers
    side = without.minus(random).verdict("more than", "less than", "not decidedly different from")
    return (
        f"Where {SCHEMES[scheme]}, the log loss of repeated sequences is {whole.words()}, without the pool "
        f"{without.words()}, {side} without as many other neurons, {random.words()}; that of held-out ones is "
        f"{held.words()}, without the pool {level.words()}, without the others {harm.words()}."
    )


def _areas(result: StudyResult) -> str:
    areas = {
        METHODS[name].title: over
        for name in SCORES
        if (over := result.over(f"{REPEATS}_auc_{name}")) is not None
    }
    return (
        "Area under the curve for the neurons of that pool: "
        + ", ".join(f"{title} {over.words()}" for title, over in areas.items())
        + "."
    )


def _labels(result: StudyResult) -> list[str]:
    numbers = result.all_over(f"{REPEATS}_labelled", f"{REPEATS}_precision", f"{REPEATS}_sensitivity")
    if numbers is None:
        return ["The evidence labels no neuron in one of the seeds or more, so labels are not judged."]
    labelled, precision, sensitivity = numbers
    return [
        f"The labels name {number(labelled.mean)} neurons as memorizing; {percentage(precision.mean)} of them are in "
        f"the pool, and {percentage(sensitivity.mean)} of the pool are labelled."
    ]


def _control(result: StudyResult) -> list[str]:
    """Scores that are beside chance where there is no pool, with how many are expected to be."""
    areas = {name: over for name in SCORES if (over := result.over(f"{OPEN}_auc_{name}")) is not None}
    if len(result.seeds) < 2 or not areas:
        return []
    off = [
        f"{METHODS[name].title} {over.words()}"
        for name, over in areas.items()
        if OverSeeds.of(np.subtract(over.values, 0.5)).sign
    ]
    words = "no" if not off else f"{len(off)} ({', '.join(off)})"
    lowest, highest = (number(end([over.mean for over in areas.values()])) for end in (min, max))
    return [
        f"Where {SCHEMES[OPEN]}, the area for the same neurons is {lowest} to {highest}; {words} of {len(areas)} "
        f"scores is decidedly beside chance, where {number(0.05 * len(areas))} would be if none differed."
    ]


def _quantities() -> dict[str, str]:
    named = {f"auc_{name}": f"AUROC of {METHODS[name].title} for the pool" for name in SCORES}
    cases = {"whole": "", "without": ", without the pool", "random": ", without other neurons"}
    memory = {
        f"{kind}{part}_{case}": f"{words}, {of}{end}"
        for part, of in (("repeated", "repeated"), ("held_out", "held-out"))
        for case, end in cases.items()
        for kind, words in (("nll_", "log loss"), ("", "accuracy"))
    }
    labels = {
        "detected": "AUROC of log loss, repeated against held-out",
        "labelled": "neurons labelled memorizing",
        "precision": "share of them in the pool",
        "sensitivity": "share of the pool labelled",
    }
    return {
        f"{scheme}_{name}": f"{scheme}: {words}"
        for scheme in SCHEMES
        for name, words in (memory | named | labels).items()
    }


STUDY = Study(
    name="memory-sinks",
    title="Memory sinks: labels against neurons that memory was trained into",
    about=(
        "Do the scores and labels of neurons name those that hold a memory? Small language models are trained on a "
        "random language in which some sequences come again and again, with a pool of neurons that is gated by the "
        "identity of the sequence, after memorization sinks (arXiv 2507.09937) and example-tied dropout (arXiv "
        "2307.09542). Three schemes share language, order and first weights: the pool is on for repeated sequences, "
        "and for a small share of the others so that it does them little harm; each sequence has its own random part "
        "of the pool, which is nearer to the papers; and no gates, the control. All neurons are on when memory is "
        "measured and located. The first scheme, unlike the papers', is given which sequences are repeated: it is a "
        "ground truth, no method of training. Bars show the log loss with all neurons, without the pool, and without "
        "as many other neurons of the same layers; and the area under the curve of each score for the neurons of the "
        "pool."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.steps * len(SCHEMES),
    quantities=_quantities(),
    judge=judge,
    draw=sinks_figure,
)
