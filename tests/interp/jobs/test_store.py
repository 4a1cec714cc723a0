"""The store: parts that are whole, or not there; rows that are there once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from interp.errors import ConfigError
from interp.files import write_whole
from interp.jobs import open_store
from interp.jobs.columns import Result
from interp.jobs.store import Store


def result(path: str, value: float = 0.5, status: str = "ok", settings: str = "s") -> Result:
    row = {"checkpoint": path, "settings": settings, "status": status, "key": f"key of {value}", "stamp": "1"}
    where = {"checkpoint": path, "settings": settings, "site": "h", "step": 0}
    neurons = {**where, "neuron": np.arange(3), "ipr": np.full(3, value)}
    return Result(row, neurons if status == "ok" else None)


def contents(store: Store) -> dict[str, list[float]]:
    """IPR of the neurons of each checkpoint."""
    found: dict[str, list[float]] = {}
    for row in store.neurons.to_table(columns=["checkpoint", "ipr"]).to_pylist():
        found.setdefault(row["checkpoint"], []).append(row["ipr"])
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


def test_an_empty_store_can_be_read(store: Store) -> None:
    assert len(store.checkpoints) == 0
    assert store.neurons.to_table().num_rows == 0
    assert store.known() == {}
    assert not store.folder.exists()
    with pytest.raises(ConfigError, match="holds no results of a job"):
        open_store(store.folder)


def test_a_later_row_takes_the_place_of_an_earlier_one(store: Store) -> None:
    with store.locked():
        store.add([result("a", 0.1), result("b", 0.2), result("c", status="failed")])
        store.add([result("b", 0.3), result("c", 0.4)])
        assert store.known()["b", "s"].part == 2
        store.drop_superseded()
    assert store.checkpoints["checkpoint"].to_pylist() == ["a", "b", "c"]
    assert contents(store) == {
        "a": [pytest.approx(0.1)] * 3,
        "b": [pytest.approx(0.3)] * 3,
        "c": [pytest.approx(0.4)] * 3,
    }


def test_a_part_without_anything_left_is_removed(store: Store) -> None:
    with store.locked():
        store.add([result("a", 0.1)])
        store.add([result("a", 0.2), result("b", 0.2)])
        store.drop_superseded()
    assert [file.name for file in sorted(store.folder.rglob("*.parquet"))] == ["part-000002.parquet"] * 2


def test_rows_under_other_settings_stay(store: Store) -> None:
    with store.locked():
        store.add([result("a", 0.1), result("a", 0.2, settings="t")])
        store.add([result("a", 0.3)])
        store.drop_superseded()
    rows = store.neurons.to_table().to_pylist()
    assert {(row["settings"], round(row["ipr"], 3)) for row in rows} == {("s", 0.3), ("t", 0.2)}


def test_what_a_killed_job_left_is_put_in_order(store: Store) -> None:
    with store.locked():
        store.add([result("a", 0.1)])
        store.add([result("a", 0.2)])
        store.add([result("b", 0.3)])
    (store.folder / "checkpoints" / "part-000003.parquet").unlink()  # killed before the part's second file
    half = store.folder / "neurons" / ".part-000004.parquet.xyz.part"
    half.write_bytes(b"half")
    with Store(store.folder).locked():
        pass
    assert not half.exists()
    assert contents(store) == {"a": [pytest.approx(0.2)] * 3}
    assert set(store.known()) == {("a", "s")}


@pytest.mark.parametrize("killed_at", range(1, 8))
def test_a_kill_while_replaced_rows_are_removed_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    with store.locked():
        store.add([result("a", 0.1), result("b", 0.1)])
        store.add([result("c", 0.2), result("a", 0.2)])
        store.add([result("a", 0.3)])
    steps = iter(range(1, 100))

    def counted(original):
        def step(*arguments, **options):
            if next(steps) == killed_at:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr("interp.jobs.store.write_whole", counted(write_whole))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        with suppress(KeyboardInterrupt), store.locked():
            pass
    with store.locked():
        pass
    expected = {"a": [pytest.approx(0.3)] * 3, "b": [pytest.approx(0.1)] * 3, "c": [pytest.approx(0.2)] * 3}
    assert contents(store) == expected
    assert store.checkpoints["checkpoint"].to_pylist() == ["a", "b", "c"]


def test_a_copy_has_another_path_and_the_same_numbers(store: Store) -> None:
    with store.locked():
        store.add([result("/x/a", 0.1), result("/x/b", 0.2)])
        copy = store.copied(1, ("/x/b", "s"), "/y/c", "stamp")
        store.add([copy])
    assert copy.row["series"] == "/y"
    assert contents(store)["/y/c"] == contents(store)["/x/b"]
    assert store.known()["/y/c", "s"].stamp == "stamp"


def test_a_store_of_another_version_is_refused(store: Store) -> None:
    with store.locked():
        store.add([result("a")])
    file = store.folder / "checkpoints" / "part-000001.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({"grokscope": "99"}), file)
    with pytest.raises(ConfigError, match="is a store of version 99"):
        Store(store.folder)
    file.write_bytes(b"no parquet")
    with pytest.raises(ConfigError, match="is no part of a store"):
        Store(store.folder)


def test_a_part_that_cannot_be_written_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.locked():
        store.add([result("a", 0.1)])

        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pyarrow.parquet.ParquetWriter", full)
        with pytest.raises(ConfigError, match=r"No space left on device.*What was stored before is complete"):
            store.add([result("b", 0.2)])
    assert not list(store.folder.rglob("*.part"))
    assert contents(store) == {"a": [pytest.approx(0.1)] * 3}
