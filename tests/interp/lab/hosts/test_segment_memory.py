"""The segment memory: a queue that outlives the call, and texts with a needle in each segment."""

from __future__ import annotations

import pytest
import torch
from by_hand import segment_memory as by_hand

from interp import ablate, adopt, capture
from interp.lab.hosts.networks.segment_memory import (
    FIRST_KEY,
    FIRST_QUESTION,
    FIRST_VALUE,
    SITES,
    build,
    example,
    texts,
)


def test_the_forward_pass_is_that_by_hand_from_any_memory() -> None:
    module = build(0)
    for _ in range(2):
        expected = by_hand.forward(module, example(), lambda site, step, value: value)
        assert torch.equal(module(example()), expected)
    assert module.memory.shape == (3, 4, 8)


def test_segments_in_calls_of_their_own_are_as_all_in_one_call() -> None:
    module = build(1)
    with torch.no_grad():
        at_once, memory = module(example()), module.memory
        module.reset()
        for segment in example().split(1, 1):
            logits = module(segment)
    assert torch.equal(logits, at_once)
    assert torch.equal(module.memory, memory)
    assert "memory" not in module.state_dict()


def test_the_queue_holds_the_last_segments_in_their_order() -> None:
    module = build(2)
    model = adopt(module, SITES, example=example())
    module.reset()
    summaries = capture(model, example(), "tap:summary")["tap:summary"]
    model(example())
    assert torch.equal(module.memory, summaries[:, 1:])
    read = capture(model, example(), "tap:memory[slot]")["tap:memory[slot]"]
    assert torch.equal(read[:, 0], module.memory), "capturing starts from the memory as it is"


def test_an_empty_slot_is_one_that_nothing_attends_to() -> None:
    module = build(3)
    model = adopt(module, SITES, example=example())
    module.reset()
    everything = range(8)
    with torch.no_grad(), ablate(model, everything, site="tap:summary", during="0"):
        unwritten = model(example())
    module.reset()
    with (
        torch.no_grad(),
        ablate(model, [3], site="tap:memory[slot]", during="1"),
    ):  # the newest slot, as it is passed on
        assert torch.equal(model(example()), unwritten)


def test_a_memory_of_other_examples_is_refused() -> None:
    module = build(0)
    module(example())
    with pytest.raises(ValueError, match="of 3 examples and the input of 2"):
        module(example()[:2])
    module.reset()
    module(example()[:2])


def test_each_segment_has_a_key_and_its_value_and_the_question_asks_for_one() -> None:
    inputs, labels, asked = texts(30, torch.Generator().manual_seed(0))
    for text, label, segment in zip(inputs, labels.tolist(), asked.tolist(), strict=True):
        keys = [row[(row >= FIRST_KEY) & (row < FIRST_VALUE)].item() - FIRST_KEY for row in text[:-1]]
        assert sorted(keys) == [0, 1, 2, 3]
        assert text[-1, -1] - FIRST_QUESTION == keys[segment]
        place = (text[segment] == FIRST_KEY + keys[segment]).nonzero().item()
        assert text[segment, place + 1] - FIRST_VALUE == label
