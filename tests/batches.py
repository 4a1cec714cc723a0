"""Small networks for jobs, and how the results of jobs are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import torch

from interp.jobs import Store
from interp.jobs.columns import COSTS
from interp.models import HookedMLP, analytic_mlp

P, WIDTH = 11, 24
Make = Callable[..., list[Path]]


def network(seed: int, p: int = P, width: int = WIDTH) -> HookedMLP:
    """The closed form with noise that grows with the seed."""
    model = analytic_mlp("add", p=p, width=width)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor += 0.02 * seed * torch.randn(tensor.shape, generator=generator)
    return model


def neurons_of(store: Store) -> pa.Table:
    """All neurons in one order, so that two stores can be compared."""
    table = store.neurons.to_table()
    order = [(name, "ascending") for name in ("checkpoint", "settings", "site", "neuron")]
    plain = table.cast(  # dictionaries are in the order in which their values came
        pa.schema(
            [
                pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type)
                for f in table.schema
            ]
        )
    )
    return plain.sort_by(order).combine_chunks()


def rows_of(store: Store) -> pa.Table:
    """All checkpoints' rows, without the columns that differ from run to run."""
    return store.checkpoints.drop_columns(list(COSTS)).combine_chunks()


def as_bytes(table: pa.Table) -> bytes:
    """A table's content to the byte."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def assert_same(first: Store, second: Store) -> None:
    """Both stores hold the same rows, to the byte."""
    for part in (rows_of, neurons_of):
        assert as_bytes(part(first)) == as_bytes(part(second))
