"""Files are whole or not there, whatever goes wrong while they are written."""

import json
import stat

import pytest

from interp.errors import ConfigError
from interp.files import write_json, write_text, write_whole


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_and_replaced_files(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    assert write_text(str(path), "first") == path
    assert write_text(path, "zweite Zeile: äöü – 数\n") == path
    assert path.read_bytes().decode("utf-8") == "zweite Zeile: äöü – 数\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), MemoryError()], ids=lambda e: type(e).__name__
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = write_text(tmp_path / "a.txt", "old")

    def write(part):
        part.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_is_there_while_the_new_one_is_written(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")
    seen = []
    write_whole(path, lambda part: (part.write_text("new"), seen.append((path.read_text(), part.parent))))
    assert seen == [("old", tmp_path)]
    assert path.read_text() == "new"


def test_a_full_disk_is_a_config_error(tmp_path):
    def write(part):
        raise OSError(28, "No space left on device")

    with pytest.raises(
        ConfigError, match=r"cannot write '.*a\.txt': No space left on device; choose another place"
    ):
        write_whole(tmp_path / "a.txt", write)
    assert names(tmp_path) == []


def test_an_error_without_a_number_keeps_its_text(tmp_path):
    def write(part):
        raise OSError("the stream is closed")

    with pytest.raises(ConfigError, match="the stream is closed"):
        write_whole(tmp_path / "a.txt", write)


def test_impossible_places(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for place in (tmp_path / "folder", tmp_path / "file" / "a.txt", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match=rf"cannot write '.*{place.name[:9]}"):
            write_text(place, "text")
    assert names(tmp_path) == ["file", "folder"]


def test_json(tmp_path):
    value = {"a": [1, 2.5, None, True], "b": {"c": "ä"}}
    path = write_json(tmp_path / "a.json", value)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert '\n "a"' in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_json_has_no_nan(tmp_path, value):
    path = write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, value)
    assert path.read_text() == "1\n"
    assert names(tmp_path) == ["a.json"]
