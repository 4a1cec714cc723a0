"""The bridged transformer against the small one: logits, activations, changes at hooks, and edited weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from conftest import hooks_on
from torch import Tensor
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.hooks import capture, hooked
from interp.interventions import Edit, ablate, bake, intervene
from interp.models import HookedModel, Prompt, SmallTransformer, TransformerConfig, neuron_site, prefix_at
from interp.models.bridge import BridgedTransformer, bridge_can_express, build_transformer
from interp.models.bridge_names import from_bridge_names, to_bridge_names
from interp.modes import Patch, Zero

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))
SHAPES = {
    f"{prompt}-{norm}{'-causal' * causal}-{layers}{'-bias' * (layers == 2)}": (prompt, norm, causal, layers)
    for prompt, norm, causal, layers in product(
        ("a b", "a b ="), ("none", "layer", "pre"), (False, True), (1, 2)
    )
}
CHOSEN = ("a b-none-1", "a b =-none-causal-2-bias", "a b =-layer-causal-1", "a b-pre-2-bias")


def networks(shape: str) -> tuple[SmallTransformer, BridgedTransformer]:
    """The same network twice, with no weight at 0 or 1; heads are wider together than the stream."""
    prompt, norm, causal, layers = SHAPES[shape]
    config = TransformerConfig(10, 3, 4, 7, layers, "gelu", norm, causal, bias=layers == 2)
    small = SmallTransformer(config, 7, 5, Prompt.parse(prompt, p=5)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    bridged = BridgedTransformer(config, 7, 5, Prompt.parse(prompt, p=5)).eval()
    bridged.load_state_dict(small.state_dict())
    return small, bridged


def bridge_hooks(bridged: BridgedTransformer) -> list[str]:
    """The hooks that the bridge itself leaves on its modules in its first forward pass."""
    bridged(PAIRS)
    own = hooks_on(bridged)
    assert all("_original_component.ln" in name for name in own)
    return own


@pytest.fixture(params=CHOSEN)
def both(request: pytest.FixtureRequest) -> Iterator[tuple[SmallTransformer, BridgedTransformer]]:
    small, bridged = networks(request.param)
    own = bridge_hooks(bridged)
    yield small, bridged
    assert hooks_on(bridged) == own


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_logits_and_every_activation_are_those_of_the_small_transformer(shape: str) -> None:
    small, bridged = networks(shape)
    close(bridged(PAIRS), small(PAIRS))
    assert bridged.hook_dict.keys() == small.hook_dict.keys()
    found, expected = (capture(model, PAIRS, list(small.hook_dict)) for model in (bridged, small))
    _, cache = bridged.run_with_cache(PAIRS)
    assert cache.keys() == expected.keys()
    for name, activation in expected.items():
        close(found[name], activation)
        close(cache[name], activation)


@torch.no_grad()
def test_a_change_at_any_hook_has_the_same_effect(
    both: tuple[SmallTransformer, BridgedTransformer],
) -> None:
    small, bridged = both
    plain = small(PAIRS)

    def change(x: Tensor, hook: object = None) -> Tensor:
        shift = 0.2 * torch.arange(x.shape[-1])
        return 0.5 * x + shift + 0.1 * torch.arange(x.shape[1]).reshape(-1, *[1] * (x.ndim - 2))

    for name in small.hook_dict:
        with hooked(small, {name: change}), hooked(bridged, {name: change}):
            expected = small(PAIRS)
            close(bridged(PAIRS), expected)
        assert not torch.allclose(expected, plain, atol=1e-4), name
    name = "blocks.0.attn.hook_attn_scores"
    with hooked(small, {name: change}):
        close(bridged.run_with_hooks(PAIRS, fwd_hooks=[(name, change)]), small(PAIRS))
    every = dict.fromkeys(small.hook_dict, change)
    with hooked(small, every), hooked(bridged, every):
        close(bridged(PAIRS), small(PAIRS))
    close(bridged(PAIRS), plain)


@torch.no_grad()
def test_changes_in_place_reach_what_follows() -> None:
    small, bridged = networks("a b =-none-causal-2-bias")
    for name in small.hook_dict.keys() - {"hook_pos_embed"}:  # every example shares that one's rows
        with hooked(small, {name: lambda x: x.mul_(0.5)}), hooked(bridged, {name: lambda x: x.mul_(0.5)}):
            close(bridged(PAIRS), small(PAIRS))


@torch.no_grad()
def test_ablating_by_hook_equals_absorbing(both: tuple[SmallTransformer, BridgedTransformer]) -> None:
    small, bridged = both
    plain = bridged(PAIRS)
    for site in bridged.neuron_sites():
        chosen = np.array([0, 2])
        with ablate(bridged, chosen, site=site.hook):
            by_hook = bridged(PAIRS)
        edited = bake(bridged, Edit(site.hook, chosen, Zero()))
        close(edited(PAIRS), by_hook)
        with ablate(small, chosen, site=site.hook):
            close(small(PAIRS), by_hook)
        shift = torch.linspace(-1, 1, len(chosen))
        if site.axis == -1:
            with intervene(bridged, Edit(site.hook, chosen, Patch(shift))):
                by_hook = bridged(PAIRS)
            close(bake(bridged, Edit(site.hook, chosen, Patch(shift)))(PAIRS), by_hook)
    close(bridged(PAIRS), plain)


@torch.no_grad()
def test_sites_and_prefixes_are_those_of_the_small_transformer(
    both: tuple[SmallTransformer, BridgedTransformer],
) -> None:
    small, bridged = both
    for expected in small.neuron_sites():
        site = neuron_site(bridged, expected.hook)
        assert (site.width, site.axis, site.position) == (expected.width, expected.axis, expected.position)
        assert (site.readout is None) == (expected.readout is None)
        found = prefix_at(bridged, site.hook, PAIRS)
        close(found.logits(), small(PAIRS))
        changed = found.activations * 0.5
        close(found.logits(changed), prefix_at(small, site.hook, PAIRS).logits(changed))


@torch.no_grad()
def test_hooks_act_while_a_prefix_is_made_and_continued() -> None:
    small, bridged = networks("a b =-none-causal-2-bias")
    first, last = "blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post"
    for changed in (first, last):
        with ablate(small, [1, 2], site=changed):
            expected = small(PAIRS)
        with ablate(bridged, [1, 2], site=changed):
            for hook in (first, last):
                close(bridged.prefix(hook, PAIRS).logits(), expected)
    with bridged.hooks(fwd_hooks=[(first, lambda x, hook: 0 * x)]):
        expected = bridged(PAIRS)
        bridged.prefix(last, PAIRS)
        close(bridged(PAIRS), expected)
    assert not torch.allclose(bridged(PAIRS), expected, atol=1e-3)


@torch.no_grad()
def test_changed_weights_are_used_at_once() -> None:
    small, bridged = networks("a b-none-1")
    bridged.bridge.load_state_dict(to_bridge_names({"blocks.0.mlp.W_in": torch.ones(10, 7)}), strict=False)
    small.layers[0].mlp.W_in.fill_(1)
    close(bridged(PAIRS), small(PAIRS))
    close(bridged.as_small()(PAIRS), small(PAIRS))
    close(bridged.prefix("blocks.0.mlp.hook_post", PAIRS).logits(), small(PAIRS))


def test_gradients_reach_hooks_and_weights() -> None:
    small, bridged = networks("a b =-layer-causal-2-bias")
    found = []
    for model in (small, bridged):
        kept: list[Tensor] = []

        def keep(x: Tensor, kept: list[Tensor] = kept) -> Tensor:
            kept.append(x.detach().requires_grad_())
            return kept[-1]

        with hooked(model, {"hook_embed": keep}):
            model(PAIRS).square().sum().backward()
        found.append(kept[0].grad)
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)
    assert bridged.bridge.blocks[0].mlp.out.original_component.weight.grad.abs().sum() > 0


def test_it_can_be_stored_as_a_small_transformer() -> None:
    small, bridged = networks("a b =-pre-causal-2-bias")
    again = SmallTransformer.from_dict(bridged.to_dict()).eval()
    again.load_state_dict(bridged.state_dict())
    close(again(PAIRS), small(PAIRS))
    assert bridged.to_dict() == small.to_dict()
    for name, tensor in small.state_dict().items():
        assert torch.equal(bridged.state_dict()[name], tensor)
    without = BridgedTransformer(TransformerConfig(8, 2, 4, 8), 5, 5)
    assert without.to_dict()["bias"] is False
    assert (
        without.state_dict().keys()
        == SmallTransformer(TransformerConfig(8, 2, 4, 8), 5, 5).state_dict().keys()
    )


def test_it_moves_trains_and_counts_like_any_module() -> None:
    small, bridged = networks("a b-layer-causal-2-bias")
    assert isinstance(bridged, HookedModel)
    unbuffered = small.unembed.b_U.numel()  # a buffer in the bridge, which has no output bias of its own
    assert (
        sum(p.numel() for p in bridged.parameters())
        == sum(p.numel() for p in small.parameters()) - unbuffered
    )
    assert not any(module.training for module in bridged.modules())
    assert all(module.training for module in bridged.train().modules())
    double = bridged.to(torch.float64).eval()
    assert double(PAIRS).dtype == torch.float64
    torch.testing.assert_close(double(PAIRS), small.to(torch.float64)(PAIRS), rtol=1e-10, atol=1e-10)
    assert double.as_small()(PAIRS).dtype == torch.float64


def test_the_same_seed_gives_the_weights_of_the_small_transformer() -> None:
    config = TransformerConfig(8, 2, 4, 8)
    before = torch.random.get_rng_state()
    bridged = BridgedTransformer(config, 5, 5, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    close(bridged(PAIRS), SmallTransformer(config, 5, 5, seed=3)(PAIRS))


def test_names_are_resolved_strictly() -> None:
    _, bridged = networks("a b-none-1")
    own = bridge_hooks(bridged)
    for names in ("blocks.0.mlp.hook_pots", ["hook_embed", "hook_embd"], lambda name: "ln" in name):
        with pytest.raises(HookNameError):
            bridged.run_with_cache(PAIRS, names_filter=names)
    with pytest.raises(HookNameError, match="did you mean 'hook_embed'"):
        bridged.run_with_hooks(PAIRS, fwd_hooks=[("hook_embd", lambda x, hook: x)])
    with pytest.raises(HookNameError):
        bridged.absorb("hook_embed", torch.ones(1), torch.ones(1))
    with pytest.raises(ConfigError, match="the network knows 7, from 0"):
        bridged(torch.tensor([[1, 7]]))
    assert hooks_on(bridged) == own


def test_an_error_in_a_hook_leaves_none_behind() -> None:
    _, bridged = networks("a b-none-1")
    own = bridge_hooks(bridged)

    def fail(x: Tensor) -> Tensor:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), hooked(bridged, {"blocks.0.attn.hook_z": fail}):
        bridged(PAIRS)
    assert hooks_on(bridged) == own


def test_hooks_of_the_bridge_act_alone_and_never_beside_ours() -> None:
    _, bridged = networks("a b-none-1")
    plain, place = bridged(PAIRS), bridged.bridge.hook_dict["blocks.0.hook_mlp_out"]
    handle = place.register_forward_hook(lambda module, args, output: 0 * output)
    assert not torch.allclose(bridged(PAIRS), plain, atol=1e-3)
    with pytest.raises(HookNameError, match=r"the bridge's own .* has hooks too"):
        capture(bridged, PAIRS, "hook_embed")
    handle.remove()
    close(bridged(PAIRS), plain)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"activation": "silu", "norm": "pre", "causal": True, "bias": True}, True),
        ({"attn_coeff": 0.5}, False),
        ({"activation": "square"}, False),
        ({"activation": "tanh"}, False),
    ],
)
def test_what_a_bridge_can_express(changes: dict[str, object], expected: bool) -> None:
    config = TransformerConfig(8, 2, 4, 8, **changes)
    assert bridge_can_express(config) is expected
    model = SmallTransformer(config, 5, 5)
    built = build_transformer(config, 5, 5, model.prompt, model.state_dict())
    assert isinstance(built, BridgedTransformer if expected else SmallTransformer)
    assert not built.training
    close(built(PAIRS), model.eval()(PAIRS))
    if not expected:
        with pytest.raises(ConfigError, match="use SmallTransformer"):
            BridgedTransformer(config, 5, 5)


@pytest.mark.parametrize("coeff", [1.0, 0.5])
def test_weights_are_filled_in_strictly_but_for_biases(coeff: float) -> None:
    config = TransformerConfig(8, 2, 4, 8, bias=True, attn_coeff=coeff)
    model = SmallTransformer(config, 5, 5)
    weights = {name: t for name, t in model.state_dict().items() if "attn.b_" not in name}
    close(build_transformer(config, 5, 5, model.prompt, weights)(PAIRS), model.eval()(PAIRS))
    with pytest.raises(CheckpointError, match=r"'blocks.0.mlp.W_in' is missing"):
        build_transformer(
            config, 5, 5, model.prompt, {k: v for k, v in weights.items() if k != "blocks.0.mlp.W_in"}
        )
    with pytest.raises(CheckpointError, match="'extra' is no tensor of this network"):
        build_transformer(config, 5, 5, model.prompt, weights | {"extra": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"'embed.W_E' has shape \(6, 8\); expected \(5, 8\)"):
        build_transformer(config, 5, 5, model.prompt, weights | {"embed.W_E": torch.ones(6, 8)})


@pytest.mark.parametrize("shape", ["a b =-layer-causal-2-bias", "a b-none-1"])
def test_names_go_both_ways_and_as_transformer_lens_converts_them(shape: str) -> None:
    small, bridged = networks(shape)
    theirs = to_bridge_names(small.state_dict())
    for name, tensor in from_bridge_names(theirs, 3).items():
        assert torch.equal(tensor, small.state_dict()[name])
    config = TransformerBridgeConfig(d_model=10, d_head=4, n_heads=3, n_layers=2, n_ctx=3, d_vocab=7)
    converted = convert_tl_checkpoint(dict(small.state_dict()), config)
    assert converted.keys() == theirs.keys()
    assert all(torch.equal(converted[name], theirs[name]) for name in theirs)
    assert theirs.keys() <= bridged.bridge.state_dict().keys()


def test_foreign_names_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"a transformer has no tensor 'blocks.0.attn.r.weight'"):
        from_bridge_names({"blocks.0.attn.r.weight": torch.zeros(4, 4)}, 2)
    with pytest.raises(CheckpointError, match=r"a transformer has no tensor 'W_Q'"):
        to_bridge_names({"W_Q": torch.zeros(4, 4)})
    with pytest.raises(CheckpointError, match="has 6 rows for its heads, which 4 heads cannot share"):
        from_bridge_names({"blocks.0.attn.q.weight": torch.zeros(6, 4)}, 4)
