"""Memory without the neurons that half of the strings name as keeping it, measured on the other half."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int

from interp.lab.retention.memory import memory_numbers, trace_of
from interp.lab.retention.strings import PROMPT, Strings
from interp.language.edits import edited, gates_without, weights_with
from interp.language.locating import MEMORIZING, locate
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.removing import like_layers
from interp.language.sequences import halves, token_sequences

METHODS = {
    "evidence": "the strongest evidence",
    "forgetting": "the largest effect along the path of forgetting",
}
"""Methods of `interp.language.locating` that rank neurons, and words for the first ones of each."""
LEFT = {
    "recognised": "recognition above chance",
    "recalled": "recall above chance",
    "study_loss": "log loss of the study strings (nats)",
    "foil_loss": "log loss of strings never shown (nats)",
}
"""Numbers that are measured without some neurons."""
CASES = {"whole": "all neurons"} | {
    f"{random}{name}": f"without {'random ones in place of ' * bool(random)}{words}"
    for name, words in METHODS.items()
    for random in ("", "random_")
}
QUANTITIES = {"labelled": "neurons labelled memorizing", "removed": "neurons taken out"} | {
    f"{name}_{case}": f"{words}, {called}" for case, called in CASES.items() for name, words in LEFT.items()
}
"""Names in words of the numbers of `memory_without`."""


def memory_without(
    network: Any, strings: Strings, share: float, n_random: int, seed: int
) -> dict[str, float | None]:
    """Recognition and recall with all neurons, without the first of every method, and without random ones.

    Half of the strings, against control strings, rank neurons and label them by the evidence; memory is measured on
    the other half. Then the halves change places, and means are returned.

    Args:
        share: Of all neurons that is taken out.
        n_random: Random sets in place of each, with as many neurons of each layer and none of the chosen ones.
    """
    model, generator = open_language_model(network), np.random.default_rng(seed)
    every = token_sequences([*strings.study, *strings.never], PROMPT)
    never = np.arange(len(strings.study), len(every))
    n = max(1, round(share * len(model.units())))
    numbers: list[dict[str, float]] = []
    first, second = halves(np.arange(len(strings.study)), seed)
    for chosen_by, measured in ((first, second), (second, first)):
        scores = locate(model, every, chosen_by, controls=never, methods=list(METHODS), seed=seed)
        rows = strings.study[measured]
        labelled = 0 if scores.label is None else int((scores.label == MEMORIZING).sum())
        own = {"labelled": float(labelled), "removed": float(n)}
        own |= _without(model, network, strings, rows, [np.array([], dtype=np.int64)], "whole")
        for name in METHODS:
            chosen = scores.top(name, n)
            draws = [like_layers(model.units(), chosen, generator) for _ in range(n_random)]
            own |= _without(model, network, strings, rows, [chosen], name)
            own |= _without(model, network, strings, rows, draws, f"random_{name}")
        numbers.append(own)
    return {name: float(np.mean([one[name] for one in numbers])) for name in QUANTITIES}


def _without(
    model: LanguageModel,
    network: Any,
    strings: Strings,
    rows: Int[np.ndarray, "string token"],
    sets: list[np.ndarray],
    case: str,
) -> dict[str, float]:
    """Numbers of some strings without each of some sets of units, on average over the sets."""
    each = []
    for units in sets:
        with edited(model, weights_with(model, gates_without(model, units))):
            seen, foils = trace_of(network, rows), trace_of(network, strings.foils)
        own = memory_numbers(seen, foils, foils)
        losses = {"study_loss": float(seen.nll.mean()), "foil_loss": float(foils.nll.mean())}
        each.append(own | losses)
    return {f"{name}_{case}": float(np.mean([one[name] for one in each])) for name in LEFT}
