"""Schemas against results of every kind, results that were changed, and JSON that is hostile."""

import copy
import json
from dataclasses import dataclass, replace

import jsonschema
import language_reports
import numpy as np
import pytest
from composing import composing

import interp
from interp import audit
from interp.data import SPLITS, ModularTask
from interp.errors import ConfigError
from interp.language.settings import LanguageSettings
from interp.models import analytic_mlp, planted_mlp
from interp.output import SCHEMA_VERSION, framed
from interp.report.schema_types import of_fields
from interp.report.schemas import SCHEMAS, schema_of
from interp.report.validating import problems, read_result
from probes.labels import LABELS


def _written(report):
    return json.loads(json.dumps(report.to_dict(), allow_nan=False))


@pytest.fixture(scope="module")
def planted():
    task = ModularTask("add", p=17, corrupt_fraction=0.3)
    model = planted_mlp(task, generalizing=40, memorizing=40, dead=4).model
    return _written(audit(model, task, n_random=2, relearn_steps=3))


UNKNOWN_SPLIT = ModularTask("add", p=11, train_fraction=1.0, split="unknown")
AUDITS = {
    "no split known": lambda: audit(analytic_mlp("add", p=11, width=20), UNKNOWN_SPLIT, n_random=2),
    "a group": lambda: audit(*composing("S3", width=24), n_random=2),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_and_states_its_name_and_version(name):
    schema = schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:grokscope:schema:{name}:{SCHEMA_VERSION}"
    for part in schema.get("oneOf", [schema]):
        assert part["additionalProperties"] is False
        assert {"schema", "schema_version"} <= set(part["required"])


def test_an_audit_with_memories_is_valid(planted):
    assert planted["memory_set"] is not None
    assert planted["without_memorizing"]["relearn"] is not None
    assert problems(planted) == []


@pytest.mark.parametrize("name", AUDITS)
def test_audits_of_other_tasks_are_valid(name):
    assert problems(_written(AUDITS[name]())) == []


def test_an_audit_of_a_language_model_is_valid():
    report = language_reports.language_report()
    written = _written(replace(report, settings=vars(LanguageSettings())))
    assert written["groups"]
    assert problems(written) == []
    written["memory"][0]["verdict"] = "maybe"
    assert "memory[0].verdict: expected one of memorised, " in problems(written)[0]


def test_labels_and_splits_are_those_of_the_packages():
    properties = schema_of("audit")["properties"]
    assert set(properties["accuracy"]["properties"]) == set(SPLITS)
    assert {f"without_{label}" for label in LABELS} <= set(properties)
    assert set(properties["neurons"]["properties"]) == {"total", *LABELS}


def test_a_new_field_of_a_record_is_in_its_schema_at_once():
    @dataclass
    class Result:
        size: int
        share: float
        notes: tuple[str, ...]

    assert of_fields(Result)["required"] == ["size", "share", "notes"]
    validator = jsonschema.Draft202012Validator(of_fields(Result))
    assert validator.is_valid({"size": 1, "share": None, "notes": []})
    assert not validator.is_valid({"size": 1, "share": 0.5})
    assert not validator.is_valid({"size": 1, "share": 0.5, "notes": [], "more": 1})


def _dictionaries(value, path=()):
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from _dictionaries(inner, (*path, key))


OPEN = (
    "model",
    "convention",
    "null",
    "versions",
    "recall",
    "stored_accuracy",
    "neuron_frequencies",
    "settings",
    "curves",
    "before",
    "random",
)
"""Objects whose keys are of the network, the task, or the examples."""


def test_a_key_that_is_missing_or_too_much_anywhere_is_named(planted):
    closed = [(path, inner) for path, inner in _dictionaries(planted) if not set(path) & set(OPEN)]
    assert len(closed) > 40
    for path, inner in closed:
        inner["no such key"] = 1
        wrong = problems(planted)
        del inner["no such key"]
        assert any("unexpected key 'no such key'" in one for one in wrong), path
    for key in set(planted) - {"schema", "schema_version"}:
        changed = {name: value for name, value in planted.items() if name != key}
        assert problems(changed) == [f"at the top: missing key {key!r}"]


CHANGES = {
    "phase": ("hysteria", "phase: expected one of generalisation, "),
    "step": ("last", "step: expected integer, got 'last'"),
    "verdict": ([3], "verdict[0]: expected string, got 3"),
    "mean_ipr": (1.5, "mean_ipr: expected at most 1, got 1.5"),
    "schema_version": (99, "schema_version: expected 1, got 99"),
    "neurons": ({}, "neurons: missing key 'total'"),
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_wrong_value_is_named_with_what_was_expected(planted, key):
    value, message = CHANGES[key]
    changed = copy.deepcopy(planted) | {key: value}
    assert problems(changed)[0].startswith(message)


@pytest.mark.parametrize("value", [[], 3, {}, {"schema": "no such"}, {"schema": ["audit"]}, {"schema": None}])
def test_json_that_is_no_result_is_an_error_that_lists_the_kinds(value):
    with pytest.raises(ConfigError, match=r"expected .*audit"):
        problems(value)


HOSTILE = {
    "nan": '{"schema": "audit", "step": NaN}',
    "infinite": '{"schema": "audit", "step": 1e999}',
    "long number": '{"schema": "audit", "step": ' + "9" * 100_000 + "}",
    "deep": '{"schema": "audit", "step": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "rather deep": '{"schema": "audit", "step": ' + "[" * 300 + "]" * 300 + "}",
    "twice": '{"schema": "audit", "step": 1, "step": 2}',
    "cut": '{"schema": "audit", "step": ',
    "no text": b"\xff\xfe\x00{",
    "empty": "",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_is_an_error_in_one_line(kind, tmp_path):
    content = HOSTILE[kind]
    (tmp_path / "a.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"no valid JSON|is empty") as caught:
        read_result(tmp_path / "a.json")
    assert len(str(caught.value)) < 500


def test_many_problems_are_cut_short(planted):
    changed = copy.deepcopy(planted)
    changed |= {f"key {i}" + "x" * 1000: i for i in range(1000)}
    wrong = problems(changed)
    assert len(wrong) == 21
    assert max(map(len, wrong)) < 200


def test_a_dose_is_valid():
    result = interp.dose(
        analytic_mlp("add", p=11, width=20),
        ModularTask("add", p=11),
        [0, 1],
        np.array([0.0, 1.0]),
        n_random=2,
    )
    assert problems(json.loads(json.dumps(framed("dose", result.to_dict())))) == []
