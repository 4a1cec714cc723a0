"""Readers of files and forward passes that share nothing with Grokscope's: what a spoilt file really holds."""

from __future__ import annotations

import base64
import json
import pickle
import re
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from foreign import ACTIVATIONS, pairs, run

Arrays = dict[str, np.ndarray]
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
STORED = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
STORED |= {"BoolStorage": "?", "ComplexFloatStorage": "<c8"}
MORE = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "abs": np.abs,
    "identity": lambda x: x,
}


def read_safetensors(path: Path) -> Arrays:
    """Arrays by name."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            wide = np.frombuffer(body[start:stop], "<u2").astype("<u4") << 16
            arrays[name] = wide.view("<f4").reshape(entry["shape"])
        else:
            arrays[name] = np.frombuffer(body[start:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


class _Tensors(pickle.Unpickler):
    """A pickle of torch.save in which nothing is known but tensors."""

    def __init__(self, content: bytes, numbers: dict[str, bytes]) -> None:
        if content[:1] == pickle.PROTO:  # PyTorch does not mind which
            content = content[:1] + b"\2" + content[2:]
        super().__init__(BytesIO(content))
        self.numbers = numbers

    def find_class(self, module: str, name: str) -> Any:
        if name == "_rebuild_tensor_v2":
            return _rebuilt
        if name in ("_get_layout", "Size"):
            return lambda value: value
        if name == "_rebuild_sparse_tensor":
            return _sparse
        if name == "_rebuild_parameter":
            return lambda tensor, *rest: tensor
        if name == "OrderedDict":
            return dict
        if module == "torch" and name in STORED:
            return STORED[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, kind, key, _, count = pid
        return np.frombuffer(self.numbers[key], kind, count)


def _rebuilt(storage: np.ndarray, start: int, shape: Any, strides: Any, *rest: Any) -> np.ndarray:
    step = storage.itemsize
    return np.lib.stride_tricks.as_strided(storage[start:], shape, [n * step for n in strides]).copy()


def read_pt(path: Path) -> Any:
    """The content of a PyTorch archive, with arrays for tensors."""
    with zipfile.ZipFile(path) as file:
        entries = {entry.filename.split("/", 1)[1]: entry for entry in file.infolist()}
    content = path.read_bytes()
    records = {name: _record(content, entry) for name, entry in entries.items()}
    numbers = {name[5:]: content for name, content in records.items() if name.startswith("data/")}
    return _Tensors(records["data.pkl"], numbers).load()


def _record(content: bytes, entry: zipfile.ZipInfo) -> bytes:
    """A record as it is: PyTorch looks neither at checksums of numbers nor at the second name of each."""
    at = entry.header_offset
    name, extra = struct.unpack("<HH", content[at + 26 : at + 30])
    start = at + 30 + name + extra
    return content[start : start + entry.file_size]


def _sparse(layout: Any, parts: tuple[Any, ...]) -> np.ndarray:
    indices, values, shape, *_ = parts
    dense = np.zeros(shape, values.dtype)
    np.add.at(dense, tuple(indices), values)
    return dense


def read_npz(path: Path) -> Arrays:
    """Arrays by name."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_msgpack(path: Path) -> Any:
    """Nested dictionaries with arrays, as flax writes them."""
    import msgpack

    def extension(code: int, data: bytes) -> np.ndarray:
        shape, kind, numbers = msgpack.unpackb(data, use_list=False)
        return np.frombuffer(numbers, kind).reshape(shape)

    return msgpack.unpackb(path.read_bytes(), ext_hook=extension)


def weights_in(content: Any, names: tuple[str, ...]) -> Arrays:
    """The first dictionary, outer ones first, whose keys end in these names,
    which are all that it may be read as."""
    waiting = [content]
    while waiting:
        level = waiting.pop(0)
        if not isinstance(level, dict):
            continue
        ends = {name: array for key, array in level.items() for name in names if str(key).endswith(name)}
        if set(ends) == set(names):
            return {name: np.asarray(array) for name, array in ends.items()}
        waiting += [value for value in level.values() if isinstance(value, (dict, list))]
    raise KeyError(names)


def activation(name: str) -> Any:
    return (ACTIVATIONS | MORE)[name]


