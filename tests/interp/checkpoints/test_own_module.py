"""A user's own network from a Python file: built, filled strictly, and every way in which that can fail."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interp.checkpoints.own_module import build_from_file, fill
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.unwrap import read_weights
from interp.errors import CheckpointError, ConfigError

SOURCE = """
from dataclasses import dataclass
from torch import nn

WIDTH = 3

@dataclass
class Shape:
    width: int

def build():
    return nn.Sequential(nn.Linear(2, Shape(WIDTH).width), nn.ReLU(), nn.Linear(WIDTH, 2))

def broken():
    return nn.Linear(2, WIDTH / 0)

def number():
    return 7

def needs(width):
    return nn.Linear(2, width)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def test_the_module_that_the_function_builds_comes_back(source: Path) -> None:
    module = build_from_file(f"{source}:build")
    assert [type(layer) for layer in module.children()] == [nn.Linear, nn.ReLU, nn.Linear]
    assert module[0].weight.shape == (3, 2)


def test_a_colon_in_a_folder_is_no_function(source: Path) -> None:
    place = source.parent / "a:b"
    place.mkdir()
    (place / "net.py").write_text(SOURCE)
    assert isinstance(build_from_file(f"{place}/net.py:build"), nn.Module)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("{source}", "names no function; write a Python file and a function in it"),
        ("net.txt:build", "names no function"),
        ("/no/such/net.py:build", "there is no file '/no/such/net.py'"),
        ("{source}:biuld", "has no function 'biuld'; did you mean 'build'?"),
        ("{source}:WIDTH", "has no function 'WIDTH'"),
        ("{source}:broken", "failed with ZeroDivisionError"),
        ("{source}:needs", "failed with TypeError"),
        ("{source}:number", "returned int; expected a torch.nn.Module"),
    ],
)
def test_what_builds_no_module_is_refused_with_a_reason(source: Path, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_from_file(where.format(source=source))


@pytest.mark.parametrize("text", ["import torch.nothing", "def build(:", "raise OSError('no disk')"])
def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ConfigError, match=r"bad.py' cannot be imported: (ModuleNotFound|Syntax|OS)Error"):
        build_from_file(f"{tmp_path}/bad.py:build")


def read(folder: Path, tensors: dict[str, Tensor]) -> StoredWeights:
    """Tensors as they are read from a file ``w.pt``."""
    torch.save(tensors, folder / "w.pt")
    return replace(read_weights(folder / "w.pt"), path=Path("w.pt"))


def test_the_weights_are_filled_in(tmp_path: Path) -> None:
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    assert fill(fresh, read(tmp_path, trained.state_dict())) == []
    assert torch.equal(fresh.weight, trained.weight)
    assert torch.equal(fresh.bias, trained.bias)


def _missing(tensors: dict[str, Tensor]) -> None:
    del tensors["bias"]


def _extra(tensors: dict[str, Tensor]) -> None:
    tensors["weights"] = torch.zeros(1)


def _shape(tensors: dict[str, Tensor]) -> None:
    tensors["weight"] = torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_missing, "the tensor 'bias' is missing from 'w.pt'"),
        (_extra, "the tensor 'weights' is in 'w.pt', but not in the model; did you mean 'weight'?"),
        (_shape, "'weight' in 'w.pt' has shape (2, 4); the model has (2, 3)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(
    damage: Callable[[dict[str, Tensor]], None], message: str, tmp_path: Path
) -> None:
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    tensors = dict(nn.Linear(3, 2).state_dict())
    damage(tensors)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        fill(module, read(tmp_path, tensors))
    assert torch.equal(module.weight, before)


