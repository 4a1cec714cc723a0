"""Populations of neurons: communities over training; core neurons, bricks and hyperactive neurons."""

from __future__ import annotations

from dataclasses import dataclass

from interp.lab.communities import bricks, core, hyperactive
from interp.lab.communities.figure import communities_figure
from interp.lab.communities.findings import findings
from interp.lab.communities.series import Training, measure_communities
from interp.lab.study import Record, Settings, Study, setting
from interp.progress import Report

PHASES = {"before": "before grokking", "at": "at half held-out accuracy", "after": "at the end"}

PARTS = {
    "core": core.measure_core,
    "bricks": bricks.measure_bricks,
    "hyperactive": hyperactive.measure_hyperactive,
}
PART = 100
"""Steps of progress of a part."""


@dataclass(frozen=True)
class Config(Settings):
    """The network that is followed through grokking."""

    p: int = setting(53, "Modulus.", "[7, 97]")
    width: int = setting(200, "Neurons.", "[20, inf)")
    steps: int = setting(160, "Updates.", "[1, inf)")
    weight_decay: float = setting(1.0, "Of the training.", "[0, inf)")
    wrong: float = setting(0.2, "Share of the training labels that are redrawn.", "[0, 0.5]")
    every: int = setting(10, "Updates between checkpoints.", "[1, inf)")


def measure(config: Config, seed: int, report: Report) -> Record:
    """Communities of one network over its checkpoints; then core neurons, bricks and hyperactive neurons."""
    settings = Training(config.p, config.width, config.steps, config.weight_decay, config.wrong, config.every)
    numbers, curves = measure_communities(settings, seed, report)
    done = units(config) - PART * len(PARTS)
    for place, (name, part) in enumerate(PARTS.items()):
        report(done + PART * place, name)
        more, shown = part(seed)
        numbers |= more
        curves[name] = shown
    report(units(config))
    return Record(numbers, curves)


def units(config: Config) -> int:
    """Updates, ten for each checkpoint, and a hundred for every other part."""
    return config.steps + 10 * (config.steps // config.every + 1) + PART * (1 + len(PARTS))


STUDY = Study(
    name="communities",
    title="Populations of neurons",
    about=(
        "A network of squared sums learns a + b modulo 53 with 20 % of its training labels redrawn, and is followed "
        "through grokking. At each checkpoint pairs of neurons are linked where their squared correlation over all "
        "examples is above that of neurons with permuted operands, at a false-discovery rate of 5 %, and communities "
        "are the partition of greatest modularity (Louvain). They are compared with the frequencies that the neurons "
        "labelled generalizing have at the end, read from their weights, by the adjusted Rand index, beside shuffled "
        "frequencies; modularity beside that of the same affinities dealt to other pairs. Controls: a network of the "
        "same shape all of whose labels are random, every neuron in place of the generalizing ones, halves of the "
        "examples, every pair in place of linked ones, and the rectified correlation. The affinities over time are "
        "factorised (non-negative CP), the number of components being the first whose double explains less than .03 "
        "more of the affinity on other examples. The idea is that of dynamic functional connectomes; modularity stands "
        "for their block model. Core neurons (after arXiv 2410.18311): the share of the neurons that is most often "
        "among the most active of an operation, a class of digits or a prompt is kept alone, beside random neurons "
        "and the core of another. Bricks (after arXiv 2409.02877): a partition by co-activation, and what each "
        "function loses without each brick, beside random partitions. Hyperactive neurons (after arXiv 2209.08723): "
        "in an ensemble of small networks that know two digits each, neurons that respond to other digits are "
        "silenced, the threshold being chosen on calibration images. Settings are those of the first part; the others "
        "have fixed ones. The figure shows above agreement with frequencies over training, links with the time "
        "courses of components, and the controls; below accuracy by the share of core neurons, losses without bricks, "
        "and accuracy by the share of hyperactive neurons silenced."
    ),
    config=Config,
    measure=measure,
    units=units,
    quantities={f"ari_{name}": f"ARI with the final frequencies, {words}" for name, words in PHASES.items()}
    | {f"high_{name}": f"ARI, shuffled, 95th percentile, {words}" for name, words in PHASES.items()}
    | {f"p_{name}": f"p of the ARI, {words}" for name, words in PHASES.items()}
    | {f"linked_{name}": f"share of neurons linked, {words}" for name, words in PHASES.items()}
    | {f"accuracy_{name}": f"held-out accuracy, {words}" for name, words in PHASES.items()}
    | {"train_before": "training accuracy, before grokking"}
    | {f"ari_every_pair_{name}": f"ARI of every pair's affinity, {words}" for name, words in PHASES.items()}
    | {
        "ari_halves": "ARI between halves of the examples",
        "ari_rectified": "ARI with the rectified correlation",
        "all_ari": "ARI of all live neurons with their strongest frequency",
        "generalizing": "generalizing neurons at the end",
        "frequencies": "their frequencies",
        "modularity": "modularity at the end",
        "modularity_dealt": "modularity, affinities dealt anew",
        "modularity_p": "p of the modularity",
        "control_accuracy": "random labels: held-out accuracy",
        "control_linked": "random labels: share of neurons linked",
        "control_ari": "random labels: ARI of all live neurons",
        "step_half": "step of half held-out accuracy",
        "step_communities": "step of half the final ARI",
        "step_components": "median step of half a component's strength",
        "rank": "components",
        "explained": "affinity explained by components",
        "explained_held_out": "the same, on other examples",
        "ari_components": "ARI of components with frequencies",
        "p_components": "p of it",
    }
    | core.QUANTITIES
    | bricks.QUANTITIES
    | hyperactive.QUANTITIES,
    judge=findings,
    draw=communities_figure,
)
