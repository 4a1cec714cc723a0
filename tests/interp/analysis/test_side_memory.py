"""Side memories against products by hand, and hooks that leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from interp.analysis.merging import ties
from interp.analysis.side_memory import ALWAYS, SideMemory
from interp.analysis.value_layers import changed_output, layer_inputs, value_layer
from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.hooks import capture
from interp.interventions import ablate
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, adopt, analytic_mlp

PAIRS = torch.cartesian_prod(torch.arange(7), torch.arange(7))


def change_of(model: object, seed: int = 0, shards: int = 1, scale: float = 0.1) -> torch.Tensor:
    weight = value_layer(model).weight  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shards, *weight.shape, generator=generator)


def models() -> dict[str, object]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Embedding(7, 6), nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 7))
        words = nn.Sequential(nn.Embedding(7, 6), nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 7))
    shape = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=12, n_layers=2)
    return {
        "mlp": HookedMLP(MLPConfig(width=9), vocab=7),
        "deep": HookedMLP(MLPConfig(width=9, depth=3), vocab=7),
        "transformer": SmallTransformer(shape, 7, 7),
        "adopted": adopt(net, "4:input"),
        "positions": adopt(words, "3:input"),
    }


@pytest.mark.parametrize("name", list(models()))
def test_a_memory_that_is_always_read_is_the_network_with_other_weights(name: str) -> None:
    model, other = models()[name], models()[name]
    change = change_of(model)
    weight = value_layer(other).weight  # type: ignore[arg-type]
    weight += change[0]  # shares memory with the network's
    memory = SideMemory(value_layer(model).hook, change, 0.0)  # type: ignore[arg-type]
    before = model(PAIRS)  # type: ignore[operator]
    with memory.attached(model, ALWAYS):  # type: ignore[arg-type]
        inside = model(PAIRS)  # type: ignore[operator]
    torch.testing.assert_close(inside, other(PAIRS), rtol=1e-4, atol=1e-5)  # type: ignore[operator]
    assert torch.equal(model(PAIRS), before)  # type: ignore[operator]
    assert not torch.allclose(inside, before, atol=1e-3)


def test_scores_and_routes_are_those_of_numpy_loops() -> None:
    model = HookedMLP(MLPConfig(width=9), vocab=7)
    changes = change_of(model, shards=3)
    post = capture(model, PAIRS, "blocks.0.mlp.hook_post")["blocks.0.mlp.hook_post"].double().numpy()
    plain = model(PAIRS).detach().double().numpy()
    expected, scores = plain.copy(), np.zeros(len(PAIRS))
    memory = SideMemory("blocks.0.mlp.hook_post", changes, 0.0)
    threshold = float(np.sort(memory.scores(model, PAIRS))[24:26].mean())
    for n, activations in enumerate(post):
        best = max(
            ((float(np.linalg.norm(activations @ one)), one) for one in changes.double().numpy()),
            key=lambda pair: pair[0],
        )
        scores[n] = best[0]
        if best[0] > threshold:
            expected[n] += activations @ best[1]
    memory = SideMemory("blocks.0.mlp.hook_post", changes, threshold)
    np.testing.assert_allclose(memory.scores(model, PAIRS), scores, rtol=1e-4)
    assert memory.reads(model, PAIRS).sum() == len(PAIRS) // 2
    with memory.attached(model):
        np.testing.assert_allclose(model(PAIRS).detach().numpy(), expected, rtol=1e-3, atol=1e-5)
    mask = np.arange(len(PAIRS)) % 3 == 0
    with memory.attached(model, mask):
        moved = (model(PAIRS).detach().numpy() != plain.astype(np.float32)).any(1)
    assert (moved == mask).all()


def test_every_position_decides_for_itself() -> None:
    model = models()["positions"]
    memory = SideMemory("3:input", change_of(model), 0.0)
    scores = memory.scores(model, PAIRS)  # type: ignore[arg-type]
    assert scores.shape == (49, 2)
    levels = np.unique(
        scores.round(4)
    )  # one for each token; rounding would decide at a threshold on one of them
    memory = SideMemory("3:input", memory.changes, float(levels[len(levels) // 2 :][:2].mean()))
    with memory.attached(model):  # type: ignore[arg-type]
        inside = model.module(PAIRS)  # type: ignore[attr-defined]
    moved = (inside != model.module(PAIRS)).any(-1).numpy()  # type: ignore[attr-defined]
    assert 0 < moved.mean() < 1
    assert (moved == (scores > memory.threshold)).all()
    assert (memory.reads(model, PAIRS) == moved.any(1)).all()  # type: ignore[arg-type]


def test_other_interventions_are_part_of_what_is_read() -> None:
    for name in ("mlp", "transformer", "adopted"):
        model = models()[name]
        layer = value_layer(model)  # type: ignore[arg-type]
        memory = SideMemory(layer.hook, change_of(model), 0.0)
        dead = range(layer.weight.shape[0])
        with memory.attached(model, ALWAYS), ablate(model, dead, site=layer.hook):  # type: ignore[arg-type]
            inside = model(PAIRS)  # type: ignore[operator]
        with ablate(model, dead, site=layer.hook):  # type: ignore[arg-type]
            assert torch.allclose(inside, model(PAIRS)), name  # type: ignore[operator, arg-type]


def stop_after(model: object) -> None:
    model(PAIRS)  # type: ignore[operator]
    raise RuntimeError("stop")


@pytest.mark.parametrize("name", list(models()))
def test_no_hook_is_left_behind_in_case_of_an_error(name: str) -> None:
    model = models()[name]
    memory = SideMemory(value_layer(model).hook, change_of(model), 0.0)  # type: ignore[arg-type]

    def count() -> int:
        hooks = ("_forward_hooks", "_forward_pre_hooks")
        return sum(len(getattr(module, kind)) for module in model.modules() for kind in hooks)  # type: ignore[attr-defined]

    before, state = count(), {k: v.clone() for k, v in model.state_dict().items()}  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="stop"), memory.attached(model):  # type: ignore[arg-type]
        stop_after(model)

    def fail(activations: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), changed_output(value_layer(model), fail):  # type: ignore[arg-type]
        model(PAIRS)  # type: ignore[operator]
    assert count() == before
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())  # type: ignore[attr-defined]


def test_what_cannot_be_a_memory_is_an_error() -> None:
    model = analytic_mlp("add", p=7)
    with pytest.raises(ConfigError, match="made for"):
        SideMemory("blocks.0.mlp.hook_post", torch.zeros(1, 3, 7), 0.0).layer_of(model)
    with pytest.raises(HookNameError):
        SideMemory("blocks.9.mlp.hook_post", torch.zeros(1, 3, 7), 0.0).layer_of(model)
    memory = SideMemory("blocks.0.mlp.hook_post", torch.zeros_like(value_layer(model).weight)[None], 0.0)
    with pytest.raises(ConfigError, match="expected 'by score'"), memory.attached(model, "sometimes"):
        model(PAIRS)
    with pytest.raises(ConfigError, match="3 entries for 49"), memory.attached(model, np.ones(3, bool)):
        model(PAIRS)
    with pytest.raises(ConfigError, match="no linear layer"):
        value_layer(adopt(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), "0:output"))
    with pytest.raises(HookNameError, match="leave out"):
        value_layer(SmallTransformer(TransformerConfig(), 7, 7), "blocks.0.mlp.hook_post@0")

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))

    twice = adopt(Twice(), "layer:input", loop="time")
    with pytest.raises(ConfigError, match="2 times"):
        layer_inputs(twice, value_layer(twice), torch.ones(2, 3))


def test_a_saved_memory_is_the_same_when_loaded(tmp_path: Path) -> None:
    memory = SideMemory("blocks.0.mlp.hook_post", torch.randn(2, 5, 3), 1.25, (True, False))
    memory.save(tmp_path / "memory.safetensors")
    loaded = SideMemory.load(tmp_path / "memory.safetensors")
    assert torch.equal(loaded.changes, memory.changes)
    assert (loaded.hook, loaded.threshold, loaded.learnt) == (memory.hook, 1.25, (True, False))
    assert repr(loaded) == repr(memory)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"format": "other"}, "is no side memory"),
        ({"threshold": "high"}, "is spoilt"),
        ({"threshold": "nan"}, "more matrices of finite"),
        ({"threshold": "-1"}, "more matrices of finite"),
        ({"learnt": "012"}, "is spoilt"),
    ],
)
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, spoilt: dict[str, str], message: str) -> None:
    header = {"format": "grokscope side memory 1", "hook": "h", "threshold": "1.0", "learnt": "1"} | spoilt
    save_file({"changes": torch.zeros(1, 2, 2)}, tmp_path / "spoilt.safetensors", header)
    with pytest.raises(CheckpointError, match=message):
        SideMemory.load(tmp_path / "spoilt.safetensors")


@pytest.mark.parametrize("changes", [torch.zeros(0, 2, 2), torch.full((1, 2, 2), torch.nan)])
def test_a_file_without_usable_changes_is_refused(tmp_path: Path, changes: torch.Tensor) -> None:
    SideMemory("h", changes, 1.0).save(tmp_path / "memory.safetensors")
    with pytest.raises(CheckpointError, match="one or more matrices of finite"):
        SideMemory.load(tmp_path / "memory.safetensors")


def test_a_memory_without_copies_is_refused() -> None:
    model = HookedMLP(MLPConfig(width=9), vocab=7)
    memory = SideMemory(value_layer(model).hook, torch.zeros(0, 9, 7), 1.0)
    with pytest.raises(ConfigError, match="of the shape"), memory.attached(model):
        model(PAIRS)


def test_ties_is_that_of_a_loop() -> None:
    generator = np.random.default_rng(0)
    changes = [generator.normal(size=(4, 5)) for _ in range(3)]
    kept = []
    for one in changes:
        least = np.sort(np.abs(one).ravel())[::-1][round(0.4 * 20) - 1]
        kept.append(np.where(np.abs(one) >= least, one, 0.0))
    expected = np.zeros((4, 5))
    for place in np.ndindex(4, 5):
        values = [one[place] for one in kept]
        agreeing = [value for value in values if value * sum(values) > 0]
        expected[place] = np.mean(agreeing) if agreeing else 0.0
    merged = ties([torch.from_numpy(one) for one in changes], 0.4)
    np.testing.assert_allclose(merged.numpy(), expected)
    with pytest.raises(ConfigError, match="at least one"):
        ties([])
    with pytest.raises(ConfigError, match="density"):
        ties([torch.ones(2)], 0.0)
