"""Interventions scheduled over training: gradients by hand, spans of updates, and runs that are the same to the bit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from interp.data import ModularTask
from interp.errors import ConfigError, HookNameError
from interp.interventions import Edit, intervene
from interp.lab.event_times import delay, first_reaching
from interp.lab.schedule import Held, Schedule
from interp.lab.study import Record, Study, StudyResult
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, adopt
from interp.models.attention_only import AttentionOnly, AttentionOnlyConfig
from interp.modes import Clamp, Patch, Scale, Zero
from interp.plots.canvas import blank
from interp.training import TrainConfig, TrainResult, train

HOOK = "blocks.0.mlp.hook_post"
TASK = ModularTask(p=7, train_fraction=0.8)
SHAPE = MLPConfig(width=12)
HELD = np.array([0, 2, 5])


def scheduled(*edits: Edit, **span: Any) -> Schedule:
    return Schedule(tuple(Held(edit, **span) for edit in edits))


def trained(during: Schedule | None, steps: int = 6, **settings: Any) -> TrainResult:
    config = TrainConfig(steps=steps, log_every=1, save_every=2, weight_decay=0.5)
    return train(TASK, SHAPE, config, during=during, show_progress=False, **settings)


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


VALUES = torch.tensor([0.3, -0.2, 0.7], dtype=torch.float64)
INTERVENTIONS = {
    "zero": (Zero(), lambda x: 0 * x, lambda x: 0 * x),
    "scale": (Scale(0.4), lambda x: 0.4 * x, lambda x: 0 * x + 0.4),
    "clamp": (Clamp(0.2, 0.6), lambda x: np.clip(x, 0.2, 0.6), lambda x: (x > 0.2) & (x < 0.6)),
    "patch": (Patch(VALUES), lambda x: 0 * x + VALUES.numpy(), lambda x: 0 * x),
}


@pytest.mark.parametrize("name", INTERVENTIONS)
@pytest.mark.parametrize("gradient", [True, False])
def test_gradients_flow_or_stop_as_worked_out_by_hand(name: str, gradient: bool) -> None:
    intervention, value, derivative = INTERVENTIONS[name]
    model = HookedMLP(SHAPE, vocab=7, seed=3).double()
    with torch.no_grad():
        model.embed.W_E.mul_(4)
    inputs = torch.tensor([[1, 2], [3, 3], [6, 0], [4, 5]])
    targets = np.eye(7)[[3, 6, 6, 2]]
    with scheduled(Edit(HOOK, HELD, intervention), gradient=gradient)(model, 0):
        logits = model(inputs)
    F.mse_loss(logits, torch.tensor(targets)).backward()

    one_hot = np.concatenate([np.eye(7)[inputs[:, 0]], np.eye(7)[inputs[:, 1]]], axis=1)
    reads, writes = model.embed.W_E.flatten(0, 1).numpy(force=True), model.unembed.weight.numpy(force=True)
    pre = one_hot @ reads
    post, slope = pre**2, 2 * pre
    through = np.ones_like(post)
    through[:, HELD] = derivative(post[:, HELD]) if gradient else 0.0
    post[:, HELD] = value(post[:, HELD])
    error = 2 * (post @ writes - targets) / targets.size
    assert logits.numpy(force=True) == pytest.approx(post @ writes)
    assert model.unembed.weight.grad is not None
    assert model.embed.W_E.grad is not None
    assert model.unembed.weight.grad.numpy() == pytest.approx(post.T @ error)
    by_hand = one_hot.T @ (error @ writes.T * through * slope)
    assert model.embed.W_E.grad.flatten(0, 1).numpy() == pytest.approx(by_hand)
    if name == "clamp":
        assert 0 < through[:, HELD].sum() < through[:, HELD].size or not gradient


@pytest.mark.parametrize(
    "hook", ["blocks.1.attn.hook_z", "blocks.1.attn.hook_z@2", "blocks.1.attn.hook_pattern"]
)
def test_gradients_of_heads_are_those_of_finite_differences(hook: str) -> None:
    model = AttentionOnly(
        AttentionOnlyConfig(vocab=5, n_ctx=4, d_model=8, n_heads=3, d_head=4), seed=1
    ).double()
    tokens, weight = torch.tensor([[0, 1, 2, 0], [3, 3, 4, 1]]), model.layers[1].attn.W_V
    schedule = scheduled(Edit(hook, np.array([1]), Scale(0.3)))

    def loss() -> torch.Tensor:
        with schedule(model, 0):
            return F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())

    loss().backward()
    assert weight.grad is not None
    for place in [(1, 2, 3), (0, 5, 1)]:
        ends = []
        for shift in (1e-5, -2e-5):
            with torch.no_grad():
                weight[place] += shift
                ends.append(loss().item())
        with torch.no_grad():
            weight[place] += 1e-5
        assert weight.grad[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4)


def test_a_stopped_head_is_read_but_learns_nothing() -> None:
    tokens, gradients = torch.tensor([[0, 1, 2, 0]]), {}
    for gradient in (True, False):
        model = AttentionOnly(
            AttentionOnlyConfig(vocab=5, n_ctx=4, d_model=8, n_heads=3, d_head=4, n_layers=1)
        )
        edit = Edit("blocks.0.attn.hook_z", np.array([1]), Scale(0.3))
        with scheduled(edit, gradient=gradient)(model, 0):
            model(tokens)[0, -1, 2].backward()
        attn = model.layers[0].attn
        gradients[gradient] = {name: getattr(attn, f"W_{name}").grad for name in "QKVO"}
    assert torch.equal(gradients[True]["O"], gradients[False]["O"])
    for name in "QKV":
        assert gradients[True][name][1].abs().max() > 0
        assert gradients[False][name][1].abs().max() == 0
        assert torch.equal(gradients[True][name][[0, 2]], gradients[False][name][[0, 2]])


def test_edits_at_one_hook_act_in_order_each_with_its_own_gradient() -> None:
    model = HookedMLP(SHAPE, vocab=7)
    edits = (Edit(HOOK, np.array([0]), Scale(2.0)), Edit(HOOK, np.array([0, 1]), Scale(3.0)))
    schedule = Schedule((Held(edits[0], gradient=False), Held(edits[1])))
    with schedule(model, 0):
        logits, cache = model.run_with_cache(torch.tensor([[1, 2]]), names_filter=HOOK)
        logits.sum().backward()
    _, plain = model.run_with_cache(torch.tensor([[1, 2]]), names_filter=HOOK)
    assert torch.allclose(cache[HOOK][0, :3], plain[HOOK][0, :3] * torch.tensor([6.0, 3.0, 1.0]))
    fed = model.embed.W_E.grad.abs().sum((0, 1))  # type: ignore[union-attr]
    assert fed[0] == 0
    assert fed[1] > 0


@pytest.mark.parametrize(
    ("start", "stop", "acting"), [(0, None, "11111"), (2, None, "00111"), (1, 3, "01100"), (3, 3, "00000")]
)
def test_an_edit_is_in_force_from_its_start_until_before_its_stop(
    start: int, stop: int | None, acting: str
) -> None:
    model, schedule = (
        HookedMLP(SHAPE, vocab=7),
        scheduled(Edit(HOOK, np.arange(12), Zero()), start=start, stop=stop),
    )
    for step, expected in enumerate(acting):
        with schedule(model, step):
            assert (model(torch.tensor([[1, 2]])).abs().max() == 0) == (expected == "1")
        assert model(torch.tensor([[1, 2]])).abs().max() > 0


def test_without_anything_in_force_the_baseline_is_restored_to_the_bit() -> None:
    baseline = trained(None)
    over = scheduled(Edit(HOOK, HELD, Zero()), start=2, stop=2)
    for schedule in (Schedule(), over, scheduled(Edit(HOOK, HELD, Zero()), start=6)):
        found = trained(schedule)
        assert same(found.model, baseline.model)
        assert found.history == baseline.history


def test_a_late_schedule_is_the_baseline_to_the_bit_up_to_its_start() -> None:
    baseline, late = trained(None), trained(scheduled(Edit(HOOK, HELD, Zero()), start=3))
    assert late.history[:4] == baseline.history[:4]
    assert late.history[4] != baseline.history[4]
    assert not same(late.model, baseline.model)


def test_what_feeds_held_neurons_is_moved_by_decay_alone() -> None:
    found, before = trained(scheduled(Edit(HOOK, HELD, Zero()))), HookedMLP(SHAPE, vocab=7)
    ratio = (found.model.embed.W_E / before.embed.W_E)[..., HELD]  # type: ignore[union-attr]
    assert ratio.numpy(force=True) == pytest.approx((1 - 0.01 * 0.5) ** 6, rel=1e-5)


def test_a_resumed_series_goes_on_to_the_bit(tmp_path: Path) -> None:
    schedule = scheduled(Edit(HOOK, HELD, Scale(0.5)), start=1, stop=5)
    whole = trained(schedule)
    trained(schedule, steps=4, out=tmp_path)
    resumed = trained(schedule, out=tmp_path, resume=True)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


def transformer(during: Schedule | None) -> SmallTransformer:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, n_layers=1)
    found = train(TASK, config, TrainConfig(steps=3), tokens="a b =", during=during, show_progress=False)
    assert isinstance(found.model, SmallTransformer)
    assert not found.model.readout_only
    return found.model


def test_single_positions_of_a_last_block_can_be_held() -> None:
    every = np.arange(6)
    baseline, held = transformer(None), transformer(scheduled(Edit(HOOK, every, Zero())))
    read = transformer(scheduled(Edit(f"{HOOK}@2", every, Zero())))
    unread = transformer(scheduled(Edit(f"{HOOK}@0", every, Zero())))
    for one, other, alike in ((read, held, True), (unread, baseline, True), (read, baseline, False)):
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs) == alike


def test_short_computation_is_taken_up_again_whatever_happens() -> None:
    model = transformer(None)
    model.readout_only = True
    with scheduled(Edit(HOOK, HELD, Zero()))(model, 0):
        assert not model.readout_only
    assert model.readout_only
    with pytest.raises(ZeroDivisionError), scheduled(Edit(HOOK, HELD, Zero()))(model, 0):
        _ = 1 / 0
    assert model.readout_only


def test_adopted_networks_are_held_in_a_loop_of_ones_own() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    model = adopt(network, ["0:output"], example=inputs)
    schedule = scheduled(Edit("0:output", np.array([1, 4]), Scale(2.0)), start=1, gradient=False)
    for step in range(2):
        network.zero_grad()
        with schedule(model, step):
            logits = model(inputs)
        logits.square().sum().backward()
        pre = inputs @ network[0].weight.T + network[0].bias
        doubled = pre * torch.where(torch.isin(torch.arange(8), torch.tensor([1, 4])), 1.0 + step, 1.0)
        assert torch.allclose(logits, network[2](doubled.relu()), atol=1e-6)
        assert (network[0].weight.grad[[1, 4]].abs().max() == 0) == (step == 1)


def test_a_gradient_that_flows_is_that_of_intervene() -> None:
    found = []
    for around in (intervene, None):
        model, edit = HookedMLP(SHAPE, vocab=7), Edit(HOOK, HELD, Clamp(high=0.01))
        with around(model, edit) if around else scheduled(edit)(model, 0):
            model(torch.tensor([[1, 2], [3, 4]])).square().sum().backward()
        found.append(model.embed.W_E.grad)
    assert torch.equal(*found)


def test_mistakes_are_told_before_training_gets_anywhere() -> None:
    with pytest.raises(HookNameError, match=r"no hook 'blocks\.0\.mlp\.hook_pots'; did you mean"):
        scheduled(Edit("blocks.0.mlp.hook_pots", HELD, Zero()), start=1000)(HookedMLP(SHAPE, vocab=7), 0)
    for start, stop in ((-1, None), (5, 4)):
        with pytest.raises(ConfigError, match=f"start={start} and stop={stop} are no span"):
            Held(Edit(HOOK, HELD, Zero()), start=start, stop=stop)


def test_the_first_step_at_a_level_lies_on_the_line_between_measurements() -> None:
    generator = np.random.default_rng(0)
    steps, values = np.arange(0, 100, 10), np.sort(generator.random(10))
    for level in (0.3, 0.5, values[4]):
        assert first_reaching(steps.tolist(), values.tolist(), level) == pytest.approx(
            np.interp(level, values, steps)
        )
    assert first_reaching([0, 10, 20, 30], [0.0, 1.0, 0.0, 1.0], 0.5) == 5.0
    assert first_reaching([4, 5], [0.9, 0.1], 0.5) == 4.0
    assert first_reaching([0, 10], [0.1, 0.2], 0.5) is None


def told(
    arm: list[float], control: list[float], reached: list[float], of_control: list[float] | None = None
) -> str:
    study = Study(
        "made-up",
        "t",
        "a",
        ModularTask,
        lambda c, s, r: Record({}, {}),
        lambda c: 1,
        {},
        lambda r: [],
        lambda r: blank("t", "x", "y"),
    )
    records = [
        Record({"step_a": a, "step_b": b, "reached_a": r, "reached_b": c}, {})
        for a, b, r, c in zip(arm, control, reached, of_control or [1.0] * len(arm), strict=True)
    ]
    config = SimpleNamespace(steps=600)
    return delay(StudyResult(study, config, tuple(range(len(arm))), tuple(records)), "a", "b", "before")


def test_a_delay_is_told_as_far_as_the_seeds_decide_it() -> None:
    assert (
        told([110.0, 121, 132], [100.0, 110, 120], [1.0] * 3)
        == "11 steps later than before (95 % interval 9 to 13)"
    )
    assert (
        told([90.0, 99, 108], [100.0, 110, 120], [1.0] * 3)
        == "11 steps sooner than before (95 % interval 9 to 13)"
    )
    undecided = told([90.0, 131, 120], [100.0, 110, 120], [1.0] * 3)
    assert undecided.startswith("sooner or later than before: not decided (on average 4 steps later; 95 %")
    late = [600.0, 600, 600, 600, 550], [100.0, 110, 120, 130, 140]
    assert (
        told(*late, [0.0, 0, 0, 0, 1])
        == "later than before (never in 4 of 5 seeds; exact log-rank p = 0.0079)"
    )
    few = told([600.0, 600, 550], [100.0, 110, 120], [0.0, 0, 1])
    assert few.startswith("sooner or later than before: not decided (never in 2 of 3 seeds; exact log-rank")
    assert told([600.0] * 3, [600.0] * 3, [0.0] * 3, [0.0] * 3) == "in no seed by step 600, nor before"
    sooner = told([100.0, 110, 120, 130], [600.0] * 4, [1.0] * 4, [0.0] * 4)
    assert sooner == "sooner than before (before never in 4 of 4; exact log-rank p = 0.029)"
    assert (
        told([90.0], [100.0], [1.0])
        == "sooner or later than before: not decided (on average 10 steps sooner; a single seed)"
    )
