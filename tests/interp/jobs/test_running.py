"""Jobs: what is done, what is not done twice, and what becomes of everything that goes wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from time import monotonic

import pytest
from batches import Make, assert_same, neurons_of, rows_of

from interp import score
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError
from interp.jobs import Group, Job, Settings, batch, open_store, run
from interp.jobs.worker import measure_checkpoint
from interp.measuring.evaluation import accuracy


def quick(paths: object, out: Path, **options: object):
    return batch(paths, out, **{"workers": 1, "outliers": 0, **options})


def stored_at(out: Path) -> dict[str, float]:
    """When each checkpoint was measured, in effect: seconds that no two measurements share."""
    rows = open_store(out).checkpoints
    return dict(zip(rows["checkpoint"].to_pylist(), rows["seconds"].to_pylist(), strict=True))


def test_rows_are_those_of_one_checkpoint_at_a_time(make: Make, tmp_path: Path) -> None:
    files = make(7)
    found = quick(tmp_path / "runs", tmp_path / "out", measure="labels")
    assert (found.done, found.before, found.failed, found.interrupted) == (7, 0, 0, False)
    rows, neurons = rows_of(found.store), neurons_of(found.store)
    assert rows["checkpoint"].to_pylist() == [str(file) for file in files]
    assert rows["step"].to_pylist() == list(range(7))
    for i, file in enumerate(files):
        opened = load_checkpoint(file)
        table, own = score(opened.model, opened.task), neurons.slice(24 * i, 24)
        assert own["neuron"].to_pylist() == list(range(24))
        assert own["label"].to_pylist() == list(table["label"])
        assert own["effect_test"].to_numpy() == pytest.approx(table["effect_test"], abs=1e-5)
        assert rows["accuracy_test"][i].as_py() == accuracy(opened.model, opened.task).test
        assert rows["generalizing"][i].as_py() == table.counts()["generalizing"]
        alone = measure_checkpoint(str(file), Settings("labels"))
        assert alone.row["ipr_mean"] == rows["ipr_mean"][i].as_py()


def test_a_pool_gives_the_same_rows_to_the_byte(make: Make, tmp_path: Path) -> None:
    make(9)
    (tmp_path / "runs" / "broken.safetensors").write_bytes(b"no weights")
    one = quick(tmp_path / "runs", tmp_path / "one", measure="labels")
    two = quick(tmp_path / "runs", tmp_path / "two", measure="labels", workers=2)
    assert (one.done, one.failed) == (two.done, two.failed) == (9, 1)
    assert_same(one.store, two.store)


def test_what_is_stored_is_not_measured_again(make: Make, tmp_path: Path) -> None:
    files, out = make(5), tmp_path / "out"
    assert quick(tmp_path / "runs", out).done == 5
    before = stored_at(out)
    os.utime(files[0])  # written to, as far as its time tells, but with the same content
    again = quick(tmp_path / "runs", out)
    assert (again.done, again.before) == (0, 5)
    assert stored_at(out) == before
    make(6)  # the first five as they were, written again
    more = quick(tmp_path / "runs", out)
    assert (more.done, more.before) == (1, 5)
    after = stored_at(out)
    assert {path: after[path] for path in before} == before


def test_another_setting_is_another_row(make: Make, tmp_path: Path) -> None:
    make(2)
    quick(tmp_path / "runs", tmp_path / "out")
    found = quick(tmp_path / "runs", tmp_path / "out", measure="labels")
    assert (found.done, found.before) == (2, 0)
    assert sorted(rows_of(found.store)["measure"].to_pylist()) == ["labels"] * 2 + ["scores"] * 2
    assert len(neurons_of(found.store)) == 4 * 24


def test_new_content_takes_the_place_of_the_old(make: Make, tmp_path: Path) -> None:
    files, out = make(3), tmp_path / "out"
    quick(tmp_path / "runs", out)
    old = rows_of(open_store(out))
    shutil.copy(files[2], files[1])
    shutil.copy(files[2].with_suffix(".json"), files[1].with_suffix(".json"))
    found = quick(tmp_path / "runs", out)
    rows = rows_of(found.store)
    assert (found.done, found.before) == (0, 3)  # the same content is stored under another path: copied
    assert rows["key"].to_pylist() == [old["key"][0].as_py(), *[old["key"][2].as_py()] * 2]
    assert rows["ipr_mean"][1] == old["ipr_mean"][2]
    assert len(neurons_of(found.store)) == 3 * 24
    _, second, third = (
        neurons_of(found.store).slice(24 * i, 24).drop_columns(["checkpoint"]) for i in range(3)
    )
    assert second.equals(third)


def test_a_moved_file_is_copied_not_measured(make: Make, tmp_path: Path) -> None:
    make(3)
    quick(tmp_path / "runs", tmp_path / "out", measure="labels")
    seconds = sorted(stored_at(tmp_path / "out").values())
    (tmp_path / "runs").rename(tmp_path / "moved")
    start = monotonic()
    found = quick(tmp_path / "moved", tmp_path / "out", measure="labels")
    assert (found.done, found.before) == (0, 3)
    assert 0 < found.seconds <= monotonic() - start
    assert sorted(stored_at(tmp_path / "out").values()) == sorted(seconds * 2)
    halves = [neurons_of(found.store).slice(i * 72, 72).drop_columns(["checkpoint"]) for i in range(2)]
    assert halves[0].equals(halves[1])


def test_force_measures_again_and_leaves_each_row_once(make: Make, tmp_path: Path) -> None:
    make(4)
    first = quick(tmp_path / "runs", tmp_path / "out")
    rows, neurons, times = rows_of(first.store), neurons_of(first.store), stored_at(tmp_path / "out")
    found = quick(tmp_path / "runs", tmp_path / "out", force=True)
    assert found.done == 4
    assert rows_of(found.store).equals(rows)
    assert neurons_of(found.store).equals(neurons)
    assert not set(times.values()) & set(stored_at(tmp_path / "out").values())


def test_failures_are_rows_and_are_tried_again_when_asked_or_repaired(make: Make, tmp_path: Path) -> None:
    files, out = make(3), tmp_path / "out"
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:100])
    found = quick(tmp_path / "runs", out)
    assert (found.done, found.failed) == (2, 1)
    row = rows_of(found.store).to_pylist()[1]
    assert (row["status"], row["error_type"], row["neurons"]) == ("failed", "CheckpointError", None)
    assert str(files[1]) in row["error"]
    again = quick(tmp_path / "runs", out)
    assert (again.done, again.before, again.failed) == (0, 2, 1)
    times = stored_at(out)
    retried = quick(tmp_path / "runs", out, retry_failed=True)
    assert (retried.done, retried.failed) == (0, 1)
    changed = {path for path, seconds in stored_at(out).items() if seconds != times[path]}
    assert changed == {str(files[1])}
    files[1].write_bytes(whole)
    repaired = quick(tmp_path / "runs", out)
    assert (repaired.done, repaired.before, repaired.failed) == (1, 2, 0)
    assert rows_of(repaired.store)["status"].to_pylist() == ["ok"] * 3
    assert len(neurons_of(repaired.store)) == 72


def test_a_worker_that_dies_costs_one_row(make: Make, killer: Path, tmp_path: Path) -> None:
    make(40)
    options = OpenOptions(model=f"{killer}:build", sites=("0:input",), task="add", p=3)
    groups = (
        Group((str(tmp_path / "runs"),)),
        Group((str(tmp_path / "victim.pt"),), (Settings(options=options),)),
    )
    found = run(Job(tmp_path / "out", groups, workers=2, outliers=0))
    assert (found.done, found.failed) == (40, 1)
    failed = [row for row in rows_of(found.store).to_pylist() if row["status"] == "failed"]
    assert [(row["checkpoint"], row["error_type"]) for row in failed] == [
        (str(tmp_path / "victim.pt"), "WorkerDied")
    ]


@pytest.mark.slow
def test_where_no_worker_can_live_the_job_ends_with_one_error(killer: Path, tmp_path: Path) -> None:
    for i in range(8):
        shutil.copy(tmp_path / "victim.pt", tmp_path / f"victim-{i}.pt")
    options = OpenOptions(model=f"{killer}:build", sites=("0:input",), task="add", p=3)
    with pytest.raises(ConfigError, match="workers die before they have measured anything"):
        quick(str(tmp_path / "victim-*.pt"), tmp_path / "out", options=options, workers=2)


def test_nothing_to_measure_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint matches"):
        quick(tmp_path / "nowhere" / "*.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_named_file_that_is_missing_is_a_row(make: Make, tmp_path: Path) -> None:
    files = make(1)
    found = quick([files[0], tmp_path / "gone.pt"], tmp_path / "out")
    assert (found.done, found.failed) == (1, 1)
    assert "gone.pt" in rows_of(found.store)["error"][0].as_py()


def test_two_jobs_cannot_write_to_one_folder(make: Make, tmp_path: Path) -> None:
    make(1)
    quick(tmp_path / "runs", tmp_path / "out")
    store = open_store(tmp_path / "out")
    with store.locked(), pytest.raises(ConfigError, match="another job is writing"):
        quick(tmp_path / "runs", tmp_path / "out")


def test_progress_in_a_pipe_is_plain_lines_with_rate_and_failures(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("interp.progress.PATIENCE", 0.0)
    make(3)
    (tmp_path / "runs" / "broken.pt").write_bytes(b"")
    job = Job(tmp_path / "out", (Group((str(tmp_path / "runs"),)),), workers=1, outliers=0)
    run(job, show_progress=True)
    shown = capsys.readouterr().err
    last = next(line for line in shown.splitlines() if line.startswith("measuring checkpoints 4/4 "))
    assert last.endswith("/s, 1 failed")


def test_a_toml_file_describes_a_job(make: Make, tmp_path: Path) -> None:
    make(2)
    (tmp_path / "job.toml").write_text(
        'out = "scored"\noutliers = 0\nworkers = 1\n'
        '[[files]]\npaths = ["runs"]\n[grid]\nmeasure = ["scores", "labels"]\n'
    )
    found = batch(tmp_path / "job.toml")
    assert (found.done, found.store.folder) == (4, tmp_path / "scored")
    assert (
        batch(tmp_path / "job.toml", tmp_path / "elsewhere", workers=1).store.folder == tmp_path / "elsewhere"
    )


def test_the_most_unusual_checkpoints_are_audited_and_linked(make: Make, tmp_path: Path) -> None:
    files = make(12)
    shutil.copy(make(40, "other")[39], files[7])
    shutil.copy(tmp_path / "other" / "step-00000039.json", files[7].with_suffix(".json"))
    found = quick(tmp_path / "runs", tmp_path / "out", outliers=2)
    page = found.overview.read_text()
    audits = list((tmp_path / "out" / "audits").glob("*.html"))
    assert any(audit.name.startswith("step-00000007-") for audit in audits)
    assert all(f'href="audits/{audit.name}"' in page for audit in audits)
    assert str(files[7]) in audits[0].read_text() or len(audits) > 1
    assert found.done == 12
    assert len(rows_of(found.store)) == 12
