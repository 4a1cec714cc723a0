"""Objects of other people's classes inside files: their fields are read as settings, and none of their code runs."""

from __future__ import annotations

import enum
from argparse import Namespace
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from malformed import Call, Imported, pickled
from torch import nn

from interp.checkpoints.plain_objects import Fields, plain
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError

WEIGHTS = {"W": torch.ones(2, 3)}


class Operation(enum.Enum):
    ADD = "add"


@dataclass
class Config:
    p: int = 59
    operation: Operation = Operation.ADD
    kind: type = dict

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("code of the class was run")


class Attributes(dict):
    def __setitem__(self, *_: Any) -> None:
        raise AssertionError("code of the class was run")


class Slotted:
    __slots__ = ("p",)


class Node:
    """A setting as OmegaConf keeps it: its content or value, and the node above it."""

    def __init__(self, parent: Any = None, **fields: Any) -> None:
        self.__dict__.update(fields, _parent=parent, _metadata={"key": None})


def extras_of(tmp_path: Path, **content: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    torch.save({"model": WEIGHTS, **content}, tmp_path / "a.pt")
    stored = read_weights(tmp_path / "a.pt")
    assert torch.equal(stored.tensors["W"], WEIGHTS["W"])
    return stored.extras, stored.notes


def test_settings_in_objects_are_read_as_plain_data(tmp_path: Path) -> None:
    slotted, items = Slotted(), Attributes()
    slotted.p = 7
    dict.update(items, p=11, lr=0.1)
    config = Config()
    for value, expected in (
        (Namespace(p=59, inner=Namespace(act="relu")), {"p": 59, "inner": {"act": "relu"}}),
        (SimpleNamespace(p=59), {"p": 59}),
        (config, {"p": 59, "operation": "add", "kind": "builtins.dict"}),
        (slotted, {"p": 7}),
        (items, {"p": 11, "lr": 0.1}),
        (defaultdict(list, {"a": [1]}), {"a": [1]}),
        (PurePosixPath("runs/a"), "runs/a"),
        ({"seen": {3, 1}, "layer": nn.ReLU}, {"seen": [1, 3], "layer": "torch.nn.modules.activation.ReLU"}),
    ):
        assert extras_of(tmp_path, args=value) == ({"args": expected}, ())


def test_settings_of_omegaconf_are_their_values(tmp_path: Path) -> None:
    top = Node(_content={})
    top._content |= {"p": Node(top, _val=59), "model": Node(top, _content={"act": Node(top, _val="relu")})}
    assert extras_of(tmp_path, cfg=top) == ({"cfg": {"p": 59, "model": {"act": "relu"}}}, ())


def test_an_entry_that_is_no_plain_data_is_left_out_alone(tmp_path: Path) -> None:
    extras, notes = extras_of(tmp_path, args=Namespace(p=59, table=1j))
    assert extras == {"args": {"p": 59}}
    assert notes == ("dropped 'args.table' (one complex)",)


@pytest.mark.parametrize(
    "content",
    [
        {"model": WEIGHTS, "net": nn.Linear(2, 3)},
        nn.Linear(2, 3),
        Namespace(model=WEIGHTS),
        {"model": nn.Linear(2, 3), "ema": WEIGHTS},
        {"model": WEIGHTS, "best": [Namespace(state=[torch.ones(2)])]},
    ],
)
def test_objects_with_tensors_stay_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="needs the code of"):
        read_weights(tmp_path / "a.pt")


def test_only_harmless_calls_are_stood_in_for(tmp_path: Path) -> None:
    from malformed import archive, tensor

    for call in (Call(Imported("os system"), "true"), Call(Imported("__main__ Net"), 1, 2)):
        path = archive(tmp_path / "a.pt", pickled({"model": {"W": tensor()}, "x": call}), {"0": bytes(24)})
        with pytest.raises(CheckpointError, match="needs the code of"):
            read_weights(path)


def test_repeated_and_circular_values_are_read_once() -> None:
    made = Fields()
    made.fields.update(p=1, again=made)
    values = [made, made]
    result = plain({"a": values, "b": values})
    assert result["a"] is result["b"]
    assert result["a"][0] is result["a"][1] is result["a"][0]["again"]
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deeply"):
        plain(deep)


def test_a_module_among_the_settings_is_left_out_with_a_note(tmp_path: Path) -> None:
    settings = Attributes()
    dict.update(settings, p=59, model=nn.Linear(2, 3), loss=nn.CrossEntropyLoss())
    extras, notes = extras_of(tmp_path, hyper_parameters=settings)
    assert extras["hyper_parameters"]["p"] == 59
    assert "model" not in extras["hyper_parameters"]
    assert notes == ("dropped 'hyper_parameters.model' (one Linear)",)
