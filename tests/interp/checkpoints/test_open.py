"""Opening checkpoints: detection, readings decided by measurement, what the user says, and folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from interp.checkpoints import save_checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_checkpoint, load_series, stored_accuracies
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.series import find_checkpoint, series_files
from interp.data import ModularTask, TableTask
from interp.errors import CheckpointError, ConfigError
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig, analytic_mlp
from interp.training import TrainConfig, train

P = 11
EVERYTHING = ModularTask("add", p=P, train_fraction=1.0)


def as_doshi(model: HookedMLP) -> dict[str, Tensor]:
    """The weights of an MLP under the names of arXiv 2310.13061's networks."""
    first = torch.cat([table.T for table in model.embed.W_E], dim=1)
    return {"fc1.weight": first.detach(), "fc2.weight": model.unembed.weight.T.detach().contiguous()}


def as_he(model: HookedMLP, **extras: object) -> dict[str, object]:
    """The weights of an MLP with one input matrix under the names of arXiv 2602.16849's networks."""
    (table,) = model.embed.W_E
    weights = {"W_in": table.T, "W_out": model.unembed.weight.T, "basis": torch.eye(model.vocab)}
    return {"model": {f"mlp.{name}": t.detach().contiguous() for name, t in weights.items()}, **extras}


