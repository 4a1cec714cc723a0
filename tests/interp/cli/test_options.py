"""The options that say what a checkpoint does not say: the same everywhere, and clear errors for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from interp.checkpoints.options import OpenOptions
from interp.cli import app
from interp.cli.options import _open_options, spelled
from interp.modes import MODES
from probes.labels import LABELS

Command = Callable[..., str]
P = 7
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.hidden = nn.Linear(6, 10)
        self.out = nn.Linear(10, 7)

    def forward(self, tokens):
        return self.out(torch.relu(self.hidden(self.embed(tokens))))

def build():
    return Net()

def broken():
    raise RuntimeError("no GPU here")

def floats():
    return nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 7))
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Weights of the user's own module, beside the file that builds it; it answers at every position."""
    (tmp_path / "net.py").write_text(NET)
    space: dict[str, type[nn.Module]] = {}
    exec(NET, space)
    torch.manual_seed(0)
    torch.save(space["build"]().state_dict(), tmp_path / "own.pt")
    torch.save(space["floats"]().state_dict(), tmp_path / "floats.pt")
    return tmp_path / "own.pt"


@pytest.mark.parametrize("command", ["score", "ablate", "audit"])
def test_three_commands_have_every_option_in_a_panel_of_its_own(run: Command, command: str) -> None:
    output = run(command, "--help")
    panel = output.split("What the checkpoint does not say")[1]
    for field in fields(OpenOptions):
        assert f" {spelled(field)} " in panel
    assert "Runs the code" in panel


def opened(**given: Any) -> tuple[OpenOptions, str | None]:
    """What the command line makes of options; the others are left out."""
    return _open_options(dict.fromkeys(OpenOptions.__dataclass_fields__) | given)


def test_the_options_become_the_record_and_the_site() -> None:
    options, site = opened(
        dialect="doshi", activation="relu", attn_coeff=0.5, task="multiply", p=7, sites=["x@1"]
    )
    assert options == OpenOptions(dialect="doshi", activation="relu", attn_coeff=0.5, task="multiply", p=7)
    assert site == "x@1"
    assert opened(ordering="log")[0] == OpenOptions(ordering="log")
    own, site = opened(
        model="net.py:build", sites=["a", "b:input"], tokens="a b", readout=1, table=Path("t.csv")
    )
    assert own == OpenOptions(
        model="net.py:build", sites=("a", "b:input"), tokens="a b", readout=1, table=Path("t.csv")
    )
    assert site is None
    assert opened() == (OpenOptions(), None)


@pytest.mark.parametrize(
    ("command", "shown"), [("score", "60 neurons"), ("ablate", "zero: 0 neurons"), ("audit", "60 neurons")]
)
def test_a_strangers_file_is_read_with_hints(run: Command, foreign: Path, command: str, shown: str) -> None:
    assert shown in run(command, foreign)
    assert shown in run(command, foreign, "--activation", "square", "--task", "add", "--p", P)


def test_a_wrong_order_is_warned_of(run: Command, foreign: Path, tmp_path: Path) -> None:
    def warnings(*options: object) -> str:
        run("audit", foreign, *options, "--random", 1, "--json", tmp_path / "a.json")
        return " ".join(json.loads((tmp_path / "a.json").read_text())["warnings"])

    assert "Another order" not in warnings()
    assert "Another order (natural) explains the neurons better" in warnings("--ordering", "log")
    assert "60 neurons" in run("score", foreign, "--ordering", "natural")


def test_the_last_of_several_sites_is_measured(run: Command, own: Path, tmp_path: Path) -> None:
    options = ["--model", f"{own.parent}/net.py:build", "--p", P, "--tokens", "a b"]
    for sites, readout, width in (
        (["embed", "hidden"], -1, 10),
        (["hidden", "embed:output"], 0, 6),
    ):
        named = [part for site in sites for part in ("--site", site)]
        run(
            "audit", own, *options, *named, "--readout", readout, "--json", tmp_path / "a.json", "--random", 1
        )
        found = json.loads((tmp_path / "a.json").read_text())
        assert found["site"].startswith(sites[-1])
        assert found["neurons"]["total"] == width


