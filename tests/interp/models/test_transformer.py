"""The small transformer against a forward pass in plain numpy, and its options."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.hooks import capture, hooked
from interp.interventions import Edit, ablate, bake, intervene
from interp.models import Prompt, SmallTransformer, TransformerConfig, neuron_site
from interp.modes import Zero

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))
SHAPES = {
    "paper": ("a b", TransformerConfig(12, 3, 4, 10)),
    "causal": ("a b =", TransformerConfig(12, 3, 4, 10, causal=True, bias=True)),
    "deep": ("a b+5 =", TransformerConfig(12, 2, 5, 10, n_layers=3, activation="square", norm="layer", bias=True)),
    "mixed": ("a b", TransformerConfig(12, 3, 4, 10, attn_coeff=0.3, n_layers=2, norm="pre")),
    "mixed and causal": ("a b =", TransformerConfig(12, 3, 4, 10, attn_coeff=0.3, causal=True)),
}  # fmt: skip


def network(shape: str) -> SmallTransformer:
    """One whose weights are all away from 0 and 1."""
    prompt, config = SHAPES[shape]
    model = SmallTransformer(config, 11, 5, Prompt.parse(prompt, p=5)).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return model


def by_hand(model: SmallTransformer, pairs: np.ndarray) -> np.ndarray:
    """Logits at the last position, one example after another."""
    w = {name: tensor.detach().double().numpy() for name, tensor in model.named_parameters()}
    c = model.config
    act = {"relu": lambda x: np.maximum(x, 0), "square": np.square}[c.activation]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        if c.norm == "none":
            return x
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[name + ".w"] + w[name + ".b"] if c.norm == "layer" else x

    def bias(name: str) -> np.ndarray | float:
        return w.get(name, 0.0)

    found = []
    for tokens in model.prompt(torch.as_tensor(pairs)).numpy():
        x = w["embed.W_E"][tokens] + w["pos_embed.W_pos"]
        for layer in range(c.n_layers):
            block, read = f"blocks.{layer}.", norm(x, f"blocks.{layer}.ln1")
            out = np.zeros_like(x)
            for head in range(c.n_heads):
                q, k, v = (
                    read @ w[f"{block}attn.W_{n}"][head] + (w[f"{block}attn.b_{n}"][head] if c.bias else 0)
                    for n in "QKV"
                )
                seen = np.tril(np.ones((len(x), len(x)))) if c.causal else np.ones((len(x), len(x)))
                weights = np.exp(q @ k.T / np.sqrt(c.d_head)) * seen
                pattern = c.attn_coeff * weights / weights.sum(1, keepdims=True) + (1 - c.attn_coeff) * seen
                out += pattern @ v @ w[f"{block}attn.W_O"][head]
            x = x + out + bias(f"{block}attn.b_O")
            hidden = act(norm(x, f"{block}ln2") @ w[f"{block}mlp.W_in"] + bias(f"{block}mlp.b_in"))
            x = x + hidden @ w[f"{block}mlp.W_out"] + bias(f"{block}mlp.b_out")
        found.append(norm(x, "ln_final")[-1] @ w["unembed.W_U"] + bias("unembed.b_U"))
    return np.array(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_a_forward_pass_by_hand(shape: str) -> None:
    model = network(shape)
    np.testing.assert_allclose(model(PAIRS).detach(), by_hand(model, PAIRS.numpy()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answers_position_alone_gives_the_same_logits_and_gradients(shape: str) -> None:
    model = network(shape)
    found = []
    for only in (False, True):
        model.readout_only = only
        model.zero_grad()
        logits = model(PAIRS)
        logits.square().sum().backward()
        found.append([logits, *(parameter.grad.clone() for parameter in model.parameters())])
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(plain, fast, rtol=1e-4, atol=1e-3)
    acts = capture(model, PAIRS, "blocks.0.hook_resid_pre")["blocks.0.hook_resid_pre"]
    assert acts.shape[1] == len(model.prompt)


@pytest.mark.parametrize("shape", SHAPES)
def test_heads_are_ablated_and_patched_like_neurons(shape: str) -> None:
    model, hook = network(shape), "blocks.0.attn.hook_z"
    z = capture(model, PAIRS, hook)[hook]
    assert z.shape[2:] == (model.config.n_heads, model.config.d_head)
    with ablate(model, [1], site=hook):
        ablated = capture(model, PAIRS, hook)[hook]
        logits = model(PAIRS)
    assert (ablated[:, :, 1] == 0).all()
    assert torch.equal(ablated[:, :, 0], z[:, :, 0])
    by_weights = deepcopy(model)
    with torch.no_grad():
        by_weights.layers[0].attn.W_O[1] = 0
    assert torch.equal(by_weights(PAIRS), logits)
    assert torch.equal(bake(model, Edit(hook, np.array([1]), Zero()))(PAIRS), logits)


@pytest.mark.parametrize("shape", SHAPES)
def test_zeroing_neurons_equals_editing_the_weights(shape: str) -> None:
    model = network(shape)
    for site in model.neuron_sites():
        if site.axis != -1:
            continue
        chosen, by_weights = np.array([0, 3]), deepcopy(model)
        layer = int(site.hook.split(".")[1])
        with torch.no_grad():
            by_weights.layers[layer].mlp.W_out[chosen] = 0
        with ablate(model, chosen, site=site.hook):
            logits = model(PAIRS)
        assert torch.equal(by_weights(PAIRS), logits)
        assert torch.equal(bake(model, Edit(site.hook, chosen, Zero()))(PAIRS), logits)


def test_one_position_is_changed_alone() -> None:
    model, hook = network("deep"), "blocks.0.mlp.hook_post"
    plain = capture(model, PAIRS, [hook, f"{hook}@1"])
    assert torch.equal(plain[f"{hook}@1"], plain[hook][:, 1])
    with intervene(model, Edit(f"{hook}@1", np.array([2]), Zero())):
        changed = capture(model, PAIRS, hook)[hook]
    expected = plain[hook].clone()
    expected[:, 1, 2] = 0
    assert torch.equal(changed, expected)
    with hooked(model, {f"{hook}@0": lambda x: None}):
        assert torch.equal(capture(model, PAIRS, hook)[hook], plain[hook])


def test_a_position_that_does_not_exist_is_named() -> None:
    with pytest.raises(HookNameError, match="has 3 positions, from 0; there is no position 3"):
        capture(network("deep"), PAIRS, "blocks.0.mlp.hook_post@3")


@pytest.mark.parametrize("position", ["last", "-1", "", "1.5"])
def test_a_position_must_be_a_number(position: str) -> None:
    with pytest.raises(HookNameError, match="write a number from 0 after '@'"):
        neuron_site(network("deep"), f"blocks.0.mlp.hook_post@{position}")


def test_settings_give_the_same_network_back() -> None:
    model = network("deep")
    twin = SmallTransformer.from_dict(model.to_dict())
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(PAIRS), model(PAIRS))
    with pytest.raises(CheckpointError, match="do not describe a transformer"):
        SmallTransformer.from_dict({"kind": "transformer", "vocab": 5})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be at least 1"),
        ({"attn_coeff": 1.5}, r"attn_coeff=1.5 is not in \[0, 1\]"),
        ({"norm": "batch"}, "unknown norm 'batch'"),
        ({"activation": "sine"}, "unknown activation 'sine'"),
        ({"init_scale": 0.0}, "init_scale=0.0 must be above 0"),
    ],
)
def test_impossible_shapes_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformerConfig(**wrong)


def test_tokens_beyond_the_vocabulary_are_refused() -> None:
    with pytest.raises(ConfigError, match="the network knows 11, from 0"):
        network("paper")(torch.tensor([[1, 11]]))
    with pytest.raises(ConfigError, match="readout=2 is no position"):
        SmallTransformer(TransformerConfig(8, 1, 8, 8), 5, 5, readout=2)
    with pytest.raises(ConfigError, match="the network would have 2,000,044,000,000 weights"):
        SmallTransformer(TransformerConfig(10**6, 1, 8, 10**6), 5, 5)
