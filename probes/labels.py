"""Labels of neurons, each said once in `LABELS` with the rule that decides it and the evidence in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from probes.null import benjamini_hochberg
from probes.parts import FREQUENCIES, Parts

GENERALIZING, MEMORIZING, BOTH = "generalizing", "memorizing", "both"
DEAD, INCONCLUSIVE = "dead", "inconclusive"


@dataclass(frozen=True)
class Criteria:
    """Thresholds that a label needs.

    Args:
        alpha: False-discovery rate over the neurons, for periodicity and for either kind of evidence.
        min_share: Share of a neuron's variance that its frequency must explain to count as periodic. Training
            leaves weak periodicity in many memorising neurons, so significance alone is not enough.
        dead_ratio: A neuron is dead if its strength is at most this share of the strongest neuron's.
    """

    alpha: float = 0.01
    min_share: float = 0.5
    dead_ratio: float = 0.01

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise ValueError(f"{name}={value} is not in (0, 1)")

    def periodic(self, q_value: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Mask of neurons that are significantly periodic, with enough of the variance at one frequency."""
        return (q_value <= self.alpha) & (share >= self.min_share)

    def to_dict(self) -> dict[str, float]:
        """The criteria, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class NeuronFacts:
    """Measurements that labels are decided from, ``(neuron,)`` each; NaN where not known.

    Attributes:
        strength: How much the neuron adds to the output; only the ratios count.
        p_value: Of its periodicity, against random weights.
        share: Share of its variance that its frequency explains.
        outside: Share of its weights at tokens outside the group ordering, such as 0 in multiplication.
        rule_effect: What the neuron adds to the true label where memory cannot help (held-out examples).
        memory_effect: What it adds to the labels of training examples more than to held-out ones of their class.
        rule_p, memory_p: p-values of the effects being above 0; see `probes.evidence`.
        rule_share, memory_share: Each effect as a share of what all neurons together add; these are compared, since
            logits of two sets of examples are not comparable.
        memory_by: The training examples that decided on memory, in words; empty where none could.
        ordered: Whether periodicity was read in an order that solutions of the task are known to be periodic in.
        parts: What the numbers in `frequency` are numbers of, in words.
        learnt: Whether held-out examples are answered better than by their commonest class; if not, there is no rule
            that a neuron could serve.
    """

    strength: Float[np.ndarray, " neuron"]
    p_value: Float[np.ndarray, " neuron"]
    share: Float[np.ndarray, " neuron"]
    frequency: np.ndarray
    outside: Float[np.ndarray, " neuron"]
    rule_effect: Float[np.ndarray, " neuron"]
    rule_p: Float[np.ndarray, " neuron"]
    rule_share: Float[np.ndarray, " neuron"]
    memory_effect: Float[np.ndarray, " neuron"]
    memory_p: Float[np.ndarray, " neuron"]
    memory_share: Float[np.ndarray, " neuron"]
    memory_by: np.ndarray
    learnt: bool = True
    ordered: bool = True
    parts: Parts = FREQUENCIES


def dead_neurons(strength: Float[np.ndarray, " neuron"], dead_ratio: float) -> np.ndarray:
    """Mask of neurons whose strength is at most `dead_ratio` of the strongest one's, or not a number.

    Example:
        >>> dead_neurons(np.array([1.0, 0.005, 0.0]), 0.01).tolist()
        [False, True, True]
    """
    largest = np.nanmax(strength, initial=0.0)
    return ~(strength > dead_ratio * largest)


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels of neurons, with the reasons and the comparisons of facts with criteria that their rules are made of.

    All are ``(neuron,)``; q-values are of Benjamini and Hochberg, over the neurons that are not dead.
    """

    facts: NeuronFacts
    criteria: Criteria

    @cached_property
    def label(self) -> np.ndarray:
        """The first of `LABELS` whose rule fits, `INCONCLUSIVE` where none does."""
        return np.select([label.rule(self) for label in LABELS.values()], list(LABELS), INCONCLUSIVE)

    @cached_property
    def evidence(self) -> np.ndarray:
        """The numbers that decided each label, in words."""
        return np.array([LABELS[name].reason(self, i) for i, name in enumerate(self.label)], dtype=object)

    @cached_property
    def dead(self) -> Bool[np.ndarray, " neuron"]:
        """Next to no strength."""
        return dead_neurons(self.facts.strength, self.criteria.dead_ratio)

    def _q(self, p: np.ndarray) -> np.ndarray:
        return benjamini_hochberg(np.where(self.dead, np.nan, p))

    @cached_property
    def q_value(self) -> np.ndarray:
        """False-discovery rate of periodicity."""
        return self._q(self.facts.p_value)

    @cached_property
    def rule_q(self) -> np.ndarray:
        """False-discovery rate of serving the rule."""
        return self._q(self.facts.rule_p)

    @cached_property
    def memory_q(self) -> np.ndarray:
        """False-discovery rate of serving memory."""
        return self._q(self.facts.memory_p)

    @cached_property
    def periodic(self) -> np.ndarray:
        """Significantly periodic, with enough of the variance at one frequency."""
        return self.criteria.periodic(self.q_value, self.facts.share)

    @cached_property
    def serves_rule(self) -> np.ndarray:
        """Significantly raises the true label where memory cannot help, in a network that has learnt something."""
        significant = (self.rule_q <= self.criteria.alpha) & (self.facts.rule_effect > 0)
        return significant & ~self.dead & self.facts.learnt

    @cached_property
    def serves_memory(self) -> np.ndarray:
        """Significantly raises the labels of training examples more than those of held-out ones of their class."""
        return (self.memory_q <= self.criteria.alpha) & (self.facts.memory_effect > 0) & ~self.dead

    @cached_property
    def mostly_rule(self) -> np.ndarray:
        """Provides a larger share of the rule than of memory, or of as much as the rule where memory is less.

        In a network that has hardly any memory left, a large share of it is next to nothing.
        """
        rule, memory = np.nan_to_num([self.facts.rule_share, self.facts.memory_share])
        all_rule, all_memory = (
            whole_of(effect, ~self.dead) for effect in (self.facts.rule_effect, self.facts.memory_effect)
        )
        return rule > memory * min(1.0, all_memory / all_rule if all_rule > 0 else 1.0)

    @cached_property
    def only_or_mostly_rule(self) -> np.ndarray:
        """Serves the rule, and memory not significantly, or by a smaller share."""
        return self.serves_rule & (~self.serves_memory | self.mostly_rule)

    @cached_property
    def only_or_mostly_memory(self) -> np.ndarray:
        """Serves memory, and the rule not significantly, or by a smaller share."""
        return self.serves_memory & (~self.serves_rule | ~self.mostly_rule)

    @cached_property
    def apart(self) -> np.ndarray:
        """Periodicity says nothing: weights outside the ordering, no known ordering, or no known periodicity."""
        unknown = not self.facts.ordered or np.isnan(self.facts.p_value[~self.dead]).all()
        return (self.facts.outside >= OUTSIDE) | unknown

    def spectrum(self, i: int) -> str:
        """Periodicity of one neuron in words."""
        share, q, parts = self.facts.share[i], self.q_value[i], self.facts.parts
        strongest = parts.title(int(self.facts.frequency[i]))
        if self.periodic[i]:
            return f"{strongest} explains {share:.0%} of it (q={q:.1g})"
        if q <= self.criteria.alpha:
            return f"{strongest} is significant (q={q:.1g}) but explains only {share:.0%}"
        return "periodicity not known" if np.isnan(q) else f"no significant {parts.noun} (q={q:.1g})"

    def rule(self, i: int) -> str:
        """The effect of one neuron on the rule in words."""
        if not self.facts.learnt:
            return "held-out examples are answered no better than by their commonest class"
        if np.isnan(self.rule_q[i]):
            return "nothing can tell whether it serves the rule (too few classes, or no held-out examples)"
        effect, share = self.facts.rule_effect[i], self.facts.rule_share[i]
        return (
            f"adds {effect:.2g} to true labels, {share:.1%} of what all neurons add (q={self.rule_q[i]:.1g})"
        )

    def memory(self, i: int) -> str:
        """The effect of one neuron on memory in words."""
        if np.isnan(self.memory_q[i]):
            return "no examples that tell whether it memorises"
        effect, share, by = self.facts.memory_effect[i], self.facts.memory_share[i], self.facts.memory_by[i]
        adds = f"adds {effect:.2g} more to labels that were trained on, {share:.1%} of what all neurons add"
        return f"{adds} (q={self.memory_q[i]:.1g}, by {by})"


