"""``grokscope ablate``: the edit saved is the edit measured, for every kind of network, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import interp
from interp.analysis.removing import ablate_checkpoint
from interp.checkpoints import Checkpoint
from interp.checkpoints.native import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.interventions import ablate
from interp.measuring.evaluation import SplitValues
from interp.models import HookedMLP, SmallTransformer, planted_mlp
from interp.scoring.selection import select_neurons

Command = Callable[..., str]
P = 7
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(8, 6)
        self.mlp = nn.Sequential(nn.Linear(18, 10), nn.ReLU(), nn.Linear(10, 7))

    def forward(self, tokens):
        return self.mlp(self.embed(tokens).flatten(1))

def build():
    return Net()
"""


def accuracies(opened: Checkpoint) -> SplitValues:
    return interp.accuracy(opened.model, opened.task)


@pytest.fixture(scope="module")
def transformer(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("transformer")
    small = "--model transformer --p 7 --d-model 8 --n-heads 2 --d-mlp 12 --steps 30 --train-fraction 0.6"
    run("train", "--out", tmp_path / "t", *small.split(), "--layers", 2, "--tokens", "a b =")
    return tmp_path / "t"


@pytest.fixture
def own(tmp_path: Path) -> list[object]:
    """A checkpoint of the user's own module, and the options that it needs."""
    (tmp_path / "net.py").write_text(NET)
    space: dict[str, type[nn.Module]] = {}
    exec(NET, space)
    torch.manual_seed(0)
    torch.save(space["build"]().state_dict(), tmp_path / "own.pt")
    model = ["--model", f"{tmp_path}/net.py:build", "--site", "mlp.0", "--site", "mlp.2:input"]
    return [tmp_path / "own.pt", *model, "--tokens", "a b =", "--task", "add", "--p", P]


@pytest.mark.parametrize("mode", ["zero", "mean", "scale=0.25"])
def test_an_edit_saved_is_the_edit_measured(run: Command, series: Path, tmp_path: Path, mode: str) -> None:
    output = run("ablate", series, "--neurons", "highest:0.5", "--mode", mode, "--save", tmp_path / "edited")
    original = load_checkpoint(series)
    table = interp.score(original.model, original.task)
    chosen = select_neurons(table, "highest:0.5")
    with ablate(original.model, chosen, mode, reference=original.task):
        wanted = accuracies(original)
    found = accuracies(load_checkpoint(tmp_path / "edited.safetensors"))
    assert found.test == pytest.approx(wanted.test, abs=0.005)
    assert f"{100 * wanted.test:.1f}" in output


@pytest.mark.parametrize(
    ("site", "mode"),
    [
        ("blocks.0.mlp.hook_post", "scale=0.5"),
        ("blocks.0.attn.hook_z", "zero"),
        ("blocks.1.mlp.hook_post", "mean"),
        ("blocks.1.attn.hook_z", "zero"),
    ],
)
def test_an_edited_transformer_is_a_native_checkpoint(
    transformer: Path, tmp_path: Path, site: str, mode: str
) -> None:
    found = ablate_checkpoint(
        transformer, "highest:0.5", mode, site=site, save=tmp_path / "edited", n_random=1
    )
    edited = load_checkpoint(tmp_path / "edited.safetensors")
    assert isinstance(edited.model, SmallTransformer)
    assert edited.task == load_checkpoint(transformer).task
    assert accuracies(edited).to_dict() == pytest.approx(found.after.to_dict())
    assert f"{mode} on" in json.loads((tmp_path / "edited.json").read_text())["edited"]


def test_an_edited_foreign_network_is_stored_natively_with_its_unknown_split(
    run: Command, foreign: Path, tmp_path: Path
) -> None:
    run("ablate", foreign, "--neurons", "lowest:0.3", "--save", tmp_path / "edited.safetensors")
    before, after = load_checkpoint(foreign), load_checkpoint(tmp_path / "edited.safetensors")
    assert isinstance(after.model, HookedMLP)
    assert after.dialect == "grokscope-1"
    assert isinstance(after.task, ModularTask)
    assert (after.task.operation, after.task.p) == ("add", P)
    assert not before.task.dataset.split_known
    assert not after.task.dataset.split_known
    found = ablate_checkpoint(foreign, "lowest:0.3", n_random=1)
    assert accuracies(after).all == pytest.approx(found.after.all)
    assert run("audit", tmp_path / "edited.safetensors")


def test_an_own_module_is_stored_as_weights_that_its_factory_takes(
    run: Command, own: list[object], tmp_path: Path
) -> None:
    edited = tmp_path / "edited.safetensors"
    output = run("ablate", *own, "--neurons", "highest:0.5", "--save", edited)
    assert "wrote" in output
    assert not edited.with_suffix(".json").exists()
    options = OpenOptions(
        model=f"{tmp_path}/net.py:build", sites=("mlp.2:input",), tokens="a b =", task="add", p=P
    )
    found = ablate_checkpoint(tmp_path / "own.pt", "highest:0.5", options=options, n_random=1)
    opened = load_checkpoint(edited, options)
    assert accuracies(opened).all == pytest.approx(found.after.all)
    before = load_checkpoint(tmp_path / "own.pt", options).model.module.state_dict()
    changed = [
        name for name, t in opened.model.module.state_dict().items() if not torch.equal(t, before[name])
    ]
    assert changed == ["mlp.2.weight"]
    assert run("audit", edited, *own[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--mode resample", "weights cannot express it"),
        ("--mode mean --site blocks.0.mlp.hook_post", "weights cannot express it"),
        ("--site blocks.0.mlp.hook_post@1", "acts at one position; weights act at every position"),
        ("--site blocks.1.mlp.hook_post@2 --neurons lowest:0", "acts at one position"),
    ],
)
def test_what_weights_cannot_express_is_not_saved(
    fail: Command, transformer: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    error = fail(
        "ablate", transformer, "--neurons", "highest:0.3", *arguments.split(), "--save", tmp_path / "x"
    )
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before


def test_examples_of_a_table_cannot_be_stored_with_a_network(
    fail: Command, run: Command, series: Path, tmp_path: Path
) -> None:
    pairs = [(a, b) for a in range(23) for b in range(23)]
    rows = [f"{a},{b},{(a + b) % 23},{'train' if a < 12 else 'test'}" for a, b in pairs]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label,split", *rows]))
    table = ["--table", tmp_path / "t.csv"]
    assert "test" in run("ablate", series, *table)
    error = fail("ablate", series, *table, "--save", tmp_path / "edited")
    assert "it can be measured, but not saved" in error
    assert not (tmp_path / "edited.safetensors").exists()


@pytest.mark.parametrize("beside", ["edited.safetensors", "edited.json"])
def test_what_is_there_is_replaced_only_by_force(
    fail: Command, run: Command, series: Path, tmp_path: Path, beside: str
) -> None:
    (tmp_path / beside).write_text("mine")
    arguments = ["ablate", series, "--neurons", "lowest:0.1", "--save", tmp_path / "edited"]
    assert f"{beside}' exists already; add --force" in fail(*arguments)
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [(beside, "mine")]
    run(*arguments, "--force")
    assert load_checkpoint(tmp_path / "edited.safetensors").task.p == 23


def test_nothing_is_written_beside_a_strangers_file_under_its_name(
    fail: Command, foreign: Path, tmp_path: Path
) -> None:
    """A JSON of that name would from then on describe the stranger's file."""
    error = fail("ablate", foreign, "--save", tmp_path / "foreign", "--force")
    assert "has the name of the checkpoint itself" in error
    assert [file.name for file in tmp_path.iterdir()] == ["foreign.pt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--save {series}/step-00000120 --force", "is the checkpoint itself"),
        ("--save {series}/step-00000060", "exists already; add --force"),
        ("--mode scale=nan", "no number after 'scale='"),
        ("--relearn 3 --relearn-lr 0", "lr=0"),
        ("--mode explode", "unknown mode 'explode'"),
        ("--neurons label:bad", "cannot select neurons by 'label:bad'"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, series: Path, arguments: str, message: str
) -> None:
    assert message in fail("ablate", series, *arguments.format(series=series).split())


def test_relearning_is_printed_if_it_is_asked_for(run: Command, series: Path, foreign: Path) -> None:
    chosen = ("ablate", series, "--neurons", "lowest:0.5", "--random", 1)
    assert "learnt again" not in run(*chosen)
    output = " ".join(run(*chosen, "--relearn", 3, "--relearn-lr", 0.001).split())
    assert "memorised labels are learnt again" in output
    assert "runner-up for" in output
    assert "Nothing to relearn" in run("ablate", foreign, "--neurons", "lowest:0.5", "--relearn", 3)


def test_a_removal_that_the_rule_pays_for_is_warned_of(run: Command, tmp_path: Path) -> None:
    task = ModularTask("add", p=31, train_fraction=0.6, corrupt_fraction=0.3)
    planted = planted_mlp(task, generalizing=60, memorizing=60)
    save_checkpoint(tmp_path / "planted.safetensors", planted.model, task)
    warning = "below that after random sets of the same size"
    costly, free = (
        " ".join(run("ablate", tmp_path / "planted.safetensors", "--neurons", f"label:{label}").split())
        for label in ("generalizing", "memorizing")
    )
    assert warning in costly
    assert warning not in free
