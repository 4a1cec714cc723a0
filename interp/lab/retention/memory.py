"""Recognition and recall of strings: raw, as a share of what chance leaves, and as choices between two strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from interp.lab.retention.strings import PROMPT, Strings
from interp.lab.retention.training import token_losses
from probes.agreement import auc

MEASURES = {
    "recognition": "recognition (choices between two)",
    "recall": "recall (share of tokens)",
    "exact": "strings recalled whole",
    "base": "recall of strings never shown",
    "recognised": "recognition above chance",
    "recalled": "recall above chance",
    "by_recall": "choices between two by recall",
    "never_recognition": "recognition, control strings",
    "never_recalled": "recall above chance, control strings",
}
"""Names in words of the numbers of `memory_numbers`."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Traces that some strings left in a network.

    Attributes:
        nll: Mean log loss of each string, in nats a token.
        right: Whether each token after the prompt is completed as it was.
    """

    nll: Float[np.ndarray, " string"]
    right: Bool[np.ndarray, "string place"]


@torch.no_grad()
def completed(network: Any, strings: Int[np.ndarray, "string token"]) -> Int[np.ndarray, "string place"]:
    """Tokens after the first `PROMPT` of each string as the network completes these, the likeliest at every step."""
    rows = torch.from_numpy(strings[:, :PROMPT])
    for _ in range(strings.shape[1] - PROMPT):
        hidden = network.base_model(input_ids=rows, use_cache=False).last_hidden_state[:, -1]
        rows = torch.cat([rows, network.lm_head(hidden).argmax(1)[:, None]], 1)
    return rows[:, PROMPT:].numpy()


@torch.no_grad()
def trace_of(network: Any, strings: Int[np.ndarray, "string token"]) -> Trace:
    """The traces of some strings."""
    nll = token_losses(network, strings).mean(1).double().numpy()
    return Trace(nll, completed(network, strings) == strings[:, PROMPT:])


def above_chance(value: float, chance: float) -> float:
    """The share of what chance leaves: 0 at chance, 1 where everything is right.

    Example:
        >>> above_chance(0.75, 0.5), above_chance(0.05, 0.05)
        (0.5, 0.0)
    """
    return (value - chance) / (1 - chance)


def recognition(seen: Trace, foils: Trace) -> float:
    """Share of pairs of a seen string and a foil of which the seen one has the lower log loss; ties count half.

    Example:
        >>> none = np.zeros((2, 1), bool)
        >>> recognition(Trace(np.array([1.0, 3.0]), none), Trace(np.array([2.0, 3.0]), none))
        0.625
    """
    return _chosen(-seen.nll, -foils.nll)


def memory_numbers(seen: Trace, never: Trace, foils: Trace) -> dict[str, float]:
    """The numbers that `MEASURES` names.

    Chance of recall is what the same network completes rightly of the foils, which it never saw. Recall is made a
    choice as well: the string of which more is completed rightly is taken as seen, so that both measures are on one
    scale without a correction.
    """
    recalled = seen.right.mean(1)
    base = float(foils.right.mean())
    first, control = recognition(seen, foils), recognition(never, foils)
    return {
        "recognition": first,
        "recall": float(recalled.mean()),
        "exact": float((recalled == 1).mean()),
        "base": base,
        "recognised": above_chance(first, 0.5),
        "recalled": above_chance(float(recalled.mean()), base),
        "by_recall": _chosen(recalled, foils.right.mean(1)),
        "never_recognition": control,
        "never_recalled": above_chance(float(never.right.mean()), base),
    }


def memory_now(network: Any, strings: Strings) -> dict[str, float]:
    """The numbers of a network as it is."""
    seen, never, foils = (trace_of(network, one) for one in (strings.study, strings.never, strings.foils))
    return memory_numbers(seen, never, foils)


def _chosen(seen: np.ndarray, foils: np.ndarray) -> float:
    area = auc(np.concatenate([seen, foils]), np.repeat([True, False], [len(seen), len(foils)]))
    assert area is not None
    return area
