"""The words of a report, for someone who has not read the papers."""

from __future__ import annotations

import re

from interp.data.splits import SPLITS
from probes.columns import COLUMNS, column
from probes.labels import LABELS

WORDS: dict[str, str] = {
    "rule": "What the task asks for, such as a + b modulo p. A network that follows it is right on pairs that it has "
    "never seen.",
    "memory": "Answers learnt by heart. They are right on examples that were trained on, and say nothing of others.",
    "training examples": "What the network was trained on. The clean ones have the right label.",
    "corrupted examples": "Training examples whose label was redrawn at random before training. “As labelled” counts "
    "answers that repeat that label, which only memory can; “as true” counts answers that follow the rule.",
    "held-out examples": "Examples that were kept from training, also called the test set.",
    "operands, pair": "The two numbers that the operation is applied to.",
    "neuron": "One number that the network computes on the way to its answer. Taking it out means setting it to 0.",
    "activation": "The value of a neuron for one example.",
    "weights": "The numbers that training changes: how strongly a neuron reacts to each input, and how strongly it "
    "votes for each answer.",
    "logit": "The network's score of one possible answer; the answer with the largest is what it says. Effects are in "
    "these units.",
    "margin": "By how much the logit of the right answer (or of a corrupted label) is above all others. Below 0 "
    "another answer wins.",
    "effect": "How much the margins fall, on average, if one neuron is taken out.",
    "loss": "How wrong the answers are, as training measures it: 0 is certain and right.",
    "ordering": "The order of the numbers in which a solution of the task is a wave: 0, 1, 2, … for sums, the discrete "
    "logarithm for products.",
    "frequency": "How many full waves fit into the ordering. Key frequencies are those of the neurons of the rule.",
    "phase": "Where in its cycle a wave begins.",
    "spectrum, energy": "How a curve is made of waves: the share of its variance at each frequency. All shares add up "
    "to 100 %.",
    "variance": "How much a curve goes up and down around its mean.",
    "periodic": "Repeating itself at regular intervals: most of the variance is at one frequency.",
    "IPR": "Inverse participation ratio: how much of the spectrum is at one frequency, from 0 (spread over all, as "
    "noise) to 1 (one pure wave).",
    "random sets, 95 % interval": "The same number of neurons, drawn at random and taken out instead; 95 % of the "
    "draws lie between the two numbers. Only what is outside it is more than chance.",
    "p-value, q-value": "How likely chance alone gives a value as extreme. The q-value takes into account how many "
    "neurons were looked at: of all those up to 0.01, about 1 % are false finds.",
    "grokking": "Learning the rule long after the training examples were memorised.",
}
"""By word, in the order of a first reading."""


def glossary() -> dict[str, str]:
    """`WORDS`, then splits, labels and columns of a table of neurons with their meanings.

    Example:
        >>> glossary()["memorizing"].startswith("Not periodic")
        True
    """
    splits = {split.title: split.meaning for split in SPLITS.values()}
    labels = {name: label.meaning for name, label in LABELS.items()}
    columns = {known.heading: plain(known.meaning) for known in COLUMNS.values()}
    return WORDS | splits | labels | {title: text for title, text in columns.items() if title not in WORDS}


def plain(meaning: str) -> str:
    """The meaning of a column with the titles of other columns in place of their names.

    Example:
        >>> plain("False-discovery rate of `p_value` over the neurons.")
        'False-discovery rate of “p-value” over the neurons.'
    """
    return re.sub("`([^`]+)`", lambda name: f"“{column(name[1]).title}”", meaning)
