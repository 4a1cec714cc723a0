"""Tables from what workers found: types, nulls, and pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from interp.data.splits import SPLITS
from interp.jobs.outliers import compared
from interp.jobs.overview import overview
from interp.jobs.schema import (
    checkpoint_schema,
    checkpoint_table,
    neuron_schema,
    neuron_table,
    neuron_tables,
)
from probes.columns import COLUMNS, Column
from probes.labels import LABELS


def found(name: str, width: int, **more: object) -> dict[str, object]:
    return {"checkpoint": name, "settings": "s", "site": "h", "step": 3, "neuron": np.arange(width), **more}


def test_columns_have_the_schemas_types_and_what_is_unknown_is_null() -> None:
    one = found("a", 3, ipr=np.array([0.5, np.nan, 1.0]), label=np.array(["dead", "memorizing", "dead"]))
    two = found("b", 2, step=None, evidence=np.array(["x", "y"], object), p_value=np.array([0.5, np.nan]))
    table = neuron_table([one, two])
    assert table.schema.equals(neuron_schema())
    assert table["checkpoint"].to_pylist() == ["a"] * 3 + ["b"] * 2
    assert table["step"].to_pylist() == [3, 3, 3, None, None]
    assert table["neuron"].to_pylist() == [0, 1, 2, 0, 1]
    assert table["ipr"].to_pylist() == [0.5, None, 1.0, None, None]
    assert table["label"].to_pylist() == ["dead", "memorizing", "dead", None, None]
    assert table["evidence"].to_pylist() == [None, None, None, "x", "y"]
    assert table["p_value"].to_pylist() == [None, None, None, 0.5, None]
    assert table["gini"].null_count == 5


def test_an_unknown_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="no column 'wrong'"):
        neuron_table([found("a", 1, wrong=np.zeros(1))])


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_pieces_are_the_whole(most: int) -> None:
    parts = [
        found(name, width, ipr=np.linspace(0, 1, width)) for name, width in (("a", 5), ("b", 1), ("c", 7))
    ]
    pieces = list(neuron_tables(parts, most))
    assert all(0 < len(piece) <= most for piece in pieces)
    whole = pa.concat_tables(pieces)
    for name in ("checkpoint", "neuron", "ipr"):
        assert whole[name].to_pylist() == neuron_table(parts)[name].to_pylist()
    assert list(neuron_tables([], 5)) == []


def test_rows_of_checkpoints() -> None:
    table = checkpoint_table(
        [{"checkpoint": "a", "ipr_histogram": [1, 2]}, {"checkpoint": "b", "notes": ["x"]}]
    )
    assert table.schema.equals(checkpoint_schema())
    assert table["ipr_histogram"].to_pylist() == [[1, 2], None]
    assert table["notes"].to_pylist() == [None, ["x"]]


def test_a_row_with_an_unknown_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="no column 'wrong'"):
        checkpoint_table([{"checkpoint": "a", "wrong": 1}])


def test_a_new_split_label_and_score_have_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPLITS, "seen", replace(SPLITS["clean"], title="seen before"))
    monkeypatch.setitem(LABELS, "rivalling", replace(LABELS["dead"], meaning="Works against the others."))
    monkeypatch.setitem(COLUMNS, "curvature", Column("curvature", "rad", "How bent it is.", "double"))
    assert {"accuracy_seen", "rivalling"} <= set(checkpoint_schema().names)
    assert {"effect_seen", "accuracy_effect_seen"} <= set(neuron_schema().names)
    assert neuron_schema().field("curvature").type == pa.float64()
    assert compared()["rivalling"] == "share of rivalling neurons"
    rows = [{"checkpoint": "a", "settings": "s", "status": "ok", "accuracy_seen": 0.5, "rivalling": 3}]
    assert checkpoint_table(rows)["rivalling"].to_pylist() == [3]
    assert "<th" in overview(checkpoint_table(rows), "new")
    assert "rivalling</th>" in overview(checkpoint_table(rows), "new")
