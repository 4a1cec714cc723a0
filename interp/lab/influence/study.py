"""Memorised training examples: how much each one's own presence in the training set matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.errors import ConfigError, choose
from interp.lab.influence import memory
from interp.lab.influence.figure import influence_figure
from interp.lab.influence.mislabelled import Digits, Sums
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.measuring.phase import GOOD
from interp.progress import Report
from probes.agreement import auc

ARMS: dict[str, dict[str, Any]] = {
    "corrupted": {"p": 59, "wrong": 0.15, "width": 300, "weight_decay": 2.0, "steps": 200},
    "never": {"p": 31, "wrong": 0.15, "width": 300, "weight_decay": 0.0, "steps": 1000},
    "digits": {"p": 10, "wrong": 0.10, "width": 200, "weight_decay": 0.1, "steps": 500},
}
THRESHOLDS = np.linspace(-0.5, 1.0, 31)
NEURONS = ("n_memorizing", "n_generalizing", "neurons_auc", "neurons_control")
APART, USELESS = (
    0.9,
    0.65,
)  # areas under the curve from which a score tells wrong labels, and up to which it cannot
NOT_LEARNT = "the wrong labels were not learnt"


@dataclass(frozen=True)
class Config(Settings):
    """Settings of the training set, the networks, and the estimate of the scores."""

    on: str = setting(
        "corrupted",
        "corrupted (modular addition that generalises), never (that never does) or digits (images).",
    )
    networks: int = setting(20, "How many are trained, each on a subset of its own.")
    share: float = setting(0.7, "Of the training set in each subset.", "(0, 1)")
    threshold: float = setting(
        0.25, "Score from which an example counts as memorised when its neurons are looked for.", "(-1, 1)"
    )
    wrong: float = setting(
        -1.0, "Share of wrong labels; -1, as the experiment has it (.15, .1 of digits).", "(0, 1)"
    )
    p: int = setting(0, "Modulus; 0, as the experiment has it (59, 31 if it never generalises).", "[0, inf)")
    width: int = setting(
        0, "Neurons of each network; 0, as the experiment has it (300, 200 for digits).", "[0, inf)"
    )
    weight_decay: float = setting(
        -1.0, "-1, as the experiment has it (2, 0 or .1); an L2 penalty for digits.", "[0, inf)"
    )
    steps: int = setting(0, "Updates at most; 0, as the experiment has it (200, 1000 or 500).", "[0, inf)")

    def __post_init__(self) -> None:
        choose("experiment", self.on, list(ARMS))
        for name, own in ARMS[self.on].items():
            if getattr(self, name) == (0 if isinstance(own, int) else -1.0):
                object.__setattr__(self, name, own)
        super().__post_init__()
        inside = round(self.share * self.networks)
        if not 2 <= inside <= self.networks - 2:
            raise ConfigError(
                f"networks={self.networks} with share={self.share} train {inside} on each example; expected 2 or more "
                "with it and 2 or more without, so that there is an error"
            )
        if self.on == "digits" and self.p != ARMS["digits"]["p"]:
            raise ConfigError(f"p={self.p} is of modular addition; the digits have 10 classes")


def measure(config: Config, seed: int, report: Report) -> Record:
    """Scores of one training set's examples by many networks, their errors, and the neurons that know the high ones."""
    fit = (Digits if config.on == "digits" else Sums)(config, seed)
    wrong = fit.wrong
    if wrong.all() or not wrong.any():
        raise ConfigError(
            f"wrong={config.wrong} makes {wrong.sum()} of {len(wrong)} labels wrong; expected both kinds"
        )
    correct, included = memory.train_on_subsets(
        fit, len(wrong), networks=config.networks, share=config.share, seed=seed, report=report
    )
    estimate = memory.memorisation(correct, included)
    score = estimate.score
    null = memory.memorisation(correct, np.random.default_rng((seed, 3)).permuted(included, axis=0))
    memorised = score >= config.threshold
    numbers: dict[str, float | None] = {
        "score_wrong": float(score[wrong].mean()),
        "score_right": float(score[~wrong].mean()),
        "auc": auc(score, wrong),
        "precision": memory.precision_at(score, wrong, config.wrong),
        "null_auc": auc(null.score, wrong),
        "null_score": float(null.score[wrong].mean()),
        "learnt_wrong": float(correct[:, wrong][included[:, wrong]].mean()),
        "held_out": float(np.mean(fit.held_out)),
        "chance": fit.chance,
        "memorised": float(memorised.sum()),
        "error": float(np.sqrt(np.square(estimate.error).mean())),
    }
    errors = memory.errors_by_number(correct, included, share=config.share, seed=seed)
    both = [(a, b) for a, b in zip(errors["spread"], errors["formula"], strict=True) if a and b]
    numbers["calibration"] = both[-1][0] / both[-1][1] if both else None
    numbers |= {
        f"slope_{name}": memory.falls_as(errors["networks"], errors[name]) for name in ("formula", "spread")
    }
    neurons, costs = dict[str, float | None](dict.fromkeys(NEURONS)), dict[str, Any]()
    if isinstance(fit, Sums):
        neurons, costs = fit.neurons(memorised, config.networks)
    report(config.networks + 1, "neurons")
    kinds = {"wrong": score[wrong], "right": score[~wrong], "null": null.score[wrong]}
    tails = {name: memory.share_from(scores, THRESHOLDS) for name, scores in kinds.items()}
    curves = {"thresholds": THRESHOLDS.tolist(), "tails": tails, "errors": errors, "costs": costs}
    return Record(numbers | neurons, curves)


