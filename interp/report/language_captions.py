"""Captions and words of a report on a language model's memory."""

from __future__ import annotations

from interp.language.columns import MEMORY_COLUMNS
from interp.language.methods import METHODS

FOOTER = "Accuracies are shares of right next tokens, teacher-forced; log losses are in nats a token."
SCATTER = """\
One point is one sequence. To the right: more of its continuation is predictable, as a reference that has never seen
the sequence guesses these tokens too. Up: the model is right on the other tokens. Memory stands at the top; a
predictable sentence that was never trained on stands at the right and low."""
TEXT = """\
The prompt is grey. Each token of the continuation is coloured by the log probability that it loses if {n} {kind}
are taken out: the stronger the vermilion, the more it loses ({scale:g} nats and more: a probability less than a
fiftieth of that before); blue tokens become likelier. Underlined tokens are guessed by a reference, and are no sign
of memory. Rest the pointer on a token for its numbers. The same {n} {kind} are taken out everywhere; the group's
own sequences chose them, so that this shows where they act, while the curves below show what sequences lose that
did not choose."""
NONE_BEST = """\
No removal takes more of this memory than random {kind} do and leaves other text unharmed. If one is shown, it is
the one that takes most from the sequences that chose it."""
NOT_COLOURED = "No removal was chosen, so that tokens are not coloured."
LAYERS = """\
The numbers of {kind} in each layer: those that are taken out, those labelled memorizing where there are any, and as
many of the highest of every method (touch the legend). Methods that agree put their {kind} into the same layers;
random {kind} would be spread evenly."""
CURVES = """\
From left to right more {kind} are taken out, those that the chosen method scores highest first. Above: right next
tokens; below: perplexity (lower is better). Dashed, with a band: as many random {kind} of the same layers. Memory
in few {kind} shows where the lines of the group fall far below their bands while those of controls stay."""
TRADEOFF = """\
One line is one method, one point a share that was taken out. Down: less of the memory is left. To the right: more
harm to text that was never trained on. The best method goes straight down."""
DOSES = """\
The {n} {kind} that are taken out above are multiplied by a factor: 0 takes them out, 1 leaves them as they are. A
memory that they hold fades by degrees, and controls stay where they are."""
CORRELATIONS = "Spearman's rank correlation of the scores of all {kind}; 1: the same order, 0: unrelated."
CROSSFITTED = """\
The {kind} were chosen on one half of the group's sequences and measured on the other: the figures of “other half of
the group” are of sequences that did not choose them."""
NOT_CROSSFITTED = """\
The {kind} were chosen and measured on the same sequences, as there are too few of them for two halves: the fall of
their accuracy is larger than it would be on sequences that did not choose."""
RELEARNING = """\
Without the removed neurons the model is trained again, on the group's sequences and, apart from that, on as many that
it has never seen. Memories that were only hidden come back in fewer steps than new ones are learnt."""
WORDS = {
    "sequence": "A text as the model's tokens: a prompt, and the continuation that memory is measured on.",
    "token": "A piece of text that the model reads and predicts: a word, or a part of one.",
    "teacher-forced": "Every token is predicted from the true ones before it, so that one mistake does not spoil what "
    "follows.",
    "accuracy": "Share of tokens of the continuation to which the model gives the highest probability.",
    "log loss, perplexity": "Mean negative log probability of the true tokens in nats, and its exponential: how many "
    "tokens the model hesitates between. Lower is more certain.",
    "rank": "How many tokens are likelier than the true one; 0: the true one is the model's choice.",
    "guessed": "A token that an n-gram or smaller reference model predicts too. It says nothing of memory.",
    "recalled": "A token that the model predicts and no reference guesses.",
    "memorised, not memorised, inconclusive": "Decided by how much of a sequence is recalled, with its interval, "
    "beside held-out sequences and controls. “Above controls”: more is recalled than of unseen text, yet not most.",
    "verbatim, extracted": "The model goes on with the sequence by itself from the prompt, for so many tokens, or to "
    "its end.",
    "exposure": "How rare a loss this low is among controls made in the same way, in bits.",
    "control, held-out": "Sequences that the model was not trained on: made up, or kept back.",
    "neuron": "One number of an MLP layer. Taking it out means multiplying its activations by 0 at every token.",
    "head": "One attention head; taking it out means multiplying its output by 0.",
    "random neurons": "As many neurons, drawn at random from the same layers, and taken out instead, several times: "
    "the band has 95 % of the draws. The removal that decides has 20 draws or more beside it.",
    "memorizing": "A label of neurons: taking them out would raise the loss of the group's sequences more than that "
    "of controls, with a q-value below the limit.",
    "p-value, q-value": "How likely chance alone gives a value as extreme. The q-value takes into account how many "
    "were looked at: of all those up to 0.01, about 1 % are false finds.",
    "other half of the group": "Memorised sequences of the group that did not choose the neurons.",
    "relearning": "Training the model again on what was taken out: what was only hidden comes back faster than "
    "something new is learnt.",
}


def words() -> dict[str, str]:
    """`WORDS`, then the methods with their meanings and papers, and the columns of the table of sequences.

    Example:
        >>> words()["zero-out"].endswith("(arXiv 2311.09060)")
        True
    """
    methods = {
        method.title: f"{method.meaning}{f' (arXiv {method.source})' if method.source else ''}"
        for method in METHODS.values()
    }
    columns = {column.heading: column.meaning for column in MEMORY_COLUMNS.values()}
    return methods | {title: meaning for title, meaning in columns.items() if title not in WORDS} | WORDS
