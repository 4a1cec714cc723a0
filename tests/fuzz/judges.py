"""Judges of successes: from the folder, the request and its value to what is wrong, by an independent reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import readers, seeds


def native_judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
    file = Path(asked["path"])
    settings = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    arrays, model, task = readers.read_safetensors(file), settings["model"], settings["task"]
    operation, p = task.get("operation", "add"), task.get("p", 97)
    operands, results = readers.results_of(operation, p)
    if model.get("kind", "mlp") == "mlp":
        shape = {"depth": 2, "activation": "square"} | model
        logits = readers.mlp_logits(arrays, shape, operands)
    else:
        shape = {"activation": "relu", "causal": False, "attn_coeff": 1.0} | model
        prompt = value["model"]["prompt"]
        logits = readers.transformer_logits(readers.native_transformer(arrays), shape, prompt, operands)
    return against(value, logits, results, task.get("split"))


def against(value: dict[str, Any], logits: np.ndarray, results: np.ndarray, split: Any = None) -> str:
    accuracy = value["accuracy"]
    if not np.isfinite(logits).all():
        return "logits are not finite"
    if not readers.is_right(accuracy["all"], logits, results):
        return f"wrong success: accuracy {accuracy['all']}, expected {readers.bounds(logits, results)}"
    if isinstance(split, dict):
        train, labels = readers.split_of(split, results)
        if train.any() and not readers.is_right(accuracy["train"], logits[train], labels[train]):
            return f"wrong success on the training set: {accuracy['train']}"
    return ""


def foreign_judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
    file = Path(asked["path"])
    read = {".pt": readers.read_pt, ".npz": readers.read_npz, ".msgpack": readers.read_msgpack}[file.suffix]
    content = read(file)
    operands, results = readers.results_of(value["operation"], value["p"])
    if value["dialect"] == "doshi":
        arrays = readers.weights_in(content, ("fc1.weight", "fc2.weight"))
        logits = readers.doshi_logits(arrays, value["model"]["activation"], operands)
    elif value["dialect"] in ("nanda", "zhong"):
        names = tuple(name for name in seeds.nanda() if not name.endswith("mask"))
        w = readers.weights_in(content, names)
        net = {"E": w["embed.W_E"].T, "P": w["pos_embed.W_pos"], "U": w["unembed.W_U"][:, : value["p"]]}
        net |= {f"0.{part}": w[f"blocks.0.attn.W_{part}"].transpose(0, 2, 1) for part in "QKV"}
        heads = len(net["0.Q"])
        net["0.O"] = np.stack([part.T for part in np.split(w["blocks.0.attn.W_O"], heads, axis=1)])
        net |= {"0.in": w["blocks.0.mlp.W_in"].T, "0.out": w["blocks.0.mlp.W_out"].T}
        logits = readers.transformer_logits(net, value["model"], value["model"]["prompt"], operands)
    else:
        return f"read in the dialect {value['dialect']}, for which there is no independent reader here"
    return against(value, logits, results)


def table_judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
    """An accuracy of a table as Python's own reader of CSV sees it; pairs and labels of whole numbers."""
    text = (folder / "t.csv").read_bytes().decode("utf-8")
    header, *rows = [row for row in csv.reader(text.splitlines()) if row]
    inputs = [
        i
        for i, name in enumerate(header)
        if name not in ("label", "true_label", "split", "corrupted", "ordering")
    ]
    if len(inputs) != 2:
        return f"read {len(inputs)} inputs for two tokens"
    numbers = {"true": 1, "false": 0}
    operands = np.array([[int(float(numbers.get(row[i], row[i]))) for i in inputs] for row in rows])
    labels = np.array(
        [int(float(row[header.index("true_label" if "true_label" in header else "label")])) for row in rows]
    )
    arrays = readers.read_safetensors(Path(asked["path"]))
    logits = readers.mlp_logits(arrays, {"depth": 2, "activation": "square"}, operands)
    return against(value, logits, labels)
