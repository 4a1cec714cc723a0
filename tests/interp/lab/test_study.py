"""The frame of all studies, with one made up here whose numbers are known."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from interp.checkpoints import Checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.names import STUDIES
from interp.lab.running import run_study
from interp.lab.study import Record, Settings, Study, StudyResult, setting, study_called
from interp.models import analytic_mlp
from interp.plots.canvas import blank
from interp.progress import Report, silent


@dataclass(frozen=True)
class Config(Settings):
    """The settings."""

    slope: float = setting(2.0, "Of the first number.", "[0, inf)")
    shares: tuple[float, ...] = setting((0.5,), "Of nothing.")


def measure(config: Config, seed: int, report: Report) -> Record:
    report(1, "half")
    report(2)
    return Record(
        {"up": config.slope * seed, "flat": 1.0, "late": None if seed == 1 else 5.0}, {"seen": [seed]}
    )


def judge(result: StudyResult) -> list[str]:
    difference = result.difference("up", "flat")
    assert difference is not None
    return [f"sign {difference.sign}"]


STUDY = Study(
    name="made-up",
    title="A study of nothing",
    about="It counts.",
    config=Config,
    measure=measure,
    units=lambda config: 2,
    quantities={"up": "what grows", "late": "what is missing"},
    judge=judge,
    draw=lambda result: blank(f"{len(result.records)} seeds", "x", "y"),
)


def quiet(*seeds: int, **given: Any) -> StudyResult:
    return run_study(given.pop("study", STUDY), seeds, show_progress=False, **given)


def test_each_seed_is_measured_once_and_numbers_have_intervals() -> None:
    found = quiet(0, 1, 2)
    over = found.over("up")
    assert over is not None
    assert over.values == (0.0, 2.0, 4.0)
    assert (over.low, over.high) == pytest.approx(stats.t.interval(0.95, 2, 2.0, stats.sem([0, 2, 4])))
    assert found.over("late") is None  # a seed has none
    assert found.difference("up", "late") is None
    assert found.plot().layout.title.text == "3 seeds"
    assert repr(found) == "StudyResult(made-up, seeds 0, 1, 2)"


def test_rows_show_every_seed_also_where_one_has_no_number() -> None:
    rows = list(quiet(0, 1).rows())
    assert rows[0][0] == "what grows"
    assert rows[0][3] == "0, 2"
    assert rows[1] == ("what is missing", "–", "–", "5, –")
    (alone,) = [row for row in quiet(2).rows() if row[0] == "what grows"]
    assert alone[1:3] == ("4", "–")
    (late,) = [row for row in quiet(1, slope=1234.5).rows() if row[0] == "what grows"]
    assert late[1] == "1234"  # steps, not 1.23e+03
    assert "what grows" in quiet(0)._repr_html_()


def test_the_json_holds_numbers_intervals_curves_and_findings() -> None:
    found = json.loads(json.dumps(quiet(0, 1, 2, slope=3.0).to_dict(), allow_nan=False))
    assert found["settings"] == {"slope": 3.0, "shares": [0.5]}
    assert found["numbers"]["up"]["mean"] == 3.0
    assert found["numbers"]["up"]["low"] < 3.0 < found["numbers"]["up"]["high"]
    assert found["numbers"]["late"] is None
    assert [record["curves"]["seen"] for record in found["records"]] == [[0], [1], [2]]
    assert found["findings"] == ["sign None"]


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(config: Config, seed: int, report: Report) -> Record:
        calls.append(seed)
        return measure(config, seed, report)

    study = replace(STUDY, measure=counted)
    quiet(1, 2, study=study, out=tmp_path)
    again = quiet(0, 1, 2, study=study, out=tmp_path)
    assert calls == [1, 2, 0]
    assert again.to_dict() == quiet(0, 1, 2).to_dict()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["seed-0.json", "seed-1.json", "seed-2.json"]


def test_an_interrupted_study_keeps_the_seeds_that_were_done(tmp_path: Path) -> None:
    def broken(config: Config, seed: int, report: Report) -> Record:
        if seed == 1:
            raise KeyboardInterrupt
        return measure(config, seed, report)

    with pytest.raises(KeyboardInterrupt):
        quiet(0, 1, study=replace(STUDY, measure=broken), out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["seed-0.json"]


def test_results_of_other_settings_or_studies_are_not_mixed(tmp_path: Path) -> None:
    quiet(0, out=tmp_path)
    with pytest.raises(ConfigError, match=r"seed-0\.json' was made by another study or with other settings"):
        quiet(0, out=tmp_path, slope=1.0)
    with pytest.raises(ConfigError, match="another study"):
        quiet(0, study=replace(STUDY, name="other"), out=tmp_path)
    (tmp_path / "seed-0.json").write_text("[]")
    with pytest.raises(ConfigError, match="no study's result"):
        quiet(0, out=tmp_path)


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_must_be_different_numbers(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="are no seeds"):
        quiet(*seeds)


def test_unknown_names_are_told_with_what_exists() -> None:
    with pytest.raises(ConfigError, match="no setting 'slop'; did you mean 'slope'"):
        quiet(0, slop=1)
    with pytest.raises(ConfigError, match="slope=-1 is below 0"):
        quiet(0, slope=-1)
    with pytest.raises(ConfigError, match="measures no 'upp'; did you mean 'up'"):
        quiet(0).over("upp")
    with pytest.raises(ConfigError, match="unknown study 'grok'; expected one of 'clamp', 'communities'"):
        study_called("grok")


def test_a_study_that_reads_checkpoints_is_told_which(tmp_path: Path) -> None:
    task = ModularTask("add", p=7)
    opened = Checkpoint(analytic_mlp("add", p=7, width=12), task, "in memory", path=Path("net.pt"))
    with pytest.raises(ConfigError, match="'made-up' trains its own networks"):
        quiet(0, opened=opened)
    study = replace(STUDY, inspect=lambda opened, *rest: Record({"up": 7.0, "flat": 0.0, "late": 1.0}, {}))
    found = quiet(0, 1, study=study, opened=opened, out=tmp_path)
    assert found.records[0].numbers["up"] == 7.0
    assert "All seeds looked at one network" in found.findings()[-1]
    assert "one network" not in quiet(0, study=study, opened=opened).findings()[-1]
    others = [None, replace(opened, model=analytic_mlp("add", p=7, width=12, seed=1))]
    others += [replace(opened, task=ModularTask("add", p=7, read_in="log"))]
    others += [replace(opened, task=ModularTask("add", p=7, seed=3))]
    for other in others:  # its own networks, another file's weights, another order, another split
        with pytest.raises(ConfigError, match="another study or with other settings"):
            quiet(0, study=study, opened=other, out=tmp_path)
    assert quiet(0, study=study, opened=replace(opened), out=tmp_path).records[0].numbers["up"] == 7.0


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(tmp_path: Path) -> None:
    def never(config: Config, seed: int, report: Report) -> Record:
        raise AssertionError("it was measured")

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        quiet(0, study=replace(STUDY, measure=never), out=tmp_path / "file")


def test_kept_results_that_lack_a_number_are_not_taken(tmp_path: Path) -> None:
    quiet(0, out=tmp_path)
    file = tmp_path / "seed-0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"numbers": {}}))
    with pytest.raises(ConfigError, match="another study or with other settings"):
        quiet(0, out=tmp_path)


def test_progress_runs_over_all_seeds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interp.progress.PATIENCE", 0)
    run_study(STUDY, [0, 1], show_progress=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("made-up ")]
    assert lines[0] == "made-up 0/4"
    assert re.fullmatch("made-up 1/4 (.* left )?seed 0, half", lines[1])
    assert lines[-1] == "made-up 4/4 seed 1"


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_whole(name: str) -> None:
    study = study_called(name)
    assert study.name == name
    assert len(study.about.split()) >= 30
    assert study.units(study.settings()) > 0
    assert study.quantities
    assert not np.array([words == "" for words in study.quantities.values()]).any()


def test_seeds_at_once_are_the_same_as_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"p": 11, "width": 24, "steps": 20}
    together = run_study("lens", [4, 1], workers=2, show_progress=True, **settings)
    assert re.search("seed [14]", capsys.readouterr().err)
    alone = run_study("lens", [4, 1], workers=1, show_progress=False, **settings)
    assert together.seeds == (4, 1)
    assert together.to_dict() == alone.to_dict()


def test_ctrl_c_keeps_what_is_done_and_nothing_half_done(tmp_path: Path) -> None:
    def pressed(config: Config, seed: int, report: Report) -> Record:
        if seed == 1:
            os.kill(os.getpid(), signal.SIGINT)  # held back, as within a training run
        return measure(config, seed, silent)

    with pytest.raises(KeyboardInterrupt):
        quiet(0, 1, study=replace(STUDY, measure=pressed), out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["seed-0.json"]


def test_workers_must_be_a_number_of_processes() -> None:
    with pytest.raises(ConfigError, match="workers=0 is no number"):
        quiet(0, workers=0)
