"""Core neurons of operations, of classes of digits, and of the prompts of a small language model."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.analysis.core_neurons import core_neurons
from interp.lab.communities.functions import digits_subject, operations_subject
from interp.lab.study import StudyResult
from interp.language.core_neurons import core_neurons_of_sequences
from interp.language.small_training import SmallTraining, train_small_language_model

BETAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
BETA = 0.4
"""Share of the neurons that is kept, of the source and of all numbers but the curve."""
DIGITS_WIDTH = 100
SMALL = SmallTraining(
    vocab=50, length=20, batch=24, steps=150, lr=1e-2, layers=2, d_model=32, d_mlp=96, heads=2, held_out=30
)
SHARE = "{:.1%}".format

QUANTITIES = {
    "core_whole": "operations: accuracy with all neurons",
    "core_kept": "operations: with the core 40 %",
    "core_random": "operations: with random 40 %",
    "core_others": "operations: with another operation's core",
    "core_kept_positive": "operations: core by positive activations only",
    "core_within": "operations: Jaccard of halves of one operation",
    "core_between": "operations: Jaccard of two operations",
    "core_between_sums": "operations: Jaccard of two sums",
    "core_chance": "operations: Jaccard of random sets",
    "core_digits_whole": "digits: accuracy with all neurons",
    "core_digits_kept": "digits: images of a class with its core 40 %",
    "core_digits_others": "digits: images of a class with another class's core",
    "core_digits_all": "digits: with the core 40 % of all images",
    "core_digits_random": "digits: with random 40 %",
    "core_digits_rank": "digits: rank correlation of Jaccard and similarity of classes",
    "core_language_whole": "language: tokens predicted with all neurons",
    "core_language_kept": "language: with the prompt's core 40 %",
    "core_language_random": "language: with random 40 %",
    "core_language_exchanged": "language: with another prompt's core",
    "core_language_stability": "language: Jaccard of prompt and continuation",
    "core_language_between": "language: Jaccard of two prompts",
    "core_language_rank": "language: rank correlation of Jaccard and similarity of prompts",
}


def measure_core(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers of one seed, and accuracy by the share of the neurons that is kept."""
    numbers, curves = _operations(seed)
    subject, means = digits_subject(seed, DIGITS_WIDTH)
    shapes = (means - means.mean(0)).double().numpy()
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    digits = core_neurons(subject, functions="labels", beta=BETA, similarity=shapes @ shapes.T)
    every = core_neurons(subject, beta=BETA)
    numbers |= {
        "core_digits_whole": float(digits.whole.mean()),
        "core_digits_kept": digits.own,
        "core_digits_others": digits.others,
        "core_digits_all": every.own,
        "core_digits_random": every.band.mean,
        "core_digits_rank": None if digits.agreement is None else digits.agreement[0],
    }
    trained = train_small_language_model(SMALL, seed)
    held_out = trained.sequences.take(trained.sequences.unseen)
    language = core_neurons_of_sequences(trained.model, held_out, beta=BETA, seed=seed)
    numbers |= {
        "core_language_whole": float(language.whole.mean()),
        "core_language_kept": float(language.kept.mean()),
        "core_language_random": float(language.random.mean()),
        "core_language_exchanged": language.exchanged,
        "core_language_stability": float(language.stability.mean()),
        "core_language_between": language.between,
        "core_language_rank": None if language.agreement is None else language.agreement[0],
    }
    return numbers, curves


