"""Everything that is measured of one operation that is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from interp.lab.forgetting.neurons import KINDS, labels_of, moved, periodicity
from interp.lab.forgetting.skills import SKILLS, Examples, GatedNetwork, accuracy
from interp.lab.forgetting.unlearning import (
    RELEARNT,
    SHARES,
    fine_tuned,
    forget,
    generalisation,
    predictors,
    probed,
    relearn,
)


@dataclass(frozen=True)
class Rates:
    """Learning rates and most updates of forgetting, and of relearning."""

    forget_lr: float
    forget_updates: int
    relearn_lr: float
    relearn_updates: int


def measure_skill(
    network: GatedNetwork, untrained: GatedNetwork, examples: Examples, skill: int, rates: Rates, seed: int
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers and curves of forgetting one operation."""
    generator, numpy_generator = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    forgotten = forget(network, examples, skill, rates.forget_updates, rates.forget_lr, generator)
    control = fine_tuned(network, examples, skill, forgotten.updates, rates.forget_lr)
    changed, chance = forgotten.network, 1 / examples.p
    numbers: dict[str, float | None] = {
        "updates": float(forgotten.updates),
        "at_chance": float(forgotten.at_chance),
        "forget_after": accuracy(changed, examples, examples.rows(skill, "forget")),
    }
    for kind in ("other", "held_out"):
        rows = examples.rows(skill, kind)
        before, after, kept = (accuracy(one, examples, rows) for one in (network, changed, control))
        numbers |= {f"{kind}_before": before, f"{kind}_after": after, f"{kind}_control": kept}
        numbers[f"generalisation_{kind}"] = generalisation(before, after, chance)
    by_operation = np.array(
        [
            [accuracy(one, examples, examples.rows(place, "held_out")) for place in range(len(SKILLS))]
            for one in (network, changed, control)
        ]
    )
    others = np.delete(by_operation, skill, axis=1).mean(1)
    numbers |= dict(zip(("others_before", "others_after", "others_control"), others.tolist(), strict=True))
    lost = [generalisation(before, after, chance) for before, after in by_operation[:2].T.tolist()]
    wrong = (examples.wrong & (examples.skill == skill)).nonzero()[:, 0]
    for name, one in (("before", network), ("after", changed)):
        numbers[f"wrong_{name}"] = accuracy(one, examples, wrong, examples.labels[wrong])
    numbers |= predictors(network, examples, skill)
    for name, one in (("before", network), ("after", changed), ("untrained", untrained)):
        numbers[f"probe_{name}"] = probed(one, examples, skill)
    numbers["probe_shuffled"] = probed(changed, examples, skill, numpy_generator)
    relearnt = relearn(
        changed, untrained, examples, skill, rates.relearn_updates, rates.relearn_lr, generator
    )
    for name, curve in relearnt.items():
        for share in SHARES:
            numbers[f"relearn_{name}_{share * 100:.0f}"] = float(curve.updates(share))
        numbers[f"rest_{name}"] = curve.rest[-1]
    numbers |= _neurons(network, changed, control, examples, skill, seed)
    shown = {name: {"part": relearnt[name].part, "rest": relearnt[name].rest} for name in RELEARNT}
    return numbers, {"forgetting": forgotten.curves, "relearning": shown, "lost": lost}


def _neurons(
    network: GatedNetwork,
    changed: GatedNetwork,
    control: GatedNetwork,
    examples: Examples,
    skill: int,
    seed: int,
) -> dict[str, float | None]:
    """Changes of both kinds of neurons by forgetting, and their logarithm over those by the control.

    An operation that has too few of one kind has neither logarithm, so that both means are over the same ones.
    """
    labels, numbers = labels_of(network, examples, skill, seed), dict[str, float | None]()
    by_forgetting, by_control = (moved(network, one, examples, skill, labels) for one in (changed, control))
    for quantity in ("weights", "effect"):
        ratios: list[float | None] = []
        for kind in KINDS:
            own, other = (one.mean(quantity, kind) for one in (by_forgetting, by_control))
            numbers[f"{quantity}_{kind}"], numbers[f"{quantity}_control_{kind}"] = own, other
            ratios.append(None if own is None or other is None else float(np.log(own / other)))
        both = None not in ratios
        numbers |= {
            f"{quantity}_excess_{kind}": one if both else None
            for kind, one in zip(KINDS, ratios, strict=True)
        }
    for kind in KINDS:
        numbers[f"n_{kind}"] = float((labels == kind).sum())
        before, after, kept = (periodicity(one, skill)[labels == kind] for one in (network, changed, control))
        numbers[f"ipr_before_{kind}"] = float(before.mean()) if len(before) else None
        numbers[f"ipr_after_{kind}"] = float(after.mean()) if len(before) else None
        numbers[f"ipr_control_{kind}"] = float(kept.mean()) if len(before) else None
    return numbers
