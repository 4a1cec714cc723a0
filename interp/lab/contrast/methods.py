"""Sets of neurons that different methods choose by half of the examples, measured on the other half."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from interp.lab.contrast.scores import contrast_scores, input_sets
from interp.lab.study import StudyResult
from interp.markup import percentage
from interp.measuring.cached_pass import CachedPass
from interp.measuring.crossfit import CrossFit, crossfit, halves
from interp.measuring.logits import whole_of
from interp.measuring.memory_orders import ORDERS, Order, affordable_order
from interp.measuring.memory_set import chosen_set
from interp.subject import Subject

STATISTICS = {
    "contrast": "|weight| · activation",
    "z": "z of the activation",
    "kurtosis": "kurtosis",
}
METHODS = {
    "greedy": "greedy search",
    "attribution": "attribution to the label",
    "flip": "neurons that flip answers",
    "mask": "learnt mask",
    **STATISTICS,
}
"""Ways to choose a set, cut alike; the last three look at activations (and weights) and not at answers."""


def crossfitted(subject: Subject, n_random: int) -> dict[str, CrossFit]:
    """By method, what its sets take from examples that did not choose them; random sets as large are beside it.

    Every order is cut as a memory set is (see `interp.measuring.memory_set.cut`). A method that does not fit the
    network, or would take too long, is left out.

    Args:
        subject: A network, task and site, with examples that are trained on and held out.
        n_random: Random sets for each control.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 17, train_fraction=0.6, corrupt_fraction=0.3)
        >>> results = crossfitted(Subject(planted_mlp(task, memorizing=40).model, task), 5)
        >>> results["attribution"].after["corrupted_as_labelled"] < 0.2 < results["z"].before["corrupted_as_labelled"]
        True
    """
    cached = subject.cached
    settings: dict[str, Any] = {"pool": subject.alive, "seed": subject.seed}
    fits = halves(cached.data, repeats=1, seed=subject.seed, symmetric=subject.leakage.symmetric)
    orders: dict[str, Order] = {name: order for name, order in ORDERS.items() if name != "greedy"}
    if affordable_order(cached, fits[0]) == "greedy":
        orders["greedy"] = ORDERS["greedy"]
    if cached.activations.ndim == 2:
        orders |= {
            name: _by_statistic(name)
            for name in STATISTICS
            if name != "contrast" or cached.readout is not None
        }
    results = {}
    for name in METHODS:
        if name in orders:
            sets = [chosen_set(cached, fit, orders[name], **settings) for fit in fits]
            results[name] = crossfit(cached, fits, sets, n_draws=n_random, **settings)
    return {name: result for name, result in results.items() if result is not None}


def left_by(checked: dict[str, CrossFit]) -> dict[str, float | None]:
    """Memory that is left and held-out accuracy that is lost, by method, on examples that did not choose the sets.

    None of methods that are left out.
    """
    kinds = ("left", "left_random", "lost")
    numbers: dict[str, float | None] = dict.fromkeys(f"{kind}_{name}" for name in METHODS for kind in kinds)
    for name, result in checked.items():
        random = result.random[result.judged_by]
        before, after = result.before["test"], result.after["test"]
        numbers[f"left_{name}"] = result.after[result.judged_by]
        numbers[f"left_random_{name}"] = None if random is None else random.mean
        numbers[f"lost_{name}"] = None if before is None or after is None else before - after
    return numbers


def compared(result: StudyResult) -> list[str]:
    """The methods beside random sets, and which leaves least; on examples that did not choose the sets."""
    numbers = {
        name: three
        for name in METHODS
        if (three := result.all_over(f"left_{name}", f"left_random_{name}", f"lost_{name}")) is not None
    }
    if not numbers:
        return []
    listed = ", ".join(
        f"{METHODS[name]} {percentage(left.mean)} ({percentage(random.mean)})"
        for name, (left, random, _) in sorted(numbers.items(), key=lambda one: one[1][0].mean)
    )
    sentences = [
        "Memory left on examples that did not choose the sets (without random sets as large): "
        f"{listed}; the costliest method loses {percentage(max(lost.mean for *_, lost in numbers.values()))} of "
        "held-out examples."
    ]
    if len(result.seeds) > 1:
        useless = [
            METHODS[name] for name, (left, random, _) in numbers.items() if left.minus(random).sign != -1
        ]
        if useless:
            sentences.append(f"Not decidedly better than random sets: {', '.join(useless)}.")
    return sentences


def _by_statistic(name: str) -> Order:
    def order(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0) -> np.ndarray:
        sets, x = input_sets(cached.data), whole_of(cached.activations)
        scores = contrast_scores(x[sets.first & fit], x[sets.other & fit], cached.readout)[name]
        return np.argsort(-scores, kind="stable")

    return order
