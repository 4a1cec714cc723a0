"""The task on PyTorch's recurrent layer, and units without weights."""

from __future__ import annotations

import torch
from by_hand import rnn as by_hand

from interp.interventions import ablate
from interp.lab.hosts.networks.rnn import HOST, NOISE, SHOWN, SITE, build, draw, example


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    with torch.no_grad():
        assert torch.allclose(module(example()), logits, atol=1e-6)  # kernels differ between processors


def test_units_at_zero_are_units_without_weights() -> None:
    adopted, edited = HOST.adopted(), by_hand.without(build(0), SITE, [1, 4])
    with ablate(adopted, [1, 4], "zero", site=SITE), torch.no_grad():
        assert torch.allclose(adopted(example()), edited(example()), atol=1e-6)


def test_only_one_step_tells_the_symbol() -> None:
    inputs, labels = draw(400, torch.Generator().manual_seed(1))
    assert (inputs[:, SHOWN].argmax(1) == labels).float().mean() > 0.95
    others = torch.cat([inputs[:, :SHOWN], inputs[:, SHOWN + 1 :]], 1)
    assert abs(others.std().item() - NOISE) < 0.01
    assert (others.mean(1).argmax(1) == labels).float().mean() < 0.4
