"""Splits and corruption against counts and distributions, and splits that survive a file."""

import base64
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import chisquare

from interp.data import SPLITS, UNKNOWN, Dataset, ModularTask, Task, operation_table
from interp.errors import CheckpointError, ConfigError, ExpressionError, GrokscopeError

TENSORS = ("inputs", "labels", "true_labels", "train", "corrupted")


def assert_same(first: Dataset, second: Dataset) -> None:
    """All tensors are equal."""
    for name in TENSORS:
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert first.n_classes == second.n_classes


@given(
    operation=st.sampled_from(["add", "multiply", "divide", "a**2 + b"]),
    p=st.sampled_from([2, 5, 11]),
    train_fraction=st.floats(0.001, 1),
    corrupt_fraction=st.floats(0, 1),
    corrupt=st.sampled_from(["all", "wrong"]),
    seed=st.integers(0, 2**40),
)
def test_what_holds_for_every_task(operation, p, train_fraction, corrupt_fraction, corrupt, seed):
    data = ModularTask(operation, p, train_fraction, corrupt_fraction, corrupt, seed).dataset
    operands, results = operation_table(operation, p)
    n = len(data)
    assert n == len(results)
    assert data.inputs.tolist() == operands.tolist()
    assert data.true_labels.tolist() == results.tolist()
    assert data.n_classes == p
    assert {getattr(data, name).dtype for name in TENSORS} == {torch.int64, torch.bool}
    n_train = int(data.train.sum())
    assert n_train >= 1
    assert abs(n_train - max(1, train_fraction * n)) < 1
    assert abs(int(data.corrupted.sum()) - corrupt_fraction * n_train) < 1
    for i in range(n):
        train, corrupted = bool(data.train[i]), bool(data.corrupted[i])
        assert bool(data.test[i]) is not train
        assert bool(data.clean[i]) is (train and not corrupted)
        assert train or not corrupted
        wrong = int(data.labels[i]) != int(data.true_labels[i])
        assert bool(data.mislabelled[i]) is wrong
        assert corrupted or not wrong
        assert wrong or not corrupted or corrupt == "all"
        assert 0 <= data.labels[i] < p


@pytest.mark.parametrize(("corrupt", "first"), [("all", 0), ("wrong", 1)])
def test_corrupted_labels_are_uniform(corrupt, first):
    data = ModularTask("add", 97, 1.0, 1.0, corrupt, seed=3).dataset
    shift = torch.bincount((data.labels - data.true_labels) % 97, minlength=97).numpy()
    assert shift[:first].sum() == 0
    assert 0.001 < chisquare(shift[first:]).pvalue < 0.999
    labels = torch.bincount(data.labels, minlength=97).numpy()
    assert 0.001 < chisquare(labels).pvalue < 0.999


def test_every_example_is_as_likely_to_be_trained_on_and_corrupted():
    tasks = [ModularTask("add", 5, 0.4, 0.5, seed=seed).dataset for seed in range(600)]
    assert chisquare(torch.stack([data.train for data in tasks]).sum(0).numpy()).pvalue > 0.001
    assert chisquare(torch.stack([data.corrupted for data in tasks]).sum(0).numpy()).pvalue > 0.001


