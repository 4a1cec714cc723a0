"""A memory that learns at test time: exact recall of orthogonal keys, and what hooks reach of it."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("titans_pytorch")
from by_hand import titans as by_hand

from interp.errors import HookNameError
from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.networks.titans import (
    HOST,
    KEY,
    KEYS,
    MEMORY,
    PAIRS,
    SLOTS,
    SURPRISE,
    UPDATE,
    VALUES,
    Memory,
    asked_step,
    build,
    draw,
    example,
)
from interp.models import adopt
from interp.models.adopted import Adopted

SIZE = KEYS + VALUES


def delta_rule() -> Memory:
    """Keys and values as they are shown, and steps of a length that stores orthogonal keys exactly."""
    module = Memory(size=SIZE)
    memory = module.memory
    with torch.no_grad():
        for one in module.parameters():
            one.zero_()
        module.embedding.weight.copy_(torch.eye(SIZE))
        memory.store_norm.weight.fill_(1.0)
        memory.retrieve_norm.weight.fill_(1.0)
        memory.to_keys.weight[:KEYS, :KEYS] = torch.eye(KEYS)
        memory.to_queries.weight[:KEYS, :KEYS] = torch.eye(KEYS)
        memory.to_values.weight[KEYS:, KEYS:] = torch.eye(VALUES)
        memory.to_decay_factor[0].bias.fill_(-40.0)  # nothing is forgotten
        memory.to_momentum[0].bias.fill_(-40.0)
        length = SIZE / 2  # of a key, squared: each pair has a 1 for its key and one for its value
        memory.to_adaptive_step[0].bias.fill_(torch.logit(torch.tensor(SIZE / 2 / length / 4.0)))
        module.readout.weight[:, KEYS:] = torch.eye(VALUES)
    return module


@pytest.fixture(scope="module")
def adopted() -> Adopted:
    return adopt(delta_rule(), HOST.sites, example=draw(3, torch.Generator().manual_seed(0))[0], loop="time")


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    with torch.no_grad():
        torch.testing.assert_close(module(example()), logits, rtol=0, atol=1e-6)


@torch.no_grad()
def test_orthogonal_keys_recall_their_values_exactly_and_no_longer_surprise(adopted: Adopted) -> None:
    inputs, labels = draw(40, torch.Generator().manual_seed(0))
    shown = torch.nn.functional.one_hot(labels, VALUES).float()
    logits = adopted(inputs)
    torch.testing.assert_close(logits / logits.amax(1, keepdim=True), shown, atol=1e-5, rtol=0)
    again = inputs.clone()
    again[:, 4] = again[:, 0]
    surprise = capture(adopted, again, SURPRISE)[SURPRISE]
    assert surprise.shape == (40, PAIRS, 1)
    assert surprise[:, 4].max() < 1e-8
    assert surprise[:, :4].min() > 0.1


@torch.no_grad()
def test_a_skipped_update_loses_its_pair_alone(adopted: Adopted) -> None:
    inputs, labels = draw(60, torch.Generator().manual_seed(1))
    asked = asked_step(inputs)
    with ablate(adopted, range(SIZE), "zero", site=UPDATE, during="2"):
        logits = adopted(inputs)
    lost = torch.as_tensor(asked == 2)
    assert lost.any()
    assert logits[lost].abs().max() < 1e-5
    assert (logits[~lost].argmax(1) == labels[~lost]).all()


@torch.no_grad()
def test_slots_are_rows_of_the_memory(adopted: Adopted) -> None:
    inputs, _ = draw(4, torch.Generator().manual_seed(1))
    stored = capture(adopted, inputs, MEMORY)[MEMORY]
    assert stored.shape == (4, PAIRS, SIZE, SIZE)
    key = int(inputs[0, 1, :KEYS].argmax())
    assert stored[0, 0, key].abs().max() == 0.0
    assert stored[0, 1, key].abs().max() > 0.1
    with ablate(adopted, [key], "zero", site=SLOTS):
        assert capture(adopted, inputs, MEMORY)[MEMORY][:, :, key].abs().max() == 0.0


def test_keys_at_zero_are_keys_without_weights() -> None:
    adopted, edited = HOST.adopted(), by_hand.without(build(0), KEY, [1, 4])
    assert edited is not None
    with ablate(adopted, [1, 4], "zero", site=KEY), torch.no_grad():
        assert torch.allclose(adopted(example()), edited(example()), atol=1e-6)


def test_the_network_inside_the_update_is_refused_as_a_site() -> None:
    with pytest.raises(HookNameError, match="none of its axes counts them"):
        adopt(build(0), "memory.memory_model:output", example=example(), loop="time")
