"""Descriptions of neurons by predicates, and their facets."""

from __future__ import annotations

from dataclasses import dataclass

from interp.lab.describe.cue import ARMS, measure_cue
from interp.lab.describe.facets import QUANTITIES, measure_facets
from interp.lab.describe.figure import describe_figure
from interp.lab.describe.findings import findings
from interp.lab.describe.planted import SETTINGS, measure_planted, measure_trained
from interp.lab.study import Record, Settings, Study, setting
from interp.progress import Report


@dataclass(frozen=True)
class Config(Settings):
    """Planted neurons, a trained network, and the cue."""

    p: int = setting(47, "Modulus of planted neurons.", "[23, 97]")
    noise: float = setting(0.1, "Noise on their weights, as a share of what they detect by.", "[0, inf)")
    residues: int = setting(29, "Operands of the network that is trained on their residues.", "[12, 97]")
    width: int = setting(64, "Its neurons.", "[2, inf)")
    updates: int = setting(400, "Updates of its training.", "[1, inf)")
    level: float = setting(0.05, "False-discovery rate of described neurons.", "(0, 1)")
    digits_width: int = setting(128, "Neurons of the network that reads digits with a cue.", "[2, inf)")
    draws: int = setting(
        20, "Random sets of neurons beside those that are described by the cue.", "[20, inf)"
    )


SHARES = {
    "exact": "planted without noise, described rightly",
    "right": "planted, described rightly",
    "agreement": "of those, held-out agreement",
    "random_described": "random weights, described at all",
    "random_agreement": "of those, held-out agreement",
    "random_class": "random weights, described by residues",
    "trained_right": "trained, described rightly",
    "trained_chance": "trained, by descriptions of other neurons",
    "renamed_class": "operands renamed, described by residues",
    "renamed_right": "operands renamed, rightly by own classes",
}
ACCURACIES = {
    "neurons": "neurons described by the pixel",
    "random_before": "accuracy, pixel at random",
    "random_after": "without neurons of the pixel",
    "random_control": "without random neurons",
    "random_class": "without neurons of digits",
    "trained_before": "accuracy, pixel as in training",
    "trained_after": "without neurons of the pixel, as in training",
    "trained_control": "without random neurons, as in training",
    "trained_class": "without neurons of digits, as in training",
}


def measure(config: Config, seed: int, report: Report) -> Record:
    """Planted, trained and cue neurons of one seed, and facets."""
    numbers, curves = measure_planted(config.p, config.noise, config.level, seed)
    report(1, "planted neurons")
    numbers |= measure_trained(config.residues, config.width, config.updates, config.level, seed)
    report(2, "trained networks")
    every: dict[str, float | None] = dict(numbers)
    for name in ARMS:
        every |= measure_cue(name, config.digits_width, config.draws, config.level, seed)
    report(3, "digits with a cue")
    of_facets, shown = measure_facets(seed)
    report(4, "facets")
    return Record(every | of_facets, curves | {"facets": shown})


STUDY = Study(
    name="describe",
    title="Descriptions of neurons by predicates of their inputs, and their facets",
    about=(
        "Each neuron is described by the property that the inputs with its highest activations have in common, out of "
        "a closed set of properties: the significant one with the most weighted pointwise mutual information, chosen "
        "on one half of the inputs and measured on the other (after MILAN, arXiv 2201.11114, whose descriptions are "
        "free text). Detectors of a mod 3, b mod 4 and single operands are planted beside neurons with random weights, "
        "with more and more noise; dealing activations anew among the inputs is a control. Networks learn "
        "(a mod 3 + b mod 3) mod 3, also with operands renamed, so that their residues mean nothing. Then digits are "
        "learnt with a corner pixel that is lit for one class: neurons described by the pixel are taken out, beside as "
        "many random ones and as many that are described by digits, and accuracy is measured with the pixel lit at "
        "random. Facets of a neuron are the lobes of its activation around a circle of residues, or the clusters of "
        "its exemplars that one cloud does not explain. The figure shows planted neurons described rightly by noise, "
        "the controls, accuracies without the cue, and lobes by frequency."
    ),
    config=Config,
    measure=measure,
    units=lambda config: 4,
    quantities={
        f"{key}_{name}": f"{words}, {SETTINGS[name][0]}"
        for name in SETTINGS
        for key, words in SHARES.items()
        if name == "95" or key in ("right", "trained_right")
    }
    | {
        "shuffled_described": "activations dealt anew, neurons described",
        "shuffled_networks": "networks of these with any described neuron",
        "trained_accuracy": "held-out accuracy of trained networks",
        "renamed_accuracy": "with operands renamed",
    }
    | {
        f"{name}_{key}": f"{words}; pixel {arm.words}"
        for name, arm in ARMS.items()
        for key, words in ACCURACIES.items()
    }
    | QUANTITIES,
    judge=findings,
    draw=describe_figure,
)
