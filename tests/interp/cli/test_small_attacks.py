"""Small things that an attack turned up: other people's files, full disks, Ctrl-C at the start, long values."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from interp import files
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.cli import main
from interp.data import ModularTask
from interp.models import analytic_mlp

Command = Callable[..., str]
NET = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return save_checkpoint(
        tmp_path / "net", analytic_mlp("add", p=11, width=60), ModularTask("add", p=11), step=3
    )


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def full_disk(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the n-th step of writing files (make it, fill it, rename it, keep the old one) find no space."""
    count = 0

    def failing(before: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*given: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                raise OSError(errno.ENOSPC, "No space left on device")
            return before(*given, **options)

        return wrapped

    for owner, name in (
        (files.tempfile, "mkstemp"),
        (Path, "write_text"),
        (Path, "replace"),
        (files.os, "link"),
    ):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    for module in ("interp.checkpoints.native", "interp.analysis.removing"):
        place = f"{module}.save_tensors"
        monkeypatch.setattr(place, failing(sys.modules[module].save_tensors))


DONE = (8, 10, 13)
"""Steps that make a link, for which a copy does as well, and one more than there are."""


def fails_or_is_done(words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["grokscope", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (0, 2)


@pytest.mark.parametrize("step", range(1, 14))
def test_an_edit_on_a_full_disk_leaves_the_old_network_whole(
    net: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    (out := tmp_path / "out").mkdir()
    edit = ("ablate", net, "--neurons", "0,1", "--random", 1, "--force", "--save", out / "edited")
    run(*edit)
    before = content(out)
    changed = (*edit[:3], "2-40", *edit[4:])
    full_disk(monkeypatch, step)
    fails_or_is_done(changed, monkeypatch)
    monkeypatch.undo()
    assert (content(out) == before) == (step not in DONE)
    load_checkpoint(out / "edited.safetensors")


@pytest.mark.parametrize("step", range(1, 9))
def test_an_edited_own_module_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "t.csv").write_text("x,y,label\n0.5,1.5,0\n1.5,0.25,1\n2.5,1.25,2\n")
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    )
    torch.save(module.state_dict(), tmp_path / "a.pt")
    (out := tmp_path / "out").mkdir()
    save_checkpoint(out / "edited", analytic_mlp("add", p=11, width=60), ModularTask("add", p=11))
    before = content(out)
    full_disk(monkeypatch, step)
    edit = (
        "ablate", tmp_path / "a.pt", "--model", f"{tmp_path}/net.py:build", "--site", "1:output", "--table",
        tmp_path / "t.csv", "--neurons", "0,1", "--random", 1, "--force", "--save", out / "edited",
    )  # fmt: skip
    fails_or_is_done(edit, monkeypatch)
    monkeypatch.undo()
    assert content(out) == before or list(content(out)) == ["edited.safetensors"]


def test_training_keeps_a_curve_of_somebody_elses(tmp_path: Path, fail: Command) -> None:
    (tmp_path / "history.json").write_text("mine")
    assert "history.json' exists" in fail("train", "--out", tmp_path, "--p", 7, "--steps", 2)
    assert content(tmp_path) == {"history.json": b"mine"}


def test_what_a_kill_left_half_written_goes_when_training_goes_on(tmp_path: Path, run: Command) -> None:
    words = ("train", "--out", tmp_path / "r", "--p", 7, "--width", 8, "--steps", 2)
    run(*words)
    for name in (".step-00000002.json.x1.part", ".history.json.y2.part", ".mine.part"):
        (tmp_path / "r" / name).touch()
    run(*words[:-1], 4)
    assert [file.name for file in (tmp_path / "r").glob(".*")] == [".mine.part"]


def test_a_modulus_of_nothing_is_given(net: Path, fail: Command) -> None:
    assert "p" in fail("score", net, "--p", 0)
    assert "p" in fail("audit", net, "--task", "add", "--p", 0)


@pytest.mark.parametrize(
    "words",
    [("score", "NET", "--dialect"), ("ablate", "NET", "--mode"), ("ablate", "NET", "--neurons"), ("plot",)],
)
def test_long_values_are_cut(net: Path, fail: Command, words: tuple[str, ...]) -> None:
    given = [str(net) if word == "NET" else word for word in words]
    assert len(fail(*given, "x" * 100_000)) < 2_500


def test_a_value_of_a_table_is_cut(net: Path, tmp_path: Path, fail: Command) -> None:
    (tmp_path / "t.csv").write_text(f"a,b,label\n0,0,{'x' * 100_000}\n")
    assert len(fail("score", net, "--table", tmp_path / "t.csv")) < 1_000


@pytest.mark.parametrize("wait", [0.05, 0.3, 1.0])
def test_ctrl_c_while_starting_shows_no_traceback(net: Path, wait: float) -> None:
    words = [sys.executable, "-c", "import interp.cli; interp.cli.main()", "score", str(net)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(wait)
    started.send_signal(signal.SIGINT)
    _, error = started.communicate(timeout=60)
    if wait > 0.1:  # before, Python itself is starting
        assert "Traceback" not in error
    assert started.returncode != 1 or wait < 0.1


def test_a_study_offers_no_completion(run: Command) -> None:
    assert "completion" not in run("study", "lens", "--help")
