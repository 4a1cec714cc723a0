"""Edited networks that are saved: they are what was shown, under a name of their own, or nothing is written."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

import interp
from interp.checkpoints import Checkpoint, save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.series import series_files
from interp.data import ModularTask, TableTask
from interp.errors import CheckpointError, ConfigError, InterventionError
from interp.explorer import session as module
from interp.explorer.edits import Change
from interp.explorer.session import Session
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
)
from interp.subject import open_subject, subject_of

P = 11
TASK = ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
POST = "blocks.0.mlp.hook_post"
CHANGES = [
    Change(tuple(range(12)), "scale", 0.5),
    Change((4, 5, 6, 13), "mean"),
    Change((2, 6, 20, 21), "zero"),
    Change((6, 7, 13), "scale", -1.0),
]
WITHOUT_MEANS = [change for change in CHANGES if change.mode != "mean"]


def transformer(**settings: object) -> SmallTransformer:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=30, **settings)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=1).eval()


def session_of(model: HookedModel, task: ModularTask | TableTask = TASK, site: str | None = None) -> Session:
    return Session(subject_of(Checkpoint(model, task, "in memory"), site=site))


MODELS = {
    "shallow": (lambda: analytic_mlp("add", p=P, width=30), None, CHANGES),
    "deep": (lambda: HookedMLP(MLPConfig(width=30, depth=4), P, P, seed=1).eval(), POST, CHANGES),
    "transformer": (transformer, None, CHANGES),
    "before a layer": (lambda: transformer(n_layers=2, norm="layer"), POST, WITHOUT_MEANS),
    "nothing changed": (lambda: analytic_mlp("add", p=P, width=30), None, []),
}


@pytest.mark.parametrize(("build", "site", "changes"), MODELS.values(), ids=MODELS)
def test_the_saved_network_has_the_accuracies_that_were_shown(build, site, changes, tmp_path: Path) -> None:
    session = session_of(build(), site=site)
    shown = session.measure(changes)
    saved = session.save(changes, tmp_path)
    opened = load_checkpoint(saved)
    assert interp.accuracy(opened.model, opened.task).to_dict() == pytest.approx(shown.accuracy.to_dict())
    logits = opened.model(TASK.dataset.inputs).detach()
    torch.testing.assert_close(logits, shown.logits, rtol=1e-4, atol=1e-4 * float(shown.logits.abs().max()))
    assert torch.equal(opened.task.dataset.labels, TASK.dataset.labels)
    told = json.loads(saved.with_suffix(".json").read_text())["edited"]
    said = [str(change) for change in changes] or ["nothing changed"]
    assert told == f"{'; '.join(said)} (in the explorer)"


def test_the_users_own_module_is_saved_as_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 30), nn.Tanh(), nn.Linear(30, P)
    own = nn.Sequential(*layers).eval()
    session = session_of(adopt(own, ["4:input"], example=TASK.dataset.inputs[:2]))
    own_logits = own(TASK.dataset.inputs).detach()
    shown, saved = session.measure(CHANGES), session.save(CHANGES, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [saved.name]
    assert torch.equal(own(TASK.dataset.inputs), own_logits)
    from safetensors.torch import load_file

    own.load_state_dict(load_file(saved))
    torch.testing.assert_close(own(TASK.dataset.inputs).detach(), shown.logits, rtol=1e-4, atol=1e-4)


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step-00000007", analytic_mlp("add", p=P, width=30), TASK, step=7)
    session = Session(open_subject(tmp_path))
    first = session.save(CHANGES, tmp_path)
    first.unlink()  # its JSON alone is a reason to take another name
    described = first.with_suffix(".json").read_bytes()
    with ThreadPoolExecutor(4) as pool:
        saved = list(pool.map(lambda i: session.save(CHANGES[:i], tmp_path), (0, 1, 2, 3, 4)))
    assert len({first, *saved}) == 6
    assert first.with_suffix(".json").read_bytes() == described
    for i, path in enumerate(saved):
        opened = load_checkpoint(path)
        assert opened.step == 7
        expected = session.measure(CHANGES[:i]).accuracy
        assert interp.accuracy(opened.model, opened.task).to_dict() == pytest.approx(expected.to_dict())


@pytest.mark.parametrize("names", [("step-7", "step-8"), ("model_7", "model_80")])
def test_saving_into_a_runs_folder_leaves_the_run_as_it_was(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        save_checkpoint(tmp_path / name, analytic_mlp("add", p=P, width=30), TASK)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    series = series_files(tmp_path)
    Session(open_subject(tmp_path)).save(CHANGES, tmp_path)
    assert len(list(tmp_path.iterdir())) == 6
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert series_files(tmp_path) == series
    assert [file.stem for file in series] == list(names)


def test_a_folder_that_is_full_of_edited_networks_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SAVED", 3)
    session = session_of(analytic_mlp("add", p=P, width=30))
    kept = {session.save([], tmp_path), session.save([], tmp_path)}
    with pytest.raises(ConfigError, match="holds 2 edited networks of model already"):
        session.save([], tmp_path)
    assert set(tmp_path.glob("*.safetensors")) == kept


def table_task() -> TableTask:
    data = TASK.dataset
    return TableTask.from_arrays(data.inputs, data.labels, train=data.train, task="add", p=P)


def cubic(x: torch.Tensor) -> torch.Tensor:
    return x**3


def custom() -> HookedMLP:
    config = MLPConfig(width=30, activation="custom")
    return HookedMLP(config, P, P, activation_fn=cubic).eval()


UNSAVED = {
    "a mean at several positions": (lambda: session_of(transformer(n_layers=2), site=POST), CHANGES),
    "one position": (lambda: session_of(transformer(n_layers=2), site=f"{POST}@1"), WITHOUT_MEANS),
    "a table": (lambda: session_of(analytic_mlp("add", p=P, width=30), table_task()), CHANGES),
    "a user's function": (lambda: session_of(custom()), CHANGES),
}


@pytest.mark.parametrize(("build", "changes"), UNSAVED.values(), ids=UNSAVED)
def test_what_no_file_can_hold_is_an_error_and_leaves_none(build, changes, tmp_path: Path) -> None:
    session = build()
    session.measure(changes)  # it can be looked at
    with pytest.raises((InterventionError, CheckpointError)):
        session.save(changes, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        session_of(analytic_mlp("add", p=P, width=30)).save([], tmp_path / "file")