def test_equal_settings_give_equal_examples_and_leave_global_randomness_alone():
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first = ModularTask("add", 23, 0.5, 0.3, seed=4)
    assert_same(first.dataset, ModularTask("add", 23, 0.5, 0.3, seed=4).dataset)
    assert (np.random.get_state()[1] == states[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    other = replace(first, seed=5).dataset
    assert not torch.equal(first.dataset.train, other.train)
    assert not torch.equal(first.dataset.labels, other.labels)


def test_more_corruption_keeps_the_training_set():
    few, many = (ModularTask("add", 23, 0.5, share).dataset for share in (0.1, 0.4))
    assert torch.equal(few.train, many.train)
    assert not (few.corrupted & ~many.corrupted).any()


@pytest.mark.parametrize("fraction", [0.29, 0.57, 0.58, 0.07])
def test_a_share_of_a_hundred_is_that_many(fraction):
    """0.29 * 100 is 28.999999999999996."""
    data = ModularTask("add", 10, fraction).dataset
    assert int(data.train.sum()) == round(fraction * 100)


def test_splits_and_what_they_are_measured_against():
    data = ModularTask("add", 11, 0.5, 0.4).dataset
    masks = {
        "train": data.train,
        "clean": data.train & ~data.corrupted,
        "corrupted_as_labelled": data.corrupted,
        "corrupted_as_true": data.corrupted,
        "test": ~data.train,
        "all": torch.ones(121, dtype=torch.bool),
    }
    assert list(masks) == list(SPLITS)
    for split, expected in masks.items():
        mask, labels = data.split(split)
        assert torch.equal(mask, expected), split
        as_trained = split in ("train", "clean", "corrupted_as_labelled")
        assert as_trained == SPLITS[split].as_trained
        assert labels is (data.labels if as_trained else data.true_labels), split
    with pytest.raises(ConfigError, match=r"unknown split 'tset'; expected one of 'train', 'clean'"):
        data.split("tset")


def test_moving_keeps_everything():
    data = ModularTask("add", 5, 0.5, 0.4).dataset
    assert_same(data.to("cpu"), data)
    assert {getattr(data.to("meta"), name).device.type for name in TENSORS} == {"meta"}


def examples(inputs: torch.Tensor, train: torch.Tensor, **changes: object) -> Dataset:
    """A dataset of these inputs, all of class 0."""
    labels = torch.zeros(len(inputs), dtype=torch.long)
    parts = {"labels": labels, "true_labels": labels, "train": train, "corrupted": torch.zeros_like(train)}
    return Dataset(inputs, **(parts | {"n_classes": 2} | changes))


@pytest.mark.parametrize("inputs", [torch.rand(6, 3, 8, 8), torch.arange(6), torch.rand(6, 2).bfloat16()])
def test_inputs_of_any_shape_and_type(inputs):
    data = examples(inputs, torch.tensor([True, False] * 3))
    assert len(data) == 6
    assert torch.equal(data.to("cpu").inputs, inputs)
    assert data.to("meta").inputs.shape == inputs.shape


def test_of_an_unknown_split_only_all_has_examples():
    none = torch.zeros(4, dtype=torch.bool)
    labels = torch.tensor([0, 1, 0, 1])
    data = examples(torch.rand(4, 3), none, labels=labels, split_known=False)
    for kept in (data, data.to("cpu"), replace(data, n_classes=7), data.to("cpu").to("cpu")):
        assert not kept.split_known
        for name in ("train", "test", "clean", "corrupted", "mislabelled"):
            assert not getattr(kept, name).any(), name
        assert not kept.leaked_by_duplication().any()
        assert not kept.leaked_by_swapping().any()
        assert [split for split in SPLITS if kept.split(split)[0].any()] == ["all"]
        assert kept.split("all")[0].all()
    assert not data.to("meta").split_known
    known = examples(torch.rand(4, 3), none)
    assert known.split_known
    assert known.test.all()


@pytest.mark.parametrize("mask", ["train", "corrupted"])
def test_an_unknown_split_marks_nothing(mask):
    none = torch.zeros(3, dtype=torch.bool)
    marked = torch.tensor([True, False, True])
    with pytest.raises(
        ConfigError, match="split_known=False, but 2 examples are marked as trained on or corrupted"
    ):
        examples(torch.rand(3, 1), **({"train": none} | {mask: marked}), split_known=False)


def test_only_training_examples_are_mislabelled():
    train, labels = torch.tensor([True, True, False]), torch.tensor([0, 1, 1])
    data = examples(torch.rand(3, 1), train, labels=labels)
    assert data.mislabelled.tolist() == [False, True, False]


TYPES = [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16, torch.float32, torch.float64]


@given(
    inputs=arrays.arrays(
        np.int64, arrays.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=st.integers(0, 1)
    ),
    dtype=st.sampled_from(TYPES),
    scale=st.sampled_from([1, 7, -3]),
    seed=st.integers(0, 2**20),
)
def test_duplicates_are_found_as_by_a_loop(inputs, dtype, scale, seed):
    train = np.random.default_rng(seed).random(len(inputs)) < 0.4
    found = torch.from_numpy(inputs * scale).to(dtype)
    trained = [found[i].tolist() for i in range(len(inputs)) if train[i]]
    expected = [not train[i] and found[i].tolist() in trained for i in range(len(inputs))]
    assert examples(found, torch.from_numpy(train)).leaked_by_duplication().tolist() == expected


@pytest.mark.parametrize("columns", [1, 8, 9, 50])
def test_duplicates_among_few_and_many_columns(columns):
    generator = torch.Generator().manual_seed(columns)
    inputs = torch.rand(40, columns, generator=generator)
    inputs[30:] = inputs[:10]
    inputs[39, -1] += 0.25
    inputs[5] = inputs[5].where(inputs[5] > 2, -0.0)
    inputs[35] = 0.0
    data = examples(inputs, torch.arange(40) < 20)
    assert data.leaked_by_duplication().nonzero()[:, 0].tolist() == list(range(30, 39))


def test_a_value_that_is_no_number_equals_nothing():
    inputs = torch.tensor([[float("nan")], [float("nan")], [1.0], [1.0]])
    data = examples(inputs, torch.tensor([True, False, True, False]))
    assert data.leaked_by_duplication().tolist() == [False, False, False, True]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20),
    dtype=st.sampled_from([torch.uint8, torch.int32, torch.int64]),
    seed=st.integers(0, 2**20),
)
def test_swapped_pairs_are_found_as_by_a_loop(pairs, dtype, seed):
    train = np.random.default_rng(seed).random(len(pairs)) < 0.5
    trained = {pair for pair, known in zip(pairs, train, strict=True) if known}
    expected = [not known and (b, a) in trained for (a, b), known in zip(pairs, train, strict=True)]
    data = examples(torch.tensor(pairs).to(dtype), torch.from_numpy(train))
    assert data.leaked_by_swapping().tolist() == expected


