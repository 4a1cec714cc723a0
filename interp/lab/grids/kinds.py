"""Kinds of figures that ``grokscope plot`` draws. Loads nothing, so that the command line can be made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of figure; ``draw`` is a function's name below `interp`, as `interp.drawing.present` takes it."""

    draw: str
    help: str
    caption: str


KINDS: dict[str, Kind] = {
    "phase": Kind(
        "lab.grids.figures.phase",
        "in which phase runs end, against two settings; a cell whose seeds disagree says how many agree.",
        "Each cell is a network, or several of different seeds: its colour is the phase that training ended in. Blue "
        "and green networks answer held-out examples. Coexistence: the corrupted labels are memorised as well. Partial "
        "and full inversion: they are given up in part, or answered by the rule. Memorisation: the training set alone "
        "is known. Forgetting: the rule was known earlier in training. Confusion: neither is known. A percentage in a "
        "cell says how many of its seeds agree. Touch a cell for its accuracies.",
    ),
    "accuracy": Kind(
        "lab.grids.figures.accuracy",
        "every split against one setting, with its interval over seeds.",
        "Mean accuracy over the seeds on each split, with its 95 % interval. Test: held-out examples. Corrupted as "
        "labelled: training examples with a redrawn label, answered with that label, which is memory. As true: "
        "answered by the rule.",
    ),
    "pruning": Kind(
        "lab.grids.figures.pruning",
        "accuracy as neurons are removed by periodicity and at random, over seeds, beside the paper's numbers.",
        "Accuracy as more and more neurons are set to zero, those with the lowest periodicity (IPR) first, the highest "
        "first, or at random. Where the corrupted labels are lost while held-out examples stay right, what was removed "
        "is memory. Bands: 95 % interval of the mean over networks. Open symbols: the paper's numbers.",
    ),
    "width": Kind(
        "lab.grids.figures.width",
        "how many neurons networks of each width need.",
        "How many neurons are needed: neurons are removed from the least periodic on, as long as the accuracy on "
        "held-out examples stays at least {level:.0%}. Wide networks need few more than narrow ones.",
    ),
    "gamma": Kind(
        "lab.grids.figures.gamma",
        "a norm's weights against the periodicity of its neurons.",
        "Each point is a neuron of a network with a norm after its activation: how strongly the norm amplifies it, "
        "against how periodic it is. Where |γ| is small for aperiodic neurons, the network itself turns its memory "
        "down.",
    ),
}
