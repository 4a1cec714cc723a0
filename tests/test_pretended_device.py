"""``device="cuda"`` where no GPU is: everything stays on the device that was asked for, and gives the same figures."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from language_models import tiny
from pretended_device import DEVICE, Pretended, pretended_device

from interp import audit
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.training import TrainConfig, finish, prepare

BENCHMARKS = Path(__file__).parent / "benchmarks"
TASK = ModularTask("add", 11, train_fraction=0.6, corrupt_fraction=0.3)
SHAPES = {
    "transformer": {},
    "two layers": {"n_layers": 2},
    "two layers and norms": {"n_layers": 2, "norm": "layer", "bias": True},
}


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work of the benchmarks that runs on any device."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("on_device")


def test_it_refuses_what_a_gpu_refuses() -> None:
    with pretended_device():
        x = torch.ones(3).to("cuda")
        assert isinstance(x + 1, Pretended)
        assert (x + 1).device == DEVICE
        assert (x + 1).cpu().tolist() == (x + 1).tolist() == [2, 2, 2]
        with pytest.raises(RuntimeError, match="must be on one device"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError):
            x.numpy()


def networks() -> dict[str, Any]:
    size = {"causal": True, "d_model": 16, "d_mlp": 16, "n_heads": 2, "d_head": 8, "init_scale": 4}
    deep = MLPConfig(width=16, depth=3, activation="relu", norm="layer")
    prompt = Prompt.parse("a b =", p=11)
    return {
        "perceptron": HookedMLP(MLPConfig(width=16), vocab=11),
        "deep perceptron": HookedMLP(deep, vocab=11),
        **{
            name: SmallTransformer(TransformerConfig(**size, **shape), 12, 11, prompt)
            for name, shape in SHAPES.items()
        },
    }


def check_same(on_device: Any, start: Callable[[str], Callable[[], Any]]) -> None:
    """The figures of both devices agree."""
    expected = start("cpu")()
    with pretended_device():
        measured = start("cuda")()
    on_device.check_close(measured, expected)


DEFAULT = ("perceptron", "transformer")


@pytest.mark.parametrize(
    "name", [name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in networks()]
)
def test_audits(on_device: Any, name: str) -> None:
    model = networks()[name].eval()
    check_same(
        on_device, lambda device: lambda: audit(deepcopy(model), TASK, device=device, n_random=2).to_dict()
    )


def trained(device: str) -> dict[str, Any]:
    config = TrainConfig(steps=20, log_every=10, batch_size=16)
    result = finish(prepare(TASK, MLPConfig(width=8), config, device=device))
    return {"weights": result.model.embed.W_E.detach().cpu().numpy().ravel()}


def test_training(on_device: Any) -> None:
    check_same(on_device, lambda device: lambda: trained(device))


def test_networks_trained_together(on_device: Any) -> None:
    check_same(on_device, lambda device: on_device.grid(device, networks=2, p=5, width=4))


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_memory_of_language_models(on_device: Any, architecture: str) -> None:
    model = tiny(architecture)
    check_same(on_device, lambda device: on_device.sequences(device, model, length=8))