OWN = "{own} --p 7 --model {dir}/net.py:build"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "{foreign} --dialect tensorflow",
            "unknown dialect 'tensorflow'; expected one of 'chughtai', 'doshi', ",
        ),
        ("{foreign} --activation quad", "unknown activation 'quad'"),
        ("{foreign} --task power", "power"),
        ("{foreign} --p 11", "11"),
        ("{foreign} --site a --site b", "--site is given 2 times; only with --model it may be repeated"),
        ("{foreign} --site blocks.0.mlp.hook_pots", "did you mean 'blocks.0.mlp.hook_post'"),
        ("{foreign} --ordering raw", "unknown ordering 'raw'; expected one of 'task', 'natural', 'log'"),
        (
            "{foreign} --tokens a",
            "--tokens 'a' was given, but this network is a perceptron that reads two operands",
        ),
        ("{foreign} --output 1", "--output says how your own module is used; give --model too"),
        ("{foreign} --readout 1", "--readout says how your own module is used; give --model too"),
        ("{foreign} --split-from {dir}/none.json", "there is no file"),
        ("{foreign} --split-from {dir}/outside.json", "9"),
        ("{foreign} --table {dir}/none.csv", "none.csv"),
        ("{foreign} --table {dir}/columns.csv", "label"),
        ("{foreign} --table {dir}/columns.csv --split-from {dir}/outside.json", "leave out --split-from"),
        (OWN, "name the neurons of {dir}/net.py:build with --site"),
        (f"{OWN} --site hiden", "did you mean 'hidden'"),
        (f"{OWN} --site hidden:inputs", "is neither input nor output"),
        (f"{OWN} --site hidden --dialect native", "--dialect does not apply to your own module"),
        (f"{OWN} --site hidden --tokens a;b", "'a;b' in the tokens 'a;b' is no token"),
        (f"{OWN} --site hidden --tokens a_b_=", "is no token"),
        (f"{OWN} --site hidden --tokens 3", "name no operand"),
        (f"{OWN} --site hidden --tokens c", "use 3 operands; the examples have 2"),
        (f"{OWN} --site hidden --tokens b+5", "IndexError"),
        (f"{OWN} --site hidden --readout 5", "readout=5 is none of the output's 2 positions"),
        ("{own} --p 7 --model {dir}/net.py:broken --site x", "failed with RuntimeError: no GPU here"),
        ("{own} --p 7 --model {dir}/net.py --site x", "names no function"),
        ("{own} --p 7 --model {dir}/net.py:floats --site 0", "is missing from"),
        ("{dir}/floats.pt --p 7 --model {dir}/net.py:floats --site 0", "RuntimeError"),
        ("{own} --model {dir}/net.py:build --site hidden", "give --task and --p, or --table"),
    ],
)
@pytest.mark.parametrize("command", ["audit", "score"])
def test_options_that_cannot_be_used_end_with_code_2_and_a_reason(
    fail: Command, foreign: Path, own: Path, tmp_path: Path, command: str, arguments: str, message: str
) -> None:
    (tmp_path / "outside.json").write_text("[[1, 2], [9, 0]]")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    places = {"foreign": foreign, "own": own, "dir": tmp_path}
    error = fail(command, *(part.format(**places) for part in arguments.split()))
    assert message.format(**places) in error


def test_each_command_has_a_signature_of_its_own() -> None:
    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {"score", "ablate", "audit"} <= names


def test_a_new_mode_and_a_new_label_stand_in_the_help(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODES, "flip", replace(MODES["scale"], argument="TIMES"))
    monkeypatch.setitem(LABELS, "rivalling", LABELS["dead"])
    output = " ".join(run("ablate", "--help").replace("│", " ").split())
    assert "zero, mean, resample, scale=FACTOR or flip=TIMES." in output
    assert "rivalling" in output
