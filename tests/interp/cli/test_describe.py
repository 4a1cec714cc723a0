"""``grokscope describe``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.models import analytic_mlp

Command = Callable[..., str]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    file = tmp_path / "net.safetensors"
    save_checkpoint(file, analytic_mlp("add", p=13, width=24), ModularTask("add", p=13, train_fraction=0.5))
    return file


def test_neurons_are_described_by_ones_own_properties(run: Command, network: Path, tmp_path: Path) -> None:
    values = np.arange(169) % 13
    (tmp_path / "own.csv").write_text("[red]b\n" + "\n".join(map(str, values > 8)).lower())
    words = ("--neurons", "3,0-1", "--predicates", tmp_path / "own.csv", "--quantile", 0.9)
    output = run("describe", network, *words, "--json", tmp_path / "d.json", "--csv", tmp_path / "d.csv")
    assert "properties of the inputs" in " ".join(output.split())
    stored = json.loads((tmp_path / "d.json").read_text())
    assert stored["columns"]["neuron"] == [3, 0, 1]
    only = run("describe", network, *words, "--only", "--json", tmp_path / "only.json")
    assert "by one of 1 predicates" in " ".join(only.split())
    assert set(json.loads((tmp_path / "only.json").read_text())["counts"]) <= {"[red]b"}
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--only", "give --predicates too"),
        ("--quantile 1", "expected both below 1"),
        ("--neurons x", "is no neuron"),
        ("--csv d.json", "--csv 'd.json' should end in .csv"),
        ("--predicates missing.csv", "missing.csv"),
        ("--predicates {short}", "shape (2,); expected one value for each of 169 examples"),
    ],
)
def test_mistakes_are_told(
    fail: Command, network: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    (tmp_path / "short.csv").write_text("x\n1\n2\n")
    assert message in fail("describe", network, *arguments.format(short=tmp_path / "short.csv").split())
