"""Every figure of the explorer with its label and caption, and its other texts in plain words."""

from __future__ import annotations

from typing import NamedTuple

from interp.scoring.pair_order import PairOrder
from probes.parts import Parts


class Caption(NamedTuple):
    """Label for a screen reader, height in pixels and text below a figure; a square one is lower on a narrow screen."""

    label: str
    height: int
    text: str
    square: bool = False


FIGURES = {
    "scatter": Caption(
        "Periodicity against causal effect", 500,
        "One point is one neuron. To the right: more regular. Up: it serves the rule; down: it serves memory. Draw "
        "around neurons to choose them, or touch one to see everything about it below.",
    ),
    "map": Caption(
        "The answers", 560,
        "Each cell is one pair of operands, at its position in the order in which a solution is periodic. It follows "
        "every change of the neurons.", square=True,
    ),
    "weights": Caption(
        "Weights and spectra of the neuron", 580,
        "Above: how strongly it reacts to each operand, and which results it votes for. Below: the waves that these "
        "are made of: one tall bar is a pure wave, the mark of the rule.",
    ),
    "activations": Caption(
        "Activation over all pairs, and its spectrum", 880,
        "How active it is for every pair, and the waves that the picture is made of; the larger a spot, the larger its "
        "part. Spots on the rising diagonal are waves in the sum.",
    ),
    "loss": Caption(
        "Margin that each pair loses without the neuron", 560,
        "Blue: pairs whose answer it holds up. Vermilion: pairs that are better off without it.", square=True,
    ),
    "answers-at": Caption(
        "Which pairs were right", 600,
        "The answer to each pair at this step; colours tell what was trained on, held out and corrupted.", square=True,
    ),
    "weights-at": Caption(
        "Weights of the neuron at this step", 580, "The neuron that is shown above, at this step."
    ),
    "histogram-at": Caption(
        "How periodic the neurons were", 420, "Bars that move to the right are neurons that become periodic."
    ),
    "alignment": Caption(
        "Phase alignment", 440,
        "R is 1 where the phases of all periodic neurons obey the rule; the median is 0 there.",
    ),
    "race": Caption(
        "Race of the neuron's frequencies", 600,
        "Above: how large each wave in the neuron's weights is over training. Below: how far the phases of the largest "
        "are from the rule's; 0 is the rule. Touch the legend to hide a frequency.",
    ),
    "trajectory": Caption(
        "How the network developed", 600,
        "Coloured spans are the stages that the numbers show; touch their bars for the reasons.",
    ),
}  # fmt: skip
OF_COMPONENTS = {
    "scatter": "One point is one neuron. To the right: more of it in one component of the group. Up: it serves the "
    "rule; down: it serves memory. Draw around neurons to choose them, or touch one to see everything about it below.",
    "map": "Each cell is one pair of operands. It follows every change of the neurons.",
    "weights": "Above: how strongly it reacts to each element, and which results it votes for. Below: the share of "
    "these in each component of the group: one tall bar is the mark of the rule.",
    "activations": "How active it is for every pair, and the share of that picture in each component of either "
    "operand; the larger a spot, the larger its part. Spots on the diagonal have both operands in one component.",
    "histogram-at": "Bars that move to the right are neurons that come to lie in one component.",
    "race": "How large each component of the neuron's weights is over training. Touch the legend to hide one.",
}
"""Texts in place of those of `FIGURES` where a task composes the elements of a group."""
LANGUAGE_FIGURES = {
    "layers": Caption(
        "Changed neurons by layer", 340,
        "Numbers of the neurons that the slider changes, in each layer of the model.",
    )
}  # fmt: skip
"""Figures of the page of a language model."""
ORDERED = ("map", "weights", "activations", "loss", "answers-at", "weights-at")
"""Figures whose axes are elements."""


def text_of(name: str, parts: Parts, order: PairOrder | None = None) -> str:
    """The text below a figure: that for components where a task has them, and the order of elements in words.

    Example:
        >>> text_of("race", Parts()) == FIGURES["race"].text
        True
    """
    text = OF_COMPONENTS.get(name, FIGURES[name].text) if parts.known else FIGURES[name].text
    words = order.sentence if order is not None and name in ORDERED else ""
    return f"{text} {words}".rstrip()


MARGINS = "How far the right answer is ahead of all others, in logit units: above 0 the example is answered rightly."
SETS = (
    "Communities are neurons that are active for the same examples. Comparing tells if a choice and another set share "
    "more neurons than random sets, and than equally active ones."
)
TABLE = "Sort by touching a title, filter below it. Touching a row shows its neuron."
SERVED = "Examples that it serves: their margin falls most without it"
SHORTCUTS = {
    "K": "keep the change that is tried",
    "U": "undo",
    "N": "the next neuron",
    "B": "the neuron before",
    "arrow keys": "move the slider that has the focus",
}
