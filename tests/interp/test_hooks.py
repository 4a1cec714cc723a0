"""TransformerLens' own conventions, strict names, and changes that are gone whatever happens."""

from functools import partial

import pytest
import torch
from transformer_lens.hook_points import HookPoint

from interp.errors import GrokscopeError, HookNameError
from interp.hooks import batches, capture, evaluation_mode, hooked, resolve
from interp.interventions import ablate
from interp.models import HookedMLP, MLPConfig

PRE, POST = "blocks.0.mlp.hook_pre", "blocks.0.mlp.hook_post"
PRE_1, POST_1 = "blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post"
ALL = [PRE, POST, PRE_1, POST_1]


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def add_one(x: torch.Tensor) -> torch.Tensor:
    return x + 1


@pytest.mark.parametrize(
    ("names_filter", "expected"),
    [
        (None, ALL),
        (POST, [POST]),
        ([PRE, POST_1], [PRE, POST_1]),
        (lambda name: name.endswith("pre"), [PRE, PRE_1]),
    ],
)
def test_run_with_cache_as_transformerlens_users_know_it(mlp, pairs, names_filter, expected):
    logits, cache = mlp.run_with_cache(pairs, names_filter=names_filter)
    assert torch.equal(logits, mlp(pairs))
    assert list(cache) == expected
    assert all(cache[name].shape == (25, 6) for name in expected)


def test_run_with_hooks_as_transformerlens_users_know_it(mlp, pairs):
    seen = []

    def change(activation, hook):
        seen.append((hook.name, tuple(activation.shape)))
        activation[:, 2] = 0
        return activation

    ablated = mlp.run_with_hooks(
        pairs, fwd_hooks=[(POST_1, change), (lambda name: name == PRE, lambda x, hook: None)]
    )
    assert seen == [(POST_1, (25, 6))]
    acts = mlp.run_with_cache(pairs)[1][POST_1].clone()
    acts[:, 2] = 0
    torch.testing.assert_close(ablated, acts @ mlp.unembed.weight)
    grads = []
    mlp.run_with_hooks(pairs, bwd_hooks=[(POST, lambda grad, hook: grads.append(grad.shape))])
    with mlp.hooks(fwd_hooks=[(POST, lambda x, hook: x * 0)]):
        assert not mlp(pairs).any()
    assert mlp(pairs).any()
    mlp.hook_dict[POST].add_hook(lambda x, hook: x * 0)
    assert not mlp(pairs).any()
    mlp.reset_hooks()


def test_resolving():
    model = HookedMLP(MLPConfig(width=4, depth=3), vocab=5)
    assert resolve(model, POST) == [POST]
    assert resolve(model, [POST_1, PRE]) == [POST_1, PRE]
    assert resolve(model, (POST,)) == [POST]
    assert resolve(model, lambda name: "pre" in name) == [PRE, PRE_1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "blocks.0.mlp.hook_pots",
            "has no hook 'blocks.0.mlp.hook_pots'; did you mean 'blocks.0.mlp.hook_post'",
        ),
        ([POST, "blocks.7.mlp.hook_post"], "has no hook 'blocks.7.mlp.hook_post'; did you mean"),
        ("zzz", "has no hook 'zzz'; it has 'blocks.0.mlp.hook_pre', "),
        ("", "has no hook ''"),
        ("blocks.0.mlp", "has no hook 'blocks.0.mlp'"),
        ([], "no hook was named; the model has blocks.0.mlp.hook_pre, "),
        (lambda name: False, "the filter matches none of the model's hooks: blocks.0.mlp.hook_pre, "),
    ],
)
def test_a_name_that_means_nothing_is_an_error_everywhere(mlp, pairs, names, message):
    with pytest.raises(HookNameError, match=message):
        resolve(mlp, names)
    with pytest.raises(HookNameError, match=message):
        capture(mlp, pairs, names)
    if not callable(names):
        changes = dict.fromkeys([names] if isinstance(names, str) else names, double)
        with pytest.raises(HookNameError, match=message), hooked(mlp, changes):
            pass


