"""The result of asking if a network learnt in the rich or the lazy regime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.drawing import Drawable
from interp.markup import UNKNOWN, html_table, number
from interp.measuring.band import Band
from interp.output import plain

ALIGNMENTS = {
    "representation": "representation alignment",
    "representation_centred": "representation alignment, centred",
    "kernel": "tangent kernel alignment",
    "kernel_centred": "tangent kernel alignment, centred",
}
QUANTITIES = {"relative_change": "relative weight change", "sign_similarity": "sign similarity"} | ALIGNMENTS
HEADER = ("quantity", "value", "unrelated networks: mean", "from", "to", "p-value")
ALPHA = 0.05
NEARER, NOT_NEARER = (
    "nearer to its start than an unrelated network",
    "not decidedly nearer to its start than an unrelated network",
)
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class RegimeChange:
    """The change of a network since its start; numbers are None where they are not defined.

    Attributes:
        step: Of the later network; None where it is not known.
        relative_change: Norm of the change of all weights, over their norm at the start.
        sign_similarity: Share of the weights that have the sign that they had, in [0, 1].
        representation, representation_centred: Alignment of the Gram matrices of activations, in [0, 1].
        kernel, kernel_centred: The same of the tangent kernels; None if they were left out.
        by_weight: Relative change of each weight by its name.
    """

    step: int | None
    relative_change: float | None
    sign_similarity: float | None
    representation: float | None
    representation_centred: float | None
    kernel: float | None
    kernel_centred: float | None
    by_weight: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True)
class Rank:
    """Effective rank of a weight at the start: from 1 to `full`, the smaller side of its matrix.

    Of several matrices in one tensor it is their mean; None where a matrix is too large, 0, or not finite.
    """

    effective: float | None
    full: int

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class Regime(Drawable):
    """The distance of a network from its start; made by `interp.regime`.

    Attributes:
        changes: One a later network, in order.
        ranks: Of the weights at the start, by name.
        unrelated: Alignments of the start with networks that have its weights' entries in random places, each: as alike
            as networks of this kind are without one having come from the other.
        site: Hook name of the activations.
        examples, kernel_examples: That representations and kernels were measured on.
        directions: Of the outputs, that kernels are summed over.
        exact: Whether these are all outputs, else random signs.
    """

    figure = "plots.regime.regime_figure"

    changes: tuple[RegimeChange, ...]
    ranks: Mapping[str, Rank]
    unrelated: Mapping[str, tuple[float | None, ...]]
    site: str
    examples: int
    kernel_examples: int
    directions: int
    exact: bool

    @property
    def last(self) -> RegimeChange:
        """Of the last network."""
        return self.changes[-1]

    def band(self, name: str) -> Band | None:
        """Mean and 95 % of the unrelated networks' alignments of that name; None if they are not known."""
        return Band.of(self.unrelated.get(name, ()))

    def p_value(self, name: str) -> float | None:
        """Probability that an unrelated network is as near to the start as the last network is; None if not known.

        By Student's t for one more draw, which assumes that the unrelated networks' alignments are normal; one-sided.

        Args:
            name: One of `ALIGNMENTS`.
        """
        value = getattr(self.last, name)
        draws = [one for one in self.unrelated[name] if one is not None]
        if value is None or len(draws) < 3 or not np.std(draws):
            return None
        from scipy import stats  # takes half a second, which an audit has no use for

        n = len(draws)
        t = (value - np.mean(draws)) / (np.std(draws, ddof=1) * np.sqrt(1 + 1 / n))
        return float(stats.t.sf(t, n - 1))

    def nearer(self, name: str) -> str:
        """Say if an alignment of the last network with its start is above that of unrelated ones, at 5 %."""
        p_value = self.p_value(name)
        if p_value is None:
            return NOT_KNOWN
        return NEARER if p_value <= ALPHA else NOT_NEARER

    def __repr__(self) -> str:
        return "\n".join(["Regime, last network", *("  ".join(row) for row in (HEADER, *self.rows()))])

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Quantities of the last network, in the order of `HEADER`."""
        for name, words in QUANTITIES.items():
            band = self.band(name)
            beside = (UNKNOWN,) * 3 if band is None else tuple(map(number, (band.mean, band.low, band.high)))
            p_value = self.p_value(name) if name in ALIGNMENTS else None
            yield words, number(getattr(self.last, name)), *beside, number(p_value)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        p_values = {name: self.p_value(name) for name in ALIGNMENTS}
        return plain({**vars(self), "p_values": p_values})

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row a later network."""
        import pandas

        return pandas.json_normalize([one.to_dict() for one in self.changes])

    def _repr_html_(self) -> str:
        return html_table("Regime, last network", HEADER, self.rows(), inline=True)
