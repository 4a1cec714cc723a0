"""The workflow of the guide's page on continuous integration: parsed, and its commands run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import interp
from interp.report.validating import problems

PAGE = Path(__file__).parents[1] / "notebooks" / "guide" / "ci.md"


def _workflow() -> dict[str, Any]:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def steps() -> list[dict[str, Any]]:
    return _workflow()["jobs"]["audit"]["steps"]


def test_the_workflow_has_little_permission_and_uploads_what_it_writes(steps: list[dict[str, Any]]) -> None:
    assert _workflow()["permissions"] == {"contents": "read"}
    uploads = [step["with"]["path"].split() for step in steps if "upload-artifact" in step.get("uses", "")]
    assert uploads == [["report.json", "report.html"]]
    install = next(step for step in steps if step.get("name") == "Install")
    assert install["env"]["GROKSCOPE_VERSION"] == "0.1.0"


@pytest.mark.slow
def test_the_commands_of_the_workflow_run(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    task = interp.ModularTask("add", p=23, train_fraction=0.5, corrupt_fraction=0.35)
    config = interp.TrainConfig(steps=20, save_every=10)
    interp.train(task, interp.MLPConfig(width=50), config, out=tmp_path / "runs" / "r0", show_progress=False)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "grokscope"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m interp.cli "$@"\n')
    program.chmod(0o755)
    summary = tmp_path / "summary.md"
    given = {"CHECKPOINT": "runs/r0", "GITHUB_STEP_SUMMARY": str(summary), "PYTHONPATH": str(PAGE.parents[2])}
    environment = {**os.environ, **given, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = next(step["run"] for step in steps if step.get("name") == name)
        bash = ["bash", "-eo", "pipefail", "-c", command]
        return subprocess.run(
            bash, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )

    audited = run("Audit")
    assert audited.returncode == 1, "after 20 steps nothing is learnt, so the condition holds"
    assert "failed: accuracy.test < 0.5" in audited.stderr
    assert audited.stdout == ""
    text = summary.read_text()
    assert text.startswith("# Grokscope report\n")
    assert "wrote" not in text
    assert (tmp_path / "report.html").exists()
    validated = run("Validate")
    assert (validated.returncode, validated.stdout) == (0, "report.json: valid, audit, version 1\n")


def test_the_json_that_the_page_shows_states_a_schema_and_version_that_exist() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    *wrong, more = problems(json.loads(text))  # all but the keys that are shown are missing
    assert more == "and more"
    assert all("missing key" in one for one in wrong)
