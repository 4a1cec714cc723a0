"""The end of a transformer in few matrices against its modules."""

from __future__ import annotations

import pytest
import torch

from interp.models import Prompt, SmallTransformer, TransformerConfig

SHAPES = {
    "plain": {},
    "mixed attention": {"attn_coeff": 0.3, "causal": True, "activation": "square"},
    "layer norms": {"norm": "layer", "bias": True, "causal": True},
    "plain norms": {"norm": "pre", "attn_coeff": 0.6, "activation": "gelu"},
}


@pytest.mark.parametrize("readout", [-1, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_last_block_gives_the_logits_of_its_modules(shape: str, readout: int) -> None:
    config = TransformerConfig(8, 2, 3, 6, n_layers=2, **SHAPES[shape])
    model = SmallTransformer(config, 8, 7, Prompt.parse("a b =", p=7), readout=readout).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    prefix = model.prefix("blocks.0.mlp.hook_post", torch.cartesian_prod(torch.arange(7), torch.arange(7)))
    stream = prefix.stream.detach()
    torch.testing.assert_close(prefix.suffix(stream), prefix.after(stream).detach(), rtol=1e-4, atol=1e-4)
    moved = stream + torch.randn(stream.shape, generator=generator)
    torch.testing.assert_close(prefix.suffix(moved), prefix.after(moved).detach(), rtol=1e-4, atol=1e-4)


def test_a_norm_and_the_logits_are_the_end_of_the_last_layer() -> None:
    model = SmallTransformer(TransformerConfig(8, 2, 3, 6, norm="layer"), 5, 5).eval()
    prefix = model.prefix("blocks.0.mlp.hook_post", torch.tensor([[1, 2], [3, 4]]))
    torch.testing.assert_close(prefix.suffix(prefix.stream), prefix.logits())


@pytest.mark.parametrize("name", ["blocks.1.mlp", "blocks.1.attn.hook_z", "unembed", "ln_final"])
def test_a_hook_on_any_module_acts(name: str) -> None:
    model = SmallTransformer(TransformerConfig(8, 2, 3, 6, n_layers=2, norm="layer"), 5, 5).eval()
    inputs, hook = torch.tensor([[1, 2], [3, 4]]), "blocks.0.mlp.hook_post"
    before = model(inputs)
    assert model.prefix(hook, inputs).suffix is not None
    handle = model.get_submodule(name).register_forward_hook(lambda module, read, out: 2 * out + 1)
    prefix = model.prefix(hook, inputs)
    assert prefix.suffix is None
    torch.testing.assert_close(prefix.logits(), model(inputs))
    assert not torch.allclose(prefix.logits(), before)
    handle.remove()
    assert model.prefix(hook, inputs).suffix is not None
