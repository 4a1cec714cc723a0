"""Native settings that are known to be whole without building network and task from them. Needs no PyTorch.

A shortcut must refuse what the long way refuses: whatever is not surely right here is left to that.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from interp.data.operations import operation_table
from interp.data.split_decoding import decode_split
from interp.errors import GrokscopeError
from probes.composition import LARGEST, composition_of
from probes.finite_group import NoGroup

ACTIVATIONS = ("square", "relu", "gelu", "silu", "tanh", "abs")
MODEL = {
    "kind",
    "vocab",
    "n_tokens",
    "n_outputs",
    "width",
    "depth",
    "activation",
    "tied",
    "bias",
    "dropout",
    "norm",
}
TASK = {"operation", "p", "train_fraction", "corrupt_fraction", "corrupt", "seed", "split"}


def is_plain(model: dict[str, Any], task: dict[str, Any]) -> bool:
    """True if settings describe an MLP of one hidden layer on the operation that its tokens stand for.

    Example:
        >>> is_plain({"kind": "mlp", "depth": 3}, {})
        False
    """
    return _is_model(model) and _is_task(task) and task["p"] == model["vocab"] == model["n_outputs"]


def _is_model(model: dict[str, Any]) -> bool:
    if set(model) != MODEL | {"init_scale"} or (model["kind"], model["depth"], model["n_tokens"]) != (
        "mlp",
        2,
        2,
    ):
        return False
    sizes = all(type(model[name]) is int and model[name] > 0 for name in ("vocab", "width", "n_outputs"))
    switches = all(type(model[name]) is bool for name in ("tied", "bias"))
    names = model["activation"] in ACTIVATIONS and model["norm"] in ("none", "batch", "layer")
    shares = _is_number(model["dropout"], 0, 1) and model["dropout"] < 1
    return sizes and switches and names and shares and _is_number(model["init_scale"], 1e-300, 1e300)


def _is_task(task: dict[str, Any]) -> bool:
    shares = set(task) == TASK and all(
        _is_number(task[name], 0, 1) for name in ("train_fraction", "corrupt_fraction")
    )
    if not shares or not task["train_fraction"] or task["corrupt"] not in ("all", "wrong"):
        return False
    whole = all(type(task[name]) is int and task[name] >= 0 for name in ("p", "seed"))
    if not whole or not isinstance(task["operation"], str):
        return False
    try:
        results = _results(task["operation"], task["p"])
        if task["split"] != "unknown":
            decode_split(task["split"], results, task["p"])
    except GrokscopeError:
        return False
    return isinstance(task["split"], (str, dict))


def _is_number(value: Any, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most and abs(value) < inf


@lru_cache(maxsize=2)
def _results(operation: str, p: int) -> np.ndarray:
    return operation_table(operation, p)[1]


@lru_cache(maxsize=32)
def composes_group(operation: str, p: int) -> bool:
    """True if a group acts in an operation without an ordering; see `interp.scoring.compositions.task_composition`.

    Example:
        >>> composes_group("group:S3", 6), composes_group("a**2 + a*b", 7)
        (True, False)
    """
    results = operation_table(operation, p)[1]
    if len(results) != p * p or p > LARGEST:
        return False
    try:
        composition_of(results.reshape(p, p))
    except NoGroup:
        return False
    return True


def tensors_of(model: dict[str, Any]) -> dict[str, list[int]]:
    """Names and shapes of all tensors of a network with such settings."""
    vocab, width, outputs = model["vocab"], model["width"], model["n_outputs"]
    shapes = {"embed.W_E": [1 if model["tied"] else 2, vocab, width], "unembed.W_U": [width, outputs]}
    if model["bias"]:
        shapes |= {"embed.b_E": [width], "unembed.b_U": [outputs]}
    if model["norm"] != "none":
        names = ["weight", "bias", *["running_mean", "running_var"] * (model["norm"] == "batch")]
        shapes |= {f"blocks.0.mlp.norm.{name}": [width] for name in names}
    if model["norm"] == "batch":
        shapes["blocks.0.mlp.norm.num_batches_tracked"] = []
    return shapes
