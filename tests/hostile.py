"""Hostile native checkpoints: whatever can be wrong with their weights, JSON, index, file and place, in one list.

`HOSTILE` has a function per kind: it is given the path of a good checkpoint's weights, and spoils it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Spoil = Callable[[Path], None]
HOSTILE: dict[str, Spoil] = {}
SCRIPT = "</script><script>window.__pwned=1</script>"


def hostile(name: str) -> Callable[[Spoil], Spoil]:
    def keep(spoil: Spoil) -> Spoil:
        HOSTILE[name] = spoil
        return spoil

    return keep


def described(place: str, value: Any) -> Spoil:
    """Set one value in a checkpoint's JSON, such as ``model.width``; without a value it is left out."""

    def spoil(net: Path) -> None:
        file = net.with_suffix(".json")
        settings = json.loads(file.read_text())
        *outer, name = place.split(".")
        part = settings
        for key in outer:
            part = part[key]
        part[name] = value
        if value is Ellipsis:
            del part[name]
        file.write_text(json.dumps(settings))

    return spoil


VALUES: dict[str, tuple[Any, ...]] = {
    "format": ("grokscope-2", 1, [], ...),
    "step": (SCRIPT, "150", True, float("nan"), 1e30, -1, 2**63, [1], {}),
    "edited": (1, []),
    "training": ([], "good"),
    "metrics": ("good", [1]),
    "model": ([], None, "mlp", ...),
    "model.kind": ([], None, "cnn", {}),
    "model.vocab": (0, -1, 13.0, 10**9, "13", None, True, 7, ...),
    "model.width": (0, -1, 1.5, 40_000_000, 10**30, None, [24]),
    "model.depth": (0, 1, 3, 300_000, "2"),
    "model.n_tokens": (0, 1, 3, 10**9, None),
    "model.n_outputs": (0, 3, 10**9, "13"),
    "model.activation": ([], "custom", "sin", None, SCRIPT),
    "model.norm": ("x", None, [], "batch"),
    "model.dropout": ("x", -1, 2, float("nan")),
    "model.init_scale": ("1", float("inf"), None),
    "model.tied": ("yes", None),
    "model.bias": ("yes", None),
    "model.other": (1,),
    "task": ([], None, "add", ...),
    "task.operation": ([], None, "power", "a**", "__import__('os')", "a" * 100_000, SCRIPT),
    "task.p": (0, 1, -13, 7, 13.0, 1009, 2003, 10**9, "13", None, ...),
    "task.seed": ([], -1, "0", 1.5, None),
    "task.train_fraction": (0, -1, 2, "1", None, float("nan")),
    "task.corrupt_fraction": (-1, 2, "1", None, float("nan")),
    "task.corrupt": ("some", None, []),
    "task.split": ([1], {"train": 1}, {}, 3, "known"),
    "task.other": (1,),
}
for place, values in VALUES.items():
    for value in values:
        HOSTILE[f"{place} = {'left out' if value is ... else repr(value)[:30]}"] = described(place, value)


def _text(name: str, text: str) -> None:
    HOSTILE[f"JSON {name}"] = lambda net: net.with_suffix(".json").write_text(text, "latin-1") and None


_text("of nothing", "")
_text("of no JSON", "{step: 1")
_text("nested deeply", "[" * 200_000)
_text("with a number of 5,000 digits", '{"format": "grokscope-1", "step": ' + "9" * 5_000 + "}")
_text("of another encoding", '{"format": "\xff"}')


@hostile("JSON that is a folder")
def _folder(net: Path) -> None:
    net.with_suffix(".json").unlink()
    net.with_suffix(".json").mkdir()


@hostile("JSON that is a pipe")
def _pipe(net: Path) -> None:
    net.with_suffix(".json").unlink()
    os.mkfifo(net.with_suffix(".json"))


@hostile("JSON that never ends")
def _endless(net: Path) -> None:
    net.with_suffix(".json").unlink()
    net.with_suffix(".json").symlink_to("/dev/zero")


@hostile("JSON that is missing")
def _missing(net: Path) -> None:
    net.with_suffix(".json").unlink()


# Weights


def _instead(name: str, put: Spoil) -> None:
    def spoil(net: Path) -> None:
        net.unlink()
        put(net)

    HOSTILE[f"weights that are {name}"] = spoil


_instead("empty", lambda net: net.touch())
_instead("random bytes", lambda net: net.write_bytes(bytes(range(256)) * 9) and None)
_instead("a pipe", os.mkfifo)
_instead("an endless device", lambda net: net.symlink_to("/dev/zero"))
_instead("a link to nowhere", lambda net: net.symlink_to("nowhere"))
_instead("a link to itself", lambda net: net.symlink_to(net.name))


@hostile("weights cut short")
def _short(net: Path) -> None:
    os.truncate(net, net.stat().st_size - 40)


def _tensors(name: str, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    def spoil(net: Path) -> None:
        tensors = load_file(net)
        change(tensors)
        save_file(tensors, net, metadata={"format": "grokscope-1"})

    HOSTILE[f"weights with {name}"] = spoil


_tensors("NaN", lambda tensors: tensors["embed.W_E"].fill_(torch.nan))
_tensors("infinity", lambda tensors: tensors["unembed.W_U"].fill_(torch.inf))
_tensors("a tensor too many", lambda tensors: tensors.update(other=torch.ones(3)))
_tensors("a tensor too few", lambda tensors: tensors.pop("unembed.W_U"))
_tensors(
    "another shape", lambda tensors: tensors.update({"unembed.W_U": tensors["unembed.W_U"].T.contiguous()})
)
_tensors(
    "complex numbers",
    lambda tensors: tensors.update({"unembed.W_U": tensors["unembed.W_U"].to(torch.complex64)}),
)


# Indexes of shards


def _index(name: str, index: Any) -> None:
    def spoil(net: Path) -> None:
        net.rename(net.with_name("shard.safetensors.part"))
        text = index if isinstance(index, str) else json.dumps(index)
        net.with_name(f"{net.stem}.safetensors.index.json").write_text(text)

    HOSTILE[f"index {name}"] = spoil


_index("that names nothing", {"weight_map": {"embed.W_E": ""}})
_index("that names a folder above", {"weight_map": {"embed.W_E": "../good/step-00000000.safetensors"}})
_index("that names a missing file", {"weight_map": {"embed.W_E": "absent.safetensors"}})
_index("that names a number", {"weight_map": {"embed.W_E": 3}})
_index("that names itself", {"weight_map": {"embed.W_E": "net.safetensors.index.json"}})
_index("that is a list", [])
_index("without a map", {})
_index("nested deeply", "[" * 200_000)
