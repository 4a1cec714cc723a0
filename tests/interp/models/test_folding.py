"""Folded norms and matrices against the modules that they are made from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interp.models import Prompt, SmallTransformer, TransformerConfig
from interp.models.folding import folded, last_block
from interp.models.transformer_parts import Norm


@pytest.mark.parametrize("kind", ["none", "pre", "layer"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_norm_and_a_matrix_are_one_part(kind: str, bias: bool) -> None:
    norm = nn.Identity() if kind == "none" else Norm(6, kind)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    x, matrix, shift = torch.randn(5, 6) + 3, torch.randn(6, 4), torch.randn(4)
    part = folded(norm, nn.Parameter(matrix), shift if bias else None)
    torch.testing.assert_close(part(x), (norm(x) @ matrix + shift * bias).detach(), rtol=1e-4, atol=1e-4)
    assert not part.matrix.requires_grad
    torch.testing.assert_close(part(part.centred(x)), part(x))


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_known_at_the_positions_that_the_answers_attends_to(causal: bool) -> None:
    config = TransformerConfig(8, 2, 4, 6, n_layers=2, causal=causal, bias=True)
    model = SmallTransformer(config, 8, 7, Prompt.parse("a b =", p=7), readout=1)
    part = last_block(model.layers[1], 1, folded(model.ln_final, model.unembed.weight, model.unembed.bias))
    assert part.visible == ((0, 1) if causal else (0, 1, 2))
    assert part.readout == 1
    attn, x = model.layers[1].attn, torch.randn(3, 8)
    heads = attn._projected(x[:, None], "Q")[:, 0]
    torch.testing.assert_close(part.query(x).unflatten(-1, (2, 4)), heads.detach())
    torch.testing.assert_close(heads.flatten(1) @ part.mix + part.mix_bias, attn.mix(heads[:, None])[:, 0])
