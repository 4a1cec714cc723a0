"""Replay, rehearsal, homeostatic rates and joint training, beside independent computations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from interp.errors import ConfigError
from interp.lab.continual.comparison import Compared
from interp.lab.continual.concept_shift import learn_online
from interp.lab.continual.homeostatic_study import QUANTITIES as SHIFTS
from interp.lab.continual.homeostatic_study import ConceptShift, concept_shift
from interp.lab.continual.homeostatic_study import sentences as shift_sentences
from interp.lab.continual.homeostatic_study import units as shift_units
from interp.lab.continual.method import Batch, LearningTask, Method, Run
from interp.lab.continual.methods.hidden_replay import (
    HiddenReplay,
    activation_drift,
    activations,
    most_active,
)
from interp.lab.continual.methods.homeostatic import Homeostatic, Modulated
from interp.lab.continual.methods.joint import Joint
from interp.lab.continual.methods.rehearsal import Rehearsal
from interp.lab.continual.methods.replay import Replay, alike
from interp.lab.continual.rehearsal_study import (
    QUANTITIES,
    TenTasks,
    by_age,
    sentences,
    ten_tasks,
    units,
)
from interp.lab.continual.replay_study import QUANTITIES as REPLAYED
from interp.lab.continual.replay_study import hidden_replay
from interp.lab.continual.replay_study import sentences as replay_sentences
from interp.lab.continual.replay_study import units as replay_units
from interp.lab.continual.sequence import Training, forward, learn_in_sequence
from interp.lab.continual.tasks import (
    OperationNetwork,
    class_incremental_digits,
    operations_in_sequence,
    relabelled_digits,
)
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, Study, StudyResult

SHORT = Training(updates=8, batch=16, lr=0.1)


def tasks(n: int = 3, inputs: int = 6) -> tuple[LearningTask, ...]:
    """Tasks whose examples tell which task they are of: its number is their first input."""
    made = []
    for place in range(n):
        x = torch.randn(40, inputs, generator=torch.Generator().manual_seed(place))
        x[:, 0] = place
        made.append(LearningTask(str(place), x, (x[:, 1] > 0).long(), x, (x[:, 1] > 0).long()))
    return tuple(made)


def network(seed: int = 0) -> nn.Sequential:
    with seeded(seed):
        return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2))


class Seen(Method):
    """A method that writes down what another gives to train on."""

    def __init__(self, inner: Method) -> None:
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "batches", [])

    def __hash__(self) -> int:
        return id(self)

    def start(self, run: Run) -> None:
        self.inner.start(run)  # type: ignore[attr-defined]

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        batch = self.inner.before_batch(run, batch)  # type: ignore[attr-defined]
        self.batches.append((run.task, batch))  # type: ignore[attr-defined]
        return batch

    def gradient(self, run: Run, batch: Batch, logits: torch.Tensor) -> None:
        self.inner.gradient(run, batch, logits)  # type: ignore[attr-defined]

    def after_step(self, run: Run) -> None:
        self.inner.after_step(run)  # type: ignore[attr-defined]

    def after_task(self, run: Run) -> None:
        self.inner.after_task(run)  # type: ignore[attr-defined]


def batches(method: Method, training: Training = SHORT) -> list[tuple[int, Batch]]:
    seen = Seen(method)
    learn_in_sequence(network(), tasks(), seen, training)
    return seen.batches  # type: ignore[attr-defined]


def shares(method: Method, task: int, training: Training = SHORT) -> list[float]:
    """Shares of the rows of a task's batches that are of each task."""
    places = torch.cat([batch.inputs[:, 0] for place, batch in batches(method, training) if place == task])
    return [float((places == place).float().mean()) for place in range(3)]


def test_replay_takes_its_share_from_former_tasks_and_keeps_so_many_examples() -> None:
    assert shares(Replay(n=5, share=0.5), 0) == [1, 0, 0]
    assert shares(Replay(n=5, share=0.5), 1) == [0.5, 0.5, 0]
    last = shares(Replay(n=5, share=0.25), 2)
    assert last[2] == 0.75
    assert min(last[:2]) > 0
    assert shares(Replay(n=5, share=0.5, recent=1), 2) == [0, 0.5, 0.5]
    replayed = torch.cat([batch.inputs[8:] for place, batch in batches(Replay(n=5, share=0.5)) if place == 1])
    assert len(replayed.unique(dim=0)) <= 5
    rows = {tuple(row.tolist()) for row in tasks()[0].inputs}
    assert all(tuple(row.tolist()) in rows for row in replayed)


