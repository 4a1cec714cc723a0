"""Tables as Arrow, pandas and Polars: the same memory, nulls, and dictionaries."""

import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from interp.errors import ConfigError
from interp.language.records import VERDICTS, MemoryTable
from interp.scoring.table import NeuronTable
from probes.labels import LABELS

IPR = np.array([0.5, np.nan, 0.9, 0.1])


@pytest.fixture
def table():
    columns = {
        "neuron": np.arange(4),
        "label": np.array(["dead", "generalizing", "dead", "memorizing"]),
        "evidence": np.array(["a", "b|<c>", "d", None], object),
        "ipr": IPR.copy(),
        "strength": np.array([1.0, 2.0, 3.0, 4.0]),
        "activation_share": np.arange(4, dtype=np.float32),
        "given": np.array([True, False, True, True]),
    }
    return NeuronTable(columns, "mlp.hook_post", {"order": "ipr"})


def _address(series):
    return series.to_arrow().buffers()[1].address


NUMBERS = "neuron", "ipr", "strength", "activation_share"


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_the_same_memory_in_every_frame(table, name):
    address = table[name].ctypes.data
    assert table.to_arrow()[name].chunk(0).buffers()[1].address == address
    assert _address(table.to_polars()[name]) == address
    assert np.shares_memory(table.to_pandas()[name].to_numpy(), table[name])


def test_missing_values_are_null_and_no_zero(table):
    arrow = table.to_arrow()
    assert arrow["ipr"].to_pylist() == [0.5, None, 0.9, 0.1]
    assert arrow["evidence"].to_pylist() == ["a", "b|<c>", "d", None]
    assert table.to_polars()["ipr"].null_count() == 1
    assert table.to_polars()["ipr"].mean() == pytest.approx(0.5)
    frame = table.to_pandas()
    assert frame["ipr"].isna().tolist() == [False, True, False, False]
    assert frame["evidence"].isna().tolist() == [False, False, False, True]
    assert np.isnan(table["ipr"][1]), "the result's own array was changed"


def test_labels_are_categories_in_the_order_of_the_labels_also_those_that_no_neuron_has(table):
    arrow = table.to_arrow()["label"].chunk(0)
    assert pa.types.is_dictionary(arrow.type)
    assert arrow.dictionary.to_pylist() == list(LABELS)
    assert list(table.to_pandas()["label"].cat.categories) == list(LABELS)
    assert table.to_polars()["label"].dtype in (pl.Categorical, pl.Enum)
    assert table.to_polars()["label"].to_list() == table["label"].tolist()
    with pytest.raises(ConfigError, match="'label' has the value 'new'; expected generalizing"):
        NeuronTable({"neuron": np.arange(1), "label": np.array(["new"])}, "x").to_arrow()


def test_other_libraries_take_the_table_as_it_is(table):
    neurons = table
    assert _address(pl.DataFrame(neurons)["neuron"]) == neurons["neuron"].ctypes.data
    assert pa.table(neurons).equals(neurons.to_arrow())
    counted = duckdb.sql(
        "select label, count(*), count(ipr) from neurons group by label order by 2 desc limit 1"
    )
    assert counted.fetchall() == [("dead", 2, 2)]
    if hasattr(pd.DataFrame, "from_arrow"):  # pandas 3
        assert pd.DataFrame.from_arrow(neurons)["neuron"].tolist() == [0, 1, 2, 3]


def test_parquet_holds_what_arrow_does(table, tmp_path):
    stored = parquet.read_table(table.save(tmp_path / "neurons.parquet"))
    assert stored.equals(table.to_arrow())
    assert json.loads(stored.schema.metadata[b"grokscope"]) == {"site": "mlp.hook_post", "order": "ipr"}
    assert (
        table.save(tmp_path / "neurons.csv")
        .read_text()
        .splitlines()[2]
        .startswith('1,"generalizing","b|<c>",,2')
    )


def test_other_tables_convert_by_the_same_means():
    memory = MemoryTable(
        {"accuracy": np.array([0.9, 0.2]), "verdict": np.array(["memorised", "inconclusive"])}
    )
    assert memory.to_arrow()["verdict"].chunk(0).dictionary.to_pylist() == list(VERDICTS)
    assert np.shares_memory(memory.to_pandas()["accuracy"].to_numpy(), memory["accuracy"])


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(table, name, monkeypatch):
    def missing(module, *rest):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("interp.frames.import_module", missing)
    with pytest.raises(ConfigError, match=f"not installed; install it with: pip install {name}"):
        getattr(table, f"to_{name}")()
