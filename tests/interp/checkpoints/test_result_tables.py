"""Tables of results as people write them, and those that are none."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.checkpoints.result_tables import read_results, task_of
from interp.cli import main
from interp.data.group_tables import group_table
from interp.errors import ConfigError

TABLE = group_table("S3")
NAMES = ["e", "(12)", "(23)", "(123)", "(132)", "(13)"]


def written(folder, rows, name="t.csv"):
    (folder / name).write_text("\n".join(";".join(map(str, row)).replace(";", ",") for row in rows) + "\n")
    return folder / name


def test_every_format_gives_the_same_table(tmp_path):
    np.save(tmp_path / "t.npy", TABLE.astype(np.int16))
    pq.write_table(pa.table({f"c{i}": column for i, column in enumerate(TABLE.T)}), tmp_path / "t.parquet")
    named = [["*", *NAMES], *([NAMES[a], *(NAMES[c] for c in row)] for a, row in enumerate(TABLE))]
    texts = {NAMES[i]: [NAMES[c] for c in column] for i, column in enumerate(TABLE.T)}
    pq.write_table(pa.table(texts), tmp_path / "named.parquet")
    for path in (
        written(tmp_path, TABLE),
        written(tmp_path, named, "named.csv"),
        tmp_path / "t.npy",
        tmp_path / "t.parquet",
        tmp_path / "named.parquet",
    ):
        assert (read_results(path) == TABLE).all(), path
    task = task_of(f"table:{tmp_path / 't.csv'}", corrupt_fraction=0.2)
    assert (task.p, task.operation, int(task.dataset.corrupted.sum())) == (6, "table", 4)


def test_a_first_row_and_column_of_numbers_are_results(tmp_path):
    largest = np.maximum.outer(np.arange(4), np.arange(4))
    assert (read_results(written(tmp_path, largest)) == largest).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1], [1, 0], [0, 1]], r"shape \(3, 2\).*as many columns as rows"),
        ([[1, 2], [2, 1]], "from 1 to 2; expected 0 to 1; subtract 1 from all"),
        ([[0, 5], [1, 0]], "from 0 to 5; expected 0 to 1"),
        ([["x", "y"], ["y", "x"]], "a first row and column must name them"),
        ([["*", "x", "y"], ["x", "x", "z"], ["y", "y", "x"]], "results that are no element, such as 'z'"),
        ([["*", "x", "x"], ["x", "x", "x"], ["x", "x", "x"]], "names the element 'x' twice"),
        ([[0, 0.5], [1, 0]], "no whole numbers from 0 to 1"),
        ([[0, 1], [1]], "cannot read the table of results"),
        ([[0, ""], [1, 0]], "a first row and column must name them"),
    ],
)
def test_no_table_of_results(rows, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        read_results(written(tmp_path, rows))


def test_files_that_hold_none(tmp_path):
    (tmp_path / "t.txt").write_text("0")
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    np.save(tmp_path / "objects.npy", np.array([["a"]], dtype=object))
    for name, message in {
        "t.txt": "should end in",
        "t.npy": "cannot read",
        "t.parquet": "cannot read",
        "objects.npy": "cannot read",
        "missing.csv": "missing.csv",
    }.items():
        with pytest.raises(ConfigError, match=message):
            read_results(tmp_path / name)


def test_train_takes_a_table(tmp_path, capsys, monkeypatch):
    words = [
        "train",
        "--out",
        str(tmp_path / "run"),
        "--task",
        f"table:{written(tmp_path, TABLE)}",
        "--width",
        "8",
    ]
    monkeypatch.setattr("sys.argv", ["grokscope", *words, "--steps", "2"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert "checkpoints in" in capsys.readouterr().err


def test_a_table_from_1_with_the_identity_first_is_no_table_of_names(tmp_path):
    with pytest.raises(ConfigError, match="from 1 to 6; expected 0 to 5; subtract 1 from all"):
        read_results(written(tmp_path, TABLE + 1))
    with pytest.raises(ConfigError, match="subtract 1 from all"):
        read_results(written(tmp_path, np.maximum.outer(np.arange(5), np.arange(5)) + 1))


def test_a_table_of_another_size_is_an_error_that_names_both(tmp_path):
    with pytest.raises(ConfigError, match=r"t.csv' has 6 elements, not p=120"):
        task_of(f"table:{written(tmp_path, TABLE)}", 120)
