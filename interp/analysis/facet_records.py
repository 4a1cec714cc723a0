"""Results of counting the facets of neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from interp.drawing import Drawable
from interp.markup import html_table, number
from interp.output import plain

AXES = {"left": "left operand", "right": "right operand", "answer": "answer"}
HEADER = (
    "neuron",
    "facets",
    "by silhouette or peaks",
    "q-value",
    "silhouette",
    "stability",
    "sizes",
    "prototypes",
)


@dataclass(frozen=True, eq=False)
class NeuronFacets:
    """Facets of one neuron.

    Attributes:
        count: Number of facets. Of clusters 1 where no valley between two was shown; None where it is not decided: of
            lobes where operands in random orders do as well, of clusters where too few inputs excite the neuron.
        best: Number of lobes, or the number of clusters with the largest silhouette, before that decision.
        p_value: Of `probes.orders.order_p_values`, or of `probes.facets.valley_p_value`; nan where there is none.
        q_value: The false-discovery rate over the neurons that were looked at.
        members: Of each facet the examples of the task, strongest first; of those that excite the neuron most.
        silhouette, stability: See `probes.facets.Clusters`; nan for lobes.
        peaks: Positions of the lobes in the task's order; empty for clusters.
        profile: Mean activation at each position; None for clusters.
        prototypes: One of each facet, see `interp.analysis.prototypes.Prototypes`; None where there are none.
        start, activation: Of the neuron at each facet's mean input and at its prototype.
    """

    neuron: int
    count: int | None
    best: int
    p_value: float
    q_value: float
    members: tuple[Int[np.ndarray, " _"], ...]
    silhouette: float
    stability: float
    peaks: Float[np.ndarray, " peak"]
    profile: Float[np.ndarray, " position"] | None
    prototypes: Float[np.ndarray, "facet ..."] | None = None
    start: Float[np.ndarray, " facet"] | None = None
    activation: Float[np.ndarray, " facet"] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Facets(Drawable):
    """Facets of the neurons at one site.

    Attributes:
        site: Hook name of the neurons.
        kind: ``"lobes"`` around the task's circle, or ``"clusters"`` of inputs.
        along: What the lobes are counted over, one of `AXES`; None for clusters.
        embedding: What inputs are clustered by: ``"inputs"`` or a hook name; None for lobes.
        top: Number of examples that are looked at, at most.
        neurons: One record each.
        notes: Sentences about what was left out, and why.
    """

    figure: ClassVar[str] = "plots.facets.facets"
    site: str
    kind: str
    along: str | None
    embedding: str | None
    top: int
    neurons: tuple[NeuronFacets, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> list[int | None]:
        """Number of facets of each neuron; None where it is not decided."""
        return [one.count for one in self.neurons]

    def sentence(self) -> str:
        """The result in words."""
        counts = np.array([-1 if count is None else count for count in self.counts])
        shown = ", ".join(f"{int((counts == k).sum())} with {k}" for k in np.unique(counts[counts >= 0]))
        undecided = int((counts < 0).sum())
        rest = f"; {undecided} not decided" if undecided else ""
        place = f"lobes over the {AXES[self.along]}" if self.along else f"clusters by {self.embedding}"
        return f"Facets of {len(counts)} neurons ({place}): {shown or 'none decided'}{rest}."

    def __repr__(self) -> str:
        return "\n".join((f"Facets({self.sentence()})", *self.notes))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """One row a neuron as people read it, in the order of `HEADER`."""
        for one in self.neurons:
            sizes = ", ".join(str(len(facet)) for facet in one.members)
            ends = "" if one.activation is None else ", ".join(map(number, one.activation.tolist()))
            count = "not decided" if one.count is None else str(one.count)
            measures = (number(value) for value in (one.q_value, one.silhouette, one.stability))
            yield str(one.neuron), count, str(one.best), *measures, sizes, ends

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        names = ("site", "kind", "along", "embedding", "top", "notes")
        return plain(
            {name: getattr(self, name) for name in names} | {"neurons": [vars(one) for one in self.neurons]}
        )

    def _repr_html_(self) -> str:
        return html_table(self.sentence(), HEADER, self.rows(), inline=True)
