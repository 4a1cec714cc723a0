"""Neurons that tell the cosets of a subgroup apart, the rival of the explanation by components."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from interp.data import Ordering, Task
from interp.drawing import Drawable
from interp.markup import number, percentage
from interp.measuring.arrays import NeuronArrays, grid_of, neuron_arrays
from interp.output import plain
from interp.scoring.compositions import reading_order, task_composition
from interp.scoring.group_names import group_name
from interp.scoring.periodicity import all_pairs_activations, operands_of
from interp.subject import Network, Subject, subject_of
from probes.activity import CLUSTER_SHARE
from probes.composition import LARGEST
from probes.coset_scores import CosetScores, Vectors, coset_scores
from probes.finite_group import group_of
from probes.isotypic import Components, components_of
from probes.null import benjamini_hochberg
from probes.subgroups import Subgroups, subgroups_of

SIGNIFICANT, SIGNIFICANT_BEYOND = 0.01, 0.05
"""False-discovery rates. The second null leaves less room: random vectors of few dimensions come near some subgroup."""
HEADER = (
    "neuron",
    "component",
    "subgroup",
    "cosets",
    "constant on",
    "share",
    "random vectors",
    "q-value",
    "beyond",
)
CONSTANT_ON = {
    "between": "left cosets of the left operand, right cosets of the right one",
    "left": "right cosets of the left operand and of the answer",
    "right": "left cosets of the right operand and of the answer",
}


@dataclass(frozen=True, eq=False, repr=False)
class CosetIndicators(Drawable):
    """Each live neuron's best subgroup, and if cosets say more of it than its component does.

    Attributes:
        group: Name of the group; empty where the task has none.
        not_testable: The reason in words for which nothing was tested; None if it was.
        neuron: Indices of the live neurons, ``(neuron,)``.
        component: The component or frequency of each, as in the neuron table.
        columns: By name, ``(neuron,)`` each, of the place with the strongest evidence (`probes.coset_scores.PLACES`):
            ``place``, ``subgroup`` (its name), ``order``, ``index`` (its number of cosets), ``share``,
            ``by_component``, ``p_value``, ``q_value``, ``p_beyond`` and ``q_beyond``; see
            `probes.coset_scores.CosetScores`.
        looked_at: Subgroups that were tested, conjugate ones counted each.
        classes: Their conjugacy classes.
        complete: True if there are no other subgroups.
    """

    figure: ClassVar[str] = "plots.coset_indicators.coset_indicators"
    group: str
    not_testable: str | None
    neuron: Int[np.ndarray, " neuron"]
    component: Int[np.ndarray, " neuron"]
    columns: dict[str, np.ndarray]
    looked_at: int = 0
    classes: int = 0
    complete: bool = True

    @property
    def indicates(self) -> np.ndarray:
        """Mask of the neurons that are constant on cosets: a share of 85 % or more, beyond chance."""
        if self.not_testable is not None:
            return np.zeros(len(self.neuron), bool)
        mask: np.ndarray = (self.columns["share"] >= CLUSTER_SHARE) & (self.columns["q_value"] <= SIGNIFICANT)
        return mask

    @property
    def adds(self) -> np.ndarray:
        """Mask of those of which cosets say more than their component does."""
        beyond = self.columns.get("q_beyond", np.full(len(self.neuron), np.nan))
        mask: np.ndarray = self.indicates & (beyond <= SIGNIFICANT_BEYOND)
        return mask

    def counts(self) -> dict[str, int]:
        """Numbers of neurons that prefer cosets to their component, by subgroup, the commonest first."""
        if self.not_testable is not None:
            return {}
        names = [
            f"{name} ({index} cosets)"
            for name, index in zip(self.columns["subgroup"], self.columns["index"], strict=True)
        ]
        return dict(Counter(np.array(names, object)[self.adds].tolist()).most_common())

    def sentence(self) -> str:
        """The result in words."""
        if self.not_testable is not None:
            return f"Cosets: {self.not_testable}."
        some = "" if self.complete else ", not all that there are"
        tested = f"{self.looked_at} subgroups in {self.classes} conjugacy classes were looked at{some}"
        by_name = ", ".join(f"{count} on those of {name}" for name, count in self.counts().items())
        rest = int((self.indicates & ~self.adds).sum())
        others = f"Of {rest} others their component alone explains it. " if rest else ""
        return (
            f"{self.adds.sum()} of {len(self.neuron)} live neurons are constant on cosets of a subgroup of "
            f"{self.group} beyond what random vectors in their component are"
            f"{f': {by_name}' if by_name else ''}. {others}{tested.capitalize()}."
        )

    def __repr__(self) -> str:
        return f"CosetIndicators({self.sentence()})"

    def rows(self) -> Iterator[tuple[str, ...]]:
        """One row a neuron as people read it, in the order of `HEADER`: those that add first, by share."""
        if self.not_testable is not None:
            return
        for i in np.lexsort((-np.nan_to_num(self.columns["share"]), ~self.adds)):
            row = {name: column[i] for name, column in self.columns.items()}
            shares = percentage(float(row["share"])), percentage(float(row["by_component"]))
            values = str(row["subgroup"]), str(row["index"]), CONSTANT_ON[row["place"]], *shares
            q = number(float(row["q_value"])), number(float(row["q_beyond"]))
            yield str(self.neuron[i]), str(self.component[i]), *values, *q

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        columns = {"neuron": self.neuron, "component": self.component, **self.columns}
        fields = ("group", "not_testable", "looked_at", "classes", "complete")
        counted = {
            "indicate": self.indicates.sum(),
            "beyond_component": self.adds.sum(),
            "by_subgroup": self.counts(),
        }
        return plain({name: getattr(self, name) for name in fields} | counted | {"columns": columns})


def coset_indicators(
    network: Network, task: Task | None = None, *, site: str | None = None
) -> CosetIndicators:
    """Test each live neuron for subgroups on whose cosets it is constant (arXiv 2312.06581).

    Its vectors by left operand, right operand and output are read, or, where tokens do not feed it directly, the mean
    of its activations at each operand, and the readout. A pure component of a group that does not commute lies partly
    in the cosets of many subgroups; see `probes.coset_scores.coset_scores` for both nulls.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        task: The multiplication of a group, or an operation with an ordering, whose group is cyclic.
        site: Hook name of the neurons; the model's last site if None.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> coset_indicators(analytic_mlp("add", p=13), ModularTask("add", p=13)).sentence()
        'Cosets: not testable, because Z13 has no subgroups but itself and the identity.'
    """
    subject = subject_of(network, task, site=site)
    table, alive = subject.table, subject.table.alive
    component = table["frequency"][alive]
    components, ordering = _group_of(subject.task)
    if components is None:
        reason = (
            f"not testable, because the task is no multiplication of a group of at most {LARGEST} elements"
        )
        return CosetIndicators("", reason, alive, component, {})
    subgroups, name = subgroups_of(components.group), group_name(components.group)
    if not len(subgroups):
        reason = f"not testable, because {name} has no subgroups but itself and the identity"
        return CosetIndicators(name, reason, alive, component, {})
    vectors = _vectors(subject, ordering)
    scores = coset_scores(
        [None if one is None else one[alive] for one in vectors], subgroups, components, subject.seed
    )
    columns = _columns(scores, subgroups)
    classes = len(np.unique(subgroups.classes))
    return CosetIndicators(name, None, alive, component, columns, len(subgroups), classes, subgroups.complete)


def _group_of(task: Task) -> tuple[Components | None, Ordering]:
    """The components of a group that acts on itself, and the order in which its elements are read; else None.

    Of an operation with an ordering that is the cyclic group of its positions.
    """
    composition, ordering = task_composition(task), task.ordering
    if composition is not None:
        on_itself = composition.components.acting is None
        return composition.components if on_itself else None, reading_order(composition)
    elements = np.arange(0 if ordering is None else len(ordering))
    if ordering is None or ordering.steps != (1, 1) or len(elements) > LARGEST or operands_of(task) is None:
        return None, Ordering(elements, elements, elements, "none")
    return components_of(group_of(np.add.outer(elements, elements) % len(elements))), ordering


def _vectors(subject: Subject, ordering: Ordering) -> Vectors:
    """Each neuron's vectors by left operand, right operand and output; None for a readout that does not exist."""
    place, cached = subject.place, subject.cached
    arrays: NeuronArrays = neuron_arrays(place, cached.activations, ordering)
    if place.input_vectors:
        left, right, *rest = arrays.vectors
        return [left, right, rest[0] if rest else None]
    p = operands_of(subject.task)
    assert p is not None
    grid = grid_of(all_pairs_activations(cached, subject.task, p, None, ordering), p, ordering)
    readout = arrays.vectors[0] if arrays.vectors else None
    return [grid.mean(2), grid.mean(1), readout]


def _columns(scores: CosetScores, subgroups: Subgroups) -> dict[str, np.ndarray]:
    """See `CosetIndicators`."""
    rows = np.arange(len(scores.p_value))
    chosen, share = scores.subgroup[scores.best, rows], scores.share[scores.best, rows]
    first = {int(k): int(np.argmax(subgroups.classes == k)) for k in np.unique(subgroups.classes[chosen])}
    names = {k: group_name(group_of(subgroups.table(i))) for k, i in first.items()}
    live = chosen >= 0
    index = np.where(live, subgroups.indices[chosen], 0)
    return {
        "place": np.array([scores.places[i] for i in scores.best], object),
        "subgroup": np.array([names[int(k)] for k in subgroups.classes[chosen]], object),
        "order": np.where(live, len(subgroups.group) // np.maximum(index, 1), 0),
        "index": index,
        "share": share,
        "by_component": scores.by_component[scores.best, rows],
        "p_value": scores.p_value,
        "q_value": benjamini_hochberg(scores.p_value),
        "p_beyond": scores.p_beyond,
        "q_beyond": benjamini_hochberg(scores.p_beyond),
    }
