"""Separability of classes in labelled neurons of the paper's network, and of word classes in a network that reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.analysis.separability import ALL, LOGITS, separability
from interp.data import ModularTask
from interp.lab.separability.figure import separability_figure
from interp.lab.separability.findings import findings
from interp.lab.separability.words import ORDERED, SCRAMBLED, Contexts, train_reader
from interp.lab.study import Record, Settings, Study, setting
from interp.models import MLPConfig
from interp.progress import Report, shifted
from interp.subject import Subject
from interp.training import TrainConfig, train
from probes.labels import GENERALIZING, MEMORIZING

SETS = {
    ALL: "all neurons",
    GENERALIZING: "generalizing neurons",
    MEMORIZING: "memorizing neurons",
    LOGITS: "logits",
}
ARMS = {ORDERED: "text", SCRAMBLED: "words in random order"}
CONTEXTS = {"every": "after every context", "noun": "after a noun"}


@dataclass(frozen=True)
class Config(Settings):
    """The paper's network with wrong labels, and a network that learns to predict words."""

    p: int = setting(97, "Modulus.", "[5, inf)")
    width: int = setting(500, "Neurons.", "[20, inf)")
    steps: int = setting(600, "Updates.", "[1, inf)")
    wrong: float = setting(0.35, "Share of the training labels that is redrawn.", "(0, 1)")
    examples: int = setting(800, "Of each half that separability is measured on.", "[20, 5000]")
    draws: int = setting(99, "Permutations of the classes.", "[19, inf)")
    units: int = setting(64, "Memory cells of the network that reads.", "[8, inf)")
    updates: int = setting(150, "Its updates.", "[6, inf)")
    checks: int = setting(7, "How often its separability is measured.", "[2, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """The labelled neurons of one network, then two networks that read."""
    numbers, sets = _labelled(config, seed, report)
    generator = np.random.default_rng((seed, 1))
    every = Contexts.draw(1000, generator)
    contexts = {"every": every, "noun": every.after_nouns(generator)}
    curves: dict[str, Any] = {"sets": sets, "words": {}}
    for place, arm in enumerate(ARMS):
        part = shifted(report, config.steps + 100 + place * config.updates)
        at, values, loss = train_reader(
            config.units, config.updates, config.checks, arm, contexts, seed, part
        )
        curves["at"], numbers[f"loss_{arm}"] = at, loss
        curves["words"][arm] = {name: [round(one.value, 5) for one in each] for name, each in values.items()}
        for name, each in values.items():
            first, last = each[0], each[-1]
            numbers |= {
                f"{name}_{arm}_before": first.value,
                f"{name}_{arm}": last.value,
                f"{name}_{arm}_best": min(one.value for one in each),
                f"{name}_{arm}_shuffled": float(last.draws.mean()),
                f"{name}_{arm}_p_value": last.p_value,
            }
    return Record(numbers, curves)


def _labelled(config: Config, seed: int, report: Report) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers of the sets of neurons, and the sets for the figure."""
    task = ModularTask("add", p=config.p, train_fraction=0.5, corrupt_fraction=config.wrong, seed=seed)
    shape, training = MLPConfig(width=config.width), TrainConfig(steps=config.steps, log_every=50, seed=seed)
    untrained = train(task, shape, TrainConfig(steps=0, seed=seed), show_progress=False).model
    subject = Subject(train(task, shape, training, show_progress=False).model, task, seed=seed)
    report(config.steps, "separability")
    result = separability(subject, examples=config.examples, draws=config.draws)
    before = separability(
        Subject(untrained, task, seed=seed),
        neurons={ALL: range(config.width)},
        examples=config.examples,
        draws=config.draws,
        n_random=0,
    )
    report(config.steps + 100)
    numbers: dict[str, float | None] = {
        "test": subject.accuracy.test,
        "corrupted": subject.accuracy.corrupted_as_labelled,
        "value_untrained": before[ALL].value,
        "p_value_untrained": before[ALL].p_value,
    }
    measured = {one.name: one for one in result.sets}
    for name in SETS:
        one = measured.get(name)
        numbers |= {
            f"value_{name}": None if one is None else one.value,
            f"size_{name}": None if one is None else one.size,
            f"permuted_{name}": None if one is None or one.null is None else one.null.mean,
            f"p_value_{name}": None if one is None else one.p_value,
            f"random_{name}": None if one is None or one.random is None else one.random.mean,
            f"random_p_value_{name}": None if one is None else one.random_p_value,
        }
    return numbers, {name: measured[name].to_dict() for name in SETS if name in measured}


STUDY = Study(
    name="separability",
    title="Separability of classes in neurons, and of word classes in hidden states",
    about=(
        "The generalised discrimination value (arXiv 1811.01753) is the mean distance within classes less that between "
        "classes, of standardised activations: 0 for classes that are not apart, below for those that are. In the "
        "quadratic network of arXiv 2310.13061, which adds modulo 97 with 35 % of the training labels redrawn, it is "
        "measured for the classes a + b in generalizing and in memorizing neurons (labelled on one half of the "
        "examples, "
        "measured on the other), beside random sets as large, permuted classes (operands renamed, as pairs that share "
        "an operand are alike in an untrained network too), the logits, and the untrained network. A small LSTM learns "
        "to predict the words of a probabilistic grammar; the hidden states of nine-word contexts are asked for the "
        "class of the next word, which it is never given (after the question of word classes that emerge). "
        "Controls are "
        "shuffled classes, the untrained network, and a network that is trained on the same words in random order; "
        "contexts that end with a noun are those where the last word does not decide the next class. The figure shows "
        "the sets beside their controls, and the value over training."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.steps + 100 + len(ARMS) * config.updates,
    quantities={
        "test": "accuracy, held-out examples",
        "corrupted": "wrong labels answered",
        **{f"size_{name}": f"number of {words}" for name, words in SETS.items() if name not in (ALL, LOGITS)},
        **{f"value_{name}": f"value, {words}" for name, words in SETS.items()},
        "value_untrained": "value, all neurons of the untrained network",
        **{f"permuted_{name}": f"value with operands renamed, {words}" for name, words in SETS.items()},
        **{
            f"random_{name}": f"value of random sets as large as the {words}"
            for name, words in SETS.items()
            if name not in (ALL, LOGITS)
        },
        **{
            f"{name}_{arm}{end}": f"next word's class {where}, {words}{when}"
            for name, where in CONTEXTS.items()
            for arm, words in ARMS.items()
            for end, when in (
                ("_before", ", before training"),
                ("", ", after it"),
                ("_shuffled", ", classes shuffled"),
            )
        },
    },
    judge=findings,
    draw=separability_figure,
)