def test_swapping_negative_and_enormous_numbers():
    pairs = torch.tensor([[-5, 2**62], [2**62, -5], [2**62, 5], [-1, -1]])
    data = examples(pairs, torch.tensor([True, False, False, False]))
    assert data.leaked_by_swapping().tolist() == [False, True, False, False]


@pytest.mark.parametrize("inputs", [
    torch.ones(4, 3, dtype=torch.long), torch.ones(4, 2), torch.ones(4, dtype=torch.long), torch.ones(4, 2, 2).long(),
])  # fmt: skip
def test_nothing_but_pairs_of_whole_numbers_is_swapped(inputs):
    train = torch.tensor([True, False, False, False])
    assert examples(torch.ones(4, 2).long(), train).leaked_by_swapping().sum() == 3
    assert not examples(inputs, train).leaked_by_swapping().any()
    assert examples(inputs, train).leaked_by_duplication().sum() == 3


def test_a_modular_task_leaks_by_swapping_alone():
    data = ModularTask("add", 11, 0.5).dataset
    assert not data.leaked_by_duplication().any()
    trained = {tuple(pair) for pair in data.inputs[data.train].tolist()}
    for (a, b), leaked, test in zip(data.inputs.tolist(), data.leaked_by_swapping(), data.test, strict=True):
        assert bool(leaked) is bool(test and (b, a) in trained)


@pytest.mark.parametrize("operation", ["add", "divide", "a**2 + b"])
def test_a_task_of_unknown_split(operation):
    task = ModularTask(operation, 7, split="unknown")
    data = task.dataset
    assert not data.split_known
    assert not (data.train | data.test | data.corrupted | data.mislabelled).any()
    assert torch.equal(data.labels, data.true_labels)
    assert data.true_labels.tolist() == operation_table(operation, 7)[1].tolist()
    stored = json.loads(json.dumps(task.to_dict()))
    assert stored["split"] == UNKNOWN
    again = ModularTask.from_dict(stored)
    assert again == task
    assert hash(again) == hash(task)
    assert not again.dataset.split_known
    assert again.to_dict() == task.to_dict()
    assert task != ModularTask(operation, 7)
    data.labels[0] += 1
    assert not torch.equal(data.labels, data.true_labels)


