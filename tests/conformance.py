"""The guide's table of conformance: ``python tests/conformance.py`` does everything that it states, and writes it.

A network, as a file holds it, is opened as ``--model`` does, and compared with a plain copy in which a PyTorch hook
zeroes the neurons by hand.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import conforming
import msgpack
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import interp
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.errors import GrokscopeError
from interp.interventions import Edit, bake, intervene
from interp.models import neuron_site
from interp.modes import Zero

PAGE = Path(__file__).parents[1] / "notebooks" / "guide" / "conformance.md"
BLOCK = re.compile(r"(?<=<!-- conformance -->\n).*?(?=<!-- end -->)", re.DOTALL)
COLUMNS = ("capture", "ablate equals edited weights", "gradients", "audit", "batch")
ALL = slice(None)
PAIRS = torch.cartesian_prod(torch.arange(conforming.P), torch.arange(conforming.P))
LABELS = PAIRS.sum(1) % conforming.P
NEURONS = np.array([1, 4, 5])
WRONG = "WRONG: "
"""How a cell begins that no release may have."""
State = Mapping[str, Tensor]
Writer = Callable[[State, Path], Path]


def saved(state: State, folder: Path, wrap: Callable[[State], Any] = dict) -> Path:
    torch.save(wrap(state), folder / "net.pt")
    return folder / "net.pt"


def renamed(form: str) -> Writer:
    """A writer of names such as ``module.{}``, or with a part before the last one, such as ``{}._orig_mod.{}``."""

    def names(state: State) -> dict[str, Tensor]:
        return {form.format(*name.rsplit(".", form.count("{}") - 1)): value for name, value in state.items()}

    return partial(saved, wrap=names)


def lightning(state: State, folder: Path) -> Path:
    inner = {f"model.{name}": value for name, value in state.items()}
    extras = {
        "hyper_parameters": {"p": conforming.P},
        "optimizer_states": [{"state": {}, "param_groups": []}],
    }
    torch.save({"state_dict": inner, "epoch": 3, "global_step": 70, **extras}, folder / "last.ckpt")
    return folder / "last.ckpt"


def averaged(state: State) -> dict[str, Any]:
    return {"n_averaged": torch.tensor(3), **{f"module.{name}": value for name, value in state.items()}}


def beside_raw(state: State) -> dict[str, Any]:
    return {"model": {name: torch.zeros_like(value) for name, value in state.items()}, "ema": dict(state)}


def trainer(state: State, folder: Path, *, shards: bool = False) -> Path:
    """A folder as Hugging Face's Trainer leaves it."""
    place = folder / "checkpoint-400"
    place.mkdir()
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(state)}
    if shards:
        for file in set(files.values()):
            save_file({name: state[name] for name in state if files[name] == file}, place / file)
        (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    else:
        save_file(dict(state), place / "model.safetensors")
    (place / "config.json").write_text(json.dumps({"architectures": ["Net"], "p": conforming.P}))
    torch.save({"state": {}, "param_groups": []}, place / "optimizer.pt")
    torch.save({"cpu": torch.zeros(5)}, place / "rng_state.pth")
    return place / "model.safetensors.index.json" if shards else place


def npz(state: State, folder: Path) -> Path:
    np.savez(folder / "net.npz", **{name: value.numpy() for name, value in state.items()})
    return folder / "net.npz"


def flax(state: State, folder: Path) -> Path:
    """Nested dictionaries in MessagePack, as flax writes them."""
    tree: dict[str, Any] = {}
    for name, value in state.items():
        *parts, last = name.split(".")
        level = tree
        for part in parts:
            level = level.setdefault(part, {})
        level[last] = value.numpy()

    def array(value: np.ndarray) -> Any:
        return msgpack.ExtType(1, msgpack.packb((value.shape, value.dtype.name, value.tobytes())))

    (folder / "net.msgpack").write_bytes(msgpack.packb({"params": tree}, default=array, strict_types=True))
    return folder / "net.msgpack"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        build: Name of a function in `conforming`.
        site: Where the neurons are.
        write: Puts the weights into a file.
        neurons_last: The tensor at the site with examples first and its neurons last, a view.
    """

    name: str
    build: str = "mlp"
    site: str = "read:input"
    write: Writer = saved
    neurons_last: Callable[[Tensor], Tensor] = lambda tensor: tensor


def channels(tensor: Tensor) -> Tensor:
    return tensor.movedim(1, -1)


def flat_heads(tensor: Tensor) -> Tensor:
    return tensor.flatten(2)


ROWS = (
    Row("plain state dict"),
    Row("DataParallel, on the CPU", "data_parallel"),
    Row("names of DistributedDataParallel", write=renamed("module.{}")),
    Row("names of FSDP", write=renamed("_fsdp_wrapped_module.{}._fsdp_wrapped_module.{}")),
    Row("torch.compile", "compiled"),
    Row("names of a compiled submodule", write=renamed("{}._orig_mod.{}")),
    Row("activation checkpointing, reentrant", "reentrant", "body.layers.0:output"),
    Row("activation checkpointing, not reentrant", "not_reentrant", "body.layers.0:output"),
    Row("names of the checkpoint wrapper", write=renamed("{}._checkpoint_wrapped_module.{}")),
    Row("names of Opacus", write=renamed("_module.{}")),
    Row("Lightning's .ckpt", write=lightning),
    Row("averaged model", write=partial(saved, wrap=averaged)),
    Row("averaged weights beside raw ones", write=partial(saved, wrap=beside_raw)),
    Row("Hugging Face Trainer's folder", write=trainer),
    Row("shards and their index", write=partial(trainer, shards=True)),
    Row(".npz", write=npz),
    Row("flax' .msgpack", write=flax),
    Row("weight_norm", "weight_norm", "body.layers.0:output"),
    Row("parametrised (orthogonal)", "orthogonal", "body.layers.0:output"),
    Row("lazy layer", "lazy"),
    Row("module on the device meta", "meta"),
    Row("convolution", "convolution", "body.conv:output", neurons_last=channels),
    Row("convolution, channels-last memory", "channels_last_memory", "body.conv:output", neurons_last=channels),
    Row("channels on the last axis", "channels_last", "body.here:output"),
    Row("LSTM", "lstm", "body.rnn:output"),
    Row("GRU", "gru", "body.rnn:output"),
    Row("nn.MultiheadAttention", "attention", "body.attn:output"),
    Row("nn.TransformerEncoderLayer", "encoder_layer", "body.layer.linear2:input"),
    Row("LayerNorm", "layer_norm", "body.layers.0:output"),
    Row("BatchNorm", "batch_norm", "body.layers.0:output"),
    Row("embedding", "embedding", "embed:output"),
    Row("heads × dimension", "heads", "body.z:output", neurons_last=flat_heads),
    Row("positions before examples", "positions_first", "body.layer.1:output",
        neurons_last=lambda tensor: tensor.transpose(0, 1)),
)  # fmt: skip


class Plain:
    """A copy of the network without wrappers, and PyTorch's own hooks on it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.module = conforming.PLAIN.get(row.build, getattr(conforming, row.build))(0)

    def run(self, neurons: Any = ()) -> tuple[Tensor, Tensor]:
        """Logits with some neurons zero, and the site's tensor as it was, neurons last."""
        seen: list[Tensor] = []
        path, _, side = self.row.site.partition(":")

        def zeroed(value: Any) -> Any:
            if isinstance(value, tuple):
                return (zeroed(value[0]), *value[1:])
            seen.append(self.row.neurons_last(value.detach().clone()))
            factor = torch.ones(value.shape)  # contiguous, so that what follows is a view
            self.row.neurons_last(factor)[..., list(neurons)] = 0
            return value * factor

        owner = self.module.get_submodule(path)
        if side == "input":
            handle = owner.register_forward_pre_hook(lambda _, args: zeroed(args))
        else:
            handle = owner.register_forward_hook(lambda _, args, output: zeroed(output))
        try:
            return self.module(PAIRS), seen[0]
        finally:
            handle.remove()


class Conformance:
    """What is done with one row's network; each method raises an error, or an AssertionError that says what differs."""

    def __init__(self, row: Row, folder: Path) -> None:
        self.row, self.folder, self.plain = row, folder, Plain(row)
        self.path = row.write(self.plain.module.state_dict(), folder)
        model = f"{inspect.getfile(conforming)}:{row.build}"
        self.options = OpenOptions(model=model, sites=(row.site,), task="add", p=conforming.P)

    def cells(self, columns: slice = ALL) -> list[str]:
        """A cell for each of `COLUMNS`, or some of them: yes, or the error's text."""
        deeds = (self.capture, self.ablate, self.gradients, self.audit, self.batch)
        return [self._cell(deed) for deed in deeds[columns]]

    def _cell(self, deed: Callable[[], None]) -> str:
        try:
            deed()
        except GrokscopeError as error:
            text = str(error).replace(f"{self.folder}/", "").replace(f"{Path(__file__).parent}/", "")
            return " ".join(text.split())
        except Exception as error:
            return f"{WRONG}{type(error).__name__}: {str(error).splitlines()[0]}"
        return "yes"

    @cached_property
    def _model(self) -> Any:
        warnings.simplefilter("ignore")
        return load_checkpoint(self.path, self.options).model

    def capture(self) -> None:
        model, (logits, expected) = self._model, self.plain.run()
        site = neuron_site(model)
        with torch.no_grad():
            got, cache = model.run_with_cache(PAIRS)
        same("logits", got, logits)
        same("activations", cache[site.hook].movedim(site.axis, -1), expected)

    def ablate(self) -> None:
        model, (expected, _) = self._model, self.plain.run(NEURONS)
        edit = Edit(neuron_site(model).hook, NEURONS, Zero())
        with torch.no_grad(), intervene(model, edit):
            same("logits without neurons", model(PAIRS), expected)
        with torch.no_grad():
            same("logits of edited weights", bake(model, edit)(PAIRS), expected)

    def gradients(self) -> None:
        model = self._model
        with intervene(model, Edit(neuron_site(model).hook, NEURONS, Zero())):
            nn.functional.cross_entropy(model(PAIRS), LABELS).backward()
        nn.functional.cross_entropy(self.plain.run(NEURONS)[0], LABELS).backward()
        pairs = zip(model.module.parameters(), self.plain.module.parameters(), strict=True)
        for got, expected in pairs:
            if got.grad is None or expected.grad is None:
                assert got.grad is expected.grad, "a gradient is missing"
            else:
                same("gradients", got.grad, expected.grad)

    def audit(self) -> None:
        report = interp.audit(self.path, options=self.options, n_random=2)
        assert report.accuracy.all == self._accuracy(), "the accuracy differs"

    def batch(self) -> None:
        out = self.folder / "out"
        found = interp.batch(
            str(self.path), out, measure="labels", options=self.options, workers=1, outliers=0
        )
        (row,) = found.store.checkpoints.to_pylist()
        if row["status"] == "failed":
            raise GrokscopeError(row["error"])
        assert row["neurons"] == self.plain.run()[1].shape[-1], f"{row['neurons']} neurons"
        assert row["accuracy_all"] == self._accuracy(), "the accuracy differs"

    def _accuracy(self) -> float:
        return float((self.plain.run()[0].argmax(1) == LABELS).double().mean())


def same(name: str, got: Tensor, expected: Tensor) -> None:
    """Raise an AssertionError if tensors differ in shape, or by more than rounding."""
    assert got.shape == expected.shape, f"{name} of shape {tuple(got.shape)}, not {tuple(expected.shape)}"
    off = (got - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
    assert off < 1e-4, f"{name} are off by {float(off):.2g}"


def cells_of(row: Row, columns: slice = ALL) -> list[str]:
    """The cells of one row, or those of some columns."""
    with TemporaryDirectory() as folder:
        return Conformance(row, Path(folder)).cells(columns)


def table(rows: Mapping[str, list[str]]) -> str:
    """The table in Markdown; cells with their errors' whole text."""
    lines = [["", *COLUMNS], ["---"] * (1 + len(COLUMNS))]
    lines += [[name, *(cell.replace("|", "\\|") for cell in cells)] for name, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the table into the page."""
    content = table({row.name: cells_of(row) for row in ROWS})
    PAGE.write_text(BLOCK.sub(lambda _: content, PAGE.read_text()))
    sys.stdout.write(content)


if __name__ == "__main__":
    main()
