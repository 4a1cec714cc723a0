"""The project as others install and cite it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert (citation["title"].lower(), citation["type"]) == (project["name"], "software")


def test_every_extra_that_a_feature_asks_for_installs_what_it_needs() -> None:
    from packaging.requirements import Requirement

    from interp.doctor import FEATURES

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for feature, (extra, packages) in FEATURES.items():
        if extra:
            assert set(packages) == {Requirement(line).name for line in extras[extra]}, feature
