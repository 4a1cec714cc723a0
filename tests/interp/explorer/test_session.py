"""Changed neurons against hooks that change them, for every kind of network and several changes of one neuron."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import hooks_on
from torch import nn

import interp
from interp.checkpoints import Checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask, TableTask
from interp.errors import HookNameError, InterventionError
from interp.explorer.edits import Change
from interp.explorer.session import Measured, Session
from interp.measuring.evaluation import all_logits, measure_logits
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
)
from interp.subject import open_subject, score, subject_of

P = 7
TASK = ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
POST, HEADS = "blocks.0.mlp.hook_post", "blocks.0.attn.hook_z"


def mlp(**settings: object) -> HookedMLP:
    return HookedMLP(MLPConfig(width=8, **settings), P, P, seed=3).eval()


def transformer(**settings: object) -> SmallTransformer:
    config = TransformerConfig(8, 5, 4, 8, activation="abs", **settings)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=1).eval()


def strangers(site: str) -> HookedModel:
    torch.manual_seed(0)
    layers = nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, P)
    return adopt(nn.Sequential(*layers).eval(), [site], example=TASK.dataset.inputs[:2])


CASES: dict[str, tuple[Callable[[], HookedModel], str | None]] = {
    "one hidden layer": (mlp, None),
    "with norm, bias and dropout": (lambda: mlp(norm="batch", bias=True, dropout=0.5, activation="relu"), None),
    "deep": (lambda: mlp(depth=4, activation="relu"), POST),
    "last of deep": (lambda: mlp(depth=3, activation="relu", bias=True), None),
    "transformer": (transformer, None),
    "before a norm": (lambda: transformer(norm="layer", bias=True), POST),
    "at all positions": (lambda: transformer(n_layers=2, causal=True), POST),
    "at one position": (lambda: transformer(n_layers=2, norm="pre"), f"{POST}@1"),
    "heads": (lambda: transformer(n_layers=2), HEADS),
    "a stranger's": (lambda: strangers("4:input"), None),
    "within a stranger's": (lambda: strangers("2:output"), None),
}  # fmt: skip
LINEAR = {"one hidden layer", "with norm, bias and dropout", "last of deep", "transformer", "a stranger's"}
STACKED = {
    "scale": [Change((0, 3), "scale", -0.5)],
    "zero": [Change((1, 2), "zero")],
    "mean": [Change((1, 4), "mean")],
    "all to 0": [Change((0, 1, 2, 3, 4), "zero")],
    "all to their mean": [Change((0, 1, 2, 3, 4), "mean")],
    "the same twice": [Change((1, 2), "scale", 0.5), Change((1, 2), "scale", 1.5)],
    "mean of scaled": [Change((0, 1, 2), "scale", 2.0), Change((1, 2, 3), "mean")],
    "scaled means, then one 0": [
        Change((0, 1), "mean"),
        Change((1, 2, 4), "scale", -1.0),
        Change((0, 2), "zero"),
        Change((0, 1, 3), "mean"),
    ],
    "nothing among others": [Change((), "zero"), Change((2,), "scale", 1.0), Change((2, 3), "scale", 0.25)],
}


def session_of(model: HookedModel, task: ModularTask | TableTask = TASK, site: str | None = None) -> Session:
    return Session(subject_of(Checkpoint(model, task, "in memory"), site=site))


def by_hooks(session: Session, changes: list[Change]) -> torch.Tensor:
    """Logits with a hook for each change, in the order given."""
    model, site = session.subject.model, session.subject.hook
    with ExitStack() as stack:
        for change in changes:
            if change.mode == "scale":
                context = interp.rescale(model, change.neurons, change.factor, site=site)
            else:
                context = interp.ablate(model, change.neurons, change.mode, site=site, reference=TASK)
            stack.enter_context(context)
        return all_logits(model, TASK.dataset)


def close(found: torch.Tensor, wanted: torch.Tensor, session: Session) -> None:
    torch.testing.assert_close(
        found, wanted, rtol=0, atol=1e-5 * float(session.subject.cached.logits.abs().max())
    )


def same(found: Measured, wanted: Measured) -> bool:
    return torch.equal(found.logits, wanted.logits) and found.accuracy == wanted.accuracy


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A network of each kind; what the tests do with it must leave it as it was."""
    build, site = request.param
    session = session_of(build(), site=site)
    before = {name: tensor.clone() for name, tensor in session.subject.model.state_dict().items()}
    yield session
    model = session.subject.model
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert hooks_on(model) == []
    assert not any(part.training for part in model.modules())
    close(all_logits(model, TASK.dataset), session.subject.cached.logits, session)