def test_what_a_task_shows_of_its_split():
    task = ModularTask("add", 7, 0.5, 0.1, "wrong", seed=3)
    shown = (
        "ModularTask(operation='add', p=7, train_fraction=0.5, corrupt_fraction=0.1, corrupt='wrong', seed=3)"
    )
    assert repr(task) == repr(ModularTask.from_dict(task.to_dict())) == shown
    unknown = replace(task, split="unknown")
    assert repr(unknown) == shown.replace("seed=3)", "seed=3, split='unknown')")
    assert eval(repr(unknown), {"ModularTask": ModularTask}) == unknown


def test_equality_is_of_settings_and_splits():
    task = ModularTask("add", 7, 0.5, 0.3)
    assert task == ModularTask("add", 7, 0.5, 0.3)
    assert task == replace(task, split=task.to_dict()["split"])
    assert hash(task) == hash(replace(task, split=task.to_dict()["split"]))
    assert task != replace(task, seed=1)
    assert task != replace(task, split=replace(task, seed=1).to_dict()["split"])
    assert task != "add"
    assert task != replace(task, split="unknown")


@given(
    operation=st.sampled_from(["add", "multiply", "divide", "a*b + b"]),
    share=st.floats(0.01, 1),
    split=st.sampled_from([None, "unknown"]),
    kind=st.sampled_from([np.int64, np.int32, np.uint8]),
    seed=st.integers(0, 2**20),
)
def test_training_pairs_become_the_training_set(operation, share, split, kind, seed):
    generator = np.random.default_rng(seed)
    base = ModularTask(operation, 5, 0.7, 0.0 if split else 0.5, split=split)
    operands = operation_table(operation, 5)[0]
    n = max(1, int(share * len(operands)))
    pairs = generator.permutation(operands)[:n].astype(kind)
    task = base.with_training_pairs(np.concatenate([pairs, pairs[:1]]))
    data = task.dataset
    assert sorted(data.inputs[data.train].tolist()) == sorted(pairs.tolist())
    assert data.split_known
    assert not data.corrupted.any()
    assert torch.equal(data.labels, data.true_labels)
    assert (task.operation, task.p, task.corrupt_fraction) == (operation, 5, 0.0)
    assert task.train_fraction == n / len(operands)
    again = ModularTask.from_dict(json.loads(json.dumps(task.to_dict(), allow_nan=False)))
    assert again == task == base.with_training_pairs(pairs[::-1])
    assert_same(again.dataset, data)


def test_tasks_of_other_training_pairs_differ():
    first, second = (ModularTask("add", 5).with_training_pairs(np.array([pair])) for pair in ((0, 1), (1, 0)))
    assert first.train_fraction == second.train_fraction
    assert first != second
    assert first == ModularTask("add", 5).with_training_pairs(np.array([[0, 1], [0, 1]]))


@pytest.mark.parametrize(
    ("operation", "pairs", "message"),
    [
        (
            "add",
            [[0, 1], [3, 5], [7, 7]],
            r"the training pair \(3, 5\) is not among the task's operands \(2 of 3 are not",
        ),
        (
            "add",
            [[-1, 0]],
            r"pair \(-1, 0\) is not among .*; is the split for another modulus or operation\?",
        ),
        ("divide", [[1, 2], [3, 0]], r"pair \(3, 0\) is not among"),
        (
            "add",
            np.zeros((0, 2), int),
            r"pairs have shape \(0, 2\) and type int64; expected at least one pair",
        ),
        ("add", [0, 1], r"shape \(2,\) and type int64"),
        ("add", [[0, 1, 2]], r"shape \(1, 3\)"),
        ("add", [[0.0, 1.5]], "type float64; expected at least one pair of whole numbers"),
        ("add", [["a", "b"]], "type <U1; expected"),
    ],
)
def test_training_pairs_that_are_not_of_the_task(operation, pairs, message):
    with pytest.raises(ConfigError, match=message):
        ModularTask(operation, 5).with_training_pairs(np.array(pairs))