def tied_and_solved() -> HookedMLP:
    """The closed form with one input matrix: the square of a sum of cosines of equal frequency and phase."""
    model = HookedMLP(MLPConfig(width=80, tied=True), vocab=P)
    generator = np.random.default_rng(0)
    frequency, phase = generator.integers(1, (P - 1) // 2 + 1, 80), generator.uniform(-np.pi, np.pi, 80)
    angle = 2 * np.pi * np.outer(np.arange(P), frequency) / P
    with torch.no_grad():
        model.embed.W_E.copy_(torch.from_numpy(np.cos(angle + phase))[None])
        model.unembed.weight.copy_(torch.from_numpy(np.cos(angle + 2 * phase).T))
    return model.eval()


@pytest.fixture(scope="module")
def solved() -> HookedMLP:
    return analytic_mlp("add", p=P, width=100)


@pytest.fixture(scope="module")
def rectified() -> HookedMLP:
    """A network that needs its ReLU."""
    config = TrainConfig(steps=200, loss="cross_entropy")
    shape = MLPConfig(width=16, activation="relu")
    return train(EVERYTHING, shape, config, show_progress=False).model


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Write what `torch.save` can hold under a name."""

    def write(content: object, name: str = "net.pth") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        torch.save(content, path)
        return path

    return write


# Detection, and readings decided by measurement


def test_a_strangers_file_is_recognised_and_computes_what_it_did(
    store: Callable[..., Path], solved: HookedMLP
) -> None:
    opened = load_checkpoint(store(as_doshi(solved), "run/1200.pth"))
    inputs = EVERYTHING.dataset.inputs
    torch.testing.assert_close(opened.model(inputs), solved(inputs), rtol=1e-4, atol=1e-4)
    assert opened.task.p == P
    assert not opened.task.dataset.split_known
    assert opened.step == 1200
    assert opened.dialect != "grokscope-1"
    assert opened.path is not None
    assert opened.path.name == "1200.pth"


@pytest.mark.parametrize("activation", ["square", "relu"])
def test_the_activation_is_chosen_by_what_it_makes_of_the_task(
    store: Callable[..., Path], solved: HookedMLP, rectified: HookedMLP, activation: str
) -> None:
    network = {"square": solved, "relu": rectified}[activation]
    opened = load_checkpoint(store(as_doshi(network)))
    assert opened.model.to_dict()["activation"] == activation
    assert accuracy(opened.model, EVERYTHING).all == 1.0
    (chosen,) = [note for note in opened.notes if note.startswith("read as")]
    assert re.search(r"\(100\.0 % right, loss [^)]*\) by measurement; not as .* \(\d+\.\d %", chosen)
    other = {"square": "relu", "relu": "square"}[activation]
    assert chosen.index(activation) < chosen.index("not as") < chosen.index(other)


def test_a_hint_decides_instead_of_the_measurement(store: Callable[..., Path], solved: HookedMLP) -> None:
    opened = load_checkpoint(store(as_doshi(solved)), activation="relu")
    assert opened.model.to_dict()["activation"] == "relu"
    assert not any("by measurement" in note for note in opened.notes)


def test_hints_come_as_an_object_or_one_by_one(store: Callable[..., Path], solved: HookedMLP) -> None:
    path = store(as_doshi(solved))
    by_name = load_checkpoint(path, OpenOptions(activation="gelu"), task="subtract")
    assert by_name.model.to_dict()["activation"] == "gelu"
    assert by_name.task.operation == "subtract"


def test_chance_is_said_to_be_chance(store: Callable[..., Path]) -> None:
    untrained = as_doshi(HookedMLP(MLPConfig(width=20), vocab=P, seed=3))
    (one,) = [n for n in load_checkpoint(store(untrained), activation="square").notes if "right" in n]
    assert (
        "the commonest result, so either the network has not learnt add modulo 11, or this is not how" in one
    )
    several = load_checkpoint(store(untrained)).notes
    assert any("although no reading is above chance" in note for note in several)
    assert not any("by measurement" in note for note in several)


def test_a_file_that_records_its_accuracies_is_compared_with_them(store: Callable[..., Path]) -> None:
    model = tied_and_solved()
    opened = load_checkpoint(store(as_he(model, train_accuracy=0.25, test_accuracy=[0.1, 0.5], epoch=7)))
    assert opened.stored == {"train": 0.25, "test": 0.5}
    assert opened.step == 7
    assert accuracy(opened.model, opened.task).all == accuracy(model, EVERYTHING).all == 1.0


@pytest.mark.parametrize(
    ("extras", "found"),
    [
        ({}, {}),
        ({"train_acc": 0.5, "val_acc": 1}, {"train": 0.5, "test": 1.0}),
        ({"test_accuracies": [3.0, 97.5]}, {"test": 0.975}),
        ({"train_accs": [], "test_acc": "good", "train_accuracy": True}, {}),
        ({"loss": 0.5, "epoch": 3}, {}),
        ({"train_acc": float("nan"), "test_acc": [0.5, -1.0]}, {}),
    ],
)
def test_stored_accuracies_are_fractions(extras: dict[str, object], found: dict[str, float]) -> None:
    assert stored_accuracies(extras) == found


def test_a_file_in_no_dialect_is_refused(store: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match=r"net\.pth"):
        load_checkpoint(store({"lstm.weight": torch.ones(3, 4), "head": torch.ones(2)}))


def test_an_unknown_dialect_lists_those_that_exist(store: Callable[..., Path], solved: HookedMLP) -> None:
    with pytest.raises(ConfigError, match="unknown dialect 'flax'; expected one of"):
        load_checkpoint(store(as_doshi(solved)), dialect="flax")


# What the user says of the task


def test_the_pairs_of_a_split_become_the_training_set(
    store: Callable[..., Path], solved: HookedMLP, tmp_path: Path
) -> None:
    pairs = [[a, b] for a in range(P) for b in range(P) if (a * b) % 3 == 1]
    (tmp_path / "split.json").write_text(json.dumps({"train": pairs}))
    opened = load_checkpoint(store(as_doshi(solved)), split_from=tmp_path / "split.json")
    data = opened.task.dataset
    assert data.split_known
    assert data.inputs[data.train].tolist() == pairs
    assert not data.corrupted.any()


@pytest.mark.parametrize(
    ("pairs", "message"), [([[1, P]], "11"), ([], "no pairs|pairs"), ([[1]], "pairs"), ([[0.5, 1]], "whole")]
)
def test_a_split_of_another_task_is_refused(
    store: Callable[..., Path], solved: HookedMLP, tmp_path: Path, pairs: list[object], message: str
) -> None:
    (tmp_path / "split.json").write_text(json.dumps(pairs))
    with pytest.raises((CheckpointError, ConfigError), match=message):
        load_checkpoint(store(as_doshi(solved)), split_from=tmp_path / "split.json")


def test_a_split_beside_the_file_is_pointed_out_and_not_used(
    store: Callable[..., Path], solved: HookedMLP
) -> None:
    path, split = store(as_doshi(solved)), store([(0, 1), (2, 3)], "train_data.pth")
    opened = load_checkpoint(path)
    assert any("train_data.pth lies beside" in note for note in opened.notes)
    assert not opened.task.dataset.split_known
    used = load_checkpoint(path, split_from=split)
    assert not any("lies beside" in note for note in used.notes)
    assert int(used.task.dataset.train.sum()) == 2


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{a},{b},{(a + b) % P},{'train' if a < b else 'test'}" for a in range(P) for b in range(P)]
    (tmp_path / "examples.csv").write_text("\n".join(["a,b,label,split", *rows]))
    return tmp_path / "examples.csv"


def test_a_table_replaces_the_task(store: Callable[..., Path], solved: HookedMLP, table: Path) -> None:
    native = save_checkpoint(table.parent / "native", solved, ModularTask("add", p=P, train_fraction=0.5))
    for path in (store(as_doshi(solved)), native):
        opened = load_checkpoint(path, table=table)
        assert isinstance(opened.task, TableTask)
        data = opened.task.dataset
        assert data.inputs[data.train].tolist() == [[a, b] for a in range(P) for b in range(P) if a < b]
        assert accuracy(opened.model, opened.task).test == 1.0
        with pytest.raises(ConfigError, match="leave out --split-from"):
            load_checkpoint(path, table=table, split_from=table)


def test_a_table_need_not_have_every_label(
    store: Callable[..., Path], solved: HookedMLP, tmp_path: Path
) -> None:
    (tmp_path / "few.csv").write_text("a,b,label,split\n1,2,3,train\n0,3,3,test\n1,1,2,test\n")
    native = save_checkpoint(tmp_path / "native", solved, EVERYTHING)
    for path in (store(as_doshi(solved)), native):
        opened = load_checkpoint(path, table=tmp_path / "few.csv")
        assert opened.task.dataset.n_classes == P
        assert accuracy(opened.model, opened.task).all == 1.0


def test_a_table_for_another_network_is_refused(
    store: Callable[..., Path], solved: HookedMLP, tmp_path: Path
) -> None:
    (tmp_path / "big.csv").write_text("a,b,label,split\n1,2,3,train\n20,3,23,train\n1,1,2,test\n")
    with pytest.raises((ConfigError, CheckpointError)):
        load_checkpoint(store(as_doshi(solved)), table=tmp_path / "big.csv")
    (tmp_path / "labels.csv").write_text("a,b,label,split\n1,2,3,train\n2,3,23,train\n1,1,2,test\n")
    with pytest.raises((ConfigError, CheckpointError)):
        load_checkpoint(store(as_doshi(solved)), table=tmp_path / "labels.csv")


def test_a_native_checkpoint_keeps_its_task_unless_told_otherwise(tmp_path: Path, solved: HookedMLP) -> None:
    task = ModularTask("add", p=P, train_fraction=0.5, corrupt_fraction=0.2, seed=5)
    path = save_checkpoint(tmp_path / "native", solved, task)
    assert load_checkpoint(path).task == load_checkpoint(path, dialect="native").task == task
    other = load_checkpoint(path, task="subtract")
    assert (other.task.operation, other.task.p) == ("subtract", P)
    assert not other.task.dataset.split_known
    assert other.dialect == "grokscope-1"


# The user's own module

NET = f"""
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding({P + 1}, 6)
        self.mlp = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, {P}))

    def forward(self, tokens):
        return self.mlp(self.embed(tokens))

