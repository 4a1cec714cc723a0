"""The study of networks with state: every network of the list has a demonstration that the frame can run and show."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from figures import check_figure

from interp.errors import ConfigError
from interp.lab.hosts import host as hosts
from interp.lab.hosts.host import HOSTS, Config, host_called
from interp.lab.hosts.study import STUDY, study_of
from interp.lab.running import run_study

RESULTS = Path(__file__).parents[3] / "notebooks" / "results" / "studies"
LONGEST = 120.0  # seconds of three seeds


def stored(name: str, **settings: Any) -> Any:
    folder = RESULTS / f"hosts-{name}"
    seeds = sorted(int(file.stem.removeprefix("seed-")) for file in folder.glob("seed-*.json"))
    assert len(seeds) >= 3
    return run_study("hosts", seeds, out=folder, which=name, show_progress=False, workers=1, **settings)


@pytest.mark.parametrize("name", HOSTS)
def test_every_network_has_a_line_a_claim_and_committed_results(name: str) -> None:
    host = host_called(name)
    assert HOSTS[name].endswith((".", "?"))
    assert len(host.about.split()) >= 40
    assert host.quantities.keys() >= host.bars.keys()
    assert host.units(Config(name)) > 0
    result = stored(name)
    assert result.study.title == host.title
    findings = result.findings()
    assert findings
    assert not [one for one in findings if re.search("nan|None", one)]
    check_figure(result.plot(), inner=2, unitless=True)


def test_the_study_is_the_chosen_networks() -> None:
    assert study_of(Config("gru")).title == host_called("gru").title
    assert STUDY.choices is HOSTS
    assert all(name in STUDY.about for name in HOSTS)


def test_other_names_and_missing_packages_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="unknown host 'gruu'"):
        run_study("hosts", which="gruu", show_progress=False)
    monkeypatch.setattr(hosts, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the package 'snntorch'.*grokscope.hosts"):
        run_study("hosts", which="snntorch", show_progress=False)


def test_effort_is_part_of_the_settings() -> None:
    host = host_called("leaky-rnn")
    assert host.units(Config("leaky-rnn", effort=0.1)) < host.units(Config("leaky-rnn"))
    with pytest.raises(ConfigError, match="other settings"):
        stored("leaky-rnn", effort=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast-weights", "reservoir"])  # others depend on the processor's rounding
def test_a_demonstration_runs_and_its_seed_is_the_committed_one(name: str) -> None:
    begun = time.monotonic()
    fresh = run_study("hosts", [0], which=name, show_progress=False, workers=1)
    assert time.monotonic() - begun < LONGEST
    kept = stored(name)
    for number, value in fresh.records[0].numbers.items():
        assert value == pytest.approx(kept.records[0].numbers[number], abs=0.05), number
