"""Which command and which versions made a report, and its words."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from interp import report as reports
from interp.audit import audit
from interp.cli.audit import typed
from interp.data import ModularTask
from interp.models import analytic_mlp
from interp.output import versions
from interp.report.wording import glossary
from interp.results import AuditReport

COMMAND = "grokscope audit 'my runs/r0' --html r.html"


@pytest.fixture(scope="module")
def report() -> AuditReport:
    return audit(analytic_mlp("add", p=13, width=20), ModularTask("add", p=13), n_random=2)


def test_every_form_says_which_command_made_it(report: AuditReport, tmp_path: Path) -> None:
    made = replace(report, command=COMMAND)
    assert COMMAND in reports.to_markdown(made)
    assert COMMAND.replace("'", "&#x27;") in reports.to_html(made)
    assert json.loads(made.save(tmp_path / "r.json").read_text())["made_by"]["command"] == COMMAND
    assert report.to_dict()["made_by"]["command"] is None
    assert "a call from Python: interp.audit(…)" in reports.to_markdown(report)


def test_every_form_lists_the_versions(report: AuditReport) -> None:
    found = versions()
    packages = ("torch", "numpy", "transformer-lens", "plotly")
    assert list(found) == ["grokscope", "python", *packages, "system"]
    assert found["python"] == platform.python_version()
    assert [found[package] for package in packages] == [metadata.version(package) for package in packages]
    assert report.to_dict()["made_by"]["versions"] == found
    shown = ", ".join(f"{name} {version}" for name, version in found.items())
    assert shown in reports.to_markdown(report)
    assert shown in reports.to_html(report)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/bin/grokscope", "audit", "my runs/r0", "--html", "r.html"], COMMAND),
        (["/x/interp/cli/__main__.py", "demo"], "grokscope demo"),
        (["/usr/bin/pytest", "-q"], None),
        (["-c"], None),
        ([""], None),
    ],
)
def test_commands_are_told_from_calls(
    arguments: list[str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert typed() == expected


def test_every_form_for_people_ends_with_its_words(report: AuditReport) -> None:
    page, text = reports.to_html(report), reports.to_markdown(report)
    assert page.count("<dt>") == page.count("<dd>") == len(glossary())
    listed = text.split("\n## Words\n")[1]
    assert listed.count("\n- **") == len(glossary())
    for word in ("IPR", "margin", "logit", "periodic", "held-out examples", "corrupted examples", "q-value"):
        assert any(word in known for known in glossary())