@dataclass(frozen=True)
class Label:
    """A neuron's part in the network.

    Attributes:
        verb: As in "12 memorize".
        symbol: Plotly's name of its points' shape.
        rule: Mask of the neurons that it fits, of those that no label before it fits; `INCONCLUSIVE` has the rest.
        reason: The evidence for one neuron, in words.
        of_memory: Whether it needs evidence on memory.
    """

    verb: str
    colour: str
    symbol: str
    meaning: str
    rule: Callable[[Labelling], np.ndarray]
    reason: Callable[[Labelling, int], str]
    of_memory: bool = False


def _generalizes_because(judged: Labelling, i: int) -> str:
    if judged.facts.outside[i] >= OUTSIDE:
        return f"serves operands outside the group ordering; {judged.rule(i)}"
    return f"{judged.spectrum(i)}; {judged.rule(i)}"


def _undecided_because(judged: Labelling, i: int) -> str:
    first, second = judged.rule(i), judged.memory(i)
    if np.isnan(judged.memory_q[i]):
        first, second = second, first
    return f"{judged.spectrum(i)}; {first}; {second}"


OUTSIDE = 0.5  # share of a neuron's weights outside the ordering from which its periodicity does not count

# Okabe and Ito's palette, which colour-blind readers can tell apart: the rule is blue, memory vermilion.
LABELS: dict[str, Label] = {
    GENERALIZING: Label(
        "generalize", "#0072B2", "circle",
        "Raises the true label of held-out examples, significantly and by a larger share than it serves memory; where "
        "an ordering is known, one frequency also explains at least half of its variance.",
        lambda judged: ~judged.dead & (judged.periodic | judged.apart) & judged.only_or_mostly_rule,
        _generalizes_because,
    ),
    MEMORIZING: Label(
        "memorize", "#D55E00", "diamond",
        "Not periodic, and it raises the labels of training examples more than those of held-out ones of the same true "
        "class, significantly and by a larger share than it serves the rule. A quiet or useless neuron is not "
        "memorizing; where no example can tell, none is called so.",
        lambda judged: ~judged.dead & ~judged.periodic & judged.only_or_mostly_memory,
        lambda judged, i: f"{judged.spectrum(i)}; {judged.memory(i)}",
        of_memory=True,
    ),
    BOTH: Label(
        "do both", "#009E73", "triangle-up",
        "Serves the rule and memory, both significantly, and is not mostly one of them: periodic but of more weight in "
        "memory, or not periodic but of more weight in the rule.",
        lambda judged: judged.serves_rule & judged.serves_memory,
        lambda judged, i: f"{judged.spectrum(i)}; {judged.rule(i)}; {judged.memory(i)}",
        of_memory=True,
    ),
    DEAD: Label(
        "are dead", "#8C8C8C", "x",
        "Adds at most 1 % of what the strongest neuron adds.",
        lambda judged: judged.dead,
        lambda judged, i: "its output is next to nothing beside the strongest neuron's",
    ),
    INCONCLUSIVE: Label(
        "are inconclusive", "#CC79A7", "square",
        "All others, with the reason.",
        lambda judged: np.zeros(len(judged.dead), bool),
        _undecided_because,
    ),
}  # fmt: skip
"""Every label by name, in the order in which tables show them."""
REMOVED = (MEMORIZING, GENERALIZING)
"""Labels whose neurons are removed to see what the network can do without them."""


