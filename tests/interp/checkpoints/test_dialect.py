"""What the user and the JSON say of a file, and what wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign import stored

from interp.checkpoints.dialect import Fact, ForeignFile, combinations
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.stored import StoredWeights
from interp.errors import CheckpointError, ConfigError


def with_json(beside: dict[str, Any], **options: Any) -> ForeignFile:
    return ForeignFile(stored({"x": np.zeros(1)}, beside), OpenOptions(**options))


def test_the_operation_is_the_users_then_the_jsons_then_addition() -> None:
    plain = with_json({}).operation()
    assert (plain.values, plain.known, plain.notes) == (("add",), False, ())
    told = with_json({"funcs": "lambda x: (x[0]*x[1])%7", "func": None}).operation()
    assert (told.values, told.known, told.notes) == (("multiply",), True, ())
    against = with_json({"fn_name": "subtract"}, task="add").operation()
    assert against.values == ("add",)
    assert against.notes == ("operation=add was given; the file's settings say subtract",)
    with pytest.raises(CheckpointError, match=r"say fn_name='x2xyy2': no operation that is known .*--task"):
        with_json({"fn_name": "x2xyy2"}).operation()
    given = with_json({"fn_name": "x2xyy2"}, task="multiply").operation()
    assert given.notes == ("operation=multiply was given; the file's settings say x2xyy2",)


def test_the_activation_is_the_users_then_the_jsons_then_open() -> None:
    open_ = with_json({}).activation("square", "relu")
    assert (open_.values, open_.known) == (("square", "relu"), False)
    assert with_json({"cfg": {"act_fn": "GeLU"}}).activation().values == ("gelu",)
    assert with_json({"activation": "quad"}).activation().values == ("square",)
    for spelled in (
        "torch.nn.ReLU()",
        "nn.ReLU",
        "<class 'torch.nn.modules.activation.ReLU'>",
        "ReLU(inplace=True)",
    ):
        assert with_json({"activation_function": spelled}).activation().values == ("relu",)
    against = with_json({"act_fn": "ReLU"}, activation="tanh").activation()
    assert against.values == ("tanh",)
    assert against.notes == ("activation=tanh was given; the file's settings say relu",)
    with pytest.raises(ConfigError, match="unknown activation 'sine'"):
        with_json({}, activation="sine").activation()
    with pytest.raises(
        CheckpointError, match=r"say that the activation is 'gelu_new'; known are .*--activation"
    ):
        with_json({"act_fn": "gelu_new"}).activation()
    assert with_json({"act_fn": "gelu_new"}, activation="gelu").activation().values == ("gelu",)


def test_the_coefficient_is_the_users_then_the_jsons_then_1() -> None:
    assert with_json({}).coefficient(assumed=True) == Fact((1.0,), known=False)
    assert with_json({}).coefficient() == Fact((1.0,))
    assert with_json({"attn_coeff": 1}).coefficient(assumed=True) == Fact((1.0,))
    given = with_json({"attn_coeff": 0.5}, attn_coeff=0).coefficient(assumed=True)
    assert given.values == (0.0,)
    assert given.notes == ("attn_coeff=0.0 was given; the file's settings say 0.5",)


def test_settings_are_found_at_the_top_or_further_down() -> None:
    beside = {"a": {"p": 7, "q": None}, "b": {"q": 0}, "p": 5}
    assert with_json(beside).setting("p") == 5
    assert with_json(beside).setting("q") == 0
    assert with_json(beside).setting("missing", "p") == 5
    assert with_json(beside).setting("missing") is None
    inside = ForeignFile(
        StoredWeights(Path("a.pt"), {}, extras={"config": {"p": 97, "r": 1}}, beside={"p": 5})
    )
    assert (inside.setting("p"), inside.setting("r")) == (5, 1)


@pytest.mark.parametrize(
    ("beside", "p"),
    [
        ({"C": 59}, 59),
        ({"group_parameter": 113}, 113),
        ({"config": {"p": 97}}, 97),
        ({"funcs": "lambda x: (x[0]+x[1])%31"}, 31),
        ({"p": True}, None),
        ({"p": "59"}, 59),
        ({"p": 0.1}, None),
        ({}, None),
    ],
)
def test_the_modulus_of_the_json(beside: dict[str, Any], p: int | None) -> None:
    assert with_json(beside).stored_modulus() == p


def test_combinations_go_from_the_most_plausible_on() -> None:
    found = [tuple(c.values()) for c, _ in combinations(a=Fact((0, 1, 2)), b=Fact((0, 1)))]
    assert found == [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (2, 1)]
