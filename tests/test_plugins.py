"""A package that adds a dialect, a score, an intervention and a study is installed, and each appears everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.models import analytic_mlp, planted_mlp
from probes import plugins

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tests" / "plugin"
LEFT_OUT = {
    ("grokscope.dialects", "broken"): "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
    ("grokscope.scores", "taken"): "the column 'ipr' is taken",
    ("grokscope.interventions", "zero"): "the name 'zero' is taken",
    ("grokscope.studies", "lens"): "the name 'lens' is taken",
    ("grokscope.studies", "nowhere"): "there is no module 'grokscope_plugin.nowhere'",
}
TASK = ModularTask("add", p=13, train_fraction=0.7, corrupt_fraction=0.3, seed=1)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, installed as users do, apart from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    command += ["--disable-pip-version-check", "--target", str(folder), str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = planted_mlp(TASK, generalizing=20, memorizing=20, dead=3).model
    return save_checkpoint(tmp_path_factory.mktemp("net") / "net.safetensors", model, TASK)


@pytest.fixture(scope="module")
def run(installed: Path) -> Callable[..., str]:
    """Run a command, or Python code after ``-c``, where the package is installed; the output comes back."""
    path = os.pathsep.join([str(installed), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"}

    def run_command(*words: object) -> str:
        start = [sys.executable] if words[0] == "-c" else [sys.executable, "-m", "interp.cli"]
        done = subprocess.run(
            [*start, *map(str, words)], capture_output=True, text=True, cwd=ROOT, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run_command


@pytest.mark.slow
def test_a_score_is_in_table_help_report_explorer_and_store(
    run: Callable[..., str], checkpoint: Path, tmp_path: Path
) -> None:
    printed = run("score", checkpoint, "--sort", "kurtosis")
    assert "kurtosis" in printed
    assert re.search(r"'taken' of the package 'grokscope-plugin' \(grokscope.scores\) is left out", printed)
    report, page = tmp_path / "report.html", tmp_path / "explorer.json"
    run("audit", checkpoint, "--html", report, "--random", "2")
    assert "Excess kurtosis over the examples." in report.read_text()
    assert "of another package, is left out: RuntimeError: no such luck" in report.read_text()
    run("batch", checkpoint, "--out", tmp_path / "store", "--measure", "labels", "--workers", "2")
    code = (
        "import interp, json, sys; from scipy.stats import kurtosis; "
        f"subject = interp.open_subject({str(checkpoint)!r}); table = subject.table; "
        f"store = interp.open_store({str(tmp_path / 'store')!r}).neurons.to_table(); "
        "own = kurtosis(subject.cached.activations.double().numpy(), axis=0); "
        "from dash._utils import to_json; from interp.explorer import page, editing; "
        "from interp.explorer.session import Session; session = Session(subject); "
        f"open({str(page)!r}, 'w').write(str(to_json([page.first(session, ''), page._rest(session, None)]))); "
        "print(json.dumps([table['kurtosis'].tolist(), store['kurtosis'].to_pylist(), own.tolist(), "
        "'luck' in table]))"
    )
    table, store, own, luck = json.loads(
        next(line for line in run("-c", code).splitlines() if line[:2] == "[[")
    )
    np.testing.assert_allclose(table, own, rtol=1e-5)
    np.testing.assert_allclose(np.array(store, float), own, rtol=1e-5)  # null of a dead neuron
    assert not luck
    assert "kurtosis" in page.read_text()


@pytest.mark.slow
def test_a_dialect_a_mode_and_a_study_are_in_help_and_work(
    run: Callable[..., str], checkpoint: Path, tmp_path: Path
) -> None:
    left = analytic_mlp("add", p=13, width=80).embed.W_E.detach()[0].T.contiguous()
    torch.save({"IN": left, "OUT": torch.randn(13, 80)}, tmp_path / "net.pt")
    assert "MLP with names in capitals" in run("dialects")
    assert "(upper)" in run("audit", tmp_path / "net.pt", "--random", "1", "--dialect", "upper")
    assert "negate" in run("ablate", "--help")
    assert "negate" in run("ablate", checkpoint, "--mode", "negate", "--neurons", "0-4")
    assert "Eyes of dice that are thrown." in run("study", "--help")
    assert "--throws" in run("study", "dice", "--help")
    out = tmp_path / "dice.json"
    assert "The mean is 3." in run("study", "dice", "--throws", "5000", "--json", out)
    assert json.loads(out.read_text())["settings"] == {"throws": 5000}


@pytest.mark.slow
def test_what_cannot_be_used_is_named_and_left_out(run: Callable[..., str]) -> None:
    printed = run("doctor", "--json", "-")
    checks, _ = json.JSONDecoder().raw_decode(printed)  # warnings follow
    states = {check["name"]: check for check in checks["checks"] if check["area"] == "plugins"}
    assert checks["usable"]
    assert states["kurtosis (scores)"]["state"] == states["dice (studies)"]["state"] == "ok"
    for (group, name), reason in LEFT_OUT.items():
        check = states[f"{name} ({group.partition('.')[2]})"]
        assert check["state"] == "missing"
        assert reason in check["value"]
    assert "no Study" in states["wrong-kind (studies)"]["value"]


def point(name: str, value: str) -> EntryPoint:
    """An entry point of a package that is not installed."""
    return EntryPoint(name, value, "grokscope.scores")


def test_one_that_has_a_fault_is_left_out_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "REASONS", {})
    with pytest.warns(plugins.PluginWarning, match="'a' .* is left out: AttributeError: .*no_such_name"):
        assert plugins.load(point("a", "math:no_such_name"), float) is None
    with pytest.warns(plugins.PluginWarning, match="it is str, no float"):
        assert plugins.load(point("b", "string:digits"), float) is None
    with pytest.warns(plugins.PluginWarning, match="the name 'c' is taken"):
        assert plugins.load(point("c", "math:pi"), float, ["c"]) is None
    assert plugins.load(point("d", "math:pi"), float) == np.pi
    assert sorted(name for _, name in plugins.REASONS) == ["a", "b", "c"]


def test_of_two_packages_with_one_name_neither_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [point("same", "math:pi"), point("same", "math:e"), point("other", "math:tau")]
    monkeypatch.setattr(plugins, "REASONS", {})
    monkeypatch.setattr(plugins, "_all", lambda: points)
    with pytest.warns(plugins.PluginWarning, match="several packages declare this name"):
        assert list(plugins.declared.__wrapped__("grokscope.scores")) == ["other"]
