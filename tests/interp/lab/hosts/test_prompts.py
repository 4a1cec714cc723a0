"""The prompted transformer: prefixes, the mixture of components, and the parts that learn."""

from __future__ import annotations

import torch
from by_hand import prompts as by_hand

from interp import ablate, adopt, capture
from interp.lab.hosts.networks.prompts import (
    COMPONENTS,
    SITES,
    Block,
    build,
    classes_of,
    components_of,
    example,
    learn_tasks,
)
from interp.progress import silent


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    for module.active in (4, 2):
        expected = by_hand.forward(module, example(), lambda site, step, value: value)
        assert torch.equal(module(example()), expected)


def test_a_prefix_is_further_keys_and_values() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block, x, prefix = Block(6), torch.randn(2, 5, 6), torch.randn(2, 2, 3, 6)
    normal = block.norms[0](x)
    keys, values = (
        torch.cat([part, layer(normal)], 1)
        for part, layer in zip(prefix.unbind(1), (block.key, block.value), strict=True)
    )
    mixed = torch.nn.functional.scaled_dot_product_attention(block.query(normal), keys, values)
    expected = x + mixed
    expected = expected + block.out(torch.relu(block.into(block.norms[1](expected))))
    torch.testing.assert_close(block(x, prefix), expected)
    assert not torch.allclose(block(x), expected)


def test_weights_are_cosines_of_the_features_without_a_prompt() -> None:
    module = build(1)
    model = adopt(module, SITES, example=example())
    share = capture(model, example(), COMPONENTS)[COMPONENTS]
    features = module.body(example())
    for slot in range(4):
        attended, key = features * module.attention[slot], module.key[slot]
        torch.testing.assert_close(share[:, slot], attended @ key / (attended.norm(dim=1) * key.norm()))


def test_components_that_are_not_active_yet_are_ablated_ones() -> None:
    module = build(2)
    model = adopt(module, SITES, example=example())
    with torch.no_grad():
        with ablate(model, [2, 3], site=COMPONENTS):
            without = model(example())
        module.active = 2
        torch.testing.assert_close(model(example()), without)


def test_tasks_train_components_that_are_not_frozen_and_nothing_else() -> None:
    module = build(3)
    before = {name: value.clone() for name, value in module.named_parameters()}
    labels = torch.arange(12) % 10
    images = torch.rand(12, 64, generator=torch.Generator().manual_seed(0))
    learn_tasks(module, [0, 2], 3, torch.Generator().manual_seed(0), silent, images, labels, frozen=2)
    changed = {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"attention", "key", "prompt"}
    assert torch.equal(module.prompt[:2], before["prompt"][:2])
    assert not torch.equal(module.prompt[2:], before["prompt"][2:])


def test_tasks_have_two_classes_and_two_components_each() -> None:
    assert [classes_of(task) for task in range(3)] == [slice(4, 6), slice(6, 8), slice(8, 10)]
    assert [components_of(task) for task in range(3)] == [[0, 1], [2, 3], [4, 5]]