def test_the_controls_of_replay_keep_labels_or_inputs_alone() -> None:
    def wrong(content: str) -> float:
        every = [batch for place, batch in batches(Replay(n=40, content=content)) if place == 1]
        x, labels = torch.cat([b.inputs[8:] for b in every]), torch.cat([b.labels[8:] for b in every])
        return float(((x[:, 1] > 0).long() != labels).float().mean())

    assert wrong("kept") == 0
    assert 0.25 < wrong("shuffled") < 0.75
    assert 0.25 < wrong("noise") < 0.75
    values = torch.randn(300, 3, generator=torch.Generator().manual_seed(2)) @ torch.tensor(
        [[1.0, 2, 0], [0, 1, 0], [0, 0, 3]]
    )
    drawn = torch.cat([alike(values, torch.Generator().manual_seed(seed)) for seed in range(60)])
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(values.T, bias=True), atol=0.25)


def test_hidden_replay_trains_what_is_behind_the_site_alone() -> None:
    net, kept = network(), torch.rand(4, 12)
    batch = Batch(torch.randn(10, 6), torch.zeros(10, dtype=torch.long), {"1": kept})
    logits = forward(net, batch)
    torch.testing.assert_close(logits[6:], net[2](kept))
    torch.testing.assert_close(logits[:6], net(batch.inputs[:6]))
    logits[6:].sum().backward()
    assert not net[0].weight.grad.any()
    assert net[2].weight.grad.any()
    every = batches(HiddenReplay(n=5, share=0.5, site="1"))
    assert all(("1" in batch.hidden) == (place > 0) for place, batch in every)


def test_stable_units_are_the_fewest_that_carry_the_share_and_stay_as_they_are() -> None:
    active = torch.rand(50, 12, generator=torch.Generator().manual_seed(0))
    for share in (0.0, 0.3, 0.99, 1.0):
        mass, chosen = active.mean(0).numpy(), set[int]()
        for unit in np.argsort(-mass):
            if mass[list(chosen)].sum() >= share * mass.sum() * (1 - 1e-6):
                break
            chosen.add(int(unit))
        assert set(most_active(active, share).nonzero().flatten().tolist()) == chosen
    for optimizer in ("sgd", "adam"):
        method = HiddenReplay(n=5, site="1", stable=0.6, layer="0")
        learnt = learn_in_sequence(network(), tasks(), method, Training(8, 16, 0.1, optimizer))
        start = network()
        start.load_state_dict(learnt.snapshots[0])
        units = most_active(activations(start, "1", tasks()[0].inputs), 0.6)
        moved = (learnt.snapshots[2]["0.weight"] - learnt.snapshots[0]["0.weight"]).abs().sum(1)
        assert not moved[units].any()
        assert moved[~units].any()
        assert (learnt.snapshots[2]["0.bias"] == learnt.snapshots[0]["0.bias"])[units].all()


def test_drift_is_that_of_the_same_examples_and_none_with_all_units_stable() -> None:
    learnt = learn_in_sequence(network(), tasks(), HiddenReplay(n=5), SHORT)
    before = network()
    before.load_state_dict(learnt.snapshots[1])
    x = tasks()[1].test_inputs
    old, new = before[:2](x).detach().numpy(), learnt.network[:2](x).detach().numpy()
    expected = np.sqrt(((new - old) ** 2).sum() / (old**2).sum())
    assert activation_drift(learnt, "1")[1] == pytest.approx(expected, rel=1e-5)
    frozen = learn_in_sequence(network(), tasks(), HiddenReplay(n=5, stable=1.0, layer="0"), SHORT)
    assert activation_drift(frozen, "1").max() < activation_drift(learnt, "1")[0] / 2


def test_fresh_activations_are_those_of_now() -> None:
    seen = []

    class Compared(HiddenReplay):
        def mixed(self, run: Run, batch: Batch, kept: torch.Tensor, labels: torch.Tensor) -> Batch:
            mixed = super().mixed(run, batch, kept, labels)
            seen.append((mixed.hidden["1"] - run.network[:2](kept)).abs().max().item())
            return mixed

    learn_in_sequence(network(), tasks(), Compared(n=5, content="fresh"), SHORT)
    assert len(seen) == 16
    assert max(seen) < 1e-6


def test_rehearsed_ages_follow_the_power_law() -> None:
    method = Rehearsal(alpha=2.0, share=0.5)
    weights = np.array([1 / 9, 1 / 4, 1])
    np.testing.assert_allclose(method.chances(3), weights / weights.sum())
    np.testing.assert_allclose(Rehearsal(0.0).chances(4), 0.25)
    long = Training(updates=80, batch=16, lr=0.01, check_every=1000)
    found = shares(method, 2, long)
    np.testing.assert_allclose(found, [0.1, 0.4, 0.5], atol=0.06)
    assert shares(method, 0) == [1, 0, 0]