def _operations(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    subject, functions = operations_subject(seed)
    each = {
        beta: core_neurons(subject, functions=functions, beta=beta, absolute=True, n_random=5)
        for beta in BETAS
    }
    result = each[BETA]
    sums = result.overlap[:-1, :-1]
    positive = core_neurons(subject, functions=functions, beta=BETA, n_random=1)
    numbers: dict[str, float | None] = {
        "core_whole": float(result.whole.mean()),
        "core_kept": result.own,
        "core_random": result.band.mean,
        "core_others": result.others,
        "core_kept_positive": positive.own,
        "core_within": result.within,
        "core_between": result.between,
        "core_between_sums": float(sums[~np.eye(len(sums), dtype=bool)].mean()),
        "core_chance": float(result.chance.mean()),
    }
    curves = {
        "beta": list(BETAS),
        "core": [one.own for one in each.values()],
        "random": [one.band.mean for one in each.values()],
        "others": [one.others for one in each.values()],
    }
    return numbers, curves


def core_findings(result: StudyResult) -> list[str]:
    """Accuracy of cores beside random sets, and how alike cores are, in operations, digits and language."""
    return [_operations_finding(result), _digits_finding(result), _language_finding(result)]


def _operations_finding(result: StudyResult) -> str:
    over = result.all_over("core_kept", "core_whole", "core_random", "core_others", "core_kept_positive")
    alike = result.all_over("core_within", "core_between", "core_between_sums", "core_chance")
    more = result.difference("core_kept", "core_random")
    within = result.difference("core_within", "core_between")
    assert over is not None
    assert alike is not None
    assert more is not None
    assert within is not None
    kept, whole, random, others, positive = (one.words(SHARE) for one in over)
    own, between, sums, chance = (one.words("{:.2f}".format) for one in alike)
    return (
        f"Four operations: with the core 40 % of the neurons alone {kept} of an operation's other examples are right "
        f"(all neurons: {whole}), {more.verdict('more', 'fewer', 'not decidedly more')} than with random 40 % "
        f"({random}); with another operation's core {others}; with a core by positive activations only {positive}. "
        f"Cores of two halves of an operation have a Jaccard index of {own}, "
        f"{within.verdict('above', 'below', 'not decidedly apart from')} that of two operations ({between}; of two "
        f"sums {sums}, as these share their neurons; random sets {chance})."
    )


def _digits_finding(result: StudyResult) -> str:
    names = ("all", "whole", "random", "kept", "others")
    over = result.all_over(*(f"core_digits_{name}" for name in names))
    more, rank = result.difference("core_digits_all", "core_digits_random"), result.over("core_digits_rank")
    assert over is not None
    assert more is not None
    every, whole, random, kept, others = (one.words(SHARE) for one in over)
    alike = "their likeness beside that of the classes is not testable in every seed"
    if rank is not None:
        verdict = rank.verdict("more alike", "less alike", "not decidedly more alike")
        alike = f"cores are {verdict} where two classes look alike (rank correlation {rank.words('{:.2f}'.format)})"
    return (
        f"Digits: with the core 40 % of all images {every} of other images are right (all neurons: {whole}), "
        f"{more.verdict('more', 'fewer', 'not decidedly more')} than with random 40 % ({random}). With a class's own "
        f"core {kept} of its images are right and {others} of another class's: such a core leans to its class, so the "
        f"first figure is no measure of what it keeps; {alike}."
    )


def _language_finding(result: StudyResult) -> str:
    names = ("kept", "whole", "random", "exchanged", "stability", "between")
    over = result.all_over(*(f"core_language_{name}" for name in names))
    more = result.difference("core_language_kept", "core_language_random")
    own = result.difference("core_language_kept", "core_language_exchanged")
    steady = result.difference("core_language_stability", "core_language_between")
    rank = result.over("core_language_rank")
    assert over is not None
    assert more is not None
    assert own is not None
    assert steady is not None
    kept, whole, random, exchanged = (one.words(SHARE) for one in over[:4])
    undecided = "not decidedly more"
    stability, between = (one.words("{:.2f}".format) for one in over[4:])
    alike = ""
    if rank is not None:
        verdict = rank.verdict("more", "less", "not decidedly more")
        alike = (
            f" Cores are {verdict} alike where prompts are (rank correlation {rank.words('{:.2f}'.format)})."
        )
    return (
        f"A small language model: with the prompt's core 40 % of every layer {kept} of the continuation's tokens are "
        f"predicted (all neurons: {whole}), {more.verdict('more', 'fewer', undecided)} than with random 40 % "
        f"({random}) and {own.verdict('more', 'fewer', undecided)} than with another prompt's ({exchanged}). "
        f"Prompt and continuation have a Jaccard index of {stability}, "
        f"{steady.verdict('above', 'below', 'not decidedly apart from')} that of two prompts ({between}).{alike} "
        "It has some hundred neurons and a language without topics, which says nothing of large models."
    )