def test_tasks_keep_the_protocol_and_compute_once():
    task = ModularTask("multiply", 7)
    assert isinstance(task, Task)
    assert task.dataset is task.dataset
    assert task.ordering is task.ordering
    assert len(task.ordering) == 6
    assert ModularTask("a*b", 7).ordering.name == "discrete logarithm to base 3, without 0"
    assert ModularTask("a**2 + a*b + b**2", 7).ordering is None
    assert hash(task) == hash(ModularTask("multiply", 7))


@pytest.mark.parametrize("corrupt_fraction", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("operation", ["add", "divide", "a**2 + b"])
def test_a_task_survives_json(operation, corrupt_fraction):
    task = ModularTask(operation, 13, 0.6, corrupt_fraction, "wrong", seed=7)
    stored = json.loads(json.dumps(task.to_dict(), allow_nan=False))
    again = ModularTask.from_dict(stored)
    assert again == task
    assert_same(again.dataset, task.dataset)
    assert again.to_dict() == task.to_dict()


def test_the_stored_split_is_used_and_not_drawn_again():
    task = ModularTask("add", 13, 0.6, 0.3)
    stored = task.to_dict() | {"seed": 99}
    assert_same(ModularTask.from_dict(stored).dataset, task.dataset)
    assert not torch.equal(ModularTask("add", 13, 0.6, 0.3, seed=99).dataset.train, task.dataset.train)


def test_a_stored_split_can_hold_a_label_that_is_right_by_chance():
    data = ModularTask("add", 97, 1.0, 1.0).dataset
    assert (data.corrupted & ~data.mislabelled).any()
    again = ModularTask.from_dict(ModularTask("add", 97, 1.0, 1.0).to_dict()).dataset
    assert torch.equal(again.corrupted, data.corrupted)


def bits(*values: int) -> str:
    return base64.b64encode(bytes(values)).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": None}, "no readable 'train' mask"),
        ({"train": 5}, "no readable 'train' mask"),
        ({"train": "not base64!"}, "no readable 'train' mask"),
        ({"train": "ä"}, "no readable 'train' mask"),
        ({"corrupted": ...}, "no readable 'corrupted' mask: KeyError"),
        ({"train": bits(255)}, "the stored 'train' mask has 1 bytes; 25 examples need 4"),
        ({"train": ""}, "has 0 bytes"),
        ({"corrupted": bits(*[255] * 5)}, "the stored 'corrupted' mask has 5 bytes"),
        ({"train": bits(0, 0, 0, 0)}, "corrupts examples outside the training set"),
        ({"corrupted_labels": ...}, r"labels of shape \(\) for 3 corrupted examples; expected one label"),
        ({"corrupted_labels": None}, r"labels of shape \(\)"),
        ({"corrupted_labels": [1, 2]}, r"labels of shape \(2,\) for 3"),
        ({"corrupted_labels": [[1, 2, 3]]}, r"labels of shape \(1, 3\) for 3"),
        ({"corrupted_labels": [1, 2, 5]}, "from 0 to 4"),
        ({"corrupted_labels": [-1, 2, 3]}, "from 0 to 4"),
        ({"corrupted_labels": [0, 1.5, 3]}, "from 0 to 4"),
        ({"corrupted_labels": ["a", "b", "c"]}, "from 0 to 4"),
        ({"corrupted_labels": [[1], [2, 3], 4]}, "from 0 to 4"),
        ({"corrupted_labels": [1, None, 2]}, "from 0 to 4"),
        ({"corrupted_labels": [1, float("nan"), 2]}, "from 0 to 4"),
        ({"corrupted_labels": {"a": 1}}, "from 0 to 4"),
    ],
)  # fmt: skip
def test_malformed_splits_are_refused(change, message):
    stored = ModularTask("add", 5, 0.5, 0.25).to_dict()
    split = {key: value for key, value in (stored["split"] | change).items() if value is not ...}
    with pytest.raises(CheckpointError, match=message):
        _ = ModularTask.from_dict(stored | {"split": split}).dataset


