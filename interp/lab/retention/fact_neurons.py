"""Neurons that stored injected facts, in the model with small batches: its own, other facts', and random ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.lab.retention.fact_language import TARGET
from interp.lab.retention.injected_training import (
    ARMS,
    Injected,
    Learner,
    probe_rows,
)
from interp.lab.study import StudyResult
from interp.language.fact_neurons import SHARE, fact_neurons
from interp.language.injections import PARAPHRASE, VERBATIM
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences, token_sequences
from interp.markup import percentage

CHOICES = ("own", "others", "random")
KINDS = ("recovered", "undone", "silenced")


def neuron_numbers(
    before: Learner, after: Learner, injected: Injected, generator: np.random.Generator
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Shares of the jump that neurons carry, on the sentences that chose them and on paraphrases, and the top ones."""
    one, other = (open_language_model(learner.network) for learner in (before, after))
    probes = {depth: _sequences(before, injected, depth) for depth in (VERBATIM, PARAPHRASE)}
    result = fact_neurons(one, other, probes, generator)
    numbers = {
        f"{name}_{depth}": value for depth, shares in result.carried.items() for name, value in shares.items()
    }
    verified = np.stack([result.first_order, result.exact]).round(5).tolist()
    return numbers | {"overlap": result.overlap, "first_order": result.agreement}, {"verified": verified}


def _sequences(learner: Learner, injected: Injected, depth: str) -> Sequences:
    """The first probe of every injected fact, up to its answer."""
    rows = [probe_rows(learner.language, injected, arm)[depth][0] for arm in ARMS]
    return token_sequences(list(np.concatenate(rows)[:, : TARGET + 1]), TARGET)


NEURON_QUANTITIES = {
    "recovered_all_verbatim": "jump recovered by all MLP neurons, transplanted",
    "recovered_own_verbatim": f"by a fact's own {SHARE:.0%} (on the sentence that chose them)",
    "recovered_others_verbatim": "by those of other facts",
    "recovered_random_verbatim": "by random ones",
    "recovered_all_paraphrase": "paraphrase's jump recovered by all",
    "recovered_own_paraphrase": "by its own, chosen verbatim",
    "recovered_others_paraphrase": "by those of other facts",
    "recovered_random_paraphrase": "by random ones",
    "recovered_crossed_paraphrase": "by one set for all facts, chosen on others",
    "undone_own_paraphrase": "paraphrase's jump undone where its own are put back",
    "undone_others_paraphrase": "where those of other facts are",
    "undone_random_paraphrase": "where random ones are",
    "undone_crossed_paraphrase": "where one set for all facts is, chosen on others",
    "silenced_own_paraphrase": "log probability lost without its own, over the jump",
    "silenced_others_paraphrase": "without those of other facts",
    "silenced_random_paraphrase": "without random ones",
    "overlap": "share of a fact's neurons that another fact has too",
    "first_order": "rank correlation of first-order and exact effects",
}
"""Names in words of the numbers that are shown."""


def neuron_sentences(result: StudyResult) -> list[str]:
    """Sentences on how much of a fact its own neurons carry in other words, and on whether they are its own."""
    lines = []
    for kind, opening in (
        ("recovered", "Transplanted into the model before the injection, all MLP neurons recover {all} of a "
         "paraphrase's jump; the {share} that a fact's own sentence chooses recover"),
        ("undone", "Put back to what they wrote before, these undo"),
        ("silenced", "Silenced in the model after, they cost"),
    ):  # fmt: skip
        numbers = result.all_over(*(f"{kind}_{choice}_{PARAPHRASE}" for choice in CHOICES))
        whole = result.over(f"recovered_all_{PARAPHRASE}")
        if numbers is None or whole is None:
            return ["Which neurons stored the facts is not known in every seed: paraphrases did not gain."]
        own, others, random = numbers
        beside, above = own.minus(others), own.minus(random)
        begin = opening.format(all=_words(whole), share=percentage(SHARE))
        more, specific = (one.verdict("more", "less", "not decidedly more") for one in (above, beside))
        lines.append(
            f"{begin} {_words(own)}, {more} than random ones ({_words(random)}) and {specific} than those that other "
            f"facts choose ({_words(others)})."
        )
    overlap = result.over("overlap")
    assert overlap is not None
    lines.append(
        f"Two facts share {_words(overlap)} of their neurons; by chance it would be {percentage(SHARE)}."
    )
    return lines


def _words(over: OverSeeds) -> str:
    return over.words(lambda value: percentage(round(value, 3) + 0.0))
