"""Neurons in an order, or chosen by a short text, from a table of scores."""

from __future__ import annotations

import numpy as np

from interp.edits import neuron_indices
from interp.errors import ConfigError, InterventionError, near_matches
from interp.scoring.table import NeuronTable
from interp.selectors import parse_neurons
from probes import labels


def order_by(table: NeuronTable, column: str | None = None, *, descending: bool = False) -> np.ndarray:
    """Neurons sorted by a column; those without a value (dead ones) count as the lowest.

    Args:
        column: A numeric column; the table's own measure of periodicity if None.
        descending: Highest first.

    Raises:
        ConfigError: The table has no such numeric column.
    """
    column = column or default_order(table)
    numeric = [name for name in table if table[name].dtype.kind in "fiu"]
    if column not in numeric:
        raise ConfigError(f"cannot order neurons by {column!r}; {near_matches(column, numeric)}")
    values = table[column].astype(float)
    ascending = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    return table.neuron[ascending[::-1] if descending else ascending]


def default_order(table: NeuronTable) -> str:
    """The column that says how periodic the table's neurons are: IPR of their weights, or the variance of their
    activations that one frequency explains, or what they add to the rule where no order is known."""
    return str(table.meta.get("order", "ipr"))


def select_neurons(table: NeuronTable, text: str) -> np.ndarray:
    """Neurons from a short text, as on the command line.

    Args:
        text: As for `interp.selectors.parse_neurons`; shares are of all neurons, by periodicity. Methods that look at
            memories need the network too: see `interp.analysis.memory_set.neurons_by_memory`.

    Raises:
        InterventionError: The text or the file names no neurons.

    Example:
        >>> table = NeuronTable({"neuron": np.arange(4), "ipr": np.array([0.4, 0.1, 0.3, 0.2])}, "site")
        >>> select_neurons(table, "lowest:0.5").tolist()
        [1, 3]
    """
    kind, value = parse_neurons(text, labels.LABELS)
    if kind == "indices":
        return neuron_indices(value, len(table))
    if kind == "label":
        return table.where(label=value).neuron
    if kind in ("memory", "attribution"):
        raise InterventionError(
            f"a table of scores does not say which neurons {text!r} would choose; pass the network"
        )
    return order_by(table, descending=kind == "highest")[: round(float(value) * len(table))]  # type: ignore[arg-type]
