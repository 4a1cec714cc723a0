"""Strangers' networks and files, made by tests, and their forward passes in plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.checkpoints.stored import StoredWeights

SHARED = Path(__file__).parents[2] / "shared" / "checkpoints"
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "square": np.square,
    "tanh": np.tanh,
    "gelu": lambda x: np.array([v * 0.5 * (1 + _erf(v / 2**0.5)) for v in x.ravel()]).reshape(x.shape),
}


def _erf(x: float) -> float:
    return float(torch.erf(torch.tensor(x, dtype=torch.float64)))


def stored(
    tensors: dict[str, np.ndarray], beside: dict[str, Any] | None = None, path: str = "run/final.pt"
) -> StoredWeights:
    """What reading a file with these arrays would give."""
    as_tensors = {
        name: torch.tensor(np.asarray(array), dtype=_dtype(array)) for name, array in tensors.items()
    }
    return StoredWeights(Path(path), as_tensors, {}, None, beside or {}, ())


def _dtype(array: np.ndarray) -> torch.dtype:
    return torch.int64 if np.asarray(array).dtype.kind in "iu" else torch.float32


def draw(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Random arrays of these shapes, in single precision."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def transformer(
    *, vocab: int, n_ctx: int, n_outputs: int, layers: int = 1, biases: bool = False, seed: int = 0
) -> dict[str, np.ndarray]:
    """Random weights: E, P, U, and for each layer L its L.Q, L.K, L.V (head, 12, 4), L.O, L.in, L.out and biases."""
    d, heads, e, n = 12, 3, 4, 10
    shapes: dict[str, tuple[int, ...]] = {"E": (vocab, d), "P": (n_ctx, d), "U": (d, n_outputs)}
    for layer in range(layers):
        shapes |= {f"{layer}.{name}": (heads, d, e) for name in "QKV"}
        shapes |= {f"{layer}.O": (heads, e, d), f"{layer}.in": (d, n), f"{layer}.out": (n, d)}
        if biases:
            shapes |= {f"{layer}.b{name}": (heads, e) for name in "QKV"}
            shapes |= {f"{layer}.bO": (d,), f"{layer}.bin": (n,), f"{layer}.bout": (d,)}
    return draw(seed, **shapes | ({"bU": (n_outputs,)} if biases else {}))


def run(
    net: dict[str, np.ndarray],
    tokens: np.ndarray,
    *,
    activation: str = "relu",
    causal: bool = False,
    coeff: float = 1.0,
    norm: str = "none",
    readout: int = -1,
) -> np.ndarray:
    """Logits at a position, the last unless told, one example and one head after another."""
    w = {name: array.astype(np.float64) for name, array in net.items()}
    layers = sum(name.endswith(".Q") for name in w)

    def normed(x: np.ndarray, name: str) -> np.ndarray:
        if norm == "none":
            return x
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.w"] + w[f"{name}.b"] if norm == "layer" else x

    found = []
    for row in tokens:
        x = w["E"][row] + w["P"][: len(row)]
        for layer in range(layers):
            read, out = normed(x, f"{layer}.ln1"), np.zeros_like(x)
            for head in range(len(w[f"{layer}.Q"])):
                q, k, v = (read @ w[f"{layer}.{n}"][head] + _bias(w, f"{layer}.b{n}", head) for n in "QKV")
                seen = np.tril(np.ones((len(x), len(x)))) if causal else np.ones((len(x), len(x)))
                scores = np.where(seen, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
                weights = np.exp(scores - scores.max(1, keepdims=True))
                pattern = coeff * weights / weights.sum(1, keepdims=True) + (1 - coeff) * seen
                out += pattern @ v @ w[f"{layer}.O"][head]
            x = x + out + w.get(f"{layer}.bO", 0)
            pre = normed(x, f"{layer}.ln2") @ w[f"{layer}.in"] + w.get(f"{layer}.bin", 0)
            x = x + ACTIVATIONS[activation](pre) @ w[f"{layer}.out"] + w.get(f"{layer}.bout", 0)
        found.append(normed(x, "final")[readout] @ w["U"] + w.get("bU", 0))
    return np.array(found)


def _bias(w: dict[str, np.ndarray], name: str, head: int) -> np.ndarray | float:
    return w[name][head] if name in w else 0.0


def pairs(p: int) -> np.ndarray:
    """Every pair of operands."""
    return np.array([(a, b) for a in range(p) for b in range(p)])


def logits(reading: Any, p: int) -> np.ndarray:
    """What a reading's network says of every pair."""
    model = reading.build()
    assert not any(module.training for module in model.modules())
    with torch.no_grad():
        return model(torch.as_tensor(pairs(p))).numpy()


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal to 1e-5 of the largest logit, which must not be tiny."""
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    assert scale > 1e-2
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)


def output_first(net: dict[str, np.ndarray], *, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """A network of `transformer` as Nanda et al. and Zhong et al. store it."""
    file = {"embed.W_E": net["E"].T, "pos_embed.W_pos": net["P"], "unembed.W_U": net["U"]}
    for name, array in net.items():
        layer, _, part = name.partition(".")
        block = f"blocks.{layer}."
        if part in ("Q", "K", "V"):
            file[f"{block}attn.W_{part}"] = np.stack([head.T for head in array])
        elif part == "O":
            file[f"{block}attn.W_O"] = np.concatenate([head.T for head in array], axis=1)
        elif part in ("in", "out"):
            file[f"{block}mlp.W_{part}"] = array.T
        elif part in ("bin", "bout"):
            file[f"{block}mlp.b_{part[1:]}"] = array
        if part == "Q" and mask is not None:
            file[f"{block}attn.mask"] = mask
    return file


def version_2(net: dict[str, np.ndarray], *, buffers: bool = True) -> dict[str, np.ndarray]:
    """A network of `transformer` as TransformerLens 2 and 3 store it, with norms if it has any."""
    file = {"embed.W_E": net["E"], "pos_embed.W_pos": net["P"], "unembed.W_U": net["U"]}
    file |= {"unembed.b_U": net["bU"]} if "bU" in net else {}
    for name, array in net.items():
        layer, _, part = name.partition(".")
        block = f"blocks.{layer}."
        if part in ("Q", "K", "V", "O"):
            file[f"{block}attn.W_{part}"] = array
        elif part in ("bQ", "bK", "bV", "bO"):
            file[f"{block}attn.b_{part[1:]}"] = array
        elif part.removeprefix("b") in ("in", "out"):
            file[f"{block}mlp.{'b' if part[0] == 'b' else 'W'}_{part.removeprefix('b')}"] = array
        elif layer == "final":
            file[f"ln_final.{part}"] = array
        elif part.startswith("ln"):
            file[block + part] = array
        if part == "Q" and buffers:
            n_ctx = len(net["P"])
            file[f"{block}attn.mask"] = np.tril(np.ones((n_ctx, n_ctx)))
            file[f"{block}attn.IGNORE"] = np.array(-np.inf)
    return file


def version_4(net: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A network of `transformer` as a native bridge of TransformerLens 4 stores it."""
    file = {"embed.weight": net["E"], "pos_embed.weight": net["P"], "unembed.weight": net["U"].T}
    file |= {"unembed.bias": net["bU"]} if "bU" in net else {}
    for name, array in net.items():
        layer, _, part = name.partition(".")
        block = f"blocks.{layer}."
        if part in ("Q", "K", "V"):
            file[f"{block}attn.{part.lower()}.weight"] = np.concatenate([head.T for head in array])
        elif part in ("bQ", "bK", "bV"):
            file[f"{block}attn.{part[1].lower()}.bias"] = array.ravel()
        elif part == "O":
            file[f"{block}attn.o.weight"] = np.concatenate([head.T for head in array], axis=1)
        elif part == "bO":
            file[f"{block}attn.o.bias"] = array
        elif part in ("in", "out"):
            file[f"{block}mlp.{part}.weight"] = array.T
        elif part in ("bin", "bout"):
            file[f"{block}mlp.{part[1:]}.bias"] = array
        elif part.startswith("ln") or layer == "final":
            place = "ln_final" if layer == "final" else block + part.partition(".")[0]
            file[f"{place}.{'weight' if name.endswith('w') else 'bias'}"] = array
    return file


def with_norms(net: dict[str, np.ndarray], layers: int) -> dict[str, np.ndarray]:
    """The same network with layer norms before each part and the output."""
    rng = np.random.default_rng(9)
    names = [f"{layer}.ln{n}" for layer in range(layers) for n in (1, 2)] + ["final"]
    return net | {
        f"{name}.{part}": rng.normal(mean, 0.3, 12).astype(np.float32)
        for name in names
        for part, mean in (("w", 1), ("b", 0))
    }
