"""Overlap of sparse sets of neurons, and the claim that memorised examples share a subspace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interp.analysis.example_overlap import BY
from interp.lab.overlap.figure import overlap_figure
from interp.lab.overlap.findings import findings
from interp.lab.overlap.networks import digits_network, modular_network
from interp.lab.overlap.subspace import PLANTS, RATIOS, measure_subspace, preserved
from interp.lab.overlap.theory import PATTERNS, SIZES, false_match_curves, formula_error, shapes, union_curves
from interp.lab.study import Record, Settings, Study, setting
from interp.progress import Report, shifted

NETWORKS = {"modular": "sums", "digits": "digits"}
PARTS = 100
"""Steps of progress of each part that is no training."""


@dataclass(frozen=True)
class Config(Settings):
    """The simulation, the networks, and the examples that are compared."""

    simulated: int = setting(2_000_000, "Random sets for the formula.", "[1000, inf)")
    unions: int = setting(20_000, "Random unions.", "[100, inf)")
    p: int = setting(53, "Modulus.", "[11, 113]")
    width: int = setting(256, "Neurons of the network of sums.", "[20, inf)")
    steps: int = setting(400, "Training steps of the network of sums.", "[1, inf)")
    digits_width: int = setting(128, "Neurons of the network of digits.", "[20, inf)")
    digits_steps: int = setting(600, "Training steps of the network of digits.", "[1, inf)")
    wrong: float = setting(0.2, "Share of the training labels that are wrong.", "(0, 0.5]")
    active: float = setting(0.1, "Share of the neurons that is taken of each example.", "(0, 0.5]")
    examples: int = setting(100, "Examples of each kind, at most.", "[10, inf)")
    draws: int = setting(199, "Draws of each control.", "[99, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """The formulas beside simulation, and both networks."""
    generator = np.random.default_rng(seed)
    errors = [formula_error(sizes, config.simulated, generator) for sizes in SIZES]
    union = union_curves(config.unions, generator)
    exact, simulated, approximate = (np.array(union[name]) for name in ("exact", "simulated", "approximate"))
    numbers: dict[str, float | None] = {
        "error": errors[0][0],
        "error_others": max(error for error, _ in errors[1:]),
        "deviation": max(deviation for _, deviation in errors),
        "union_error": float(np.abs(exact - simulated).max()),
        **{f"union_missing_{m}": float(1 - approximate[i] / exact[i]) for i, m in enumerate(PATTERNS)},
        **shapes(),
    }
    curves = {"union": union, "false_match": false_match_curves()}
    report(done := PARTS, "formulas")
    for name in NETWORKS:
        steps = config.steps if name == "modular" else config.digits_steps
        trained, untrained = (
            modular_network(config.p, config.width, number, config.wrong, seed, progress)
            if name == "modular"
            else digits_network(config.digits_width, number, config.wrong, seed, progress)
            for number, progress in ((steps, shifted(report, done, name)), (0, shifted(report, done, name)))
        )
        settings = config.active, config.examples, config.draws
        measured, curves[name] = measure_subspace(trained, *settings)
        measured |= preserved(trained, untrained, *settings)
        numbers |= {f"{name}_{key}": value for key, value in measured.items()}
        report(done := done + steps + PARTS, name)
    return Record(numbers, curves)


def _quantities() -> dict[str, str]:
    each = {
        "error": "largest relative error of the formula, 1024 units",
        "error_others": "of other sizes",
        "deviation": "largest deviation, in standard errors of the simulation",
        "union_error": "largest difference of the exact probability of a union",
        "union_missing_2": "share that 1 - (1 - P)^M misses, union of 2",
        "union_missing_10": "union of 10",
        "straight_fixed_exponential": "R² of log P over n, fixed number active",
        "straight_fixed_power": "over log n",
        "straight_growing_exponential": "R² of log P over n, fixed share active",
        "straight_growing_power": "over log n, fixed share active",
    }
    for name, words in NETWORKS.items():
        each[f"{name}_test"] = f"{words}, held-out accuracy"
        each[f"{name}_memorised"] = f"{words}, wrong labels answered"
        for by in BY:
            each |= {
                f"{name}_{by}_{ratio}": f"{words}, by {by}, overlap over that of {other}"
                for ratio, other in RATIOS.items()
            }
            each[f"{name}_{by}_pairs_uniform"] = f"{words}, by {by}, significant pairs, random sets"
            each[f"{name}_{by}_pairs_matched"] = f"{words}, by {by}, significant pairs, rates kept"
        for count in (0, *PLANTS):
            words_of = f"{words}, two halves of the clean examples, {count} neurons planted in one"
            each[f"{name}_planted_{count}_p_matched"] = f"{words_of}, p with rates kept"
            each[f"{name}_planted_{count}_p_clean"] = f"{words_of}, p against the other half"
        each[f"{name}_similarity_trained"] = f"{words}, rank correlation of similarity and overlap"
        each[f"{name}_similarity_untrained"] = f"{words}, untrained network"
        each[f"{name}_similarity_shuffled"] = f"{words}, sets dealt anew"
    return each


STUDY = Study(
    name="overlap",
    title="Overlap of sets of active neurons",
    about=(
        "The probability that two random sparse sets of units overlap by chance (arXiv 1601.00720) is compared with "
        "simulation, for single patterns and for unions of patterns, and over the number of units. The same null asks "
        "a network if two memorised examples share more of their most active neurons than chance: a common subspace of "
        "memory. Two kinds of networks with wrong labels (sums modulo p; images of digits) are asked, by attribution "
        "to the label and by activation, with four explanations beside it: random sets, neurons that keep their own "
        "rates of being active for each label (curveball draws), clean examples with the same labels, and wrong labels "
        "that were never trained on. Two halves of the clean examples, with neurons planted in one, show what the "
        "controls notice. At last: do similar inputs have overlapping sets, beside the untrained network. The figure "
        "shows false matches by number of units, matches with a union, and the ratio of the overlap of memorised "
        "examples to each explanation."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.steps + config.digits_steps + 3 * PARTS,
    quantities=_quantities(),
    judge=findings,
    draw=overlap_figure,
)
