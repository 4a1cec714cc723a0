"""Methods against forgetting against independent computations, and the judgement of the study that compares them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from figures import check_figure
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.errors import ConfigError
from interp.lab.continual import DivergedError, LearningTask, Method, Training, learn_in_sequence
from interp.lab.continual.benchmarks import BENCHMARKS, Sequences, benchmark
from interp.lab.continual.comparison import MEASURES, PROTECTS, Compared, compare, planned
from interp.lab.continual.method import Run, Together
from interp.lab.continual.methods.ewc import EWC
from interp.lab.continual.methods.example_gradients import fisher, sensitivity
from interp.lab.continual.methods.fpf import FinetuneMoved, module_movement
from interp.lab.continual.methods.hebbian import hebbian_subspace, orthonormal, subspace_overlap
from interp.lab.continual.methods.l2 import L2
from interp.lab.continual.methods.mas import MAS
from interp.lab.continual.methods.penalty import Penalty
from interp.lab.continual.methods.projection import Projection, layer_inputs
from interp.lab.continual.methods.schedules import Rate, RepeatedCosine, WarmCoolAnneal, mean_share
from interp.lab.continual.metrics import sequence_metrics
from interp.lab.continual.protection import importance_by_neuron, movement_by_neuron, protection
from interp.lab.continual.sequence import NAIVE
from interp.lab.continual.study import STUDY, Config
from interp.lab.continual.table import chosen_strengths, method_table, of_method
from interp.lab.hosts.training import seeded
from interp.lab.study import Record, StudyResult
from interp.progress import silent

SHORT = Training(updates=6, batch=8, check_every=6)


def network(seed: int = 0) -> nn.Sequential:
    with seeded(seed):
        return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 3))


def tasks(n: int = 3, examples: int = 40) -> list[LearningTask]:
    generator = torch.Generator().manual_seed(5)
    made = []
    for place in range(n):
        inputs = torch.randn(examples, 6, generator=generator)
        labels = (inputs[:, place : place + 3]).argmax(1)
        made.append(LearningTask(str(place), inputs, labels, inputs, labels))
    return made


def parameters(module: nn.Module) -> Tensor:
    return torch.cat([one.detach().flatten() for one in module.parameters()])


def test_metrics_are_those_of_loops() -> None:
    generator = np.random.default_rng(0)
    accuracy, untrained = generator.random((4, 4)), generator.random(4)
    metrics = sequence_metrics(accuracy, untrained)
    backward = [accuracy[3][task] - accuracy[task][task] for task in range(3)]
    forward = [accuracy[task - 1][task] - untrained[task] for task in range(1, 4)]
    forgetting = [
        max(accuracy[after][task] for after in range(task, 3)) - accuracy[3][task] for task in range(3)
    ]
    expected = [np.mean(values) for values in (accuracy[3], backward, forward, forgetting)]
    np.testing.assert_allclose(list(metrics.values()), expected)


def test_naive_training_is_a_plain_loop() -> None:
    learnt = learn_in_sequence(network(), tasks(), training=SHORT, seed=3)
    own, generator = network(), torch.Generator().manual_seed(3)
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1)
    for task in tasks():
        for _ in range(6):
            rows = torch.randint(40, (8,), generator=generator)
            optimizer.zero_grad()
            cross_entropy(own(task.inputs[rows]), task.labels[rows]).backward()
            optimizer.step()
    assert torch.equal(parameters(learnt.network), parameters(own))
    right = [(own(task.inputs).argmax(1) == task.labels).double().mean().item() for task in tasks()]
    np.testing.assert_allclose(learnt.accuracy[-1], right)


def test_importances_are_means_over_single_examples() -> None:
    one, task = network(), tasks(1)[0]
    expected = {name: [torch.zeros_like(value)] * 2 for name, value in one.named_parameters()}
    for inputs, label in zip(task.inputs, task.labels, strict=True):
        for kind in range(2):
            one.zero_grad()
            logits = one(inputs[None])
            (logits.square().sum() if kind else cross_entropy(logits, label[None])).backward()
            for name, value in one.named_parameters():
                assert value.grad is not None
                each = value.grad.abs() if kind else value.grad**2
                before = expected[name]
                expected[name] = [total + each / 40 * (at == kind) for at, total in enumerate(before)]
    for kind, result in enumerate((fisher(one, task.inputs, task.labels), sensitivity(one, task.inputs))):
        assert list(result) == list(expected)
        for name, value in result.items():
            torch.testing.assert_close(value, expected[name][kind])


@dataclass(frozen=True)
class Watched(Method):
    """Keep each task's gradients of the first update, before and after the other methods, and values after it."""

    name: str = ""

    def gradient(self, run: Run, batch: object, logits: object) -> None:
        kept = run.memory.setdefault(self, {})
        if run.step == 0:
            kept[run.task] = {name: one.grad.clone() for name, one in run.network.named_parameters()}  # type: ignore[union-attr]


