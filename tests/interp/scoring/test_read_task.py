"""Tasks that are read from a network's own answers."""

import numpy as np
import pytest
import torch
from foreign import stored

from interp import ModularTask, TrainConfig
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import readings_of
from interp.data.group_tables import group_table
from interp.errors import CheckpointError, ConfigError
from interp.scoring.read_task import NoRule, read_task

N = np.arange(12)


def renamed(name: str, seed: int = 0) -> np.ndarray:
    table = group_table(name)
    order = np.random.default_rng(seed).permutation(len(table))
    place = np.argsort(order)
    return order[table[place][:, place]]


@pytest.mark.parametrize(
    ("answers", "operation"),
    [
        ((N[:, None] + N) % 12, "add"),
        ((N[:, None] - N) % 12, "subtract"),
        (np.outer(N[:11], N[:11]) % 11, "multiply"),
    ],
)
def test_operations_are_recognised(answers, operation):
    read = read_task(answers)
    assert (read.task.operation, read.agreement) == (operation, 1.0)
    assert read.task.split == "unknown"


@pytest.mark.parametrize("n", [2, 3])
def test_the_smallest_groups_are_groups(n):
    assert read_task(np.add.outer(np.arange(n), np.arange(n)) % n).task.operation == "add"
    other = (np.add.outer(np.arange(n), np.arange(n)) + 1) % n
    assert "the composition of Z" in read_task(other).notes[0]


def test_a_group_keeps_the_networks_numbering_and_the_pairs_that_break_it_are_named():
    table = renamed("S4")
    answers = table.copy()
    answers[3, 5] = (table[3, 5] + 1) % 24
    answers[7, 7] = (table[7, 7] + 2) % 24
    read = read_task(answers)
    assert (read.task.results == table).all()
    assert read.agreement == pytest.approx(1 - 2 / 576)
    first, second = read.notes
    assert "the composition of S4" in first
    assert second.startswith("2 of 576 pairs break it: (3, 5) -> ")
    assert f"instead of {table[3, 5]}" in second


def test_a_stated_group_is_recognised_in_any_numbering_and_another_is_not():
    answers = renamed("D6")
    read = read_task(answers, "group:D6")
    assert (read.task.results == answers).all()
    other = read_task(answers, "group:A4")
    assert other.task.operation == "group:A4"
    assert other.agreement < 0.5
    assert "show no group that is A4" in other.notes[1]
    with pytest.raises(ConfigError, match=r"composes 12 elements, and group:S4 has 24.*--task read"):
        read_task(answers, "group:S4")


def test_answers_without_a_rule_are_refused_with_the_laws_that_they_break():
    answers = np.random.default_rng(0).integers(0, 12, (12, 12))
    with pytest.raises(
        NoRule, match=r"24 of 24 rows and columns hold a result twice.*order of two elements matters.*--task"
    ):
        read_task(answers)
    with pytest.raises(NoRule):
        read_task(np.zeros((12, 12), int))


def test_quasigroups_and_monoids_are_tables_of_their_own():
    read = read_task((2 * N[:11, None] + 3 * N[:11]) % 11)
    assert read.task.operation == "table"
    assert "a quasigroup's and no group's: no element leaves all others as they are" in read.notes[0]
    read = read_task(np.maximum.outer(N, N))
    assert "a monoid's and no group's" in read.notes[0]
    assert "the order of two elements does not matter" in read.notes[0]
    assert read_task(np.outer(N, N) % 12).task.operation == "multiply"


def chughtai(table: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """A file whose network answers with a table: a neuron for each pair."""
    n = len(table)
    pairs = np.argwhere(table >= 0)
    left, right = np.full((2, n, n * n), -1, np.float32)  # a neuron is above 0 at its own pair alone
    left[pairs[:, 0], np.arange(n * n)] = right[pairs[:, 1], np.arange(n * n)] = 1
    unembed = np.zeros((n * n, n), np.float32)
    unembed[np.arange(n * n), table.ravel()] = 3
    return {"W_x": left, "W_y": right, "W": np.tile(np.eye(n * n, dtype=np.float32), (2, 1)), "W_U": unembed}


def test_a_stated_group_with_its_parameter_is_honoured(tmp_path):
    table = renamed("S3", seed=2)
    tensors = {name: torch.from_numpy(values) for name, values in chughtai(table).items()}
    torch.save(tensors, tmp_path / "net.pt")
    (tmp_path / "net.json").write_text('{"group": "SymmetricGroup", "group_parameter": 3}')
    opened = load_checkpoint(tmp_path / "net.pt")
    assert (opened.task.dataset.labels.reshape(6, 6).numpy() == table).all()
    assert any("the composition of S3" in note for note in opened.notes)
    assert not any("their shapes say" in note for note in opened.notes)
    (tmp_path / "net.json").unlink()
    again = load_checkpoint(tmp_path / "net.pt", task="read")
    assert (again.task.results == table).all()
    added = load_checkpoint(tmp_path / "net.pt", task="add")
    assert (added.task.dataset.labels.reshape(6, 6).numpy() != table).any()


def test_a_family_without_its_parameter_is_refused():
    file = chughtai(group_table("S3"))
    with pytest.raises(
        CheckpointError, match=r"group='SymmetricGroup'.*no operation that is known.*group_parameter"
    ):
        readings_of(stored(file, {"group": "SymmetricGroup"}), OpenOptions())
    (reading,) = readings_of(stored(file, {"group": "S3"}), OpenOptions())
    assert reading.operation == "group:S3"


def test_a_native_checkpoint_can_be_read_without_its_task(tmp_path):
    import interp

    task = ModularTask("group:Z2xZ4", train_fraction=0.9)
    config = TrainConfig(steps=400, save_every=400, lr=0.01)
    interp.train(task, interp.MLPConfig(width=60), config, out=tmp_path / "run", show_progress=False)
    opened = load_checkpoint(tmp_path / "run", task="read")
    assert (opened.task.dataset.labels == task.dataset.true_labels).float().mean() > 0.9
    assert any("Z2xZ4" in note for note in opened.notes)


def test_a_task_that_is_the_networks_own_keeps_its_split(tmp_path):
    import interp

    task = ModularTask("group:S3", train_fraction=0.7, corrupt_fraction=0.2)
    config = TrainConfig(steps=2, save_every=2)
    interp.train(task, interp.MLPConfig(width=8), config, out=tmp_path / "run", show_progress=False)
    assert load_checkpoint(tmp_path / "run", task="group:S3").task == task
    assert load_checkpoint(tmp_path / "run", task="subtract", p=6).task.split == "unknown"
