"""The lowest versions that pyproject.toml allows: what is declared is what is tried."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from installed import ROOT, Installation, clean, try_as_a_stranger
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOWEST = ROOT / ".ci" / "lowest.txt"
EXTRAS = ("explore", "language")
HIGHER = {"torch"}
"""Packages that are tried at a higher version than the lowest; `LOWEST` says why."""


def pins() -> dict[str, Version]:
    """The versions of the list, by package."""
    lines = LOWEST.read_text(encoding="utf-8").splitlines()
    parts = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in parts}


def bounds() -> dict[str, Version]:
    """The lower bounds of what a plain installation and the extras need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    wanted = map(Requirement, lines)
    return {
        canonicalize_name(one.name): Version(bound.version)
        for one in wanted
        for bound in one.specifier
        if bound.operator == ">="
    }


def test_every_lower_bound_is_the_version_that_is_tried() -> None:
    tried = pins()
    assert {
        name: bound for name, bound in bounds().items() if tried[name] != bound and name not in HIGHER
    } == {}
    assert all(tried[name] > bounds()[name] for name in HIGHER)


def pip_setting(name: str) -> str:
    """A setting of pip on this machine, which uv does not read; empty if there is none."""
    command = [sys.executable, "-m", "pip", "config", "get", name]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def uv(*words: object) -> subprocess.CompletedProcess[str]:
    """Run uv, which finds the archives that pip finds."""
    names = {**clean(), "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS") or pip_setting("global.find-links")}
    command = [sys.executable, "-m", "uv", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=names, timeout=400)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_works_with_the_lowest_versions(tmp_path: Path) -> None:
    """Some 1.7 GB are installed: a minute, where the registry is near."""
    reached = uv("pip", "install", "--dry-run", "--no-deps", "--target", tmp_path / "none", "einops==0.8.0")
    if reached.returncode:
        pytest.skip(f"the package registry cannot be reached: {reached.stderr.strip()[-300:]}")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, env=clean())
    (wheel,) = tmp_path.glob("*.whl")
    prefix, work = tmp_path / "environment", tmp_path / "work"
    work.mkdir()
    assert uv("venv", "--python", sys.executable, prefix).returncode == 0
    done = uv(
        "pip", "install", "--python", prefix / "bin" / "python", "-c", LOWEST, f"{wheel}[{','.join(EXTRAS)}]"
    )
    assert done.returncode == 0, done.stderr
    try_as_a_stranger(Installation(prefix, work))
