"""``grokscope validate``: what it says, and its exit codes."""

import json

import jsonschema
import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.report.schemas import SCHEMAS


@pytest.fixture
def dialects(run, tmp_path):
    (tmp_path / "dialects.json").write_text(run("dialects", "--json", "-"))
    return tmp_path / "dialects.json"


def test_a_valid_file_is_named_with_its_kind_and_version(run, dialects):
    assert " ".join(run("validate", dialects).split()) == f"{dialects}: valid, dialects, version 1"


def test_every_file_is_checked_and_one_that_is_not_valid_gives_1(dialects, tmp_path):
    value = json.loads(dialects.read_text())
    value["dialects"][0]["na`me|<b>[red]"] = 1
    (tmp_path / "bad.json").write_text(json.dumps(value))
    done = CliRunner().invoke(app, ["validate", str(tmp_path / "bad.json"), str(dialects)])
    assert done.exit_code == 1
    assert "dialects[0]: unexpected key 'na`me|<b>[red]'" in done.stderr
    assert done.stdout.endswith("valid, dialects, version 1\n")


def test_doctor_states_what_it_is(run, tmp_path):
    run("doctor", "--json", tmp_path / "doctor.json")
    assert "valid, doctor, version 1" in " ".join(run("validate", tmp_path / "doctor.json").split())


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_printed(run, name):
    schema = json.loads(run("validate", "--schema", name))
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_schema_is_written_to_a_file_and_replaced(tmp_path):
    for _ in range(2):
        words = ["validate", "--schema", "audit", "--json", str(tmp_path / "a.json")]
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text())["$id"].startswith("urn:grokscope:schema:audit:")


MISTAKES = {
    "": "give either files to check, or --schema KIND",
    "a.json --schema audit": "give either files to check, or --schema KIND",
    "--schema no-such": "unknown schema 'no-such'; expected one of 'audit', 'memory'",
    "a.json --json b.json": "give --schema KIND too",
    "--schema audit --json b.txt": "should end in .json",
    "nowhere.json": "there is no file 'nowhere.json'",
    "/dev/null": "is a device",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_are_errors(fail, arguments):
    assert MISTAKES[arguments] in fail("validate", *arguments.split())


@pytest.mark.parametrize("text", ["[1]", "{}", '{"schema": "other"}', "[" * 100_000, '{"a": NaN}', "nothing"])
def test_what_is_no_result_gives_2(fail, tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert "a.json" in fail("validate", tmp_path / "a.json")
