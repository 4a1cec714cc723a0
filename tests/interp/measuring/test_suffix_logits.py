"""Effects of neurons before a norm or a transformer block, against one hooked pass a neuron."""

from __future__ import annotations

import pytest
import torch

from interp.data import ModularTask
from interp.hooks import hooked
from interp.interventions import ablate
from interp.measuring import suffix_logits, through_block
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.suffix_logits import followed, logits_of_pairs
from interp.models import Prompt, SmallTransformer, TransformerConfig

P, WIDTH, POST = 7, 6, "blocks.0.mlp.hook_post"
TASK = ModularTask("add", P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
SHAPES = {
    "block": {"n_layers": 2, "causal": True},
    "mixed attention, biases": {"n_layers": 2, "attn_coeff": 0.3, "bias": True, "activation": "square"},
    "block, layer norms": {"n_layers": 2, "norm": "layer", "bias": True, "causal": True},
    "block, plain norms": {"n_layers": 2, "norm": "pre", "activation": "gelu", "attn_coeff": 0.6},
    "layer norm": {"norm": "layer", "bias": True},
    "plain norm": {"norm": "pre", "causal": True, "bias": True},
}


def network(readout: int = -1, **settings: object) -> SmallTransformer:
    """One whose weights and biases are all away from 0 and 1, with quiet neurons."""
    config = TransformerConfig(8, 2, 3, WIDTH, **settings)
    model = SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), readout=readout).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator)
        model.layers[0].mlp.W_in[:, 0] = 0  # a neuron that is dead, or always the same
    return model


def logits_by_neuron(cached: CachedPass) -> torch.Tensor:
    """Logits ``(neuron, example, output)`` with each neuron changed, from the pairs that are given."""
    logits = cached.logits[slice(None)].repeat(cached.width, 1, 1)
    parts = slice(0, 2), slice(2, cached.width)
    for part in parts:
        for rows, (neuron, example), changed in logits_of_pairs(cached.prefix, cached.change, part):
            assert (example >= rows.start).all()
            assert (example < rows.stop).all()
            logits[part.start + neuron, example] = torch.from_numpy(changed.copy())
    return logits


def logits_by_hooks(cached: CachedPass) -> torch.Tensor:
    """The same from one hooked pass a neuron."""
    logits = []
    for neuron in range(cached.width):
        with ablate(cached.model, [neuron], cached.mode, site=cached.hook, reference=TASK):
            logits.append(cached.model(cached.data.inputs).detach())
    return torch.stack(logits)


@pytest.mark.parametrize("mode", ["zero", "mean", "scale=2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_one_hooked_pass_a_neuron(shape: str, mode: str) -> None:
    cached = cached_pass(network(**SHAPES[shape]), TASK, site=POST, mode=mode)
    assert followed(cached.prefix)
    logits = logits_by_neuron(cached)
    cached.model.double()
    expected = logits_by_hooks(cached).float()
    largest = float(expected.abs().max())
    torch.testing.assert_close(logits, expected, rtol=0, atol=3e-6 * largest)


@pytest.mark.parametrize("readout", [-1, 1])
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("shape", ["block", "block, plain norms"])
def test_one_position_is_changed_alone(shape: str, position: int, readout: int) -> None:
    model = network(readout, **SHAPES[shape])
    cached = cached_pass(model, TASK, site=f"{POST}@{position}")
    assert followed(cached.prefix)
    torch.testing.assert_close(logits_by_neuron(cached), logits_by_hooks(cached), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", ["block, layer norms", "layer norm"])
def test_small_parts_give_the_same(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = cached_pass(network(**SHAPES[shape]), TASK, site=POST)
    whole = logits_by_neuron(cached)
    for module in (suffix_logits, through_block):
        monkeypatch.setattr(module, "PAIRS", 5)
        monkeypatch.setattr(module, "TABLE", 50)
    torch.testing.assert_close(logits_by_neuron(cached), whole, rtol=1e-5, atol=1e-5)


def test_examples_on_which_a_neuron_is_quiet_are_left_out() -> None:
    cached = cached_pass(network(**SHAPES["block"]), TASK, site=POST)
    pairs = [pair for _, pair, _ in logits_of_pairs(cached.prefix, cached.change, slice(0, WIDTH))]
    reached = torch.zeros(WIDTH, len(TASK.dataset), dtype=torch.bool)
    for neuron, example in pairs:
        reached[neuron, example] = True
    assert torch.equal(reached, cached.affected)
    assert not reached[0].any()
    assert reached[1:].any()


def test_rests_that_are_not_known_in_parts_are_not_followed() -> None:
    deep, block = network(n_layers=3), network(n_layers=2)
    passes = [cached_pass(deep, TASK, site=POST), cached_pass(block, TASK, site="blocks.0.attn.hook_z")]
    with hooked(block, {"blocks.1.mlp.hook_post": lambda x: 2 * x}):
        passes.append(cached_pass(block, TASK, site=POST))
    passes.append(cached_pass(block.double(), TASK, site=POST))
    assert not any(followed(cached.prefix) for cached in passes)
