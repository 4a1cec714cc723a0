"""One checkpoint's work: what each measure finds, and that nothing but the file and the settings matters."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from batches import Make
from composing import composing

import interp
from interp.checkpoints import save_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.jobs import Settings, measure_checkpoint
from interp.jobs.columns import COSTS, Result
from interp.jobs.schema import checkpoint_table
from interp.jobs.worker import Chunk, WorkerDied, failure, work
from interp.models import SmallTransformer, TransformerConfig
from probes.labels import LABELS


def plain(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.row.items() if name not in COSTS}


def same(first: Result, second: Result) -> bool:
    if (first.neurons is None) != (second.neurons is None) or plain(first) != plain(second):
        return False
    return first.neurons is None or all(
        np.array_equal(column, second.neurons[name], equal_nan=column.dtype.kind == "f")
        if isinstance(column, np.ndarray)
        else column == second.neurons[name]
        for name, column in first.neurons.items()
    )


def test_scores_need_no_network(make: Make) -> None:
    file = make(3)[2]
    found = measure_checkpoint(str(file))
    opened = interp.load_checkpoint(file)
    table = interp.score(opened.model, opened.task)
    for name in ("ipr", "frequency", "frequency_share", "phase_residual", "norm"):
        assert found.neurons[name] == pytest.approx(table[name], rel=1e-4, abs=1e-5), name
    assert (found.row["status"], found.row["step"], found.row["neurons"]) == ("ok", 2, 24)
    assert found.row["ipr_mean"] == pytest.approx(table["ipr"].mean(), rel=1e-5)
    assert sum(found.row["ipr_histogram"]) == 24
    assert "accuracy_test" not in found.row
    assert "label" not in found.neurons


def test_causal_and_audit_are_the_audits_numbers(make: Make) -> None:
    file = str(make(10)[9])
    report = interp.audit(file, n_random=4)
    for measure in ("causal", "audit"):
        found = measure_checkpoint(file, Settings(measure, n_random=4))
        row = found.row
        assert row["phase"] == report.phase.name
        assert {split: row[f"accuracy_{split}"] for split in report.accuracy} == report.accuracy.to_dict()
        assert row["without_generalizing_test"] == report.removals["generalizing"].after.test
        assert row["random_generalizing_test"] == report.removals["generalizing"].random["test"].mean
        assert row["agreement_auc"] == (report.agreement and report.agreement.auc)
        assert {label: row[label] for label in LABELS} == {
            label: n for label, n in report.table.counts().items() if label != "total"
        }
        assert list(found.neurons["label"]) == list(report.table["label"])
        assert (found.page is not None) == (measure == "audit")
    assert file in found.page
    assert found.row["report"].startswith("audits/step-00000009-")


def test_each_gets_its_result_whoever_else_is_in_the_chunk(
    make: Make, tmp_path: Path, foreign_file: Path
) -> None:
    files = make(5)
    broken, gone = tmp_path / "broken.safetensors", tmp_path / "gone.pt"
    broken.write_bytes(files[0].read_bytes()[:200])
    shutil.copy(files[0].with_suffix(".json"), broken.with_suffix(".json"))
    task = ModularTask("add", p=5, train_fraction=0.7)
    transformer = save_checkpoint(
        tmp_path / "t.safetensors",
        SmallTransformer(TransformerConfig(d_model=8, d_mlp=16, n_heads=2, d_head=4), 5, 5),
        task,
    )
    paths = [files[0], broken, files[1], transformer, gone, foreign_file, files[2], files[3], files[4]]
    for measure in ("scores", "labels"):
        settings = Settings(measure)
        together = work(Chunk(tuple(map(str, paths)), settings))
        assert [result.row["checkpoint"] for result in together] == [str(path) for path in paths]
        states = [result.row["status"] for result in together]
        assert states == ["ok", "failed", "ok", "ok", "failed", "ok", "ok", "ok", "ok"]
        assert [together[i].row["error_type"] for i in (1, 4)] == ["CheckpointError"] * 2
        backwards = work(Chunk(tuple(map(str, paths[::-1])), settings))[::-1]
        for path, first, second in zip(paths, together, backwards, strict=True):
            assert same(first, second), path
            assert same(first, measure_checkpoint(str(path), settings)), path
    assert together[3].row["source"] == "activations"


@pytest.fixture
def foreign_file(tmp_path: Path) -> Path:
    """The closed form as another project would store it."""
    model = interp.analytic_mlp("add", p=7, width=20)
    first = torch.cat([table.T for table in model.embed.W_E], dim=1)
    torch.save(
        {"fc1.weight": first.detach(), "fc2.weight": model.unembed.weight.T.detach()}, tmp_path / "f.pt"
    )
    return tmp_path / "f.pt"


def test_settings_say_what_a_strangers_file_does_not(foreign_file: Path) -> None:
    found = measure_checkpoint(
        str(foreign_file), Settings("labels", OpenOptions(task="add", activation="square"))
    )
    assert (found.row["dialect"], found.row["p"], found.row["accuracy_all"]) == (
        "doshi",
        7,
        pytest.approx(0.9387755),
    )
    assert found.row.get("accuracy_test", True)
    wrong = measure_checkpoint(str(foreign_file), Settings("labels", OpenOptions(dialect="nanda")))
    assert wrong.row["status"] == "failed"
    assert "is not in the dialect 'nanda'" in wrong.row["error"]


def test_a_table_replaces_the_task_for_every_checkpoint(make: Make, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{a},{b},{(a + b) % 11},{'train' if a % 2 else 'test'}" for a in range(11) for b in range(11)]
    table.write_text("a,b,label,split\n" + "\n".join(rows))
    settings = Settings("labels", OpenOptions(table=table))
    files = tuple(map(str, make(3)))
    together = work(Chunk(files, settings))
    for path, result in zip(files, together, strict=True):
        assert result.row["status"] == "ok", result.row.get("error")
        assert result.row["accuracy_corrupted_as_labelled"] is None
        assert same(result, measure_checkpoint(path, settings))


def test_threads_are_as_before(make: Make) -> None:
    before = torch.get_num_threads()
    measure_checkpoint(str(make(1)[0]), Settings("labels"))
    assert torch.get_num_threads() == before


def test_a_file_that_is_written_to_meanwhile_is_a_failure(
    make: Make, monkeypatch: pytest.MonkeyPatch, foreign_file: Path
) -> None:
    stamps = iter(["before", "after"])
    monkeypatch.setattr("interp.jobs.worker.stamp_of", lambda path: next(stamps))
    found = measure_checkpoint(str(foreign_file), Settings("labels"))
    assert (found.row["status"], found.row["stamp"]) == ("failed", "before")
    assert "written to while it was read" in found.row["error"]


def test_a_worker_that_died_is_a_row(make: Make) -> None:
    found = failure(str(make(1)[0]), Settings(), WorkerDied("killed"))
    assert (found.row["status"], found.row["error_type"], found.row["error"]) == (
        "failed",
        "WorkerDied",
        "killed",
    )
    assert found.row["stamp"] != ""


def test_a_worker_starts_without_anything_heavy() -> None:
    heavy = "torch", "pyarrow", "sklearn", "plotly", "numba", "typer"
    script = f"import sys, interp.jobs.worker; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_group_and_a_modulus_are_measured_in_one_chunk(make: Make, tmp_path: Path) -> None:
    model, task = composing("S3", width=24)
    group = save_checkpoint(tmp_path / "groups" / "step-00000001.safetensors", model, task, step=1)
    modulus = make(2)[1]
    table = interp.score(model, task)
    for measure in ("scores", "labels"):
        found, other = work(Chunk((str(group), str(modulus)), Settings(measure=measure)))
        assert (found.row["status"], other.row["status"]) == ("ok", "ok")
        assert set(found.row["components"]) <= {"sign", "standard"}
        assert set(found.row["component_sizes"]) <= {1, 4}
        assert sum(found.row["component_neurons"]) == found.row["periodic"]
        np.testing.assert_array_equal(found.neurons["frequency"], table["frequency"])
        np.testing.assert_allclose(found.neurons["frequency_share"], table["frequency_share"], atol=1e-5)
        assert "components" not in other.row
    checkpoint_table([found.row, other.row])
