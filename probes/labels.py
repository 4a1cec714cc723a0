"""Labels for neurons, each with the evidence that decided, and the table that holds them with the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float

from probes.null import benjamini_hochberg


class Label(StrEnum):
    """What a neuron does for the network.

    `GENERALIZING` neurons are periodic and raise the true label of examples that were not memorised;
    `MEMORIZING` ones are not periodic and raise labels that the rule does not explain; `DEAD` ones do next to
    nothing; for `INCONCLUSIVE` ones the data do not decide.
    """

    GENERALIZING = "generalizing"
    MEMORIZING = "memorizing"
    DEAD = "dead"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Criteria:
    """What a label needs.

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

    def to_dict(self) -> dict[str, float]:
        """The criteria, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class NeuronFacts:
    """What a label is decided from, ``(neuron,)`` each; NaN where not known.

    Attributes:
        strength: How much the neuron adds to the output; only the ratios count.
        p_value: Of its periodicity, against random weights.
        share: Share of its variance that its frequency explains.
        frequency: That frequency.
        outside: Share of its weights at tokens outside the group ordering, such as 0 in multiplication.
        rule_effect: What the neuron adds to the true label where memory cannot help (held-out examples).
        rule_p: p-value of that effect being above 0.
        memory_effect: What it adds to labels beyond what the rule explains.
        memory_p: p-value of that effect being above 0.
    """

    strength: Float[np.ndarray, " neuron"]
    p_value: Float[np.ndarray, " neuron"]
    share: Float[np.ndarray, " neuron"]
    frequency: np.ndarray
    outside: Float[np.ndarray, " neuron"]
    rule_effect: Float[np.ndarray, " neuron"]
    rule_p: Float[np.ndarray, " neuron"]
    memory_effect: Float[np.ndarray, " neuron"]
    memory_p: Float[np.ndarray, " neuron"]


@dataclass(frozen=True, eq=False)
class Labelling:
    """A `Label` and its reason in words for each neuron, with q-values (Benjamini–Hochberg over the neurons)."""

    label: np.ndarray
    evidence: np.ndarray
    q_value: np.ndarray
    rule_q: np.ndarray
    memory_q: np.ndarray


def dead_neurons(strength: Float[np.ndarray, " neuron"], dead_ratio: float) -> np.ndarray:
    """Mask of neurons whose strength is at most `dead_ratio` of the strongest one's, or not a number.

    Example:
        >>> dead_neurons(np.array([1.0, 0.005, 0.0]), 0.01).tolist()
        [False, True, True]
    """
    largest = np.nanmax(strength, initial=0.0)
    return ~(strength > dead_ratio * largest)


def label_neurons(facts: NeuronFacts, criteria: Criteria | None = None) -> Labelling:
    """Decide every neuron's label.

    - dead: its strength is next to nothing;
    - generalizing: significantly periodic, one frequency explains at least `min_share` of it, and it
      significantly raises the true label where memory cannot help, by more than it serves memory. Or its weights
      lie outside the ordering, or no neuron's periodicity is known, and it does so;
    - memorizing: not periodic, and it significantly serves labels that the rule does not explain, by more than it
      serves the rule. A quiet, useless or merely aperiodic neuron is not memorising;
    - inconclusive: all others, with the reason.

    Args:
        facts: Measurements of all neurons at one site; dead ones take no part in the multiple-testing control.
        criteria: Thresholds; the defaults if None.

    Example:
        >>> one = lambda value: np.array([value])
        >>> periodic = {"p_value": one(1e-30), "share": one(0.9), "frequency": one(17), "outside": one(0.0)}
        >>> serves_rule = {"rule_effect": one(0.1), "rule_p": one(1e-9)}
        >>> no_memory = {"memory_effect": one(0.0), "memory_p": one(0.5)}
        >>> facts = NeuronFacts(strength=one(1.0), **periodic, **serves_rule, **no_memory)
        >>> str(label_neurons(facts).label[0])
        'generalizing'
    """
    criteria = criteria or Criteria()
    dead = dead_neurons(facts.strength, criteria.dead_ratio)
    q_value, rule_q, memory_q = (
        benjamini_hochberg(np.where(dead, np.nan, p)) for p in (facts.p_value, facts.rule_p, facts.memory_p)
    )
    significant = q_value <= criteria.alpha
    periodic = significant & (facts.share >= criteria.min_share)
    serves_rule = (rule_q <= criteria.alpha) & (facts.rule_effect > 0)
    memory = np.nan_to_num(facts.memory_effect)
    rule_wins = serves_rule & (facts.rule_effect > memory)
    memorizes = (memory_q <= criteria.alpha) & (memory > np.maximum(np.nan_to_num(facts.rule_effect), 0))
    apart = (facts.outside >= 0.5) | np.isnan(facts.p_value[~dead]).all()
    decisions = [
        dead,
        (periodic | apart) & rule_wins,
        ~periodic & memorizes,
    ]
    label = np.select(
        decisions,
        [Label.DEAD.value, Label.GENERALIZING.value, Label.MEMORIZING.value],
        Label.INCONCLUSIVE.value,
    )
    reasons = [
        _reason(
            i, facts, label[i], bool(periodic[i]), bool(significant[i]), q_value[i], rule_q[i], memory_q[i]
        )
        for i in range(len(label))
    ]
    return Labelling(label, np.array(reasons, dtype=object), q_value, rule_q, memory_q)


def _reason(
    i: int,
    facts: NeuronFacts,
    label: str,
    periodic: bool,
    significant: bool,
    q_value: float,
    rule_q: float,
    memory_q: float,
) -> str:
    share, frequency = facts.share[i], int(facts.frequency[i])
    rule = f"adds {facts.rule_effect[i]:.2g} to true labels (q={rule_q:.1g})"
    memory = f"adds {facts.memory_effect[i]:.2g} to labels that the rule does not explain (q={memory_q:.1g})"
    if label == Label.DEAD:
        return "its output is next to nothing beside the strongest neuron's"
    if facts.outside[i] >= 0.5 and label == Label.GENERALIZING:
        return f"serves operands outside the group ordering; {rule}"
    if periodic:
        spectrum = f"frequency {frequency} explains {share:.0%} of it (q={q_value:.1g})"
    elif significant:
        spectrum = f"frequency {frequency} is significant (q={q_value:.1g}) but explains only {share:.0%}"
    elif np.isnan(q_value):
        spectrum = "periodicity not known"
    else:
        spectrum = f"no significant frequency (q={q_value:.1g})"
    if label == Label.GENERALIZING:
        return f"{spectrum}; {rule}"
    if label == Label.MEMORIZING:
        return f"{spectrum}; {memory}"
    if np.isnan(memory_q):
        return f"{spectrum}; no examples that tell whether it memorises; {rule}"
    return f"{spectrum}; {rule}; {memory}"


@dataclass(frozen=True, eq=False, repr=False)
class NeuronTable:
    """One row a neuron: equally long columns by name.

    Attributes:
        columns: Arrays of shape ``(row,)``; ``neuron`` holds the indices.
        site_name: Hook name of the site.
        meta: How the columns were made: convention, criteria, null distribution.

    Example:
        >>> table = NeuronTable({"neuron": np.arange(3), "ipr": np.array([0.1, 0.9, 0.8])}, "blocks.0.mlp.hook_post")
        >>> table.where(table["ipr"] > 0.5).neuron.tolist()
        [1, 2]
    """

    columns: Mapping[str, np.ndarray]
    site_name: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if "neuron" not in lengths or len(set(lengths.values())) > 1:
            raise ValueError(f"expected a column 'neuron' and equally long others, got lengths {lengths}")

    def __len__(self) -> int:
        return len(self.neuron)

    def __repr__(self) -> str:
        found = self.counts() if "label" in self.columns else {"total": len(self)}
        described = ", ".join(f"{count} {label}" for label, count in found.items())
        return f"{type(self).__name__}({self.site_name}: {described}; {len(self.columns)} columns)"

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    @property
    def neuron(self) -> np.ndarray:
        """Indices of the rows' neurons."""
        return self.columns["neuron"]

    def where(self, mask: np.ndarray | None = None, **equal: Any) -> NeuronTable:
        """The rows for which the mask is true and every named column has the given value.

        Raises:
            KeyError: There is no such column. ValueError: there is no such label.
        """
        if "label" in equal and equal["label"] not in list(Label):
            raise ValueError(f"label={equal['label']!r} is no label; expected one of {', '.join(Label)}")
        keep = np.ones(len(self), bool) if mask is None else np.asarray(mask, bool)
        for name, value in equal.items():
            keep = keep & (self[name] == value)
        return type(self)(
            {name: column[keep] for name, column in self.columns.items()}, self.site_name, self.meta
        )

    def counts(self) -> dict[str, int]:
        """How many neurons have each label, and in total."""
        return {"total": len(self)} | {
            label.value: int((self["label"] == label.value).sum()) for label in Label
        }

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with the same columns."""
        import pandas

        return pandas.DataFrame(dict(self.columns))