@pytest.mark.parametrize("method", [EWC(3.0), MAS(0.2), L2(0.5)])
def test_penalties_pull_by_importance_to_where_tasks_ended(method: Penalty) -> None:
    before, after = Watched("before"), Watched("after")
    learnt = learn_in_sequence(network(), tasks(), Together((before, method, after)), SHORT)
    states = [dict(one) for one in learnt.snapshots]
    importances = []
    for state, task in zip(states, tasks(), strict=True):
        own = network()
        own.load_state_dict(state)
        by_labels = isinstance(method, EWC)
        importances.append(
            fisher(own, task.inputs, task.labels) if by_labels else sensitivity(own, task.inputs)
        )
    for name in states[0]:
        pulled = learnt.memory[after][2][name] - learnt.memory[before][2][name]
        now, first, second = states[1][name], states[0][name], states[1][name]
        if isinstance(method, EWC):  # the third task begins where the second ended
            expected = importances[0][name] * (now - first) + importances[1][name] * (now - second)
        else:
            expected = torch.zeros_like(now)  # both pull to the end of the last task alone
        torch.testing.assert_close(pulled, method.strength * expected, atol=1e-6, rtol=1e-4)
    if isinstance(method, MAS):
        weight = learnt.memory[method].weight
        torch.testing.assert_close(
            weight["0.weight"], importances[0]["0.weight"] + importances[1]["0.weight"]
        )


@pytest.mark.parametrize("kind", [EWC, MAS, L2])
def test_penalties_of_strength_zero_are_naive_and_too_large_ones_diverge(kind: type[Penalty]) -> None:
    naive = learn_in_sequence(network(), tasks(), NAIVE, SHORT)
    assert torch.equal(
        parameters(learn_in_sequence(network(), tasks(), kind(0.0), SHORT).network), parameters(naive.network)
    )
    long = Training(updates=40, batch=8, check_every=40)
    with pytest.raises(
        DivergedError, match=r"diverged in task . with .*; lower the learning rate, or its strength"
    ):
        learn_in_sequence(network(), tasks(), kind(1e6), long)


def test_shuffled_importances_are_the_same_ones_elsewhere() -> None:
    whole, shuffled = (
        learn_in_sequence(network(), tasks(2), method, SHORT).memory[method].weight
        for method in (EWC(0.0), EWC(0.0, True))
    )
    for name, value in whole.items():
        torch.testing.assert_close(value.flatten().sort().values, shuffled[name].flatten().sort().values)
    assert not torch.equal(whole["2.weight"], shuffled["2.weight"])


