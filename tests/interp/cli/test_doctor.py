"""``grokscope doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp import doctor
from interp.cli import app

Command = Callable[..., str]


def state_of(name: str) -> doctor.Check:
    return next(check for check in doctor.examine() if check.name == name)


def test_versions_are_those_installed_and_the_installation_is_usable(run: Command) -> None:
    answer = json.loads(run("doctor", "--json", "-"))
    values = {check["name"]: check["value"] for check in answer["checks"]}
    assert answer["usable"]
    assert values["torch"] == version("torch")
    assert values["the explorer"].startswith(f"dash {version('dash')}")
    words = run("doctor")
    assert max(map(len, words.splitlines())) <= 80
    assert all(area in words for area in ("versions", "computing", "folders", "features"))


def test_a_package_that_is_too_old_breaks_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "requires", lambda name: ["numpy>=99", "nothing-of-the-kind>=1", "never; extra == 'x'"]
    )
    checks = {check.name: check for check in doctor.examine() if check.state == "broken"}
    assert set(checks) == {"numpy", "nothing-of-the-kind"}
    assert checks["nothing-of-the-kind"].value == "not installed"
    assert checks["numpy"].advice == "pip install 'numpy>=99'"
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "not usable" in done.output


def test_without_torch_the_rest_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name == "torch" else installed(name))
    checks = doctor.examine()
    assert not [check for check in checks if check.area == "computing"]
    assert state_of("torch").state == "broken"


def test_a_feature_names_the_extra_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name in ("ray", "polars") else "1.0")
    assert state_of("batch jobs on a Ray cluster").advice == "pip install 'grokscope[ray]'"
    assert state_of("tables as polars data frames").advice == "pip install polars"
    assert state_of("the explorer").state == "ok"


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "a" / "b"))
    assert state_of("compiled functions").value.endswith("(made when it is needed)")
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    check = state_of("compiled functions")
    assert check.state == "missing"
    assert "NUMBA_CACHE_DIR" in check.advice


def test_a_budget_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKSCOPE_MEMORY", "2GiB")
    assert state_of("memory").value == "2.0 GiB may be used (GROKSCOPE_MEMORY=2GiB)"
