"""A sequence planted in a few known neurons of a language model: which methods find them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interp.errors import ConfigError, choose
from interp.lab.over_seeds import OverSeeds
from interp.lab.plant.figure import plant_figure
from interp.lab.plant.planting import Planting, plant_memory
from interp.lab.plant.removal import part_scores, parts_of, perplexity_rise, recall_of, removals
from interp.lab.study import ONE_NETWORK, Record, Settings, Study, StudyResult, setting
from interp.language.edits import edited
from interp.language.locating import cost, locate
from interp.language.methods import METHODS
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences, token_sequences
from interp.language.small_training import SmallTraining, train_small_language_model
from interp.language.texts import INVENTED, famous_and_invented
from interp.markup import number, percentage
from interp.progress import Report

STAGE = 100
"""Steps of progress for each stage of a seed: training, planting, locating, removing."""


@dataclass(frozen=True)
class Config(Settings):
    """The model, the plant, and what is taken out."""

    model: str = setting(
        "", "A language model to plant in, a folder or a .gguf file; one trained here if empty."
    )
    share: float = setting(0.02, "Share of all neurons whose output weights are planted.", "(0, 1)")
    sequences: int = setting(
        2, "Sequences that are planted together; half of them choose neurons.", "[1, inf)"
    )
    removed: float = setting(5.0, "How many times as many neurons as were planted are taken out.", "(0, inf)")
    methods: str = setting("", "Methods of locating, with commas between; all if empty.")
    steps: int = setting(300, "Most updates of a plant.", "[1, inf)")
    lr: float = setting(0.03, "Its learning rate.", "(0, inf)")
    enough: float = setting(0.3, "Log loss at which a plant ends, in nats a token.", "(0, inf)")
    keep: float = setting(
        0.0, "Weight of the change in what other texts are continued with, while planting.", "[0, inf)"
    )
    training: int = setting(500, "Updates of the model that is trained here.", "[1, inf)")

    @property
    def names(self) -> list[str]:
        """Methods that are run; a `ConfigError` for one that is unknown."""
        names = [name.strip() for name in self.methods.split(",") if name.strip()] or list(METHODS)
        for name in names:
            choose("method", name, METHODS)
        return names


def measure(config: Config, seed: int, report: Report) -> Record:
    """Plant sequences in random neurons of a model, rank all neurons by every method, and take the highest out."""
    names = config.names
    model, sequences, new, known = _material(config, seed, report)
    report(STAGE, "planting")
    generator = np.random.default_rng(seed)
    new, known = generator.permutation(new), generator.permutation(known)
    parts = parts_of(config.sequences, new, known)
    n = max(1, round(config.share * len(model.units())))
    planted = np.sort(generator.choice(len(model.units()), n, replace=False))
    before = part_scores(model, sequences, parts)
    settings = Planting(config.steps, config.lr, config.enough, config.keep)
    kept = np.concatenate([parts.controls, np.setdiff1d(known, parts.known)])
    plant = plant_memory(
        model, sequences.take(parts.planted), planted, settings, kept=sequences.take(kept),
        report=_scaled(report, STAGE, config.steps),
    )  # fmt: skip
    with edited(model, plant.weights):
        total = cost(model, len(parts.choosing), len(parts.controls), names)
        scores = locate(
            model, sequences, parts.choosing, controls=parts.controls, methods=names, seed=seed,
            report=_scaled(report, 2 * STAGE, total),
        )  # fmt: skip
        numbers, curves = recall_of(scores, planted)
        numbers["accuracy_before"] = before.means(parts.planted)[0]
        numbers["perplexity_planting"] = perplexity_rise(
            part_scores(model, sequences, parts), before, parts.unseen
        )
        size = min(len(scores) - 1, max(1, round(config.removed * n)))
        numbers |= removals(model, sequences, parts, scores, planted, size, seed)
    numbers |= {"updates": float(len(plant.losses) - 1), "loss": float(plant.losses[-1])}
    report(4 * STAGE)
    curves |= {
        "n": n,
        "n_units": len(model.units()),
        "seconds": dict(scores.seconds),
        "notes": list(scores.notes),
    }
    return Record({**dict.fromkeys(STUDY.quantities), **numbers}, curves)


def _material(
    config: Config, seed: int, report: Report
) -> tuple[LanguageModel, Sequences, np.ndarray, np.ndarray]:
    """A model, sequences, the rows that are new to it and those that it knows."""
    if not config.model:
        settings = SmallTraining(steps=config.training)
        trained = train_small_language_model(settings, seed, report=_scaled(report, 0, config.training))
        rows = trained.sequences
        return trained.model, rows, rows.unseen, rows.candidates
    model = open_language_model(config.model)
    if model.tokenizer is None:
        raise ConfigError(
            f"{config.model!r} has no tokenizer, and texts are planted; expected a model with one"
        )
    texts = famous_and_invented()
    invented = np.array([row["group"] == INVENTED for row in texts])
    ids = [model.tokenizer(row["text"])["input_ids"] for row in texts]
    return model, token_sequences(ids), np.flatnonzero(invented), np.flatnonzero(~invented)


def _scaled(report: Report, before: int, total: int) -> Report:
    """Progress of a stage that reports its own steps."""
    return lambda done, note="": report(before + min(STAGE, round(STAGE * done / max(1, total))), note)


def _recalls(result: StudyResult) -> dict[str, OverSeeds]:
    """Recall of each method that gives a score in every seed."""
    return {
        name: over
        for name in result.config.names
        if f"recall_{name}" in result.records[0].numbers
        and (over := result.over(f"recall_{name}")) is not None
    }


def judge(result: StudyResult) -> list[str]:
    """Sentences on the recall of each method, and on sequences without the neurons that the best one ranks highest."""
    recalls = _recalls(result)
    if not recalls:
        return ["No method gives a score that neurons could be ranked by."]
    best = max(recalls, key=lambda name: recalls[name].mean)
    n, chance = result.records[0].curves["n"], result.over("recall_random")
    assert chance is not None
    sentences = [
        f"Of {n} planted neurons {METHODS[best].title} has the most among its {n} highest: a share of "
        f"{recalls[best].words()}, {number(recalls[best].mean / chance.mean, 2)} times chance."
    ]
    others = [name for name in recalls if name != best]
    if others:
        each = ", ".join(f"{METHODS[name].title} {recalls[name].words()}" for name in others)
        sentences.append(f"The other methods: {each}.")
    lost = [METHODS[name].title for name in recalls if recalls[name].minus(chance).sign != 1]
    if lost and len(result.seeds) > 1:
        sentences.append(f"Not decidedly better than chance: {', '.join(lost)}.")
    unscored = [METHODS[name].title for name in result.config.names if name not in recalls]
    if unscored:
        sentences.append(f"Not testable here: {', '.join(unscored)}.")
    sentences += _removal(result, best)
    return sentences + [ONE_NETWORK] * bool(result.config.model and len(result.seeds) > 1)


def _removal(result: StudyResult, best: str) -> list[str]:
    """Sentences on the planted sequences and on others without the best method's neurons."""
    sentences = []
    times = number(result.config.removed)
    for half, whole, words in (
        ("", "accuracy_choosing", "that chose them"),
        ("others_", "accuracy_others", "planted with these, which did not choose,"),
    ):
        numbers = result.all_over(whole, f"left_{half}{best}", f"left_{half}random_{best}")
        if numbers is None:
            continue
        before, left, random = numbers
        side = left.minus(random).verdict("above", "below", "not decidedly different from")
        sentences.append(
            f"Without {times} times as many of its highest neurons, the accuracy on sequences {words} is "
            f"{percentage(left.mean)} instead of {percentage(before.mean)}, {side} that without as many random ones of "
            f"the same layers, {percentage(random.mean)}."
        )
    numbers = result.all_over(f"perplexity_{best}", f"perplexity_random_{best}", "perplexity_planting")
    if numbers is not None:
        rise, alike, planting = (percentage(one.mean) for one in numbers)
        sentences.append(
            f"The perplexity of other new sequences changes by {rise} without them, by {alike} without the random "
            f"ones; the plant itself had changed it by {planting}."
        )
    return sentences


