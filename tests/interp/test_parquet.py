"""Parquet files of others: unfolded sizes are known first, and what is no file of numbers and texts is one error."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.data import TableTask
from interp.errors import ConfigError
from interp.jobs import open_store
from interp.lab.grids.table import read_runs
from interp.parquet import read_parquet


def bomb(path: Path, **others: pa.Array) -> Path:
    """A small file in which one text of a megabyte stands 20,000 times, 20 GB as a whole."""
    rows = 20_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int8()), pa.array(["x" * 2**20]))
    columns = {name: pa.array([1] * rows) for name in others} | {"text": texts}
    table = pa.table(columns)
    schema = pa.schema([pa.field(f.name, pa.string() if f.name == "text" else f.type) for f in table.schema])
    pq.write_table(table, path, store_schema=False)
    assert pq.read_schema(path).field("text").type == schema.field("text").type
    assert path.stat().st_size < 2**22
    return path


def test_texts_that_unfold_beyond_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.5")
    with pytest.raises(ConfigError, match=r"20,000 rows and 1 columns, needs about 1\d\.\d GiB of memory"):
        read_parquet(bomb(tmp_path / "t.parquet"))
    with pytest.raises(ConfigError, match="expected numbers throughout"):  # its texts are held once each
        TableTask.from_file(bomb(tmp_path / "u.parquet", a=None, label=None))
    with pytest.raises(ConfigError, match=r"512\.0 MiB may be used"):
        read_runs(bomb(tmp_path / "runs.parquet", phase=None).parent)


def test_texts_that_repeat_and_fit_are_read(tmp_path: Path) -> None:
    table = pa.table({"text": ["a" * 1000] * 30_000, "n": range(30_000)})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet").equals(table)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "device", "damaged", "empty"])
def test_parts_of_received_results_that_are_no_tables(tmp_path: Path, kind: str) -> None:
    for folder in ("checkpoints", "neurons"):
        (tmp_path / folder).mkdir()
    part = tmp_path / "checkpoints" / "part-000001.parquet"
    if kind == "pipe":
        os.mkfifo(part)
    elif kind == "device":
        part.symlink_to("/dev/zero")
    else:
        part.write_bytes(b"PAR1" + bytes(100) if kind == "damaged" else b"")
    with pytest.raises(ConfigError, match="part-000001"):
        open_store(tmp_path)
    (tmp_path / "neurons" / part.name).symlink_to("/dev/zero")
    part.unlink()
    with pytest.raises(ConfigError, match="device"):
        open_store(tmp_path).neurons  # noqa: B018