@pytest.mark.parametrize("seed", [0, 1])
def test_hebbian_subspaces_are_those_of_the_singular_vectors(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scale = 0.75 ** torch.arange(24.0)
    activity = torch.randn(600, 24, generator=generator) * scale + 0.5 * torch.rand(24, generator=generator)
    rows = hebbian_subspace(activity, 0.95, generator)
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-5, rtol=0)
    left = activity - (activity @ rows.T) @ rows
    assert left.square().sum() <= 0.05 * activity.square().sum()
    components = np.linalg.svd(activity.numpy(), full_matrices=False)[2][: len(rows)]
    assert subspace_overlap(rows, torch.from_numpy(components)) >= 0.95
    more = hebbian_subspace(activity, 0.99, generator, rows)
    torch.testing.assert_close(more @ rows.T, torch.zeros(len(more), len(rows)), atol=1e-5, rtol=0)
    assert len(orthonormal(more, rows)) == len(more) + len(rows)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_layers_answer_as_before_to_protected_inputs(optimizer: str) -> None:
    """Where nearly all of the first task's activity is protected, a layer answers to it nearly as it did."""
    one, some = network(), tasks(2)
    flat = torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) @ torch.eye(6)[:2]
    some[0] = LearningTask("flat", flat, (flat[:, 0] > 0).long(), flat, (flat[:, 0] > 0).long())
    method = Projection(0.9999)
    training = Training(updates=20, batch=8, lr=0.05, optimizer=optimizer, check_every=20)
    learnt = learn_in_sequence(one, some, method, training)
    first = network()
    first.load_state_dict(dict(learnt.snapshots[0]))
    assert len(learnt.memory[method].used["0"]) == 4  # two directions and the bias, learnt in pairs
    known, new = ((one[0](inputs) - first[0](inputs)).norm() for inputs in (flat, some[1].inputs))
    assert known < 0.03 * new
    random = Projection(0.5, random=True)
    protected = learn_in_sequence(network(), some, random, training).memory[random]
    for name, rows in protected.used.items():
        assert len(rows) == len(protected.learnt[name])
        assert subspace_overlap(rows, protected.learnt[name]) < 0.99
    assert layer_inputs(one, flat)["0"][:, -1].unique().tolist() == [1.0]