@pytest.mark.parametrize("split", ["text", [1, 2], 5, {}, True])
def test_a_split_that_is_no_split_is_refused(split):
    with pytest.raises(CheckpointError, match="stored split has no readable 'train' mask"):
        _ = ModularTask("add", 5, split=split).dataset


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"p": 1}, ConfigError, "p=1 "),
        ({"p": 10**9}, ConfigError, "p=1000000000 "),
        ({"operation": "divide", "p": 96}, ConfigError, "not p=96, .*; the next prime is 97"),
        ({"operation": "plus"}, ConfigError, "unknown operation 'plus'; expected one of add, subtract"),
        ({"operation": "a +"}, ExpressionError, r"cannot read the expression 'a \+'"),
        ({"train_fraction": 0}, ConfigError, r"train_fraction=0 is not in \(0, 1\]"),
        ({"train_fraction": 1.01}, ConfigError, r"train_fraction=1.01"),
        ({"train_fraction": -0.5}, ConfigError, r"train_fraction=-0.5"),
        ({"train_fraction": float("nan")}, ConfigError, r"train_fraction=nan"),
        ({"corrupt_fraction": -0.1}, ConfigError, r"corrupt_fraction=-0.1 is not in \[0, 1\]"),
        ({"corrupt_fraction": 35}, ConfigError, r"corrupt_fraction=35"),
        ({"corrupt_fraction": float("nan")}, ConfigError, r"corrupt_fraction=nan"),
        ({"corrupt": "none"}, ConfigError, "unknown corruption 'none'; expected one of 'all', 'wrong'"),
        ({"seed": -1}, ConfigError, "seed=-1 is negative"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_named(settings, error, message):
    assert issubclass(error, GrokscopeError)
    with pytest.raises(error, match=message):
        _ = ModularTask(**settings).dataset


@pytest.mark.parametrize(
    "settings",
    [{"modulus": 97}, {"p": 5, "train_fraction": "half"}, {"p": 5, "seed": "x"}, {"p": 5, "operation": None}],
)
def test_stored_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(GrokscopeError):
        ModularTask.from_dict(settings)


def test_numpy_numbers_are_numbers():
    """In a process of its own: here the annotations, which say int and float, are enforced."""
    script = (
        "import json, numpy as np; from interp.data import ModularTask; "
        "a = ModularTask('add', np.int64(11), np.float64(0.5), np.float32(0.25), seed=np.int32(3)); "
        "assert a == ModularTask('add', 11, 0.5, 0.25, seed=3); print(json.dumps(a.to_dict()['p']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("11\n", "")


def test_how_a_task_is_read_changes_no_example_and_is_not_stored():
    task = ModularTask("multiply", p=7, corrupt_fraction=0.3)
    raw = replace(task, read_in="natural")
    assert_same(task.dataset, raw.dataset)
    assert raw.to_dict() == task.to_dict()
    assert ModularTask.from_dict(raw.to_dict()) == task != raw
    assert "read_in" not in repr(task)
    assert repr(raw).endswith("seed=0, read_in='natural')")
    assert (task.ordering.name, raw.ordering.name) == ("discrete logarithm to base 3, without 0", "natural")
    assert raw.with_training_pairs(np.array([[1, 2]])).read_in == "natural"


def test_a_task_is_not_read_in_an_order_that_there_is_not():
    with pytest.raises(ConfigError, match="unknown ordering 'raw'"):
        ModularTask(p=7, read_in="raw")
    with pytest.raises(ConfigError, match="'log' needs a prime modulus above 2, not p=9"):
        ModularTask(p=9, read_in="log")
