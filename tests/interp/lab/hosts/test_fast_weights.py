"""The memory that learns at test time: the delta rule, its momentum, and a stop to its updates."""

from __future__ import annotations

import numpy as np
import torch
from by_hand import fast_weights as by_hand

from interp import ablate, adopt, capture
from interp.lab.hosts.networks.fast_weights import (
    MEMORY,
    SITES,
    SURPRISE,
    UPDATE,
    FastWeights,
    build,
    example,
)


def delta_rule() -> FastWeights:
    """A network with orthogonal keys that learns each pair wholly, forgets nothing and has no momentum."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = FastWeights(6, 4, width=6)
    with torch.no_grad():
        module.key.weight.copy_(3 * torch.eye(6))
        module.momentum.fill_(-torch.inf)
        module.forget.fill_(-torch.inf)
        module.rate.weight.zero_()
        module.rate.bias.fill_(torch.inf)
    return module


PAIRS = torch.tensor([[[0, 2], [3, 1], [5, 0], [1, 3], [3, 4]]])


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_orthogonal_keys_are_recalled_wholly() -> None:
    module = delta_rule()
    model = adopt(module, SITES, example=PAIRS)
    memory = capture(model, PAIRS, MEMORY)[MEMORY][0, -1]
    for key, value in PAIRS[0, :-1].tolist():
        torch.testing.assert_close(memory[:, key], module.value.weight[value].detach())
    torch.testing.assert_close(model(PAIRS), module.answer(module.value.weight[1])[None])


def test_a_pair_that_comes_again_does_not_surprise() -> None:
    module = delta_rule()
    pairs = torch.cat([PAIRS[:, :3], PAIRS[:, :3], PAIRS[:, -1:]], 1)
    model = adopt(module, SITES, example=pairs)
    surprise = capture(model, pairs, SURPRISE)[SURPRISE][0].norm(dim=1)
    torch.testing.assert_close(surprise[:3], module.value.weight[PAIRS[0, :3, 1]].norm(dim=1).detach())
    assert surprise[3:].max() < 1e-6


def test_no_updates_after_a_step_leave_the_memory_of_that_step() -> None:
    model = adopt(delta_rule(), SITES, example=PAIRS)
    memory = capture(model, PAIRS, MEMORY)[MEMORY]
    with ablate(model, range(6), site=UPDATE, during="2-"):
        stopped = capture(model, PAIRS, MEMORY)[MEMORY]
    assert torch.equal(stopped[:, 2:], memory[:, 1:2].expand(1, 2, 6, 6))


def test_an_update_is_the_gradient_of_half_the_squared_error_with_momentum() -> None:
    module, inputs = build(3).double(), example()
    model = adopt(module, SITES, example=inputs)
    updates, memories = (capture(model, inputs, site)[site].numpy() for site in (UPDATE, MEMORY))
    keys = torch.nn.functional.normalize(module.key.weight, dim=1).detach()[inputs[:, 2, 0]]
    values = module.value.weight.detach()[inputs[:, 2, 1]]
    rate = torch.sigmoid(module.rate(torch.cat([keys, values], 1))).detach().numpy()[:, :, None]
    before = torch.tensor(memories[:, 1]).requires_grad_()
    error = torch.einsum("erc,ec->er", before, keys) - values
    (gradient,) = torch.autograd.grad((error**2).sum() / 2, before)
    momentum = 1 / (1 + np.exp(-module.momentum.item()))
    np.testing.assert_allclose(updates[:, 2], momentum * updates[:, 1] - rate * gradient.numpy(), atol=1e-12)
