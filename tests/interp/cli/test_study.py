"""``grokscope study``: each study's command is made of its settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from interp.cli.options import option
from interp.lab.names import STUDIES
from interp.lab.study import study_called

SMALL = ("--p", 13, "--width", 32, "--steps", 20, "--workers", 1)


def test_the_list_of_studies_loads_none_of_them() -> None:
    script = (
        "import sys\nfrom interp.cli import app\n"
        "try: app(['study', '--help'])\n"
        "except SystemExit: print([m for m in sys.modules if m == 'torch' or m.startswith('interp.lab.')"
        " and 'grids' not in m])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in STUDIES)
    loaded = done.stdout.splitlines()[-1]
    assert "interp.lab.names" in loaded
    assert "torch" not in loaded
    assert not [name for name in STUDIES if f"interp.lab.{name}" in loaded]


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_explains_itself_and_each_of_its_settings(run: Callable[..., str], name: str) -> None:
    config = study_called(name).config
    output = re.sub(r"[\s│]+", " ", run("study", name, "--help"))
    for setting in fields(config):
        assert option(setting.name) in output
        assert setting.metadata["help"]
    assert f"grokscope study {name} --seeds 5" in output
    for shared in ("--seeds", "--seed", "--out", "--html", "--json"):
        assert shared in output


def test_a_study_is_run_kept_and_written(run: Callable[..., str], tmp_path: Path) -> None:
    arguments = ("study", "lens", *SMALL, "--seeds", 2, "--seed", 3, "--out", tmp_path / "kept")
    output = run(*arguments, "--json", tmp_path / "lens.json", "--html", tmp_path / "lens.html")
    found = json.loads((tmp_path / "lens.json").read_text())
    assert found["seeds"] == [3, 4]
    assert found["settings"]["p"] == 13
    study = study_called("lens")
    assert study.title in output
    assert found["findings"][0].split()[0] in output
    page = (tmp_path / "lens.html").read_text()
    assert study.title in page
    assert "plot-study" in page
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["seed-3.json", "seed-4.json"]
    assert run(*arguments).splitlines()[-1] in output.splitlines()  # from what was kept


def test_bad_input_is_one_message(fail: Callable[..., str], tmp_path: Path) -> None:
    assert "should end in .json" in fail("study", "lens", *SMALL, "--json", tmp_path / "lens.txt")
    assert not list(tmp_path.iterdir())
    assert "there are no neurons at 'nonsense'" in fail("study", "lens", *SMALL, "--site", "nonsense")
    assert "--dialect says how a checkpoint is opened, but none is given" in fail(
        "study", "lens", "--dialect", "he"
    )
    (tmp_path / "file").write_text("")
    assert "is a file, so --json" in fail("study", "lens", *SMALL, "--json", tmp_path / "file" / "lens.json")


def test_a_checkpoint_is_looked_at_once_at_the_site_that_is_named(
    run: Callable[..., str], fail: Callable[..., str], series: Path
) -> None:
    output = run("study", "lens", series, "--rotations", 1000, "--site", "blocks.0.mlp.hook_post")
    assert "All seeds looked at one network" not in output
    assert "All seeds" in run("study", "lens", series, "--rotations", 1000, "--seeds", 2)
    assert "there are no neurons at 'nonsense'" in fail("study", "lens", series, "--site", "nonsense")


def test_an_unknown_study_is_refused(run: Callable[..., str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interp.cli", "study", "lenz"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'lenz'" in done.stderr
    assert "Traceback" not in done.stderr
