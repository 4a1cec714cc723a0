"""Captions of the page's figures and words of its glossary where a task composes the elements of a group."""

from __future__ import annotations

from interp.report import captions
from probes.parts import Parts

COSETS = """\
One point is one neuron, at the subgroup on whose cosets it is most nearly constant. Up: the share of its weights that
cosets tell. To the right: the same of random vectors in its own component. Points on the dotted line are what any
neuron of the component shows; far above it, cosets explain more than the component does."""
TEXTS = {
    "IPR": """\
A neuron that takes part in the rule lies in few components of the group's functions (for sums modulo n, these are
the frequencies); IPR measures how far it is one component alone, from 0 (spread over all) to 1. The dotted outline is
what random weights give, scaled to the tallest bar; 1 in 1,000 of them passes the vertical line. Bars far to its right
are no accident. A low IPR alone does not mean that a neuron memorises: the label needs evidence of what the neuron
does, shown in the next figure.""",
    "SHARE": """\
A neuron that takes part in the rule lies in few components of the group's functions (for sums modulo n, these are
the frequencies). To the right: neurons whose activation over all pairs of operands lies in one component, up to 1 (all
of it); to the left: noise, or several components at once. A low value alone does not mean that a neuron memorises: the
label needs evidence of what the neuron does, shown in the next figure.""",
    "WEIGHTS": """\
Above: how strongly it reacts to each element on the left and right of the operation, and which results it votes for.
Below: the share (energy) of these weights in each component of the group, by number. One tall bar is the mark of the
rule; shares that are as large as the component's size is among all dimensions are noise.""",
    "OUTPUT": """\
Above: how strongly it votes for each result. Below: the share (energy) of these weights in each component of the group,
by number. One tall bar is the mark of the rule; shares that are as large as the component's size is among all
dimensions are noise. What the neuron reacts to shows in its activations, as there are layers before it.""",
    "CIRCUIT": """\
Networks that grok the composition of a group compute it with the characters of a few key components. Restricted loss:
how well these alone answer; excluded loss: what is left without them. A network of the rule has a low restricted and a
high excluded loss, one that memorised the reverse. Clock and Pizza are ways of adding with waves, and are not told
apart here.""",
    "CLUSTERS": """\
How many neurons lie in one component (85 % of the variance of their activations or more), by component. In a network
of the rule most neurons stand at a few components, and those are the key components of its answers (blue). No bars
mean that the neurons are noise or mix several components.""",
    "TRAJECTORY": """\
Each column is one checkpoint, scored like the network above. Coloured spans are the stages that the numbers
show; touch their bars at the top for the reasons. Losses that fall on training examples long before held-out
ones mean memorising first. A circuit forms where the excluded loss rises, although accuracy on held-out
examples has not moved yet: the loss without the key components of the answer; the restricted loss is that with these
only. A Gini of 1 means that all is in one component, 0 that all components have the same.
Separability is 0 where the classes of the answers are not apart in the neurons of a label, and below where they are.
Weight change and alignment compare each checkpoint with the first; wide networks are alike to begin with, so that a
high alignment alone is no sign of lazy learning. Touch the legend to show or hide lines.""",
    "ACTIVATIONS": """\
Above: how active it is for every pair of operands. Below: the share of that picture in each component of the left and
of the right operand; the larger a spot, the larger its part. Spots on an axis (0) are parts of one operand alone. A
spot on the diagonal, with both operands in one component, is the mark of the rule; many small spots are noise.""",
}
"""In place of the constants of `interp.report.captions` of these names."""
WORDS = {
    "ordering": "The order in which the elements of a group are shown: the cosets of subgroups stand together.",
    "component": "A part of the functions on a group that multiplication keeps apart from all others; of sums modulo "
    "n, a frequency. Its size is the number of its real dimensions, its dimension that of its irreducible "
    "representation. “Standard” is the one that permutes things, less its constant; “sign” has the values 1 and −1.",
    "frequency": "Of an abelian group, how many full turns a component makes along each of its generators; a "
    "“rotation” of a dihedral group likewise.",
    "spectrum, energy": "How a function on the group is made of components: the share of its variance in each. All "
    "shares add up to 100 %.",
    "periodic": "Lying in one component: most of the variance is there, and significantly more than chance gives.",
    "IPR": "Inverse participation ratio: how much of a function lies in one component, from 0 (spread over all, as "
    "noise) to 1 (one alone).",
}
"""In place of entries of `interp.report.wording.WORDS`; those of phases are left out."""
WITHOUT = ("phase",)


def caption(name: str, parts: Parts) -> str:
    """The caption of a figure: that for components, where a table has them and the figure needs one.

    Example:
        >>> caption("ACCURACY", Parts()) == captions.ACCURACY
        True
    """
    return TEXTS[name] if parts.known and name in TEXTS else str(getattr(captions, name))
