"""The result of measuring how far classes lie apart in sets of neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.drawing import Drawable
from interp.errors import ConfigError, near_matches
from interp.markup import UNKNOWN, html_table, number
from interp.measuring.band import INTERVAL, Band
from interp.output import plain

OTHER_EXAMPLES = "one half of the examples, and measured on the other"
SAME_EXAMPLES = "the examples that they are measured on, as it is not known which were held out"
HEADER = (
    "set",
    "neurons",
    "value",
    f"permuted classes, {INTERVAL}",
    "p-value",
    f"random sets, {INTERVAL}",
    "p-value beside them",
)
DIGITS = "{:+.4f}".format


@dataclass(frozen=True, eq=False)
class SeparatedSet:
    """The generalised discrimination value of one set of neurons; means over the parts of the examples.

    Attributes:
        name: A label, a text that chose the set, or what it was called; ``"logits"`` are none.
        sizes: Of the set in each part of the examples; empty for the logits.
        silent: Of these, how many never differ there and have no part.
        value: 0 for no separation, below for more of it; None where it is not defined.
        null: Values with permuted classes; None where there is none.
        p_value: Share of these at most as high, of the draws and the value itself.
        random: Values of random sets as large; None for the logits, and where the set is most of the neurons.
        random_p_value: Share of these at most as high, likewise.
    """

    name: str
    sizes: tuple[int, ...]
    silent: tuple[int, ...]
    value: float | None
    null: Band | None
    p_value: float | None
    random: Band | None
    random_p_value: float | None

    @property
    def size(self) -> float | None:
        """Mean number of neurons; None for the logits."""
        return float(np.mean(self.sizes)) if self.sizes else None

    def row(self) -> tuple[str, ...]:
        """The same as shown, in the order of `HEADER`."""
        value = UNKNOWN if self.value is None else DIGITS(self.value)
        bands = [
            UNKNOWN if one is None else f"{DIGITS(one.low)} to {DIGITS(one.high)}"
            for one in (self.null, self.random)
        ]
        p_values = number(self.p_value), number(self.random_p_value)
        return self.name, number(self.size), value, bands[0], p_values[0], bands[1], p_values[1]

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class SeparabilityReport(Drawable):
    """Generalised discrimination values of sets of neurons; made by `interp.separability`.

    Attributes:
        sets: One a set of neurons, and the logits.
        examples: That each part was measured on.
        n_classes: Of all examples.
        null: How classes were permuted, in words.
        chosen_on: Which examples chose the neurons of labels, in words.
        site: Hook name of the neurons.
        draws, n_random: Permutations, and random sets for each set.
    """

    figure = "plots.separability.separability_bars"

    sets: tuple[SeparatedSet, ...]
    examples: tuple[int, ...]
    n_classes: int
    null: str
    chosen_on: str
    site: str
    draws: int
    n_random: int

    def __getitem__(self, name: str) -> SeparatedSet:
        """The set of that name; a `ConfigError` if there is none."""
        for one in self.sets:
            if one.name == name:
                return one
        raise ConfigError(
            f"no set {name!r} was measured; {near_matches(name, [one.name for one in self.sets])}"
        )

    def __repr__(self) -> str:
        lines = [f"Separability of {self.n_classes} classes at {self.site}, {self.conditions()}"]
        return "\n".join([*lines, *("  ".join(row) for row in (HEADER, *self.rows()))])

    def conditions(self) -> str:
        """Examples and null, in words."""
        examples = " and ".join(map(str, self.examples))
        return f"{examples} examples; null: {self.null}; labels were chosen on {self.chosen_on}"

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Each set as shown, in the order of `HEADER`."""
        return (one.row() for one in self.sets)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain({**vars(self), "sets": {one.name: one for one in self.sets}})

    def _repr_html_(self) -> str:
        return html_table(f"Separability at {self.site}", HEADER, self.rows(), inline=True)
