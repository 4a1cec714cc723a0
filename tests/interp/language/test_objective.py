"""The log loss of continuations: against whole logits, for padded batches, copies, and its gradient."""

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import loud
from torch.nn.functional import cross_entropy

from interp.language import token_scores
from interp.language.batches import batches_of
from interp.language.gates import gated
from interp.language.objective import loss_gradients, losses, places_of
from interp.language.opening import open_language_model

SEQUENCES = random_sequences(9, 4, 7)


@torch.no_grad()
def plain_loss(network: torch.nn.Module, row: int) -> torch.Tensor:
    """The mean log loss of a continuation, from all logits of an unpadded pass."""
    ids = torch.from_numpy(SEQUENCES.ids[row])
    start = int(SEQUENCES.prompt[row])
    return cross_entropy(network(ids[None]).logits[0, start - 1 : -1], ids[start:])


@pytest.mark.parametrize("side", ["left", "right"])
def test_losses_equal_those_of_plain_passes_on_either_side_of_padding(side: str) -> None:
    network = loud("llama")
    model = open_language_model(network)
    (batch,) = batches_of(model, SEQUENCES, side=side)
    ours = losses(model, model.hidden(batch.ids, batch.mask), places_of(batch, SEQUENCES))
    for own, row in zip(ours, batch.rows, strict=True):
        assert float(own) == pytest.approx(float(plain_loss(network, row)), abs=1e-5)


def test_copies_of_a_batch_have_its_losses_again() -> None:
    model = open_language_model(loud("llama"))
    (batch,) = batches_of(model, SEQUENCES)
    hidden, places = model.hidden(batch.ids, batch.mask), places_of(batch, SEQUENCES)
    twice = losses(model, hidden.repeat(2, 1, 1), places.copied(2))
    assert torch.allclose(twice, losses(model, hidden, places).repeat(2))


def test_gradients_by_blocks_equal_those_of_all_logits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_scores, "LOGITS", 120)  # two places of 50 logits at a time
    model = open_language_model(loud("llama"))
    site = model.units().sites[0]
    (batch,) = batches_of(model, SEQUENCES)
    places = places_of(batch, SEQUENCES)
    factors = torch.ones(site.n_units, requires_grad=True)
    with gated(model, {site.hook: factors}):
        hidden = model.hidden(batch.ids, batch.mask)
    (ours,), values = loss_gradients(model, hidden, places, [factors])
    total = torch.zeros(())
    for row in range(len(SEQUENCES)):
        ids = torch.from_numpy(SEQUENCES.ids[row])[None]
        start = int(SEQUENCES.prompt[row])
        with gated(model, {site.hook: factors}):
            logits = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
        total = total + cross_entropy(logits[0, start - 1 : -1], ids[0, start:])
    (plain,) = torch.autograd.grad(total, factors)
    assert torch.allclose(ours, plain, atol=1e-5)
    assert float(values.sum()) == pytest.approx(float(total.detach()), abs=1e-4)
    assert np.isfinite(ours.numpy()).all()
