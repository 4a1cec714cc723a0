"""What the explorer's figures show, in plain words."""

SPLITS_IN_WORDS = {
    "train": "trained on",
    "clean": "trained on, own label",
    "corrupted_as_labelled": "corrupted, as labelled",
    "corrupted_as_true": "corrupted, as true",
    "test": "held out",
    "all": "all examples",
}
SHORTCUTS = {
    "K": "keep the change that is tried",
    "U": "undo",
    "N": "the next neuron",
    "B": "the neuron before",
    "arrow keys": "move the slider that has the focus",
}
SCATTER = (
    "One point is one neuron. To the right: more regular. Up: it serves the rule; down: it serves memory. Draw around "
    "neurons to choose them, or touch one to see everything about it below."
)
MAP = (
    "Each cell is one pair of operands, at its position in the order in which a solution is periodic. It follows every "
    "change of the neurons."
)
MARGINS = "How far the right answer is ahead of all others, in logit units: above 0 the example is answered rightly."
TABLE = "Sort by touching a title, filter below it. Touching a row shows its neuron."
WEIGHTS = (
    "Above: how strongly it reacts to each operand, and which results it votes for. Below: the waves that these are "
    "made of: one tall bar is a pure wave, the mark of the rule."
)
LOSS = "Blue: pairs whose answer it holds up. Vermilion: pairs that are better off without it."
ACTIVATIONS = (
    "How active it is for every pair, and the waves that the picture is made of; the larger a spot, the larger its "
    "part. Spots on the rising diagonal are waves in the sum."
)
SERVED = "Examples that it serves: their margin falls most without it"
ANSWERS = "The answer to each pair at this step; colours tell what was trained on, held out and corrupted."
HISTOGRAM = "Bars that move to the right are neurons that become periodic."
WEIGHTS_AT = "The neuron that is shown above, at this step."
RACE = (
    "Above: how large each wave in the neuron's weights is over training. Below: how far the phases of the largest are "
    "from the rule's; 0 is the rule. Touch the legend to hide a frequency."
)
ALIGNMENT = "R is 1 where the phases of all periodic neurons obey the rule; the median is 0 there."
TRAJECTORY = "Coloured spans are the stages that the numbers show; touch their bars for the reasons."