def test_changes_hold_inside_and_not_after(mlp, pairs):
    before = mlp(pairs)
    with hooked(mlp, {POST_1: double, PRE: lambda x: None}) as inside:
        assert inside is mlp
        torch.testing.assert_close(mlp(pairs), 2 * before)
    assert torch.equal(mlp(pairs), before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_changes_are_gone_after_an_exception(mlp, pairs, error):
    before = mlp(pairs)
    with pytest.raises(error), hooked(mlp, {POST: double, POST_1: double}):
        raise error
    with pytest.raises(ZeroDivisionError), hooked(mlp, {POST: lambda x: x / (1 // 0)}):
        mlp(pairs)
    with pytest.raises(error), ablate(mlp, [0, 1]):
        raise error
    assert torch.equal(mlp(pairs), before)


def test_transformerlens_inside_the_block_sees_the_change_and_does_not_end_it(mlp, pairs):
    plain = mlp.run_with_cache(pairs)[1][POST_1]
    with hooked(mlp, {POST_1: double}):
        changed = mlp(pairs)
        logits, cache = mlp.run_with_cache(pairs)
        torch.testing.assert_close(cache[POST_1], 2 * plain)
        assert torch.equal(logits, changed)
        with_both = mlp.run_with_hooks(pairs, fwd_hooks=[(POST_1, lambda x, hook: x + 1)])
        torch.testing.assert_close(with_both, (2 * plain + 1) @ mlp.unembed.weight)
        assert torch.equal(mlp(pairs), changed)
        for arguments in ({}, {"including_permanent": True}, {"direction": "both", "clear_contexts": True}):
            mlp.reset_hooks(**arguments)
            assert torch.equal(mlp(pairs), changed)
        torch.testing.assert_close(capture(mlp, pairs, POST_1)[POST_1], 2 * plain)
        assert torch.equal(mlp(pairs), changed)


def test_a_users_hooks_stay(mlp, pairs):
    point = mlp.hook_dict[POST_1]
    plain = mlp(pairs)
    point.add_hook(lambda x, hook: 3 * x)
    handle = point.register_forward_hook(lambda module, inputs, output: output + 1)
    permanent = mlp.hook_dict[POST].register_forward_pre_hook(lambda module, inputs: None)
    mine = mlp(pairs)
    assert not torch.allclose(mine, plain)
    with hooked(mlp, {POST_1: double}):
        torch.testing.assert_close(mlp(pairs), 2 * mine)
        capture(mlp, pairs, ALL)
    assert torch.equal(mlp(pairs), mine)
    with pytest.raises(ValueError, match="stop"), ablate(mlp, range(6)):
        raise ValueError("stop")
    assert torch.equal(mlp(pairs), mine)
    assert len(point.fwd_hooks) == 1
    assert len(point._forward_hooks) == 2
    handle.remove()
    permanent.remove()
    mlp.reset_hooks()


def test_blocks_nest_and_stack_in_order(mlp, pairs):
    x = mlp.run_with_cache(pairs)[1][POST_1]

    def reads(y):
        torch.testing.assert_close(mlp(pairs), y @ mlp.unembed.weight)

    with hooked(mlp, {POST_1: double}):
        with hooked(mlp, {POST_1: add_one}):
            reads(2 * x + 1)
        reads(2 * x)
    with hooked(mlp, {POST_1: add_one}), hooked(mlp, {POST_1: double}):
        reads(2 * (x + 1))
    outer = hooked(mlp, {POST_1: double})
    outer.__enter__()
    inner = hooked(mlp, {POST_1: add_one})
    inner.__enter__()
    outer.__exit__(None, None, None)
    reads(x + 1)
    inner.__exit__(None, None, None)
    reads(x)


def test_captures_equal_the_cache(any_mlp, pairs):
    _, cache = any_mlp.run_with_cache(pairs)
    found = capture(any_mlp, pairs, lambda name: True)
    assert list(found) == list(any_mlp.hook_dict)
    for name, values in found.items():
        assert torch.equal(values, cache[name])
        assert not values.requires_grad


@pytest.mark.parametrize("batch_size", [1, 2, 7, 24, 25, 26, 1000, None])
def test_chunks_equal_the_whole(pairs, batch_size):
    model = HookedMLP(MLPConfig(width=6, norm="batch", dropout=0.5), 5)
    whole, chunked = (
        capture(model, pairs, [PRE, POST]),
        capture(model, pairs, [PRE, POST], batch_size=batch_size),
    )
    for name in (PRE, POST):
        torch.testing.assert_close(chunked[name], whole[name])
    sizes = [len(chunk) for chunk in batches(pairs, batch_size, torch.device("cpu"))]
    assert sum(sizes) == 25
    assert max(sizes) == min(batch_size or 25, 25)


def test_only_what_is_named_is_kept_and_no_example_is_an_example(mlp, pairs):
    assert list(capture(mlp, pairs, [POST_1, PRE])) == [POST_1, PRE]
    assert list(capture(mlp, pairs, [POST, POST])) == [POST]
    for batch_size in (None, 4):
        assert capture(mlp, pairs[:0], POST, batch_size=batch_size)[POST].shape == (0, 6)


@pytest.mark.parametrize("batch_size", [-1, 0])
def test_a_batch_size_below_1_is_no_batch_size(mlp, pairs, batch_size):
    with pytest.raises(GrokscopeError, match=f"batch_size={batch_size}"):
        capture(mlp, pairs, POST, batch_size=batch_size)


def test_type_and_device_of_captures(mlp, pairs):
    plain = capture(mlp, pairs, POST)[POST]
    half = capture(mlp, pairs, POST, dtype=torch.float16, batch_size=7)[POST]
    assert half.dtype == torch.float16
    assert torch.equal(half, plain.half())
    assert capture(mlp, pairs, POST, device="meta", batch_size=7)[POST].device.type == "meta"
    assert capture(mlp.double(), pairs, POST)[POST].dtype == torch.float64


def test_captures_are_copies(pairs):
    """An activation function that works in place changes what came before it."""
    for function in (torch.relu, torch.relu_):
        model = HookedMLP(MLPConfig(width=6, activation="custom"), 5, activation_fn=function).eval()
        expected = model.embed(pairs)
        assert (expected < 0).any()
        assert torch.equal(capture(model, pairs, PRE)[PRE], expected)
    handle = model.unembed.register_forward_pre_hook(lambda module, inputs: (inputs[0].zero_(),))
    found = capture(model, pairs, [PRE, POST])
    handle.remove()
    assert torch.equal(found[POST], expected.relu())
    found[POST].fill_(9)
    assert torch.equal(capture(model, pairs, POST)[POST], expected.relu())


def test_changing_an_activation_does_not_reach_an_earlier_capture(mlp, pairs):
    kept = []
    with hooked(mlp, {POST_1: kept.append}), ablate(mlp, range(6)):
        assert not mlp(pairs).any()
    assert torch.equal(kept[0], capture(mlp, pairs, POST_1)[POST_1])
    assert kept[0].any()


@pytest.mark.parametrize("training", [True, False])
def test_the_training_mode_is_restored(pairs, training):
    model = HookedMLP(MLPConfig(width=6, norm="batch", dropout=0.5), 5).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (capture(model, pairs, POST)[POST] for _ in range(2))
    assert torch.equal(first, second)
    assert {module.training for module in model.modules()} == {training}
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    with pytest.raises(RuntimeError), evaluation_mode(model):
        raise RuntimeError
    assert {module.training for module in model.modules()} == {training}
    assert torch.is_grad_enabled()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_frozen_part_of_a_model_in_training_stays_frozen(pairs):
    model = HookedMLP(MLPConfig(width=6, norm="batch", depth=3), 5).train()
    model.blocks[0].mlp.norm.eval()
    capture(model, pairs, POST)
    assert model.training
    assert not model.blocks[0].mlp.norm.training
    assert model.blocks[1].mlp.norm.training


def test_gradients_flow_through_changes(mlp, pairs):
    with hooked(mlp, {POST_1: double}):
        mlp(pairs).sum().backward()
    changed = mlp.embed.W_E.grad.clone()
    mlp.zero_grad()
    mlp(pairs).sum().backward()
    torch.testing.assert_close(changed, 2 * mlp.embed.W_E.grad)


def test_a_partial_and_a_method_are_changes_too(mlp, pairs):
    with hooked(mlp, {POST_1: partial(torch.mul, torch.tensor(0.0))}):
        assert not mlp(pairs).any()
    with hooked(mlp, {POST_1: torch.Tensor.abs}):
        assert mlp(pairs).any()


def test_a_hook_that_never_fires_is_an_error(mlp, pairs):
    mlp.hook_dict["blocks.0.hook_unused"] = HookPoint()
    with pytest.raises(HookNameError, match="exists but was never reached"):
        capture(mlp, pairs, "blocks.0.hook_unused")