def test_the_kinds_of_network_are_what_they_are_called(
    session: Session, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    assert (session.subject.cached.readout is not None) == (name in LINEAR)
    assert session.subject.cached.prefix.has_positions == (name in ("at all positions", "heads"))
    assert session.subject.width == (5 if name == "heads" else 8)


@pytest.mark.parametrize("changes", STACKED.values(), ids=STACKED)
def test_logits_and_accuracies_are_those_with_hooks(session: Session, changes: list[Change]) -> None:
    measured, wanted = session.measure(changes), by_hooks(session, changes)
    assert not torch.allclose(wanted, session.subject.cached.logits, atol=1e-3)
    close(measured.logits, wanted, session)
    accuracy = measure_logits(wanted, TASK.dataset).accuracy
    assert measured.accuracy.to_dict() == pytest.approx(accuracy.to_dict(), abs=1e-9)
    data = TASK.dataset
    for margins, labels in zip(measured.margins, (data.labels, data.true_labels), strict=True):
        rows = zip(measured.logits.tolist(), labels.tolist(), strict=True)
        ahead = [row[k] - max(row[:k] + row[k + 1 :]) for row, k in rows]
        np.testing.assert_allclose(margins, ahead, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("changes", list(STACKED.values())[4:], ids=list(STACKED)[4:])
def test_the_changes_as_edits_do_the_same(session: Session, changes: list[Change]) -> None:
    with interp.intervene(session.subject.model, *session.edited(changes)):
        wanted = all_logits(session.subject.model, TASK.dataset)
    close(session.measure(changes).logits, wanted, session)


def test_no_change_is_the_network_itself(session: Session) -> None:
    for changes in ([], [Change((), "zero")], [Change((1,), "scale", 1.0)]):
        found = session.measure(changes)
        assert torch.equal(found.logits, session.subject.cached.logits)
        expected = interp.accuracy(session.subject.model, TASK)
        assert found.accuracy.to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)


def slides() -> list[list[Change]]:
    """What a page asks for while sliders move, several selections after one another and again."""
    factors = (0.5, -1.0, 1.5, 0.0)
    moved = [[*before, Change((0, 2), "scale", f)] for before in STACKED.values() for f in factors]
    last = [[*before, Change((0, 2), mode)] for before in STACKED.values() for mode in ("mean", "zero")]
    return [*moved, *last, *STACKED.values(), *moved[:6]]


@pytest.mark.parametrize("name", ["one hidden layer", "deep", "a stranger's"])
def test_what_is_kept_between_moves_changes_no_result(name: str) -> None:
    build, site = CASES[name]
    kept = session_of(build(), site=site)
    for changes in slides():
        fresh = Session(kept.subject)
        assert same(kept.measure(changes), fresh.measure(changes))


@pytest.mark.parametrize(
    "name", ["one hidden layer", "at all positions", "a stranger's", "within a stranger's"]
)
def test_several_threads_at_once_get_what_each_asked_for(name: str, tmp_path: Path) -> None:
    build, site = CASES[name]
    model = build()
    shared, alone = session_of(model, site=site), session_of(build(), site=site)
    asked = slides()
    with ThreadPoolExecutor(8) as pool:
        measured = pool.map(shared.measure, asked)
        portraits = [pool.submit(shared.portrait, i % 8) for i in range(24)]
        found = list(measured)
    for one, changes in zip(found, asked, strict=True):
        close(one.logits, alone.measure(changes).logits, alone)
    for i, portrait in enumerate(portraits):
        assert portrait.result().served == alone.portrait(i % 8).served
    assert hooks_on(model) == []
    close(all_logits(model, TASK.dataset), alone.subject.cached.logits, alone)


def test_a_network_in_training_mode_is_measured_without_dropout_and_stays_in_it() -> None:
    model = mlp(depth=3, dropout=0.5, norm="batch", activation="relu").train()
    session = session_of(model, site=POST)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    changes = [Change((1, 2), "scale", 0.5)]
    assert same(session.measure(changes), session.measure(changes))
    session.portrait(2)
    assert all(part.training for part in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    close(session.measure(changes).logits, by_hooks(session, changes), session)


def test_what_is_opened_is_the_last_of_a_run_with_its_scores(run: Path) -> None:
    session, last = Session(open_subject(run)), load_checkpoint(run)
    assert session.subject.source.step == 300
    table = score(last.model, last.task)
    assert session.subject.table["label"].tolist() == table["label"].tolist()
    np.testing.assert_allclose(session.subject.table["effect_test"], table["effect_test"], atol=1e-6)
    with pytest.raises(HookNameError, match="there are no neurons at 'mlp'"):
        _ = open_subject(run, site="mlp").table


def test_a_portrait_is_that_of_the_python_interface(session: Session) -> None:
    model, site = session.subject.model, session.subject.hook
    for neuron in (3, 0):
        found, expected = session.portrait(neuron), interp.portrait(model, TASK, neuron, site=site)
        assert found.neuron == neuron
        assert found.served == expected.served
        np.testing.assert_array_equal(found.grid, expected.grid)
        np.testing.assert_array_equal(found.loss, expected.loss)
        assert found.values["evidence"] == expected.values["evidence"]
    for unknown in (-1, session.subject.width):
        with pytest.raises(InterventionError, match="does not exist"):
            session.portrait(unknown)
