"""Names and shapes of a dialect's tensors, matched as a whole."""

from __future__ import annotations

import pytest
import torch

from interp.checkpoints.layouts import Layout, Unfit, fit

LAYOUT = Layout(
    {"W_E": "V d", "blocks.L.Q": "H d e", "blocks.L.O": "d H*e", "blocks.L.b?": "3d", "blocks.L.flag?": ""}
)
SHAPES = {"W_E": (7, 4), **{f"blocks.{layer}.Q": (2, 4, 3) for layer in (0, 1)}} | {
    f"blocks.{layer}.O": (4, 6) for layer in (0, 1)
}


def zeros(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def test_axes_have_one_size_in_the_whole_file() -> None:
    optional = {"blocks.1.b": (12,), "blocks.0.flag": ()}
    for shapes in (SHAPES, SHAPES | optional):
        assert fit(zeros(shapes), LAYOUT) == {"V": 7, "d": 4, "H": 2, "e": 3, "L": 2}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"W_E": None}, "W_E (V, d) is missing"),
        ({"blocks.1.Q": None}, "blocks.1.Q (H, d, e) is missing"),
        ({"blocks.3.Q": (2, 4, 3)}, "blocks.2.Q (H, d, e) is missing"),
        ({"extra": (3,)}, "extra (3,) does not belong to it"),
        ({"W_E": (7, 4, 1)}, "W_E has shape (7, 4, 1); expected (V, d)"),
        ({"blocks.1.Q": (2, 5, 3)}, "blocks.1.Q has shape (2, 5, 3); expected (H, d, e) with H=2, d=4, e=3"),
        ({"blocks.1.O": (4, 7)}, "blocks.1.O has shape (4, 7); expected (d, H*e) with d=4, H=2"),
        ({"blocks.0.b": (13,)}, "blocks.0.b has shape (13,); expected (3d) with d=4"),
        ({"blocks.0.b": (9,)}, "blocks.0.b has shape (9,); expected (3d) with d=4"),
        ({"blocks.0.flag": (1,)}, "blocks.0.flag has shape (1,); expected ()"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, tuple[int, ...] | None], problem: str) -> None:
    shapes = {name: shape for name, shape in (SHAPES | changes).items() if shape is not None}
    with pytest.raises(Unfit) as error:
        fit(zeros(shapes), LAYOUT)
    assert str(error.value) == problem


def test_a_layout_says_what_it_looks_for() -> None:
    assert str(LAYOUT) == (
        "W_E (V, d), blocks.L.Q (H, d, e), blocks.L.O (d, H*e), optional blocks.L.b (3d), blocks.L.flag ()"
    )
