"""The attention-only transformer against plain loops, and its heads as neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interp.errors import ConfigError, HookNameError
from interp.hooks import capture
from interp.interventions import Edit, bake, intervene
from interp.models import HookedModel
from interp.models.attention_only import AttentionOnly, AttentionOnlyConfig
from interp.modes import Patch, Scale, Zero

TOKENS = torch.tensor([[0, 1, 2, 0], [3, 3, 4, 1]])
PATTERN, Z = "blocks.0.attn.hook_pattern", "blocks.0.attn.hook_z"


def network(**changed: Any) -> AttentionOnly:
    shape = {"vocab": 5, "n_ctx": 4, "d_model": 8, "n_heads": 3, "d_head": 6} | changed
    return AttentionOnly(AttentionOnlyConfig(**shape), seed=2).double()


def by_hand(model: AttentionOnly, tokens: Tensor) -> np.ndarray:
    """Logits by loops over layers, heads, queries and keys."""
    out = []
    for row in tokens.tolist():
        stream = model.embed.W_E.numpy(force=True)[row] + model.pos_embed.W_pos.numpy(force=True)
        for layer in model.layers:
            q, k, v, o = (getattr(layer.attn, f"W_{name}").numpy(force=True) for name in "QKVO")
            added = np.zeros_like(stream)
            for head in range(len(q)):
                for query in range(len(row)):
                    scores = np.array(
                        [
                            stream[query] @ q[head] @ (stream[key] @ k[head]) / q.shape[-1] ** 0.5
                            for key in range(query + 1)
                        ]
                    )
                    weights = np.exp(scores) / np.exp(scores).sum()
                    added[query] += sum(w * stream[key] @ v[head] @ o[head] for key, w in enumerate(weights))
            stream = stream + added
        out.append(stream @ model.unembed.weight.numpy(force=True))
    return np.array(out)


def test_logits_are_those_of_plain_loops() -> None:
    model = network()
    assert isinstance(model, HookedModel)
    assert model(TOKENS).numpy(force=True) == pytest.approx(by_hand(model, TOKENS))


@pytest.mark.parametrize("norm", ["layer", "pre"])
def test_norms_make_the_size_of_the_stream_irrelevant(norm: str) -> None:
    model = network(norm=norm, n_layers=1)
    assert ("ln_final.w" in model.state_dict()) == (norm == "layer")
    before = model(TOKENS)
    with torch.no_grad():
        for parameter in (model.embed.W_E, model.pos_embed.W_pos, model.layers[0].attn.W_O):
            parameter.mul_(50)
    assert torch.allclose(model(TOKENS), before, atol=1e-3)
    assert not torch.allclose(before, before[:, :1].expand_as(before))


def test_initial_weights_have_the_spread_that_was_asked_for() -> None:
    shape = AttentionOnlyConfig(vocab=400, n_ctx=200, d_model=64, n_heads=4, d_head=32, embed_scale=0.2)
    model = AttentionOnly(shape, seed=0)
    assert model.embed.W_E.std().item() == pytest.approx(0.2, rel=0.05)
    assert model.pos_embed.W_pos.std().item() == pytest.approx(0.2, rel=0.05)
    for name, fan_in in (("Q", 64), ("O", 128)):
        weight = getattr(model.layers[1].attn, f"W_{name}")
        assert weight.abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.01)
    assert not torch.equal(model.embed.W_E, AttentionOnly(shape, seed=1).embed.W_E)
    assert torch.equal(model.embed.W_E, AttentionOnly(shape, seed=0).embed.W_E)


def test_edits_of_patterns_and_of_what_is_gathered_act_on_heads() -> None:
    model, chosen = network(), np.array([0, 2])
    free = capture(model, TOKENS, [PATTERN, Z])
    even = torch.full((4, 4), 0.25, dtype=torch.float64)
    with intervene(model, Edit(PATTERN, chosen, Patch(even[..., None].expand(4, 4, 2)))):
        held = capture(model, TOKENS, [PATTERN, Z])
    assert torch.equal(held[PATTERN][:, chosen], even.expand(2, 2, 4, 4))
    assert torch.equal(held[PATTERN][:, 1], free[PATTERN][:, 1])
    v = capture(model, TOKENS, "blocks.0.attn.hook_v")["blocks.0.attn.hook_v"]
    assert torch.allclose(held[Z][:, :, chosen], v.mean(1, keepdim=True).expand(2, 4, 3, 6)[:, :, chosen])
    with intervene(model, Edit(Z, chosen, Zero())):
        assert (capture(model, TOKENS, Z)[Z].abs().amax((0, 1, 3)) == 0).tolist() == [True, False, True]
    with intervene(model, Edit(f"{Z}@1", chosen, Zero())):
        gathered = capture(model, TOKENS, Z)[Z]
    assert gathered[:, 1, chosen].abs().max() == 0
    assert torch.equal(gathered[:, [0, 2, 3]], free[Z][:, [0, 2, 3]])


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("part", ["hook_pattern", "hook_z"])
def test_a_prefix_goes_on_to_the_logits_of_the_last_position(layer: int, part: str) -> None:
    model, hook = network(), f"blocks.{layer}.attn.{part}"
    prefix = model.prefix(hook, TOKENS)
    assert prefix.activations.shape[-1] == 3
    assert torch.allclose(prefix.logits(), model(TOKENS)[:, -1])
    changed = prefix.activations.clone()
    changed[..., 1] *= 0.3
    with intervene(model, Edit(hook, np.array([1]), Scale(0.3))):
        expected = model(TOKENS)[:, -1]
    assert torch.allclose(prefix.logits(changed), expected)
    assert torch.allclose(prefix.logits(changed[[1]], torch.tensor([1])), expected[[1]])
    assert not torch.allclose(expected, model(TOKENS)[:, -1])


@pytest.mark.parametrize("hook", [PATTERN, Z])
def test_scaled_heads_are_saved_in_a_copy(hook: str) -> None:
    model, edit = network(), Edit(hook, np.array([1]), Scale(0.3))
    before = model(TOKENS)
    with intervene(model, edit):
        expected = model(TOKENS)
    assert torch.allclose(bake(model, edit)(TOKENS), expected)
    assert torch.equal(model(TOKENS), before)
    with pytest.raises(ConfigError, match="a head's shift cannot be saved"):
        model.absorb(hook, torch.ones(3), torch.ones(3))


def test_mistakes_are_told() -> None:
    for given, message in (
        ({"n_heads": 0}, "n_heads=0 must be at least 1"),
        ({"embed_scale": 0.0}, "embed_scale=0.0"),
    ):
        with pytest.raises(ConfigError, match=message):
            network(**given)
    with pytest.raises(ConfigError, match="unknown norm 'batch'"):
        network(norm="batch")
    with pytest.raises(HookNameError, match="there are no heads at 'blocks"):
        network().prefix("blocks.0.attn.hook_v", TOKENS)
    with pytest.raises(ConfigError, match="the inputs have tokens 0 to 5"):
        network()(torch.tensor([[0, 1, 2, 5]]))
