"""Files of Doshi et al. against a forward pass in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from foreign import ACTIVATIONS, close, draw, logits, pairs, stored

from interp.checkpoints.dialects.doshi import NORMS
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.errors import CheckpointError, ConfigError

P, N = 7, 11


def one_hot(p: int) -> np.ndarray:
    return np.concatenate([np.eye(p)[pairs(p)[:, 0]], np.eye(p)[pairs(p)[:, 1]]], axis=1)


def two_layers(biases: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    shapes = {"fc1.weight": (N, 2 * P), "fc2.weight": (P, N), "fc1.bias": (N,), "fc2.bias": (P,)}
    kept = {name: s for name, s in shapes.items() if name.endswith("weight") or name in biases}
    return draw(1, **kept)


def forward(w: dict[str, np.ndarray], activation: str, norm: str = "") -> np.ndarray:
    x = ACTIVATIONS[activation](one_hot(P) @ w["fc1.weight"].T + w.get("fc1.bias", 0))
    if norm:
        mean, var = w.get(f"{norm}.running_mean"), w.get(f"{norm}.running_var")
        if mean is None:
            mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        x = (x - mean) / np.sqrt(var + 1e-5) * w.get(f"{norm}.weight", 1) + w.get(f"{norm}.bias", 0)
    return x @ w["fc2.weight"].T + w.get("fc2.bias", 0)


@pytest.mark.parametrize("biases", [(), ("fc1.bias",), ("fc2.bias",), ("fc1.bias", "fc2.bias")])
def test_both_activations_are_read_exactly(biases: tuple[str, ...]) -> None:
    w = two_layers(biases)
    found = readings_of(stored(w), OpenOptions())
    assert [r.description for r in found] == ["doshi: square MLP of 2 layers", "doshi: relu MLP of 2 layers"]
    for reading, activation in zip(found, ("square", "relu"), strict=True):
        assert (reading.p, reading.operation) == (P, "add")
        assert reading.assumed == (f"activation {activation}", "operation add")
        close(logits(reading, P), forward(w, activation))


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norms_and_layer_norms_come_after_the_activation(name: str, affine: bool) -> None:
    rng = np.random.default_rng(3)
    w = two_layers(("fc1.bias",))
    if affine or not name.startswith("bn"):
        w |= {f"{name}.weight": rng.normal(1, 0.3, N), f"{name}.bias": rng.normal(0, 0.3, N)}
    if name.startswith("bn") or name == "norm":
        w |= {f"{name}.running_mean": rng.normal(0, 0.3, N), f"{name}.running_var": rng.uniform(0.5, 2, N)}
        w |= {f"{name}.num_batches_tracked": np.array(9)} if affine else {}
    (reading,) = readings_of(stored(w), OpenOptions(activation="square"))
    kind = "batch" if f"{name}.running_mean" in w else "layer"
    assert reading.description == f"doshi: square MLP of 2 layers, {kind} norm"
    close(logits(reading, P), forward(w, "square", name))


def test_two_hidden_layers_are_read_exactly() -> None:
    shapes = {"fc1.weight": (N, 2 * P), "fc2.weight": (N, N), "fc3.weight": (P, N), "fc2.bias": (N,)}
    w = draw(2, **shapes)
    reading, other = readings_of(stored(w), OpenOptions())
    assert (reading.description, other.description) == (
        "doshi: relu MLP of 3 layers",
        "doshi: square MLP of 3 layers",
    )
    hidden = np.maximum(one_hot(P) @ w["fc1.weight"].T, 0)
    expected = np.maximum(hidden @ w["fc2.weight"].T + w["fc2.bias"], 0) @ w["fc3.weight"].T
    close(logits(reading, P), expected)


def test_the_json_beside_the_weights_leaves_one_reading_with_nothing_assumed() -> None:
    (reading,) = readings_of(
        stored(two_layers(), {"act": 0, "activation": "ReLU", "op": "+", "p": P}), OpenOptions()
    )
    assert (reading.assumed, reading.notes) == ((), ())
    close(logits(reading, P), forward(two_layers(), "relu"))
    (reading,) = readings_of(stored(two_layers(), {"activation": "relu", "p": 97}), OpenOptions())
    assert reading.p == P
    assert reading.notes == ("the file's settings say p=97; their shapes say 7",)


def test_a_modulus_that_the_shapes_contradict_is_refused() -> None:
    assert readings_of(stored(two_layers()), OpenOptions(p=P))[0].p == P
    with pytest.raises(ConfigError, match=r"p=5 was given, but the weights in 'run/final.pt' are for p=7"):
        readings_of(stored(two_layers()), OpenOptions(p=5))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fc2.weight": np.zeros((P, N + 1))}, r"fc2.weight \(p, N\)|fc1.weight has shape"),
        ({"fc1.weight": np.zeros((N, 2 * P + 1))}, "fc1.weight has shape"),
        ({"fc4.weight": np.zeros((P, P))}, r"fc4.weight \(7, 7\) does not belong"),
        ({"bn.weight": np.ones(N)}, "bn.weight is of a batch norm, but there is no running_mean beside it"),
        ({"norm.running_mean": np.ones(N)}, "but there is no running_var beside it"),
        ({"ln.weight": np.ones(N), "bn.weight": np.ones(N)}, "does not belong"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, np.ndarray], problem: str) -> None:
    file = stored(two_layers() | changes)
    with pytest.raises(CheckpointError, match=problem):
        readings_of(file, OpenOptions(dialect="doshi"))
    with pytest.raises(CheckpointError, match="fits no"):
        readings_of(file, OpenOptions())
