"""The routed memories: shares of a router, sums with decay, and what a question reads."""

from __future__ import annotations

import numpy as np
import torch
from by_hand import routed_memories as by_hand

from interp import ablate, adopt, capture
from interp.lab.hosts.networks.routed_memories import (
    MEMORY,
    ROUTE,
    SITES,
    RoutedMemories,
    build,
    example,
    sequences,
)
from interp.models.taps import listening


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_two_memories_share_each_pair_and_one_takes_all() -> None:
    module = build(1)
    share = module.route(torch.arange(64))
    assert ((share[:, :4] > 0).sum(1) == 2).all()
    torch.testing.assert_close(share[:, :4].sum(1), torch.ones(64))
    assert (share[:, 4] == 1).all()
    assert torch.equal(share[:, :4].argmax(1), module.router.weight.argmax(1))


def test_a_single_memory_is_linear_attention_with_decay() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = RoutedMemories(64, 16, memories=1, top=1, shared=False, width=5, value_width=4)
    memories: list[torch.Tensor] = []
    with torch.no_grad(), listening(lambda call, value: memories.append(value) or value):
        module(example())
    keys, values, keep = (
        one.detach().numpy() for one in (module.key.weight, module.value.weight, module.keep)
    )
    inputs, decay = example().numpy(), 1 / (1 + np.exp(-keep[0]))
    k = keys[inputs[:, :, 0]]
    k /= np.linalg.norm(k, axis=2, keepdims=True)
    ages = np.arange(inputs.shape[1])[::-1]
    expected = np.einsum("t,etk,etv->ekv", decay**ages, k, values[inputs[:, :, 1]])
    np.testing.assert_allclose(memories[-1][:, 0].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_a_question_reads_its_own_memories_and_the_shared_one_only() -> None:
    module = build(2)
    model = adopt(module, SITES, example=example())
    share = capture(model, example(), ROUTE)[ROUTE][:, -1]
    with torch.no_grad():
        whole = model(example())
        for slot in range(5):
            with ablate(model, [slot], site=MEMORY):
                changed = (model(example()) - whole).abs().amax(1) > 1e-6
            assert torch.equal(changed, share[:, slot] > 0)


def test_a_sequence_asks_for_one_of_its_keys() -> None:
    inputs, labels, asked = sequences(30, torch.Generator().manual_seed(0))
    rows = torch.arange(30)
    assert torch.equal(inputs[rows, asked, 0], inputs[:, -1, 0])
    assert torch.equal(inputs[rows, asked, 1], labels)
    assert (inputs[:, -1, 1] == 16).all()
    assert all(len(set(row[:-1])) == 32 for row in inputs[:, :, 0].tolist())
