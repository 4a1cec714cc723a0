"""Ablation by time constant: the thirds of longest, of middle and of shortest, and random units, after each delay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from interp.lab.timescales.tasks import Recall
from interp.models import HookedModel
from interp.time_scope import TimeScope

SETS = {
    "longest": "the longest time constants",
    "middle": "the middle time constants",
    "shortest": "the shortest time constants",
    "random": "as many random units",
}
"""Sets of units that are ablated."""
LINES = {
    "whole": "all units",
    "longest": "without the longest time constants",
    "middle": "without the middle ones",
    "shortest": "without the shortest",
    "random": "without as many random units",
}
"""Names of curves of accuracy by delay."""
DRAWS = 5


def sets_by_time_constant(
    tau: Float[np.ndarray, " neuron"], generator: np.random.Generator
) -> dict[str, list[Int[np.ndarray, " chosen"]]]:
    """The thirds of the units with the longest time constants, with the middle ones and the shortest, and random ones.

    Example:
        >>> sets = sets_by_time_constant(np.array([9.0, 2, 1, 5, 3, 4]), np.random.default_rng(0))
        >>> sets["longest"][0].tolist(), sets["shortest"][0].tolist(), len(sets["random"])
        ([3, 0], [2, 1], 5)
    """
    order, n = np.argsort(tau), max(1, len(tau) // 3)
    random = [generator.choice(len(tau), n, replace=False) for _ in range(DRAWS)]
    middle = (len(tau) - n) // 2
    return {
        "longest": [order[-n:]],
        "middle": [order[middle : middle + n]],
        "shortest": [order[:n]],
        "random": random,
    }


@torch.no_grad()
def accuracy(
    model: HookedModel,
    site: str,
    recall: Recall,
    units: Int[np.ndarray, " chosen"] | None = None,
    during: TimeScope | None = None,
) -> float:
    """Accuracy with units held at zero inside the loop, at some steps or at all."""
    with nullcontext() if units is None else ablate(model, units, "zero", site=site, during=during):
        return (model(recall.inputs).argmax(1) == recall.labels).float().mean().item()


def curves_by_delay(
    model: HookedModel,
    site: str,
    sets: Mapping[str, Sequence[Int[np.ndarray, " chosen"]]],
    delays: Sequence[int],
    draw: Callable[[int], Recall],
) -> dict[str, Float[np.ndarray, " delay"]]:
    """Accuracy after each delay, ``"whole"`` and without each set of units: the mean over the draws of a set.

    Args:
        draw: Examples of one delay.
    """
    curves = {name: np.zeros(len(delays)) for name in ("whole", *sets)}
    for place, delay in enumerate(delays):
        recall = draw(delay)
        curves["whole"][place] = accuracy(model, site, recall)
        for name, draws in sets.items():
            curves[name][place] = np.mean([accuracy(model, site, recall, units) for units in draws])
    return curves


def delay_numbers(
    curves: Mapping[str, Float[np.ndarray, " delay"]],
    delays: Sequence[int],
    short: Sequence[int],
    long: Sequence[int],
) -> dict[str, float | None]:
    """Accuracy after short and long delays, and the accuracy lost without each set of units."""
    at = {"short": np.isin(delays, short), "long": np.isin(delays, long)}
    numbers: dict[str, float | None] = {
        f"whole_{name}": float(curves["whole"][chosen].mean()) for name, chosen in at.items()
    }
    for name in SETS:
        lost = {where: float((curves["whole"] - curves[name])[chosen].mean()) for where, chosen in at.items()}
        numbers |= {f"lost_{name}_{where}": value for where, value in lost.items()}
        numbers[f"excess_{name}"] = lost["long"] - lost["short"]
    return numbers


def decoded(
    model: HookedModel, site: str, units: Int[np.ndarray, " chosen"], known: Recall, new: Recall
) -> float:
    """Accuracy on new examples of a linear read-out of units at the last step, fitted to others by least squares."""
    design, states_new = (
        torch.nn.functional.pad(
            capture(model, one.inputs, site)[site][:, -1, units], (0, 1), value=1.0
        ).double()
        for one in (known, new)
    )
    targets = torch.nn.functional.one_hot(known.labels).double()
    square = design.T @ design + 1e-6 * len(design) * torch.eye(design.shape[1])
    weights = torch.linalg.solve(square, design.T @ targets)
    return ((states_new @ weights).argmax(1) == new.labels).double().mean().item()


QUANTITIES = (
    {f"whole_{where}": f"accuracy, {where} delays" for where in ("short", "long")}
    | {
        f"lost_{name}_{where}": f"lost without {SETS[name]}, {where} delays"
        for name in SETS
        for where in ("short", "long")
    }
    | {f"excess_{name}": f"long minus short delays, without {SETS[name]}" for name in SETS}
)
"""Words for the numbers of `delay_numbers`."""
BARS = {f"lost_{name}_{where}": f"{name}, {where} delays" for name in SETS for where in ("short", "long")}


NEAR_CHANCE = 0.1  # above chance; accuracy that is no higher cannot fall by much more


def delay_sentences(result: StudyResult, chance: float) -> list[str]:
    """Sentences on long against short delays, without units of the longest and of the shortest time constants.

    Where accuracy after short delays is near chance without some units, they say so: nothing is left there that long
    delays could lose, and a difference decides nothing.
    """
    sentences = []
    for name in ("longest", "shortest"):
        losses = result.all_over(f"lost_{name}_short", f"lost_{name}_long", f"excess_{name}")
        assert losses is not None
        short, long, excess = losses
        sentence = (
            f"Without the third of the units that has {SETS[name]}, accuracy {_change(short)} after short delays and "
            f"{_change(long)} after long ones: long delays "
            + excess.verdict("lose more", "lose less", "do not decidedly lose more or less")
            + f" (difference {excess.words('{:.3f}'.format)})"
        )
        if _at_chance(result, name, chance):
            sentences.append(sentence + f", but {_LEFT}.")
            continue
        controls = [
            f"{_beside(result, name, control)} that without {words}"
            + (f" ({_LEFT})" if _at_chance(result, control, chance) else "")
            for control, words in (("middle", "the third between"), ("random", "as many random units"))
        ]
        sentences.append(f"{sentence}; this is {', and '.join(controls)}.")
    return sentences


_LEFT = "after short delays hardly more than chance is left, so that long ones can lose no more"


def _change(lost: OverSeeds) -> str:
    """A loss in words: ``falls by``, or ``rises by`` for a negative one."""
    gained = lost.mean < 0
    shown = OverSeeds.of([-value for value in lost.values]) if gained else lost
    return f"{'rises' if gained else 'falls'} by {shown.words('{:.1%}'.format)}"


def _beside(result: StudyResult, name: str, control: str) -> str:
    apart = result.difference(f"excess_{name}", f"excess_{control}")
    assert apart is not None
    return apart.verdict("more than", "less than", "not decidedly more or less than")


def _at_chance(result: StudyResult, name: str, chance: float) -> bool:
    """True if accuracy after short delays is near chance without a set of units."""
    left = result.difference("whole_short", f"lost_{name}_short")
    assert left is not None
    return left.mean < chance + NEAR_CHANCE
