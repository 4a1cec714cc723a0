"""The key-value memory: writing, reading, and its sequences."""

from __future__ import annotations

import torch
from by_hand import key_value as by_hand

from interp.lab.hosts.networks.key_value import (
    BITS,
    QUERY,
    UNSEEN,
    VALUES,
    build,
    example,
    random_keys,
    sequences,
)
from interp.models.taps import Tap, listening


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_a_full_write_replaces_a_slot_and_a_full_read_answers_from_it() -> None:
    module, inputs, step = build(1), example()[:, :4], 0
    states, memories = [], []

    def listener(call: Tap, value: torch.Tensor) -> torch.Tensor:
        nonlocal step
        if call.name == "hidden":
            states.append(torch.cat([value, inputs[:, step]], 1))
            step += 1
        if call.name == "memory":
            memories.append(value)
        if call.name in ("write", "read"):
            slot = step - 1 if call.name == "write" else 2
            return torch.nn.functional.one_hot(torch.tensor(slot), 5).float().expand(3, 5)
        return value

    with torch.no_grad(), listening(listener):
        logits = module(inputs)
        contents = [module.content(state) for state in states]
    torch.testing.assert_close(memories[-1][:, :4], torch.stack(contents, 1))
    assert memories[-1][:, 4].abs().max() == 0
    torch.testing.assert_close(logits, module.answer(contents[2][:, 4:]))


def test_slots_written_to_are_avoided() -> None:
    module = build(2)
    with torch.no_grad():
        module.avoid.fill_(50.0)
        module.gate.weight.zero_()
        module.gate.bias.fill_(50.0)
        module.free.weight.zero_()
        module.free.bias.copy_(torch.tensor([3.0, 1.0, 4.0, 2.0, 0.0]) * 10)
    written: list[torch.Tensor] = []
    with torch.no_grad(), listening(lambda call, value: written.append(value) or value):
        module(example()[:, :5])
    order = [value[0].argmax().item() for value in written[1::4]]
    assert order == [2, 0, 3, 1, 4]


def test_sequences_ask_for_a_pair_that_they_show() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, labels, steps = sequences(random_keys(48, generator), 40, generator, place=4)
    assert (steps[:, 0] == 4).all()
    assert all(len(set(row)) == len(row) for row in steps.tolist())
    assert torch.equal(inputs[:, 4, BITS:-1].argmax(1), labels)
    assert torch.equal(inputs[:, 4, :BITS], inputs[:, QUERY, :BITS])
    assert inputs[:, QUERY, BITS:-1].abs().max() == 0
    assert torch.equal(inputs[:, :QUERY, BITS:-1].sum((1, 2)), torch.full((40,), 8.0))


def test_pairs_held_back_are_those_of_their_offsets() -> None:
    generator = torch.Generator().manual_seed(0)
    keys = random_keys(48, generator)
    number = {tuple(key): place for place, key in enumerate(keys.tolist())}
    for offsets, held_back in ((UNSEEN, True), ((1, 2, 3, 5, 6, 7), False)):
        inputs, labels, _ = sequences(keys, 30, generator, offsets=offsets)
        for query, label in zip(inputs[:, QUERY, :BITS].tolist(), labels.tolist(), strict=True):
            assert ((label - number[tuple(query)]) % VALUES in UNSEEN) == held_back
