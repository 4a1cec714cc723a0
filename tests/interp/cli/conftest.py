"""Running commands in this process, and a small series that they work on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from interp.cli import app, main
from interp.models import analytic_mlp
from interp.report.validating import problems, read_result

Command = Callable[..., str]
TRAIN = "--p 23 --width 60 --corrupt 0.3 --steps 120 --save-every 60 --weight-decay 1"


@pytest.fixture(scope="session")
def run() -> Command:
    """Run a command, expecting success and valid JSON wherever it wrote some; its output comes back."""

    def run_command(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        if "--json" in arguments[:-1]:
            place = str(arguments[arguments.index("--json") + 1])
            value = json.loads(result.stdout) if place == "-" else read_result(Path(place))
            assert problems(value) == []
        return result.output

    return run_command


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command as a user would, expecting exit code 2 and one readable message, which comes back."""

    def run_command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["grokscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return " ".join(error.split())

    return run_command


@pytest.fixture(scope="session")
def series(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on corrupted labels, with checkpoints at steps 0, 60 and 120."""
    out = tmp_path_factory.mktemp("series") / "r0"
    run("train", "--out", out, *TRAIN.split())
    return out


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The closed form as another project would store it; its file says neither p nor what it was trained on."""
    model = analytic_mlp("add", p=7, width=60)
    first = torch.cat([table.T for table in model.embed.W_E], dim=1)
    torch.save({"fc1.weight": first, "fc2.weight": model.unembed.weight.T}, tmp_path / "foreign.pt")
    return tmp_path / "foreign.pt"