def test_joint_training_draws_from_all_tasks_from_the_start() -> None:
    long = Training(updates=60, batch=16, lr=0.01, check_every=1000)
    for task in (0, 2):
        np.testing.assert_allclose(shares(Joint(), task, long), 1 / 3, atol=0.07)


def test_the_state_follows_the_effects_and_its_control_has_the_same_rates() -> None:
    logits, labels = torch.eye(4)[[0, 1, 2, 2]], torch.tensor([0, 1, 2, 3])
    assert Homeostatic("consequence").change(logits, labels, 0.0) == -0.5
    assert Homeostatic("predicted").change(logits, labels, 0.0) == 0.5
    assert (
        Homeostatic("taken").change(logits, labels, 1.0) == -0.25
    )  # it takes the second alone, whose effect is -1
    assert Homeostatic("taken").change(logits, labels, -1.0) == 0.25  # the others: 1, 1 and -1
    method = Homeostatic("consequence", gain=0.5, leak=0.25)
    stream = {"updates": 10, "lr": 0.1, "batch": 8}
    accuracy, run = learn_online(
        network(), tasks(), method, **stream, generator=torch.Generator().manual_seed(0)
    )
    state, factors = 0.0, []
    for share in accuracy:
        state = 0.75 * state + 1 - 2 * share
        factors.append(min(max(np.exp(0.5 * state), 1 / 8), 8))
    np.testing.assert_allclose(run.memory[method].factors, factors, rtol=1e-5)
    again, _ = learn_online(
        *(network(), tasks(), Modulated(tuple(run.memory[method].factors))),
        **stream,
        generator=torch.Generator().manual_seed(0),
    )
    np.testing.assert_array_equal(again, accuracy)  # the same rates in the same order are the same run


def test_tasks_hold_what_they_promise() -> None:
    parts = class_incremental_digits(torch.Generator().manual_seed(1))
    classes = [set(task.labels.tolist()) for task in parts]
    assert all(set(task.test_labels.tolist()) == own for task, own in zip(parts, classes, strict=True))
    assert set.union(*classes) == set(range(10))
    assert sum(len(task.labels) + len(task.test_labels) for task in parts) == 1797
    first, second = relabelled_digits(2, torch.Generator().manual_seed(1))
    pairs = set(zip(first.labels.tolist(), second.labels.tolist(), strict=True))
    assert len(pairs) == 10
    ops = operations_in_sequence(["subtract", "multiply"], 7, torch.Generator().manual_seed(0))
    for place, task in enumerate(ops):
        rows = torch.cat([task.inputs, task.test_inputs]).tolist()
        labels = torch.cat([task.labels, task.test_labels]).tolist()
        assert len({tuple(row) for row in rows}) == 49
        for (op, a, b), label in zip(rows, labels, strict=True):
            assert (op, label) == (place, ((a - b) if place == 0 else a * b) % 7)
    learnt = learn_in_sequence(OperationNetwork(2, 7, width=16), ops, Replay(n=10), SHORT)
    assert learnt.accuracy.shape == (2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Replay(share=0.0), "share=0.0 of replayed rows is not in"),
        (lambda: Replay(n=0), "n=0 is below 1"),
        (lambda: Replay(content="fresh"), "unknown content 'fresh'"),
        (lambda: HiddenReplay(stable=0.5), "name the layer that feeds '1'"),
        (lambda: HiddenReplay(stable=2.0, layer="0"), "stable=2.0 is no share"),
        (lambda: Rehearsal(-1.0), "alpha=-1.0 is below 0"),
        (lambda: Rehearsal(share=1.0), "share=1.0 of rehearsed rows"),
        (lambda: Homeostatic("pain"), "unknown effect 'pain'"),
        (lambda: Homeostatic(leak=0.0), "leak=0.0 is not in"),
        (lambda: activations(network(), "7", torch.zeros(1, 6)), "no submodule '7'"),
        (
            lambda: learn_in_sequence(network(), tasks(), HiddenReplay(stable=0.5, layer="2"), SHORT),
            "2 units",
        ),
        (lambda: class_incremental_digits(torch.Generator(), 3), "do not divide the ten digits"),
        (lambda: operations_in_sequence(["adds"], 5, torch.Generator()), "unknown operation 'adds'"),
    ],
)
def test_what_cannot_be_used_is_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()  # type: ignore[operator]


