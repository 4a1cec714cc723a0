"""Transformers made of the weights in a file."""

from __future__ import annotations

import pytest
import torch

from interp.checkpoints.builders import build_transformer
from interp.errors import CheckpointError
from interp.models import SmallTransformer, TransformerConfig

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))


@pytest.mark.parametrize("coeff", [1.0, 0.5])
def test_weights_are_filled_in_strictly_but_for_biases(coeff: float) -> None:
    config = TransformerConfig(8, 2, 4, 8, bias=True, attn_coeff=coeff)
    model = SmallTransformer(config, 5, 5).eval()
    weights = {name: t for name, t in model.state_dict().items() if "attn.b_" not in name}
    prompt = model.prompt
    built = build_transformer(config, prompt, 5, weights)
    assert not built.training
    torch.testing.assert_close(built(PAIRS), model(PAIRS), rtol=1e-5, atol=1e-5)
    with pytest.raises(CheckpointError, match=r"'blocks.0.mlp.W_in' is missing"):
        build_transformer(config, prompt, 5, {k: v for k, v in weights.items() if k != "blocks.0.mlp.W_in"})
    with pytest.raises(CheckpointError, match="'extra' is no tensor of this network"):
        build_transformer(config, prompt, 5, weights | {"extra": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"'embed.W_E' has shape \(5, 9\); expected \(5, 8\)"):
        build_transformer(config, prompt, 5, weights | {"embed.W_E": torch.ones(5, 9)})
