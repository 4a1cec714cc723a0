"""A training run scored beside the page, against its checkpoints opened one by one."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from interp.checkpoints import Checkpoint, save_checkpoint
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.explorer import series
from interp.explorer.series import Scoring, Series, scoring_of
from interp.explorer.session import CODES
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.scoring.table import NeuronTable
from interp.subject import score
from interp.training import TrainConfig, train

P = 11
PRODUCT = ModularTask("multiply", p=P, train_fraction=0.7)


def scored(path: Path, **options: Any) -> Scoring:
    """The run at a path, once it is scored or given up."""
    scoring = scoring_of(path, OpenOptions(), **options)
    assert scoring is not None
    scoring.start()
    assert scoring.done.wait(60)
    return scoring


def shown(path: Path, **options: Any) -> Series:
    scoring = scored(path, **options)
    assert scoring.error is None
    assert scoring.series is not None
    assert scoring.scored == scoring.total == len(scoring.series)
    return scoring.series


def checkpoints(path: Path, **options: int) -> list[Checkpoint]:
    return list(load_series(path, **options))


@pytest.fixture(scope="module")
def found(run: Path) -> Series:
    return shown(run)


def share(codes: np.ndarray, right: tuple[str, ...], wrong: tuple[str, ...]) -> float:
    """How many of the answers with either name have one of the first names."""
    counts = [sum(int((codes == CODES[name]).sum()) for name in names) for names in (right, wrong)]
    return counts[0] / sum(counts)


def test_codes_count_up_to_the_accuracies_of_each_checkpoint(run: Path, found: Series) -> None:
    opened = checkpoints(run)
    assert [one.step for one in opened] == found.dynamics.steps.tolist() == [0, 150, 300]
    assert found.codes.shape == (3, len(opened[0].task.dataset))
    for one, codes in zip(opened, found.codes, strict=True):
        expected = accuracy(one.model, one.task)
        clean = share(codes, ("trained on, right",), ("trained on, wrong",))
        assert clean == pytest.approx(expected.clean)
        assert share(codes, ("held out, right",), ("held out, wrong",)) == pytest.approx(expected.test)
        kinds = "corrupted, as labelled", "corrupted, as true", "corrupted, neither"
        assert share(codes, kinds[:1], kinds[1:]) == pytest.approx(expected.corrupted_as_labelled)
    assert len({codes.tobytes() for codes in found.codes}) == 3


def test_weights_are_those_of_each_checkpoints_file(run: Path, found: Series) -> None:
    for i, step in enumerate(found.dynamics.steps):
        stored = load_file(run / f"step-{step:08d}.safetensors")
        left, right = stored["embed.W_E"].numpy()
        output = stored["unembed.W_U"].numpy().T
        for neuron in (0, 17, 59):
            vectors = found.vectors(i, neuron)
            assert vectors is not None
            for vector, table in zip(vectors, (left, right, output), strict=True):
                np.testing.assert_allclose(vector, table[:, neuron], rtol=1e-3, atol=1e-6)
    assert found.vectors(0, 60) is None


def test_labels_and_periodicity_of_a_checkpoint_are_those_of_its_own_table(run: Path, found: Series) -> None:
    for i, one in enumerate(checkpoints(run)):
        table, expected = found.table(i), score(one.model, one.task)
        assert isinstance(table, NeuronTable)
        assert table["label"].tolist() == expected["label"].tolist()
        np.testing.assert_allclose(table["ipr"], expected["ipr"], rtol=1e-9)
        assert table.site_name == expected.site_name


def test_weights_are_kept_in_the_tasks_order(tmp_path: Path) -> None:
    for step in (1, 2):
        model = HookedMLP(MLPConfig(width=8), P, P, seed=step).eval()
        save_checkpoint(tmp_path / f"step-{step}", model, PRODUCT, step=step)
    series = shown(tmp_path)
    for i, one in enumerate(checkpoints(tmp_path)):
        left, right = one.model.embed.W_E.detach().numpy()
        order, output = PRODUCT.ordering, one.model.unembed.weight.detach().numpy()
        expected = left[order.left, 5], right[order.right, 5], output[5, order.output]
        for vector, wanted in zip(series.vectors(i, 5), expected, strict=True):
            np.testing.assert_allclose(vector, wanted, rtol=1e-3, atol=1e-6)


def test_of_too_many_weights_those_of_evenly_chosen_neurons_are_kept(
    run: Path, found: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        series, "MOST_NUMBERS", 3 * 3 * 23 * 4 + 5
    )  # checkpoints, vectors, positions, neurons
    some = shown(run)
    assert some.neurons.tolist() == [0, 20, 39, 59]
    for neuron in range(60):
        vectors = some.vectors(1, neuron)
        assert (vectors is not None) == (neuron in (0, 20, 39, 59))
        if vectors is not None:
            np.testing.assert_array_equal(vectors, found.vectors(1, neuron))
    monkeypatch.setattr(series, "MOST_NUMBERS", 1)
    assert shown(run).neurons.tolist() == [0]


def test_networks_whose_neurons_have_no_weights_keep_none(tmp_path: Path) -> None:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, norm="layer")
    for step in (1, 2):
        model = SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=step).eval()
        save_checkpoint(tmp_path / f"step-{step}", model, ModularTask("add", p=P), step=step)
    found = shown(tmp_path)
    assert found.weights == ()
    assert found.vectors(0, 3) is None
    assert found.codes.shape == (2, P * P)


def test_so_many_checkpoints_are_scored_as_were_asked_for(run: Path) -> None:
    found = shown(run, most=2)
    assert found.dynamics.steps.tolist() == [0, 300]
    assert len(found.codes) == len(found.weights[0]) == 2


def test_only_a_folder_of_several_checkpoints_is_a_run(run: Path, tmp_path: Path) -> None:
    assert scoring_of(run / "step-00000300.safetensors", OpenOptions()) is None
    assert scoring_of(tmp_path, OpenOptions()) is None
    for name in ("step-00000300.safetensors", "step-00000300.json"):
        shutil.copy(run / name, tmp_path)
    assert scoring_of(tmp_path, OpenOptions()) is None
    assert load_checkpoint(tmp_path).step == 300


def broken(run: Path, folder: Path, name: str, content: bytes) -> Path:
    shutil.copytree(run, folder / "broken")
    (folder / "broken" / name).write_bytes(content)
    return folder / "broken"


def test_what_cannot_be_scored_is_said_with_its_reason(run: Path, tmp_path: Path) -> None:
    part = (run / "step-00000150.safetensors").read_bytes()[:-40]
    scoring = scored(broken(run, tmp_path, "step-00000150.safetensors", part))
    assert "step-00000150.safetensors" in scoring.error
    assert "truncated" in scoring.error
    assert scoring.series is None
    assert scoring.scored == 1


def test_networks_of_two_widths_are_no_run(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "mixed")
    task = load_checkpoint(run).task
    save_checkpoint(folder / "step-00000400", HookedMLP(MLPConfig(width=9), 23), task, step=400)
    scoring = scored(folder)
    assert "9 and 60 neurons" in scoring.error
    assert scoring.series is None


def test_unforeseen_failures_end_the_scoring_too(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(series, "dynamics_of", fail)
    scoring = scored(run)
    assert scoring.error == "scoring the run failed with RuntimeError: no memory"
    assert scoring.series is None


def test_it_is_scored_once_however_often_it_is_started(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    original = series.dynamics_of
    monkeypatch.setattr(series, "dynamics_of", lambda *a, **k: begun.append(1) or original(*a, **k))
    scoring = scored(run, most=2)
    scoring.start()
    scoring.stop()
    assert begun == [1]
    assert scoring.error is None


def test_stopping_ends_after_the_checkpoint_that_is_being_scored(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = scoring_of(run, OpenOptions())
    assert scoring is not None
    busy, original = Event(), series.answer_codes

    def slow(*arguments: Any) -> np.ndarray:
        busy.set()
        assert scoring._stop.wait(60)
        return original(*arguments)

    monkeypatch.setattr(series, "answer_codes", slow)
    scoring.start()
    assert busy.wait(60)
    scoring.stop()
    assert scoring.done.is_set()
    assert scoring.error == "stopped"
    assert (scoring.scored, scoring.series) == (1, None)


def test_what_was_stopped_before_it_began_scores_nothing(run: Path) -> None:
    scoring = scoring_of(run, OpenOptions())
    assert scoring is not None
    scoring.stop()
    scoring.start()
    assert scoring.done.wait(60)
    assert (scoring.error, scoring.scored, scoring.series) == ("stopped", 0, None)


def test_neurons_that_are_scored_by_their_activations_are_shown_by_them(tmp_path: Path) -> None:
    task = ModularTask("add", p=7, train_fraction=0.8)
    model = TransformerConfig(d_model=8, n_heads=2, d_mlp=6, n_layers=2)
    train(task, model, TrainConfig(steps=2, save_every=1), out=tmp_path, show_progress=False)
    scoring = scoring_of(tmp_path, OpenOptions())
    assert scoring is not None
    scoring.start()
    assert scoring.done.wait(60)
    assert scoring.series is not None, scoring.error
    last = load_checkpoint(tmp_path)
    table = scoring.series.table(2)
    assert table.meta["order"] == "activation_share"
    np.testing.assert_allclose(
        table["activation_share"], score(last.model, last.task)["activation_share"], rtol=1e-5
    )