def judge(result: StudyResult) -> list[str]:
    """Sentences on the examples, the neurons and the errors."""
    return [*_examples(result), *_neurons(result), *_exactness(result)]


def _examples(result: StudyResult) -> list[str]:
    numbers = result.all_over("auc", "held_out", "chance", "score_wrong", "score_right", "precision")
    if numbers is None:
        return []  # every seed has them
    area, held_out, chance, wrong, right, precision = numbers
    generalise = min(held_out.values) > 2 * chance.mean
    verdict = "tells wrong labels from right ones in part only"
    if area.low >= APART:
        verdict = "tells wrong labels from right ones"
    elif area.high <= USELESS:
        verdict = "cannot tell wrong labels from right ones"
        if not generalise:
            learnt = min(share or 0.0 for share in result.each("learnt_wrong")) >= GOOD
            verdict += f", because {'all of them are memorised alike' if learnt else NOT_LEARNT}"
    elif np.isnan(area.low):
        verdict = "is known for one seed only, which decides nothing"
    return [
        f"The networks {'generalise' if generalise else 'do not generalise'}: accuracy {held_out.words()} on held-out "
        f"examples, {chance.words()} by chance.",
        f"Wrong labels score {wrong.words()}, right ones {right.words()}. The score "
        f"{verdict}: area under the curve {area.words()}, precision {precision.words()} among as many of "
        f"the highest scores as there are wrong labels. With subsets shuffled the area is "
        f"{_words(result.over('null_auc'))}.",
    ]


def _neurons(result: StudyResult) -> list[str]:
    if result.config.on == "digits":
        return []
    numbers = result.all_over("neurons_auc", "neurons_control")
    if numbers is None:
        return [
            "Neurons cannot be compared: in a seed the audit finds no two kinds, or all examples score high."
        ]
    area, control = numbers
    side = area.minus(control).verdict("above", "below", "not decidedly different from")
    return [
        f"Neurons whose removal costs high-scoring examples more than others are those that the audit calls "
        f"memorizing with an area under the curve of {area.words()}, {side} that of as many random examples, "
        f"{control.words()}."
    ]


def _exactness(result: StudyResult) -> list[str]:
    slope = result.over("slope_spread")
    if slope is None:
        return ["There are too few networks to see how the errors fall."]
    agrees = {True: "as 1/√K does", False: "not as 1/√K does", None: "which is too wide to tell"}
    decided = "which one seed does not decide" if len(slope.values) < 2 else agrees[slope.agrees(-0.5)]
    return [
        f"The standard error falls as the number K of networks to the power {slope.words()}, "
        f"{decided}; two independent estimates lie {_words(result.over('calibration'))} times as "
        "far apart as it says."
    ]


def _words(over: OverSeeds | None) -> str:
    return "not known" if over is None else over.words()


STUDY = Study(
    name="influence",
    title="Which training examples are memorised",
    about=(
        "An example is memorised to the degree that a network predicts its label only if it was trained on it: "
        "mem(i) = P[right | i trained on] - P[right | i not trained on] (Feldman, arXiv 1906.05271). Many networks, "
        "each trained on a random part of one training set with wrong labels, estimate it (Feldman and Zhang, arXiv "
        "2008.03703). The first panel shows how many examples reach which score, the second how exact the scores are, "
        "and the third, for modular addition, what removing each neuron costs the high-scoring examples more than "
        "the others, beside the labels of an audit. Controls are grey: subsets shuffled between networks, and random "
        "examples in the place of the high-scoring ones."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.networks + 1,  # the last are the neurons
    quantities={
        "score_wrong": "mean score of wrong labels",
        "score_right": "mean score of right labels",
        "auc": "AUC of the score for wrong labels",
        "precision": "precision at the share of wrong labels",
        "null_score": "mean score of wrong labels, subsets shuffled",
        "null_auc": "AUC, subsets shuffled",
        "learnt_wrong": "wrong labels learnt when trained on",
        "held_out": "accuracy on held-out examples",
        "memorised": "examples above the threshold",
        "error": "standard error of a score",
        "slope_spread": "power of K that two estimates approach by",
        "slope_formula": "power of K that the error falls by",
        "calibration": "distance of two estimates over what the error says",
        "neurons_auc": "AUC of removal for memorizing neurons",
        "neurons_control": "the same, random examples",
        "n_memorizing": "memorizing neurons by the audit",
        "n_generalizing": "generalizing neurons by the audit",
    },
    judge=judge,
    draw=influence_figure,
)
