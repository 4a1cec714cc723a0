"""Forgetting of a skill by random labels, and the refresh step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats

from interp.lab.forgetting.figure import forgetting_figure
from interp.lab.forgetting.findings import findings
from interp.lab.forgetting.measuring import Rates, measure_skill
from interp.lab.forgetting.refresh import ARMS, SCORES, candidates, compare_refresh
from interp.lab.forgetting.skills import (
    SKILLS,
    Examples,
    GatedNetwork,
    accuracy,
    chance_interval,
    draw_examples,
    train_network,
)
from interp.lab.forgetting.unlearning import RELEARNT, forget
from interp.lab.study import Record, Settings, Study, setting
from interp.progress import Report

SUMS = len(SKILLS) - 1
"""Operations that no linear probe of an untrained network can read; the last one answers its first operand."""


@dataclass(frozen=True)
class Config(Settings):
    """The network, forgetting, relearning, and the refresh step."""

    p: int = setting(29, "Modulus.", "[7, 97]")
    width: int = setting(256, "Neurons.", "[20, inf)")
    updates: int = setting(400, "Updates in which all operations are learnt.", "[1, inf)")
    weight_decay: float = setting(2.0, "Of this training.", "[0, inf)")
    wrong: float = setting(0.06, "Share of the training labels that are wrong.", "[0, 0.5]")
    forget_lr: float = setting(0.02, "Learning rate under random labels.", "(0, inf)")
    forget_updates: int = setting(200, "Updates under random labels, at most.", "[1, inf)")
    relearn_lr: float = setting(0.003, "Learning rate of relearning.", "(0, inf)")
    relearn_updates: int = setting(100, "Updates of relearning.", "[1, inf)")
    refresh: float = setting(
        1e-3, "Size of the refresh step, as a share of the parameters' length.", "(0, 1)"
    )
    kept: int = setting(20, "Examples of each task that are replayed.", "[1, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """One network whose operations are forgotten in turn, each from the same start; then the refresh step."""
    generator = torch.Generator().manual_seed(seed)
    examples = draw_examples(config.p, 0.75, config.wrong, generator)
    training = config.width, config.updates, 5e-3, config.weight_decay, generator
    network, untrained = train_network(examples, *training, report)
    rates = Rates(config.forget_lr, config.forget_updates, config.relearn_lr, config.relearn_updates)
    each, curves = [], []
    for skill in range(len(SKILLS)):
        numbers, shown = measure_skill(network, untrained, examples, skill, rates, seed)
        each.append(numbers)
        curves.append(shown)
        report(config.updates + 25 * (skill + 1), "forgetting")
    n_forget = len(examples.rows(0, "forget"))
    numbers = {name: _mean([one[name] for one in each]) for name in each[0]}
    numbers["at_chance"] = min(one["at_chance"] or 0.0 for one in each)
    numbers["chance_high"] = chance_interval(n_forget, config.p)[1]
    numbers["lowest_before"] = min(
        accuracy(network, examples, examples.rows(skill, "held_out")) for skill in range(len(SKILLS))
    )
    rests = ("rest_true", "rest_shifted", "rest_scratch")
    for name in ("probe_after", "probe_untrained", "held_out_after", "generalisation_held_out", *rests):
        numbers[f"{name}_sums"] = _mean([one[name] for one in each[:SUMS]])
        numbers[f"{name}_linear"] = each[SUMS][name]
    lost = np.array([one["lost"] for one in curves])
    sums = lost[:SUMS, :SUMS]
    numbers |= {
        "lost_other_sums": float(sums[~np.eye(SUMS, dtype=bool)].mean()),
        "lost_linear_of_sums": float(lost[:SUMS, SUMS].mean()),
        "lost_sums_of_linear": float(lost[SUMS, :SUMS].mean()),
    }
    for name in ("confidence", "variance"):
        numbers[f"rank_{name}"] = _rank_correlation(
            [one[name] for one in each], [one["generalisation_held_out"] for one in each]
        )
    numbers |= _slowly(network, examples, rates, seed)
    numbers |= compare_refresh(config.refresh, config.kept, seed)
    report(config.updates + 150, "refresh")
    numbers |= candidates(seed)
    report(config.updates + 200)
    shown = {"skills": list(SKILLS.values()), "each": each, "curves": curves}
    return Record(numbers, shown)


def _slowly(network: GatedNetwork, examples: Examples, rates: Rates, seed: int) -> dict[str, float]:
    """The first operation, forgotten at half the learning rate, for all updates or until it is at chance."""
    generator = torch.Generator().manual_seed(seed)
    slow = forget(network, examples, 0, rates.forget_updates, rates.forget_lr / 2, generator)
    last = {f"slow_{kind}": curve[-1] for kind, curve in slow.curves.items()}
    return {"slow_updates": float(slow.updates), **last}


def _mean(values: list[float | None]) -> float | None:
    """The mean of the operations that have the number; None if none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _rank_correlation(first: list[Any], second: list[Any]) -> float | None:
    constant = len(set(first)) < 2 or len(set(second)) < 2
    return None if constant else float(stats.spearmanr(first, second)[0])


