"""Neurons in an order, or chosen by a short text, from a table of scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from interp.errors import ConfigError, InterventionError, near_matches
from interp.interventions import neuron_indices
from interp.scoring.table import NeuronTable
from probes import labels


def order_by(table: NeuronTable, column: str | None = None, *, descending: bool = False) -> np.ndarray:
    """Neurons sorted by a column; those without a value (dead ones) count as the lowest.

    Args:
        table: From `score`.
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
        table: From `score`.
        text: ``label:NAME``, ``lowest:SHARE`` or ``highest:SHARE`` (share of all neurons by periodicity, in [0, 1]), or
            ``@FILE`` (a JSON list, or numbers between spaces, commas or new lines).

    Raises:
        InterventionError: The text or the file names no neurons.

    Example:
        >>> table = NeuronTable({"neuron": np.arange(4), "ipr": np.array([0.4, 0.1, 0.3, 0.2])}, "site")
        >>> select_neurons(table, "lowest:0.5").tolist()
        [1, 3]
    """
    kind, _, rest = text.partition(":")
    if text.startswith("@"):
        return neuron_indices(_read_indices(Path(text[1:])), len(table))
    if kind == "label" and rest in labels.LABELS:
        return table.where(label=rest).neuron
    if kind in ("lowest", "highest"):
        try:
            share = float(rest)
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:
            return order_by(table, descending=kind == "highest")[: round(share * len(table))]
    raise InterventionError(
        f"cannot select neurons by {text!r}; expected label:{'|'.join(labels.LABELS)}, lowest:SHARE or highest:SHARE "
        "with a share from 0 to 1, or @FILE with indices"
    )


def _read_indices(path: Path) -> list[int]:
    try:
        text = path.read_text(encoding="utf-8")
        return (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [int(x) for x in text.replace(",", " ").split()]
        )
    except OSError as error:
        raise InterventionError(f"cannot read the neurons in {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise InterventionError(f"{str(path)!r} holds no list of neuron indices: {error}") from None
