"""Layers that are run again from a kept residual stream."""

import numpy as np
import pytest
import torch
from language_models import ARCHITECTURES, tiny

from interp.language.batches import padded
from interp.language.cached_blocks import cache_blocks
from interp.language.gates import gated
from interp.language.opening import open_language_model


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_later_layers_with_gates_give_what_the_whole_model_gives(architecture: str, side: str) -> None:
    model = open_language_model(tiny(architecture))
    rng = np.random.default_rng(0)
    batch = padded([rng.integers(0, 50, length) for length in (6, 3)], "cpu", side=side)
    cached, site = cache_blocks(model, batch), model.units().sites[1]
    factors = torch.ones(3 * len(batch.ids), site.n_units)
    factors[torch.arange(6), torch.tensor([4, 4, 7, 7, 9, 9])] = 0
    with gated(model, {site.hook: factors}):
        several = cached.hidden_from(1, copies=3)
    for copy, unit in enumerate((4, 7, 9)):
        one = torch.ones(site.n_units)
        one[unit] = 0
        with gated(model, {site.hook: one}):
            whole = model.hidden(batch.ids, batch.mask)
        assert torch.allclose(several[2 * copy : 2 * copy + 2][batch.mask], whole[batch.mask], atol=1e-5)
    again = model.hidden(batch.ids, batch.mask)
    assert torch.allclose(cached.hidden_from(0)[batch.mask], again[batch.mask], atol=1e-5)


def test_a_layer_is_given_back_even_after_an_error() -> None:
    model = open_language_model(tiny())
    batch = padded([np.array([1, 2, 3])], "cpu")
    cached = cache_blocks(model, batch)
    before = model.hidden(batch.ids, batch.mask)
    with pytest.raises(RuntimeError), gated(model, {model.units().sites[1].hook: torch.ones(5)}):
        cached.hidden_from(1)
    assert torch.equal(model.hidden(batch.ids, batch.mask), before)