def test_accuracy_by_age_is_the_mean_of_each_diagonal() -> None:
    accuracy = np.random.default_rng(0).random((4, 4))
    for age, mean in enumerate(by_age(accuracy)):
        assert mean == pytest.approx(np.mean([accuracy[task + age, task] for task in range(4 - age)]))


def test_a_small_run_of_ten_tasks_has_every_number() -> None:
    config, steps = TenTasks(ten_updates=2), []
    numbers, curves = ten_tasks(config, 0, lambda done, note="": steps.append(done))
    assert set(numbers) == set(QUANTITIES)
    assert steps[-1] == units(config)
    assert all(len(curve) == 10 for curve in curves.values())
    assert numbers["ten_unreached_naive"] == 9
    assert numbers["ten_steps_naive"] == 2  # never, and counted with all updates


def result(config: object, names: dict[str, str], records: list[dict[str, float]]) -> StudyResult:
    def unused(*arguments: object) -> Any:
        raise AssertionError

    study = Study("made-up", "", "", type(config), unused, unused, names, unused, unused)
    return StudyResult(study, config, tuple(range(len(records))), tuple(Record(one, {}) for one in records))


@pytest.mark.parametrize(("gap", "words"), [(0.2, "higher"), (-0.2, "lower"), (0.0, "not decided")])
def test_sentences_follow_the_intervals(gap: float, words: str) -> None:
    records = [
        {name: 0.5 + seed / 100 + gap * ("power" in name) * (1 + seed / 10) for name in QUANTITIES}
        for seed in range(3)
    ]
    first, _, last = sentences(result(TenTasks(), QUANTITIES, records))
    assert f"average accuracy {words} (" in first
    assert {0.2: "later with the power law", -0.2: "sooner with the power law", 0.0: "as soon"}[gap] in last
    records = [
        {name: 0.5 + seed / 100 + gap * name.endswith("consequence") * (1 + seed / 10) for name in SHIFTS}
        for seed in range(3)
    ]
    lines = shift_sentences(result(ConceptShift(), SHIFTS, records))
    assert {0.2: "better", -0.2: "worse", 0.0: "not decided"}[gap] in lines[0]
    assert "better" not in lines[1]


def test_sentences_on_hidden_replay_follow_the_intervals() -> None:
    averages = {"none": 0.2, "raw": 0.9, "hidden": 0.3, "stable_all": 0.8, "fresh": 0.5, "raw_last": 0.4}
    records = [
        {name: averages.get(name.removeprefix("replay_average_"), 0.3) + seed / 100 for name in REPLAYED}
        for seed in range(3)
    ]
    first, second, third = replay_sentences(result(Compared(), REPLAYED, records))
    assert "hidden activations less than half (14%)" in first
    assert "all active units stable more than half (86%)" in first
    assert "units with half of the activation stable not decided (+0.000)" in second
    assert "activations computed anew higher (+0.200)" in second
    assert "hidden activations is not told apart from the same of noise" in third
    assert "replay of examples is above replay of the last two classes" in third


def test_a_small_run_of_hidden_replay_has_every_number() -> None:
    config, steps = Compared(class_updates=2), []
    numbers, curves = hidden_replay(config, 0, lambda done, note="": steps.append(done))
    assert set(numbers) == set(REPLAYED)
    assert steps[-1] == replay_units(config)
    assert all(len(curve) == 5 for curve in curves.values())


def test_rates_whose_run_diverged_have_no_random_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(
        config: object, seed: int, period: int, method: Method, rate: float
    ) -> tuple[float, list[float]]:
        return (0.0, []) if isinstance(method, Homeostatic) else (0.5, [])

    monkeypatch.setattr("interp.lab.continual.homeostatic_study._stream", stream)
    numbers, _ = concept_shift(ConceptShift(), 0, lambda done, note="": None)
    assert set(numbers) == set(SHIFTS)
    assert numbers["shift_20_consequence"] == 0
    assert numbers["shift_20_consequence_shuffled"] is None
    line = shift_sentences(result(ConceptShift(), SHIFTS, [numbers] * 3))[0]  # type: ignore[list-item]
    assert "not known" in line


@pytest.mark.slow
def test_a_short_stream_has_every_number() -> None:
    config, steps = ConceptShift(shift_updates=500), []
    numbers, curves = concept_shift(config, 0, lambda done, note="": steps.append(done))
    assert set(numbers) == set(SHIFTS)
    assert steps[-1] == len(steps) == shift_units(config)
    assert all(0 <= value <= 1 for value in numbers.values() if value is not None)
    assert set(curves) == {"20", "50", "100", "500"}