def whole_of(effect: Float[np.ndarray, " neuron"], alive: Bool[np.ndarray, " neuron"]) -> float:
    """The sum of the positive effects of live neurons; nan are left out."""
    return float(np.nansum(np.maximum(effect[alive], 0)))


def share_of_all(
    effect: Float[np.ndarray, " neuron"], alive: Bool[np.ndarray, " neuron"]
) -> Float[np.ndarray, " neuron"]:
    """Each effect as a share of the sum of all positive ones of live neurons; NaN where there are none.

    Example:
        >>> share_of_all(np.array([3.0, 1.0, -2.0]), np.ones(3, bool)).tolist()
        [0.75, 0.25, -0.5]
    """
    total = whole_of(effect, alive)
    return effect / total if total > 0 else np.full(len(effect), np.nan)


def label_neurons(facts: NeuronFacts, criteria: Criteria | None = None) -> Labelling:
    """Decide the label of every neuron at one site by the rules of `LABELS`.

    Example:
        >>> one = lambda value: np.array([value])
        >>> periodic = {"p_value": one(1e-30), "share": one(0.9), "frequency": one(17), "outside": one(0.0)}
        >>> serves_rule = {"rule_effect": one(0.1), "rule_p": one(1e-9), "rule_share": one(1.0)}
        >>> no_memory = {"memory_effect": one(0.0), "memory_p": one(0.5), "memory_share": one(0.0)}
        >>> no_memory["memory_by"] = one("all training examples")
        >>> facts = NeuronFacts(strength=one(1.0), **periodic, **serves_rule, **no_memory)
        >>> str(label_neurons(facts).label[0])
        'generalizing'
    """
    return Labelling(facts, criteria or Criteria())
