"""Logits among what networks return: used, or an error with the shapes of all and the option that decides."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from interp.errors import ConfigError
from interp.models import adopt
from interp.models.nested import item_at
from interp.models.outputs import logits_keys, logits_of, output_keys

FEATURES, LOGITS = torch.randn(2, 120), torch.randn(2, 11)
POSITIONS = torch.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "output",
    [
        POSITIONS,
        (POSITIONS, torch.zeros(2, 3, 4, 5)),
        [torch.zeros(()), POSITIONS],
        (POSITIONS, torch.zeros(2, 3, dtype=torch.long)),
        (POSITIONS, (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))),
        {"loss": None, "logits": POSITIONS, "features": FEATURES},
        BaseModelOutputWithPooling(last_hidden_state=POSITIONS, pooler_output=FEATURES),
    ],
)
def test_the_only_logits_need_no_choice(output: Any) -> None:
    keys, note = logits_keys(output, 2)
    alone = isinstance(output, torch.Tensor) or (isinstance(output, dict) and "logits" in output)
    assert (note is None) == alone  # else it is said what was read, and beside what
    assert item_at(output, keys) is POSITIONS
    assert torch.equal(logits_of(POSITIONS, 1, None), POSITIONS[:, 1])
    assert torch.equal(logits_of(POSITIONS, -2, 3), POSITIONS[:, 1, :3])


@pytest.mark.parametrize(
    ("output", "keys"),
    [
        ((FEATURES, LOGITS), (1,)),
        ((LOGITS, FEATURES), (0,)),
        ({"features": FEATURES, "head": {"scores": LOGITS}}, ("head", "scores")),
        ({"scores": LOGITS}, ("scores",)),
        ((FEATURES, (FEATURES, LOGITS), None), (1, 1)),
    ],
)
def test_of_several_the_one_with_as_many_outputs_as_classes(output: Any, keys: tuple[Any, ...]) -> None:
    chosen, note = logits_keys(output, 2, {11, 12})
    assert chosen == keys
    assert note is not None
    assert "(2, 11) is read as the logits (as many outputs as classes)" in note


@pytest.mark.parametrize(
    ("output", "classes", "message"),
    [
        ((FEATURES, LOGITS), (), "a tuple with [0] (2, 120), [1] (2, 11): nothing says which of them holds the logits"),
        ((FEATURES, LOGITS), (5,), "[1] (2, 11), and 5 classes are asked for: nothing says which"),
        ((LOGITS, LOGITS), (11,), "such as output='1' (--output 1)"),
        ({"embedding": FEATURES}, (), "a dict with .embedding (2, 120): nothing says which"),
        (None, (), "returns a NoneType with no tensors; expected logits. Pass forward=lambda"),
        ({"loss": torch.zeros(())}, (), "a dict with .loss (); expected logits"),
    ],
)  # fmt: skip
def test_nothing_is_guessed(output: Any, classes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        logits_keys(output, 2, classes)


@pytest.mark.parametrize(
    ("output", "keys"),
    [
        (
            (torch.zeros(7, 4, 5), torch.zeros(4, 16)),
            (0,),
        ),  # logits with positions first, beside a hidden state
        ({"last_hidden_state": torch.zeros(4, 7, 16), "scores": torch.zeros(4, 7, 5)}, ("scores",)),
        ({"logits": (torch.zeros(4, 5), torch.zeros(4, 5))}, None),  # a step each
        ((torch.zeros(4, 24), torch.zeros(4)), None),  # features and one number
    ],
)
def test_a_name_or_a_place_is_no_proof(output: Any, keys: tuple[Any, ...] | None) -> None:
    if keys is None and not isinstance(output, tuple):
        with pytest.raises(ConfigError, match="nothing says which"):
            logits_keys(output, 4, {5})
    elif keys is None:
        with pytest.raises(ConfigError, match="nothing says which"):
            logits_keys(output, 4, {2})
    else:
        assert logits_keys(output, 4, {5})[0] == keys


def test_an_output_that_was_given() -> None:
    assert logits_keys((FEATURES, LOGITS), 2, (120,), (1,))[0] == (1,)
    with pytest.raises(ConfigError, match=r"no output '2', but a tuple with \[0\] \(2, 120\)"):
        logits_keys((FEATURES, LOGITS), 2, (), output_keys("2"))
    with pytest.raises(ConfigError, match="the output '1;2' is no index and no name"):
        output_keys("1;2")


@pytest.mark.parametrize(
    ("logits", "readout", "message"),
    [
        (torch.zeros(2, 3, 4, 5), 7, r"shape \(2, 3, 4, 5\); expected \(example, at least 4 outputs\)"),
        (torch.zeros(2), 7, r"shape \(2,\)"),
        (torch.zeros(2, 3), 0, "at least 4 outputs"),
        (torch.zeros(2, 5, 4), 7, "readout=7 is none of the output's 5 positions"),
    ],
)
def test_shapes_that_are_no_logits(logits: Tensor, readout: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        logits_of(logits, readout, 4)


class Both(nn.Module):
    """Features and logits, as networks return that are trained with a second loss."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.first(x).relu()
        return features, self.second(features)


def test_an_adopted_network_says_which_output_it_reads() -> None:
    network, x = Both(), torch.randn(5, 4)
    with pytest.raises(ConfigError, match=r"\[0\] \(5, 8\), \[1\] \(5, 3\): nothing says which"):
        adopt(network, "second:input", example=x)
    model = adopt(network, "second:input", example=x, n_outputs=3)
    assert torch.equal(model(x), network(x)[1])
    (note,) = model.notes
    assert "[1] (5, 3) is read as the logits" in note
    given = adopt(network, "second:input", example=x, output=1)
    assert torch.equal(given(x), model(x))
    assert torch.equal(given.neuron_sites()[0].readout, network.second.weight.T)
    ones = torch.ones(8)
    assert torch.equal(given.absorb("second:input", ones, ones * 0)(x), model(x))
    assert torch.equal(adopt(network, "second:input", output=0)(x), network(x)[0])


def test_outputs_that_are_no_classes_are_left_out_with_a_note() -> None:
    model = adopt(
        nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), "1:input", example=torch.randn(5, 4), n_outputs=2
    )
    assert model.notes == ("of 3 outputs the first 2 are read as classes",)
