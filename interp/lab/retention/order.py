"""Order of two segments of a string: by the likelihood of either order, and by a linear probe."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.lab.retention.strings import (
    ASKED,
    EARLY,
    LATE,
    QUESTION,
    SEGMENT,
    Strings,
    asked_segments,
    questions,
)
from interp.lab.retention.training import token_losses
from interp.language.sequences import halves

ORDERS = {
    "in": "order in context",
    "trained": "order, trained only",
    "never": "order, never trained",
    "never_in": "order in context, never trained",
}
"""Names in words of the numbers of `order_numbers`."""
PROBES = {
    "in": "order in context, probe",
    "trained": "order, trained only, probe",
    "never": "order, never trained, probe",
    "never_in": "order in context, never trained, probe",
    "shuffled": "order in context, probe of shuffled labels",
}
"""Names in words of the numbers of `probe_numbers`."""
RIDGE = 0.01


@torch.no_grad()
def order_by_likelihood(
    network: Any, strings: Int[np.ndarray, "string token"], *, context: bool
) -> Float[np.ndarray, " string"]:
    """Share of each string's questions of which the true order is the likelier one; ties count half.

    Args:
        context: Whether the string stands before its question.
    """
    before, results = strings if context else None, []
    for early, late in asked_segments(strings):
        true, other = (
            token_losses(network, questions(*pair, before))[:, -2 * SEGMENT :].double().sum(1).numpy()
            for pair in ((early, late), (late, early))
        )
        results.append((true < other) + 0.5 * (true == other))
    return np.mean(results, axis=0)


def order_numbers(network: Any, strings: Strings) -> dict[str, float]:
    """The numbers that `ORDERS` names: share of questions answered rightly, .5 by chance."""
    cases = {
        "in": (strings.study, True),
        "trained": (strings.study, False),
        "never": (strings.never, False),
        "never_in": (strings.never, True),
    }
    return {
        name: float(order_by_likelihood(network, rows, context=context).mean())
        for name, (rows, context) in cases.items()
    }


@torch.no_grad()
def segment_states(
    network: Any, strings: Int[np.ndarray, "string token"], *, context: bool
) -> Float[np.ndarray, "pair string stream"]:
    """Residual stream after every layer, the mean over the earlier segment minus that over the later one.

    In context, segments are read where they stand in the string; else each alone, after the token `QUESTION`.
    """
    if context:
        every = _after_layers(network, strings)
        means = {start: every[:, start : start + SEGMENT].mean(1) for start in (*EARLY, *LATE)}
        return np.array([means[early] - means[late] for early, late in ASKED])
    states = []
    for pair in asked_segments(strings):
        rows = (np.concatenate([np.full((len(part), 1), QUESTION), part], axis=1) for part in pair)
        early, late = (_after_layers(network, one)[:, 1:].mean(1) for one in rows)
        states.append(early - late)
    return np.array(states)


def _after_layers(network: Any, ids: Int[np.ndarray, "row token"]) -> Float[np.ndarray, "row token stream"]:
    """The residual stream after the layers, one beside the other."""
    inputs = {"input_ids": torch.from_numpy(ids), "use_cache": False, "output_hidden_states": True}
    hidden = network.base_model(**inputs).hidden_states
    return torch.cat(hidden[1:], 2).double().numpy()


def probe_accuracy(
    states: Float[np.ndarray, "pair string stream"], signs: Float[np.ndarray, "pair string"], seed: int
) -> float:
    """Accuracy of a ridge classifier without intercept, fitted on half of the strings and measured on the other half.

    Args:
        states: Difference of the states of two segments, the earlier first.
        signs: 1 or -1, which each difference and its label are multiplied by in fitting: ones of no effect on the
            fit. Labels that are shuffled are multiplied by other signs than their differences.
        seed: Of the halves, which change places; the mean of both is returned.

    Example:
        >>> states = np.random.default_rng(0).normal(size=(3, 8, 2)) + [5.0, 0.0]
        >>> probe_accuracy(states, np.ones((3, 8)), 0)
        1.0
    """
    accuracies = []
    one, other = halves(np.arange(states.shape[1]), seed)
    for fitted, measured in ((one, other), (other, one)):
        design, labels = states[:, fitted].reshape(-1, states.shape[-1]), signs[:, fitted].reshape(-1)
        square = design.T @ design
        ridge = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
        weights = np.linalg.solve(square + ridge, design.T @ labels)
        margin = states[:, measured] @ weights
        accuracies.append(float(((margin > 0) + 0.5 * (margin == 0)).mean()))
    return float(np.mean(accuracies))


def probe_numbers(network: Any, strings: Strings, seed: int) -> dict[str, float]:
    """The numbers that `PROBES` names: accuracy on strings that the probe was not fitted to, .5 by chance."""
    within = segment_states(network, strings.study, context=True)
    states = {
        "in": within,
        "trained": segment_states(network, strings.study, context=False),
        "never": segment_states(network, strings.never, context=False),
        "never_in": segment_states(network, strings.never, context=True),
    }
    one = np.ones(within.shape[:2])
    shuffled = np.random.default_rng(seed).choice([-1.0, 1.0], within.shape[:2])
    numbers = {name: probe_accuracy(each, one, seed) for name, each in states.items()}
    return numbers | {"shuffled": probe_accuracy(within, shuffled, seed)}
