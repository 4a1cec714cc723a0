"""A language model's logits, whatever the side that padding is on."""

import pytest
import torch
from language_models import ARCHITECTURES, tiny
from torch.nn.functional import pad

from interp.language.opening import open_language_model

IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 7, 1, 8, 2, 8]])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_on_either_side_changes_nothing(architecture: str) -> None:
    network = tiny(architecture)
    model, mask = open_language_model(network), torch.ones_like(IDS, dtype=torch.bool)
    with torch.no_grad():
        logits = network(IDS).logits
        left = model.logits(model.hidden(pad(IDS, (3, 0), value=7), pad(mask, (3, 0))))[:, 3:]
        right = model.logits(model.hidden(pad(IDS, (0, 3), value=7), pad(mask, (0, 3))))[:, :6]
    assert torch.allclose(left, logits, atol=1e-5)
    assert torch.allclose(right, logits, atol=1e-5)


def test_caps_and_factors_of_logits_are_those_of_the_configuration() -> None:
    network = tiny("gemma2")
    model = open_language_model(network)
    network.config.final_logit_softcapping = None
    with torch.no_grad():
        uncapped = network(IDS).logits
        hidden = model.hidden(IDS, torch.ones_like(IDS, dtype=torch.bool))
    cap = model.network.config.final_logit_softcapping
    assert cap is not None
    assert torch.allclose(model.logits(hidden), cap * torch.tanh(uncapped / cap), atol=1e-4)


def test_size_and_context_are_known() -> None:
    model = open_language_model(tiny("gpt2"))
    assert (model.vocab, model.context, len(model.blocks), str(model.device)) == (50, 32, 2, "cpu")