STUDY = Study(
    name="forgetting",
    title="Is a forgotten skill gone",
    about=(
        "One network of squared sums learns four operations modulo 29 (a + b, a - b, -a - b and a), 6 % of whose "
        "training labels is wrong, until it generalises. Then half of one operation's training examples are given "
        "random labels, drawn anew for every update, until they are at chance (after arXiv 2409.02228). Forgetting "
        "generalises by the share of accuracy above chance that is lost on examples that were not among them: other "
        "training examples, held-out ones, and the other operations. The control is fine-tuning as long on their true "
        "labels. A linear probe of the hidden states asks how much can still be read, beside an untrained network and "
        "labels dealt anew; relearning on half of the forgotten examples is compared with another rule for the same "
        "examples, with random labels of never-trained ones, and with a network from scratch. Generalizing and "
        "memorizing neurons are compared by how much forgetting changes them beyond that control. At the end the "
        "refresh step (unlearn a batch by one step up its gradient, then learn it) is compared on permuted digits with "
        "replay alone, with steps in random directions, and with replay of twice the updates; and its change of every "
        "neuron is tried as a sign of memory. The figure shows accuracy while the sum is forgotten, relearning, what a "
        "probe reads, and the arms of the refresh step."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.updates + 200,
    quantities={
        "lowest_before": "held-out accuracy before, the lowest operation",
        "updates": "updates until the forget set is at chance (the most there are, if it is not)",
        "forget_after": "accuracy after, forget set",
        "other_after": "other training examples",
        "held_out_after": "held-out examples",
        "others_after": "other operations, held-out",
        "held_out_after_sums": "held-out examples of a forgotten sum",
        "held_out_after_linear": "held-out examples of the forgotten first operand",
        "held_out_control": "held-out, after true labels instead",
        "wrong_after": "wrong labels still answered",
        "generalisation_held_out": "generalisation of forgetting, held-out",
        "generalisation_other": "other training examples, generalisation",
        "generalisation_held_out_sums": "held-out examples of a sum, generalisation",
        "generalisation_held_out_linear": "held-out examples of the first operand, generalisation",
        "slow_updates": "updates at half the learning rate, a + b",
        "slow_forget": "accuracy after these, forget set",
        "slow_held_out": "held-out examples after these",
        "lost_other_sums": "other sums, when a sum is forgotten",
        "lost_linear_of_sums": "first operand, when a sum is forgotten",
        "lost_sums_of_linear": "sums, when the first operand is forgotten",
        "rank_confidence": "rank correlation of confidence with it",
        "rank_variance": "rank correlation of variance with it",
        "probe_before": "probe before",
        "probe_after": "probe after",
        "probe_untrained": "probe of an untrained network",
        "probe_shuffled": "probe of labels dealt anew",
    }
    | {f"relearn_{name}_50": f"updates to half, {words}" for name, words in RELEARNT.items()}
    | {f"relearn_{name}_90": f"updates to 90 %, {words}" for name, words in RELEARNT.items()}
    | {"rest_true": "rest that comes back", "rest_shifted": "rest that follows another rule"}
    | {"rest_scratch": "rest that comes from scratch"}
    | {"rest_true_sums": "rest of a sum that comes back", "rest_shifted_sums": "that follows another rule"}
    | {"rest_scratch_sums": "that comes from scratch"}
    | {
        f"{quantity}_excess_{kind}": f"log ratio of change, {quantity}, {kind} neurons"
        for quantity in ("weights", "effect")
        for kind in ("generalizing", "memorizing")
    }
    | {f"digits_{name}": f"digits, {words}" for name, words in ARMS.items()}
    | {f"auc_{name}": f"area under the curve, {words}" for name, words in SCORES.items()},
    judge=findings,
    draw=forgetting_figure,
)
