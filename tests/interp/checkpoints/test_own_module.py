"""A user's own network from a Python file: built, filled strictly, and every way in which that can fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interp.checkpoints.own_module import build_from_file, fill
from interp.errors import CheckpointError, ConfigError

SOURCE = """
from dataclasses import dataclass
from torch import nn

WIDTH = 3

@dataclass
class Shape:
    width: int

def build():
    return nn.Sequential(nn.Linear(2, Shape(WIDTH).width), nn.ReLU(), nn.Linear(WIDTH, 2))

def broken():
    return nn.Linear(2, WIDTH / 0)

def number():
    return 7

def needs(width):
    return nn.Linear(2, width)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def test_the_module_that_the_function_builds_comes_back(source: Path) -> None:
    module = build_from_file(f"{source}:build")
    assert [type(layer) for layer in module.children()] == [nn.Linear, nn.ReLU, nn.Linear]
    assert module[0].weight.shape == (3, 2)


def test_a_colon_in_a_folder_is_no_function(source: Path) -> None:
    place = source.parent / "a:b"
    place.mkdir()
    (place / "net.py").write_text(SOURCE)
    assert isinstance(build_from_file(f"{place}/net.py:build"), nn.Module)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("{source}", "names no function; write a Python file and a function in it"),
        ("net.txt:build", "names no function"),
        ("/no/such/net.py:build", "there is no file '/no/such/net.py'"),
        ("{source}:biuld", "has no function 'biuld'; did you mean 'build'?"),
        ("{source}:WIDTH", "has no function 'WIDTH'"),
        ("{source}:broken", "failed with ZeroDivisionError"),
        ("{source}:needs", "failed with TypeError"),
        ("{source}:number", "returned int; expected a torch.nn.Module"),
    ],
)
def test_what_builds_no_module_is_refused_with_a_reason(source: Path, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_from_file(where.format(source=source))


@pytest.mark.parametrize("text", ["import torch.nothing", "def build(:", "raise OSError('no disk')"])
def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ConfigError, match=r"bad.py' cannot be imported: (ModuleNotFound|Syntax|OS)Error"):
        build_from_file(f"{tmp_path}/bad.py:build")


def test_the_weights_are_filled_in() -> None:
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    fill(fresh, trained.state_dict(), Path("w.pt"))
    assert torch.equal(fresh.weight, trained.weight)
    assert torch.equal(fresh.bias, trained.bias)


def _missing(tensors: dict[str, Tensor]) -> None:
    del tensors["bias"]


def _extra(tensors: dict[str, Tensor]) -> None:
    tensors["weights"] = torch.zeros(1)


def _shape(tensors: dict[str, Tensor]) -> None:
    tensors["weight"] = torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_missing, "the tensor 'bias' is missing from 'w.pt'"),
        (_extra, "the tensor 'weights' is in 'w.pt', but not in the model; did you mean 'weight'?"),
        (_shape, "'weight' in 'w.pt' has shape (2, 4); the model has (2, 3)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(
    damage: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    tensors = dict(nn.Linear(3, 2).state_dict())
    damage(tensors)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        fill(module, tensors, Path("w.pt"))
    assert torch.equal(module.weight, before)