class Buffered(nn.Module):
    """A layer with buffers of every kind that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)
        self.register_buffer("causal", torch.full((3, 3), -torch.inf).triu(1))
        self.register_buffer("rotary", torch.polar(torch.ones(3), torch.arange(3.0)))
        self.register_buffer("cache", torch.zeros(0, 4))
        self.register_buffer("positions", torch.arange(3))
        self.register_buffer("seen", torch.tensor(True))


@pytest.mark.parametrize(
    "spelled",
    [
        "{}",
        "module.{}",
        "_orig_mod.module.{}",
        "model._orig_mod.{}",
        "net.{}",
        "_fsdp_wrapped_module.{}",
        "_module.{}",
    ],
)
def test_buffers_are_loaded_as_pytorch_loads_them_whatever_wraps_the_names(
    spelled: str, tmp_path: Path
) -> None:
    trained, fresh = Buffered(), Buffered()
    for buffer in fresh.buffers():
        buffer.zero_()
    fill(
        fresh, read(tmp_path, {spelled.format(name): tensor for name, tensor in trained.state_dict().items()})
    )
    for name, tensor in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)


def test_a_loss_beside_the_model_is_left_out_with_a_note(tmp_path: Path) -> None:
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    state = {f"model.{name}": tensor for name, tensor in trained.state_dict().items()}
    notes = fill(fresh, read(tmp_path, state | {"criterion.weight": torch.ones(2)}))
    assert torch.equal(fresh.weight, trained.weight)
    assert any("'criterion.weight'" in note for note in notes)


def test_a_compiled_module_takes_plain_names(tmp_path: Path) -> None:
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    fill(torch.nn.Sequential(OrderedDict(_orig_mod=fresh)), read(tmp_path, trained.state_dict()))
    assert torch.equal(fresh.weight, trained.weight)


@pytest.mark.parametrize(("value", "message"), [(torch.inf, "holds infinity"), (torch.nan, "NaN")])
def test_a_parameter_that_is_not_finite_is_refused(value: float, message: str, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in Buffered().state_dict().items()}
    state["inner.weight"][0, 0] = value
    with pytest.raises(CheckpointError, match=f"'inner.weight'.*{message}.*diverged"):
        fill(Buffered(), read(tmp_path, state))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


def test_tied_weights_may_be_stored_once(tmp_path: Path) -> None:
    trained, fresh = Tied(), Tied()
    state = {name: tensor for name, tensor in trained.state_dict().items() if name != "head.weight"}
    assert fill(fresh, read(tmp_path, state)) == [
        "'head.weight' is tied to 'embed.weight', which the file holds"
    ]
    assert torch.equal(fresh.head.weight, trained.embed.weight)
    untied = Tied()
    untied.head.weight = nn.Parameter(torch.zeros(5, 3))
    with pytest.raises(CheckpointError, match=r"'head\.weight' is missing"):
        fill(untied, read(tmp_path, state))


class Rotated(nn.Module):
    """A layer, and a table that no file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("table", torch.ones(3), persistent=False)


def stored_in(tmp_path: Path, state: dict[str, torch.Tensor]) -> StoredWeights:
    torch.save(state, tmp_path / "net.pt")
    return read_weights(tmp_path / "net.pt")


def test_layers_without_memory_of_their_own_take_the_files(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    stored = stored_in(tmp_path, plain.state_dict())
    with torch.device("meta"):
        meta = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    for module in (meta, nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(2))):
        fill(module, stored)
        inputs = torch.randn(5, 3)
        assert torch.equal(module(inputs), plain(inputs))
        assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.device("meta"):
        rotated = Rotated()
    with pytest.raises(
        ConfigError, match=r"'table' of the model is on the device meta, and .* does not hold it"
    ):
        fill(rotated, stored_in(tmp_path, nn.ModuleDict({"layer": nn.Linear(3, 2)}).state_dict()))


def test_a_tensor_that_is_missing_is_not_taken_for_one_of_the_same_shape(tmp_path: Path) -> None:
    stored = stored_in(
        tmp_path, {"0.weight": torch.ones(3, 3), "0.bias": torch.ones(3), "1.bias": torch.ones(3)}
    )
    with torch.device("meta"):
        meta = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with pytest.raises(CheckpointError, match=r"'1\.weight' is missing"):
        fill(meta, stored)
