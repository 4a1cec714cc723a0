"""The table of neurons: one row a neuron, with scores, p-values, label, evidence and effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from interp.drawing import present
from interp.frames import Tabular
from interp.markup import UNKNOWN, html_table, number
from interp.output import write_columns
from probes.labels import DEAD, LABELS
from probes.parts import Parts

EFFECTS = ("held-out effect", "corrupted effect")
PERIODICITY = {"ipr": "IPR", "activation_share": "share {within}"}
"""Titles of the columns that say how periodic neurons are."""
IN_NOTEBOOKS = 10
"""So many neurons are shown of a table that a cell of a notebook ends with."""


@dataclass(frozen=True, eq=False, repr=False)
class NeuronTable(Tabular):
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

    categories: ClassVar[Mapping[str, Any]] = {"label": tuple(LABELS)}

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if "neuron" not in lengths or len(set(lengths.values())) > 1:
            raise ValueError(f"expected a column 'neuron' and equally long others, got lengths {lengths}")

    def __len__(self) -> int:
        return len(self.neuron)

    def __repr__(self) -> str:
        labelled = f": {self.described()}" if "label" in self.columns else ""
        return f"{type(self).__name__}({self.site_name}: {len(self)} neurons{labelled}; {len(self.columns)} columns)"

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

    @property
    def alive(self) -> np.ndarray:
        """Indices of the neurons that are not labelled dead."""
        return self.neuron[self["label"] != DEAD]

    def where(self, mask: np.ndarray | None = None, **equal: Any) -> NeuronTable:
        """The rows for which the mask is true and every named column has the given value.

        Raises:
            KeyError: There is no such column. ValueError: there is no such label.
        """
        if "label" in equal and equal["label"] not in LABELS:
            raise ValueError(f"label={equal['label']!r} is no label; expected one of {', '.join(LABELS)}")
        keep = np.ones(len(self), bool) if mask is None else np.asarray(mask, bool)
        for name, value in equal.items():
            keep = keep & (self[name] == value)
        return type(self)(
            {name: column[keep] for name, column in self.columns.items()}, self.site_name, self.meta
        )

    @property
    def memory_untestable(self) -> str | None:
        """The reason in words for which no neuron was tested for memory; None if they were."""
        return self.meta.get("memory_untestable")

    def counts(self) -> dict[str, int | None]:
        """Numbers of neurons by label, and in total; None of labels that need a test that was not possible."""
        tested = {name for name, label in LABELS.items() if not (label.of_memory and self.memory_untestable)}
        return {"total": len(self)} | {
            name: int((self["label"] == name).sum()) if name in tested else None for name in LABELS
        }

    def described(self) -> str:
        """`counts` in words.

        Example:
            >>> labels = np.array(["generalizing", "dead"])
            >>> meta = {"memory_untestable": "not testable, because no example is held out"}
            >>> NeuronTable({"neuron": np.arange(2), "label": labels}, "mlp", meta).described()
            '1 generalizing, 1 dead, 0 inconclusive; memory not testable, because no example is held out'
        """
        labelled = ", ".join(
            f"{n} {name}" for name, n in self.counts().items() if name != "total" and n is not None
        )
        return labelled + (f"; memory {self.memory_untestable}" if self.memory_untestable else "")

    def frame_metadata(self) -> dict[str, Any]:
        """The site, and how the columns were made."""
        return {"site": self.site_name, **self.meta}

    def plot(self) -> Any:
        """Periodicity against causal effect, coloured by label, as a Plotly figure."""
        return present("plots.neurons.neuron_scatter", self)

    def measure(self) -> str:
        """The column that says how periodic the neurons are: the one that they are ordered by, or IPR."""
        column = str(self.meta.get("order", "ipr"))
        return column if column in PERIODICITY and column in self else "ipr"

    @cached_property
    def parts(self) -> Parts:
        """The parts that the column ``frequency`` numbers: frequencies, or components of a group."""
        return Parts.of(self.meta.get("null"))

    def measure_title(self, column: str) -> str:
        """The title of a column of `PERIODICITY`."""
        return PERIODICITY[column].format(within=self.parts.within)

    def strongest_header(self) -> tuple[str, ...]:
        """Titles of the columns of `strongest`."""
        return "neuron", "label", self.measure_title(self.measure()), self.parts.noun, *EFFECTS, "evidence"

    def strongest(self, most: int) -> Iterator[tuple[str, ...]]:
        """The strongest neurons, one row each, as people read them."""
        strength, measure = np.nan_to_num(np.asarray(self["strength"], float), nan=-np.inf), self.measure()
        for row in np.argsort(-strength, kind="stable")[:most]:
            values = {name: self[name][row] for name in self}
            yield (
                str(values["neuron"]),
                str(values["label"]),
                number(values[measure]),
                self.parts.brief(int(values["frequency"])) if values["frequency"] > 0 else UNKNOWN,
                number(values.get("effect_test")),
                number(values.get("effect_corrupted_as_labelled")),
                str(values["evidence"]),
            )

    def _repr_html_(self) -> str:
        """Counts of labels, and a table of the strongest, for notebooks."""
        if not {"label", "strength", "evidence", "frequency", self.measure()} <= set(self):
            return f"<pre>{escape(repr(self))}</pre>"
        caption = f"The {min(IN_NOTEBOOKS, len(self))} strongest of {len(self)} neurons at {self.site_name}"
        rows = self.strongest(IN_NOTEBOOKS)
        return f"<p>{escape(self.described())}</p>\n{html_table(caption, self.strongest_header(), rows, inline=True)}"

    def save(self, path: Path | str) -> Path:
        """Write all columns to a ``.parquet`` or ``.csv`` file, whole or not at all.

        Parquet keeps site, convention, criteria and null distribution in its metadata, under ``grokscope``.

        Raises:
            ConfigError: The suffix is neither, or the place cannot be written to.
        """
        return write_columns(path, self.columns, self.frame_metadata(), self.categories)