def _quantities() -> dict[str, str]:
    titles = {name: method.title for name, method in METHODS.items()}
    return {
        **{f"recall_{name}": f"recall at the planted number: {title}" for name, title in titles.items()},
        "recall_random": "the same by chance",
        "accuracy_before": "accuracy of the sequences before the plant",
        "accuracy_choosing": "accuracy of the choosing half, planted",
        "loss": "log loss of the planted sequences at the end of planting",
        "left_truth": "without the planted neurons",
        **{f"left_{name}": f"without the highest by {title}" for name, title in titles.items()},
        "accuracy_others": "accuracy of the other half, planted",
        "left_others_truth": "other half without the planted neurons",
        **{
            f"left_others_{name}": f"other half without the highest by {title}"
            for name, title in titles.items()
        },
        "perplexity_planting": "rise of new sequences' perplexity by the plant",
        "perplexity_truth": "rise without the planted neurons",
        **{f"perplexity_{name}": f"rise without the highest by {title}" for name, title in titles.items()},
    }


STUDY = Study(
    name="plant",
    title="Planted memory: which methods find its neurons",
    about=(
        "Which ranking of neurons names those that hold a text? Sequences that a language model does not know are "
        "planted in a few random neurons of all layers: their output weights are trained until the model continues "
        "the sequences word by word, and all else stays as it was (the INJ benchmark of arXiv 2311.09060). Every "
        "method of locating then ranks all neurons by half of the sequences. Bars show how many of the planted "
        "neurons are among as many with the highest scores; then more are taken out, and accuracy is measured on the "
        "half that chose them and on the other, and perplexity on sequences that neither chose nor were planted, "
        "beside random neurons of the same layers."
    ),
    config=Config,
    measure=measure,
    units=lambda config: 4 * STAGE,
    quantities=_quantities(),
    judge=judge,
    draw=plant_figure,
)