def test_fine_tuning_changes_the_module_that_moved_most_alone() -> None:
    most, naive = (
        FinetuneMoved("most", examples=5, updates=4),
        learn_in_sequence(network(), tasks(), NAIVE, SHORT),
    )
    learnt = learn_in_sequence(network(), tasks(), most, SHORT)
    states = [dict(one) for one in naive.snapshots]
    moved = {}
    for name in ("0", "2", "4"):
        n = states[0][f"{name}.weight"].numel() + states[0][f"{name}.bias"].numel()
        steps = [
            sum(
                (after[f"{name}.{one}"] - before[f"{name}.{one}"]).abs().sum().item()
                for one in ("weight", "bias")
            )
            / n
            for before, after in pairwise(states)
        ]
        moved[name] = sum(steps)
        assert module_movement(network(), states[0], states[1])[name] == pytest.approx(steps[0])
    assert learnt.memory[most].moved == pytest.approx(moved)
    first = max(moved, key=moved.__getitem__)
    changed = {
        name for name, value in learnt.network.named_parameters() if not torch.equal(value, states[-1][name])
    }
    assert changed == {f"{first}.weight", f"{first}.bias"}
    with pytest.raises(ConfigError, match="no module is called 'frist'"):
        learn_in_sequence(network(), tasks(), FinetuneMoved("frist"), SHORT)


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_fine_tuning_several_times_is_evenly_spread_and_ends_with_the_last(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[int] = []
    monkeypatch.setattr(
        FinetuneMoved, "_finetune", lambda _, run: moments.append(6 * (run.task - 1) + run.step + 1)
    )
    learn_in_sequence(network(), tasks(), FinetuneMoved("all", times=times), SHORT)
    assert moments == [12 * at // times for at in range(1, times + 1)]


def test_learning_rates_follow_their_schedules_and_controls_have_their_mean() -> None:
    rates: list[float] = []

    @dataclass(frozen=True)
    class Read(Method):
        def after_step(self, run: Run) -> None:
            rates.append(run.optimizer.param_groups[0]["lr"])

    for schedule in (RepeatedCosine(), WarmCoolAnneal(), Rate(0.4)):
        rates.clear()
        learn_in_sequence(network(), tasks(), Together((schedule, Read())), SHORT)
        assert len(rates) == 18
        assert np.mean(rates) == pytest.approx(0.1 * mean_share(schedule, 3, 6))
    shares = [WarmCoolAnneal().at(task, step, 3, 50) for task in range(3) for step in range(50)]
    assert max(shares[50:]) == pytest.approx(0.3)  # no second warm-up
    cosine = [RepeatedCosine().at(task, step, 3, 50) for task in range(3) for step in range(50)]
    assert max(cosine[50:]) == pytest.approx(1.0)


def test_protection_is_the_rank_correlation_by_neuron() -> None:
    learnt = learn_in_sequence(network(), tasks(), NAIVE, SHORT)
    first, last = (dict(learnt.snapshots[place]) for place in (0, -1))
    own = network()
    own.load_state_dict(first)
    weights = fisher(own, tasks()[0].inputs, tasks()[0].labels)
    ranks = []
    for layer in ("0", "2"):
        important, moved = [], []
        for unit in range(len(first[f"{layer}.bias"])):
            total, length = weights[f"{layer}.bias"][unit].item(), 0.0
            for name in ("weight", "bias"):
                length += (
                    (last[f"{layer}.{name}"][unit] - first[f"{layer}.{name}"][unit]).square().sum().item()
                )
            total += weights[f"{layer}.weight"][unit].sum().item()
            important.append(total)
            moved.append(length**0.5)
        np.testing.assert_allclose(importance_by_neuron(weights, layer), important, rtol=1e-5)
        np.testing.assert_allclose(movement_by_neuron(first, last, layer), moved, rtol=1e-5)
        ranks.append(stats.spearmanr(important, moved)[0])
    assert protection(learnt, weights) == pytest.approx(np.mean(ranks))


def test_benchmarks_begin_with_the_same_network_and_know_their_chance() -> None:
    for name, chance in (("permuted", 0.1), ("classes", 0.1), ("operations", 1 / 11)):
        one = benchmark(name, Sequences(), 1)
        assert torch.equal(parameters(one.network()), parameters(one.network()))
        assert one.chance == pytest.approx(chance)
        assert one.network()(one.tasks[0].inputs[:2]).shape == (2, one.classes)


def test_nothing_to_learn_and_unknown_optimisers_are_errors() -> None:
    with pytest.raises(ConfigError, match="there is no task to learn"):
        learn_in_sequence(network(), [])
    with pytest.raises(ConfigError, match="sgdd"):
        learn_in_sequence(network(), tasks(1), training=Training(optimizer="sgdd"))


def made_up(better: float, worse_once: float = 0.0, seeds: int = 3) -> StudyResult:
    """Results in which every method but the naive one and the controls is better by so much; they differ a little."""
    records = []
    for seed in range(seeds):
        jitter = (seed - 1) * 0.01
        numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.5 + jitter)
        numbers |= {"overlap": 0.99, "overlap_worst": 0.96}
        for name in BENCHMARKS:
            for arm, _ in planned(name, Compared(), 2, 2):
                plain = any(word in arm for word in ("naive", "random", "shuffled", "noise", "mean", "least"))
                value = 0.4 + jitter * (1 + len(arm) % 3 / 10) + better * (not plain)
                numbers |= {f"{name}_{measure}_{arm}": value for measure in MEASURES}
                numbers[f"{name}_forgetting_{arm}"] = 0.5 - value
                if name == "permuted":
                    numbers |= {
                        f"protects_{kind}_{arm}": 0.6 - (value if "ewc" in arm else 0) for kind in PROTECTS
                    }
        for arm in ("ewc_100", "ewc_1000"):
            numbers |= {f"permuted_{measure}_{arm}": None for measure in MEASURES}
        numbers["permuted_average_ewc_10"] = 0.41 + jitter + better - worse_once * (seed == 0)
        records.append(Record(numbers, {"moved": {"0": 0.3, "2": 0.1, "4": 0.2}}))
    return StudyResult(STUDY, Config(), tuple(range(seeds)), tuple(records))


def test_strengths_are_chosen_by_the_other_seeds() -> None:
    result = made_up(0.2, worse_once=0.3)
    strengths = (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
    table = np.array(
        [[value or 0 for value in result.each(f"permuted_average_ewc_{one:g}")] for one in strengths]
    )
    for seed, chosen in enumerate(chosen_strengths(result, "permuted", "ewc")):
        others = [table[:, other] for other in range(3) if other != seed]
        assert chosen == strengths[int(np.mean(others, axis=0).argmax())]
    assert (
        chosen_strengths(result, "permuted", "ewc")[0] == 10.0
    )  # although it is the worst for the first seed
    own = of_method(result, "permuted_average", "ewc")
    assert own is not None
    assert own.values[0] == result.records[0].numbers["permuted_average_ewc_10"]
    assert method_table(result)["EWC"]["average"] == own
    header, rows = result.table()
    shown = {row[0]: row for row in rows}
    assert len(header) == len(shown["permuted digits: EWC"]) == 6
    assert shown["permuted digits: EWC"][1] == own.words("{:.2f}".format)
    assert {row.partition(":")[0] for row in shown} == set(BENCHMARKS.values())


def test_findings_follow_the_numbers_and_say_what_is_not_decided() -> None:
    text = " ".join(made_up(0.3).findings())
    assert "above naive" in text
    assert "above EWC, shuffled importance" in text
    assert "Training diverged at strength 100 in 3 of 3 seeds, 1000 in 3 of 3 seeds" in text
    assert "less than projection, random subspace" in text
    assert "first > last > second in 3 of 3 seeds" in text
    text = " ".join(made_up(0.0).findings())
    assert "not decidedly apart from naive" in text
    assert "above projection" not in text
    worse = " ".join(made_up(-0.2).findings())
    assert "below naive" in worse
    assert "more than naive" in worse


def test_the_figure_shows_every_method() -> None:
    figure = made_up(0.2).plot()
    check_figure(figure, inner=3)
    assert {"naive", "EWC", "Hebbian projection"} <= set(figure.data[0].y)


@pytest.mark.slow
def test_where_everything_diverged_numbers_are_none_and_findings_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("interp.lab.continual.comparison.BENCHMARKS", {"permuted": "permuted digits"})
    config = Compared(tasks=2, updates=3, class_updates=1, operation_updates=1, lr=1e9)
    numbers, curves = compare(config, 0, silent)
    permuted = {name: value for name, value in numbers.items() if name.startswith(("permuted", "overlap"))}
    assert {"permuted_average_homeostatic_random", "overlap"} <= set(permuted)
    assert set(permuted.values()) == {None}
    assert "moved" not in curves
    result = made_up(0.2)
    records = tuple(Record(one.numbers | permuted, {}) for one in result.records)
    broken = replace(result, records=records)
    text = " ".join(broken.findings())
    assert "ends at an average accuracy of an unknown share (it diverged in a seed)" in text
    assert "rank unknown in 3 of 3 seeds" in text
    assert "nan" not in text
    broken.plot()
    alone = " ".join(made_up(0.2, seeds=1).findings())
    assert "at the strength that is best for this very seed" in alone
    assert "other seeds" not in alone


def test_a_network_that_is_no_longer_finite_is_not_looked_at() -> None:
    @dataclass(frozen=True)
    class Broken(Projection):
        def after_step(self, run: Run) -> None:
            if run.step == 5:
                next(run.network.parameters()).data.fill_(np.nan)

    with pytest.raises(DivergedError, match="in task 0"):
        learn_in_sequence(network(), tasks(), Broken(), SHORT)


@pytest.mark.slow
def test_one_method_is_a_study_of_its_own() -> None:
    config = Config(which="ewc", strength=3.0, updates=2, class_updates=2, operation_updates=2)
    assert STUDY.variant is not None
    study = STUDY.variant(config)
    record = study.measure(config, 0, silent)
    result = StudyResult(study, config, (0,), (record,))
    assert set(study.quantities) <= set(record.numbers)
    assert len(result.findings()) == len(BENCHMARKS)
    check_figure(result.plot())
    with pytest.raises(ConfigError, match="ewcc"):
        Config(which="ewcc")
    with pytest.raises(ConfigError, match="strength=3 says nothing with which='replay'"):
        Config(which="replay", strength=3.0)


@pytest.mark.slow
def test_all_methods_are_measured() -> None:
    config = Config(updates=6, class_updates=6, operation_updates=6)
    numbers, curves = compare(config, 0, silent)
    own = {name for name in STUDY.quantities if not name.startswith(("ten_", "shift_", "replay_"))}
    assert own <= set(numbers)
    assert numbers["same_at_zero"] == 1
    assert set(curves["moved"]) == {"0", "2", "4"}
