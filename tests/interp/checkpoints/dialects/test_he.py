"""Files of He et al. against a forward pass in numpy, and a real one."""

from __future__ import annotations

import numpy as np
import pytest
from foreign import ACTIVATIONS, SHARED, close, draw, logits, pairs, stored

from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError

P, N = 7, 11
W = draw(1, **{"mlp.W_in": (N, P), "mlp.W_out": (P, N), "mlp.basis": (P, P)})


def forward(activation: str) -> np.ndarray:
    a, b = np.eye(P)[pairs(P)[:, 0]], np.eye(P)[pairs(P)[:, 1]]
    return ACTIVATIONS[activation]((a + b) @ W["mlp.W_in"].T) @ W["mlp.W_out"].T


@pytest.mark.parametrize("basis", [True, False])
def test_both_activations_are_read_exactly(basis: bool) -> None:
    w = W if basis else {name: w for name, w in W.items() if name != "mlp.basis"}
    found = readings_of(stored(w), OpenOptions())
    assert [r.description for r in found] == ["he: square MLP of 2 layers", "he: relu MLP of 2 layers"]
    for reading, activation in zip(found, ("square", "relu"), strict=True):
        assert (reading.p, reading.assumed) == (P, (f"activation {activation}", "operation add"))
        close(logits(reading, P), forward(activation))
        assert reading.build().config.tied


@pytest.mark.parametrize(
    ("path", "activation"),
    [("runs/p23_quad/9800.pth", "square"), ("p23_ReLU/final.pth", "relu"), ("p23/square_5.pth", "square")],
)
def test_the_name_tells_the_activation(path: str, activation: str) -> None:
    (reading,) = readings_of(stored(W, path=path), OpenOptions())
    assert reading.assumed == ("operation add",)
    assert reading.notes[0].startswith(f"activation {activation}: the name ")
    close(logits(reading, P), forward(activation))


def test_the_user_wins_over_the_name() -> None:
    (reading,) = readings_of(stored(W, path="p23_quad/1.pth"), OpenOptions(activation="relu"))
    assert reading.notes == ("the activation is read as relu; the name 'p23_quad/1' says square",)
    close(logits(reading, P), forward("relu"))
    assert len(readings_of(stored(W, path="quad_or_relu/1.pth"), OpenOptions())) == 2
    assert len(readings_of(stored(W, path="relu/p23/1.pth"), OpenOptions())) == 2


def test_what_does_not_fit_is_named() -> None:
    for changes, problem in (
        ({"mlp.basis": np.zeros((P, P + 1))}, "mlp.basis has shape"),
        ({"mlp.b_in": np.zeros(N)}, "mlp.b_in .* does not belong"),
    ):
        with pytest.raises(CheckpointError, match=problem):
            readings_of(stored(W | changes), OpenOptions(dialect="he"))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared checkpoints are not here")
def test_a_real_file_answers_every_pair() -> None:
    (reading,) = readings_of(read_weights(SHARED / "he_p23_quad" / "9800.pth"), OpenOptions())
    right = logits(reading, 23).argmax(1) == pairs(23).sum(1) % 23
    assert right.mean() == pytest.approx(1.0, abs=0.001)
