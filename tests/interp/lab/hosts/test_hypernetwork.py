"""The hypernetwork: the layer that it emits, and the tasks."""

from __future__ import annotations

import torch
from by_hand import hypernetwork as by_hand

from interp import ablate, adopt, capture
from interp.lab.hosts.networks.hypernetwork import (
    EMBEDDING,
    SITES,
    WEIGHTS,
    build,
    digits,
    example,
    with_task,
)


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_the_target_is_a_plain_network_with_the_emitted_weights() -> None:
    module = build(1)
    model = adopt(module, SITES, example=example())
    weights = capture(model, example(), WEIGHTS)[WEIGHTS]
    with torch.no_grad():
        logits = model(example())
    for x, emitted, expected in zip(example(), weights, logits, strict=True):
        into, out = torch.nn.Linear(5, 4), torch.nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            into.weight.copy_(emitted[:, :5])
            into.bias.copy_(emitted[:, 5])
            out.weight.copy_(emitted[:, 6:].T)
            torch.testing.assert_close(out(torch.tanh(into(x[1:]))), expected)
    assert torch.equal(weights[1], weights[3]), "two examples of one task"
    assert not torch.allclose(weights[0], weights[1])


def test_without_an_embedding_all_tasks_are_one() -> None:
    model = adopt(build(2), SITES, example=example())
    images = example()[:1, 1:].expand(3, -1)
    with torch.no_grad(), ablate(model, range(4), site=EMBEDDING):
        logits = [model(with_task(images, task)) for task in range(3)]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_each_task_sorts_the_digits_into_two_halves() -> None:
    images, labels, classes = digits(torch.Generator().manual_seed(0))
    assert classes.shape == (6, 10)
    assert (classes.sum(1) == 5).all()
    assert len(images) == len(labels) == 1797
    assert images.max() == 1
