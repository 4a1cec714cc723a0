"""Files of Chughtai et al. against a forward pass in numpy, and a real one."""

from __future__ import annotations

import numpy as np
import pytest
from foreign import SHARED, close, draw, logits, pairs, run, stored, transformer, version_2

from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError, ConfigError

P = 7
MLP = draw(1, W_x=(P, 5), W_y=(P, 5), W=(10, 9), W_U=(9, P))
SETTINGS = {"group": "CyclicGroup", "group_parameter": P, "layers": {"embed_dim": 5, "hidden_dim": 9}}
NET = transformer(vocab=P + 1, n_ctx=3, n_outputs=P, layers=2)
COPIES = {"x_embed": NET["E"], "y_embed": NET["E"]}
ZEROS = {"unembed.b_U": np.zeros(P), "blocks.1.mlp.b_in": np.zeros(10), "blocks.0.attn.b_O": np.zeros(12)}


def forward_mlp() -> np.ndarray:
    a, b = pairs(P).T
    stack = np.concatenate([MLP["W_x"][a], MLP["W_y"][b]], axis=1)
    return np.maximum(stack @ MLP["W"], 0) @ MLP["W_U"]


def test_the_mlp_is_folded_exactly() -> None:
    (reading,) = readings_of(stored(MLP, SETTINGS), OpenOptions())
    assert reading.description == "chughtai: relu MLP of 2 layers"
    assert (reading.p, reading.operation, reading.assumed, reading.notes) == (P, "add", (), ())
    close(logits(reading, P), forward_mlp())
    (reading,) = readings_of(stored(MLP), OpenOptions())
    assert reading.assumed == ("operation add",)


@pytest.mark.parametrize("rows", [P, P + 1])
def test_the_transformer_is_read_without_its_copies(rows: int) -> None:
    file = version_2(NET) | {name: table[:rows] for name, table in COPIES.items()} | ZEROS
    (reading,) = readings_of(stored(file, SETTINGS), OpenOptions())
    assert reading.description == "chughtai: relu, tokens 'a b 7', causal"
    assert (reading.dialect, reading.p, reading.assumed, reading.notes) == ("chughtai", P, (), ())
    assert reading.build().config.bias is False
    tokens = np.c_[pairs(P), np.full(P * P, P)]
    close(logits(reading, P), run(NET, tokens, causal=True))


def test_a_copy_that_is_none_is_noted() -> None:
    (reading,) = readings_of(stored(version_2(NET) | COPIES | {"x_embed": NET["E"] + 1}), OpenOptions())
    assert reading.notes == (
        "x_embed differs from the first rows of embed.W_E, whose copy it should be; it was left out",
    )


@pytest.mark.parametrize("file", [MLP, version_2(NET) | COPIES], ids=["mlp", "transformer"])
def test_groups_that_are_not_cyclic_are_read_as_such(file: dict[str, np.ndarray]) -> None:
    for reading in readings_of(stored(file, SETTINGS | {"group": "SymmetricGroup"}), OpenOptions()):
        assert (reading.operation, reading.notes) == (f"group:S{P}", ())


def test_what_does_not_fit_is_named() -> None:
    hints = OpenOptions(dialect="chughtai")
    with pytest.raises(ConfigError, match="p=5 was given"):
        readings_of(stored(MLP), OpenOptions(p=5))
    with pytest.raises(CheckpointError, match=r"W \(2d, h\) is missing"):
        readings_of(stored({name: w for name, w in MLP.items() if name != "W"}), hints)
    with pytest.raises(CheckpointError, match=r"x_embed \(X, d\) is missing"):
        readings_of(stored(version_2(NET)), hints)
    other = transformer(vocab=P, n_ctx=2, n_outputs=P)
    copies = {"x_embed": other["E"], "y_embed": other["E"]}
    with pytest.raises(CheckpointError, match="expected 3 positions, and one token more than outputs"):
        readings_of(stored(version_2(other) | copies), hints)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared checkpoints are not here")
def test_a_real_file_answers_every_pair() -> None:
    (reading,) = readings_of(read_weights(SHARED / "chughtai_C113_MLP_seed1.pt"), OpenOptions())
    assert (reading.p, reading.assumed, reading.notes) == (113, (), ())
    right = logits(reading, 113).argmax(1) == pairs(113).sum(1) % 113
    assert right.mean() == pytest.approx(1.0, abs=0.001)