def mlp_logits(arrays: Arrays, settings: dict[str, Any], operands: np.ndarray) -> np.ndarray:
    """Logits of a perceptron under our names, with one hidden layer or several, in double precision."""
    w = {name: array.astype(np.float32).astype(np.float64) for name, array in arrays.items()}
    act, embed = activation(settings["activation"]), w["embed.W_E"]
    first, second = embed[0], embed[-1]
    x = act(first[operands[:, 0]] + second[operands[:, 1]] + w.get("embed.b_E", 0))
    for layer in range(1, settings["depth"] - 1):
        x = act(x @ w[f"blocks.{layer}.linear.W_in"] + w.get(f"blocks.{layer}.linear.b_in", 0))
    return x @ w["unembed.W_U"] + w.get("unembed.b_U", 0)


def doshi_logits(arrays: Arrays, name: str, operands: np.ndarray) -> np.ndarray:
    """Logits of linear layers over concatenated one-hot operands."""
    w = {key: array.astype(np.float32).astype(np.float64) for key, array in arrays.items()}
    first = w["fc1.weight"]
    p = first.shape[1] // 2
    pre = first[:, operands[:, 0]] + first[:, p + operands[:, 1]]
    return (w["fc2.weight"] @ activation(name)(pre)).T


def native_transformer(arrays: Arrays) -> Arrays:
    """A network of `foreign.run` from our names."""
    w = {"E": arrays["embed.W_E"], "P": arrays["pos_embed.W_pos"], "U": arrays["unembed.W_U"]}
    parts = {
        "attn.W_Q": "Q",
        "attn.W_K": "K",
        "attn.W_V": "V",
        "attn.W_O": "O",
        "mlp.W_in": "in",
        "mlp.W_out": "out",
    }
    for name, array in arrays.items():
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if block and block[2] in parts:
            w[f"{block[1]}.{parts[block[2]]}"] = array
    return w


def tokens_of(prompt: str, operands: np.ndarray) -> np.ndarray:
    """The tokens of a prompt such as ``a b 7`` for every pair of operands."""
    columns = []
    for slot in prompt.split():
        letter, _, shift = slot.partition("+")
        columns.append(operands[:, "ab".index(letter)] + int(shift or 0) if letter in "ab" else
                       np.full(len(operands), int(slot)))  # fmt: skip
    return np.stack(columns, axis=1)


def results_of(operation: str, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Operands and results of an operation, by a formula in a and b where it is none of the four."""
    operands = pairs(p)
    if operation == "divide":
        operands = operands[operands[:, 1] != 0]
        return operands, np.array([a * pow(int(b), -1, p) % p for a, b in operands])
    formula = {"add": "a+b", "subtract": "a-b", "multiply": "a*b"}.get(
        operation, operation.replace("^", "**")
    )
    if not re.fullmatch(r"[ab0-9+*() -]{1,60}", formula):
        raise ValueError(operation)
    value = [eval(formula, {}, {"a": int(a), "b": int(b)}) % p for a, b in operands]
    return operands, np.array(value)


def split_of(split: dict[str, Any], results: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trained examples, and the labels as trained on."""
    train, corrupted = (
        np.unpackbits(np.frombuffer(base64.b64decode(split[name]), np.uint8), count=len(results)).astype(bool)
        for name in ("train", "corrupted")
    )
    labels = results.copy()
    labels[corrupted] = split["corrupted_labels"]
    return train, labels


def transformer_logits(
    net: Arrays, settings: dict[str, Any], prompt: str, operands: np.ndarray
) -> np.ndarray:
    how = {
        "activation": settings["activation"],
        "causal": settings["causal"],
        "coeff": settings["attn_coeff"],
    }
    how["readout"] = settings.get("readout", -1)
    known = {name: array.astype(np.float32) for name, array in net.items()}
    return run(known, tokens_of(prompt, operands), **how)


def bounds(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The share of right answers if every tie within rounding is lost, and if it is won."""
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    margin, near = logits[rows, labels] - others.max(1), 1e-4 * np.abs(logits).max(1)
    return float((margin > near).mean()), float((margin > -near).mean())


def is_right(accuracy: float, logits: np.ndarray, labels: np.ndarray) -> bool:
    """True if an accuracy is that of these logits."""
    least, most = bounds(logits, labels)
    return least - 1e-9 <= accuracy <= most + 1e-9