def build():
    return Net()
"""


@pytest.fixture
def own(store: Callable[..., Path], tmp_path: Path) -> tuple[Path, OpenOptions]:
    """Weights of a module that answers at every position, and how to open them."""
    (tmp_path / "net.py").write_text(NET)
    space: dict[str, Callable[[], torch.nn.Module]] = {}
    exec(NET, space)
    torch.manual_seed(1)
    options = OpenOptions(
        model=f"{tmp_path}/net.py:build", sites=("mlp.0", "mlp.2:input"), task="add", p=P, tokens="a b ="
    )
    return store(space["build"]().state_dict(), "own.pt"), options


def test_an_own_module_is_built_filled_and_hooked(own: tuple[Path, OpenOptions]) -> None:
    path, options = own
    opened = load_checkpoint(path, options)
    assert opened.dialect == "own module"
    assert [site.hook for site in opened.model.neuron_sites()] == ["mlp.0:output", "mlp.2:input"]
    inputs = opened.task.dataset.inputs
    tokens = torch.cat([inputs, torch.full((len(inputs), 1), P)], dim=1)
    wanted = opened.model.module(tokens)
    torch.testing.assert_close(opened.model(inputs), wanted[:, 2])
    first = load_checkpoint(path, options, readout=0).model
    torch.testing.assert_close(first(inputs), wanted[:, 0])
    weights = torch.load(path, weights_only=True)
    assert torch.equal(opened.model.module.state_dict()["mlp.2.weight"], weights["mlp.2.weight"])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"sites": ()}, ConfigError, "with --site"),
        ({"p": None}, ConfigError, "give --task and --p, or --table"),
        ({"p": 40}, ConfigError, "IndexError"),
        ({"tokens": "a b+1 ="}, ConfigError, "IndexError"),
        ({"model": "nowhere.py:build"}, ConfigError, "there is no file"),
    ],
)
def test_an_own_module_that_cannot_be_used_is_an_error_of_the_user(
    own: tuple[Path, OpenOptions], given: dict[str, object], error: type[Exception], message: str
) -> None:
    path, options = own
    with pytest.raises(error, match=re.escape(message)):
        load_checkpoint(path, options, **given)


def test_an_own_module_at_chance_is_said_to_be(own: tuple[Path, OpenOptions]) -> None:
    path, options = own
    assert any("chance" in note for note in load_checkpoint(path, options).notes)


# Series and folders


def test_a_series_is_read_as_its_last_checkpoint_is(store: Callable[..., Path], solved: HookedMLP) -> None:
    """An early checkpoint is at chance in every reading: measured alone it may be read as something else."""
    for seed in range(50):
        early = as_doshi(HookedMLP(MLPConfig(width=20), vocab=P, seed=seed))
        path = store(early, "run/9.pth")
        if load_checkpoint(path).model.to_dict()["activation"] != "square":
            break
    else:
        pytest.fail("no seed is read otherwise")
    store(as_doshi(solved), "run/10.pth")
    store([(0, 1)], "run/train_data.pth")
    series = list(load_series(path.parent))
    assert [opened.step for opened in series] == [9, 10]
    assert [opened.model.to_dict()["activation"] for opened in series] == ["square", "square"]


def test_several_networks_in_one_file_are_a_series(store: Callable[..., Path], solved: HookedMLP) -> None:
    early = as_doshi(HookedMLP(MLPConfig(width=100), vocab=P))
    path = store({"state_dicts": [early, early, as_doshi(solved)], "epochs": [0, 50, 100]})
    series = list(load_series(path))
    assert [opened.step for opened in series] == [0, 50, 100]
    assert accuracy(series[-1].model, EVERYTHING).all == 1.0
    assert accuracy(series[0].model, EVERYTHING).all < 0.5
    assert load_checkpoint(path).step == 100


def test_a_long_series_is_thinned_evenly(store: Callable[..., Path], solved: HookedMLP) -> None:
    for step in range(9):
        path = store(as_doshi(solved), f"run/{step}.pth")
    assert [opened.step for opened in load_series(path.parent, most=3)] == [0, 4, 8]
    assert [opened.step for opened in load_series(path.parent, OpenOptions(activation="square"))] == list(
        range(9)
    )


def test_native_and_own_series_are_series(
    own: tuple[Path, OpenOptions], tmp_path: Path, solved: HookedMLP
) -> None:
    task = ModularTask("add", p=P, train_fraction=0.5)
    for step in (0, 20, 100):
        save_checkpoint(tmp_path / "native" / f"step-{step:08d}", solved, task, step=step)
    series = list(load_series(tmp_path / "native"))
    assert [opened.step for opened in series] == [0, 20, 100]
    assert all(opened.task == task for opened in series)
    (alone,) = load_series(tmp_path / "native" / "step-00000020.safetensors")
    assert (alone.step, alone.dialect) == (20, "grokscope-1")
    path, options = own
    (opened,) = load_series(path, options)
    assert opened.dialect == "own module"


@pytest.mark.parametrize(
    ("name", "number"),
    [("9.pth", 9), ("step-00000120.safetensors", 120), ("final.pt", None), ("v2x.pt", None)],
)
def test_the_number_of_a_file_is_at_its_names_end(name: str, number: int | None) -> None:
    assert number_of(Path("3") / name) == number


@pytest.mark.parametrize(
    ("files", "last"),
    [
        (["net.pt"], "net.pt"),
        (["net.pt", "notes.txt", "config.json"], "net.pt"),
        (["9.pth", "10.pth", "train_data.pth"], "10.pth"),
        (["epoch_2.bin", "epoch_12.ckpt"], "epoch_12.ckpt"),
        (["step-00000002.safetensors", "99.pth"], "step-00000002.safetensors"),
    ],
)
def test_a_folder_means_its_last_checkpoint(tmp_path: Path, files: list[str], last: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path) == tmp_path / last
    assert find_checkpoint(tmp_path / last) == tmp_path / last
    assert [file.name for file in series_files(tmp_path)][-1:] in ([last], [])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"holds no checkpoints \(\.safetensors, \.pt, .*\); name a file"),
        (["notes.txt"], "holds no checkpoints"),
        (["a.pt", "b.pt"], "holds several weights, none numbered by a step; name a file"),
    ],
)
def test_a_folder_that_does_not_say_which_is_refused(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path)


def test_the_json_beside_weights_means_the_weights(tmp_path: Path) -> None:
    for name in ("net.pt", "net.json", "alone.json"):
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path / "net.json") == tmp_path / "net.pt"
    assert find_checkpoint(tmp_path / "alone.json") == tmp_path / "alone.json"


def test_what_is_not_there_is_named_with_near_matches(tmp_path: Path) -> None:
    (tmp_path / "final.pth").touch()
    with pytest.raises(CheckpointError, match=r"did you mean 'final\.pth'"):
        find_checkpoint(tmp_path / "finale.pth")
    with pytest.raises(CheckpointError, match="File name too long"):
        find_checkpoint(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["manifest.ocdbt", "d/1234"], r"run' is a checkpoint of Orbax, .*restore\(folder\).*numpy\.savez"),
        (["400/default/manifest.ocdbt", "400/_CHECKPOINT_METADATA"], r"400' is a checkpoint of Orbax"),
        ([".metadata", "__0_0.distcp"], r"torch\.distributed.*dcp_to_torch"),
        (["saved_model.pb"], "TensorFlow"),
        (["notes.txt"], "holds no checkpoints"),
    ],
)
def test_a_folder_that_is_a_checkpoint_as_a_whole_is_named_with_the_way_to_convert_it(
    names: list[str], message: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path / "run")
