"""Weights under TransformerLens' names, and its own bridge as an independent oracle of small transformers."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from interp.errors import CheckpointError
from interp.models import Prompt, SmallTransformer, TransformerConfig
from interp.models.bridge_names import from_bridge_names, to_bridge_names

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))
SHAPES = {
    f"{prompt}-{norm}{'-causal' * causal}-{layers}{'-bias' * (layers == 2)}": (prompt, norm, causal, layers)
    for prompt, norm, causal, layers in product(
        ("a b", "a b ="), ("none", "layer", "pre"), (False, True), (1, 2)
    )
}
NORMS = {"none": None, "layer": "LN", "pre": "LNPre"}


def networks(shape: str) -> tuple[SmallTransformer, Any]:
    """The same network twice, here and in TransformerLens; heads are wider together than the stream."""
    prompt, norm, causal, layers = SHAPES[shape]
    config = TransformerConfig(10, 3, 4, 7, layers, "gelu", norm, causal, bias=layers == 2)
    small = SmallTransformer(config, 7, 5, Prompt.parse(prompt, p=5)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    bridge = TransformerBridge.boot_native(
        TransformerBridgeConfig(
            d_model=10, n_heads=3, d_head=4, d_mlp=7, n_layers=layers, n_ctx=len(small.prompt), d_vocab=7,
            d_vocab_out=5, act_fn="gelu", eps=1e-5, normalization_type=NORMS[norm],
            attention_dir="causal" if causal else "bidirectional", seed=0,
        )
    )  # fmt: skip
    weights = to_bridge_names(small.state_dict())
    for name, tensor in bridge.state_dict().items():
        if name.endswith(".bias"):
            weights.setdefault(name, torch.zeros_like(tensor))
    bridge.load_state_dict(weights, strict=False)
    return small, bridge


def close(result: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_logits_are_those_of_transformer_lens(shape: str) -> None:
    small, bridge = networks(shape)
    close(small(PAIRS), bridge(small.prompt(PAIRS))[:, -1, :5])


@pytest.mark.parametrize("shape", ["a b =-layer-causal-2-bias", "a b-none-1"])
def test_names_go_both_ways_and_as_transformer_lens_converts_them(shape: str) -> None:
    small, bridge = networks(shape)
    theirs = to_bridge_names(small.state_dict())
    for name, tensor in from_bridge_names(theirs, 3).items():
        assert torch.equal(tensor, small.state_dict()[name])
    config = TransformerBridgeConfig(d_model=10, d_head=4, n_heads=3, n_layers=2, n_ctx=3, d_vocab=7)
    converted = convert_tl_checkpoint(dict(small.state_dict()), config)
    assert converted.keys() == theirs.keys()
    assert all(torch.equal(converted[name], theirs[name]) for name in theirs)
    assert theirs.keys() <= bridge.state_dict().keys()


def test_foreign_names_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"a transformer has no tensor 'blocks.0.attn.r.weight'"):
        from_bridge_names({"blocks.0.attn.r.weight": torch.zeros(4, 4)}, 2)
    with pytest.raises(CheckpointError, match=r"a transformer has no tensor 'W_Q'"):
        to_bridge_names({"W_Q": torch.zeros(4, 4)})
    with pytest.raises(CheckpointError, match="has 6 rows for its heads, which 4 heads cannot share"):
        from_bridge_names({"blocks.0.attn.q.weight": torch.zeros(6, 4)}, 4)
