"""Jobs that are killed, interrupted, out of room, or fed with bad files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from batches import Make, assert_same, neurons_of, rows_of

from interp.jobs import batch, open_store
from interp.jobs.sources import fetched

COMMAND = [sys.executable, "-m", "interp.cli", "batch"]
ROOT = Path(__file__).parents[3]


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip


def stored(out: Path) -> dict[str, float]:
    """What is recorded as done, with the seconds that each took, which no two measurements share."""
    if not (out / "checkpoints").is_dir():
        return {}
    rows = open_store(out).checkpoints
    return dict(zip(rows["checkpoint"].to_pylist(), rows["seconds"].to_pylist(), strict=True))


def wait_for_rows(process: subprocess.Popen[str], out: Path, count: int) -> None:
    """Return once the job has stored so many checkpoints, or has ended."""
    while process.poll() is None and len(stored(out)) < count:
        time.sleep(0.05)


def members(group: int) -> list[int]:
    """Processes of a group that are still running."""
    alive = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and int(fields[2]) == group and fields[0] != "Z":
            alive.append(int(entry.name))
    return alive


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, 2])
def test_ten_kills_change_nothing(make: Make, tmp_path: Path, workers: int) -> None:
    make(160)
    undisturbed = batch(tmp_path / "runs", tmp_path / "calm", measure="labels", workers=2, outliers=0)
    out, draw = tmp_path / "out", random.Random(workers)
    arguments = (
        tmp_path / "runs",
        "--out",
        out,
        "--measure",
        "labels",
        "--workers",
        workers,
        "--outliers",
        0,
    )
    recorded: dict[str, float] = {}
    kills = 0
    while kills < 10:
        process = start(*arguments)
        wait_for_rows(process, out, len(recorded) + 1)
        time.sleep(draw.uniform(0, 0.4))
        if (
            process.poll() is not None
        ):  # it was done before the kill: begin again, to be killed as often as is asked
            process.communicate()
            shutil.rmtree(out)
            recorded = {}
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(
            timeout=10
        )  # workers end with the process that they work for, or this would wait on
        kills += 1
        now = stored(out)
        assert {path: now[path] for path in recorded} == recorded
        recorded = now
        deadline = time.monotonic() + 10
        while members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert members(process.pid) == []
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    found = open_store(out)
    assert_same(found, undisturbed.store)
    assert {path: stored(out)[path] for path in recorded} == recorded


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_what_is_finished(make: Make, tmp_path: Path, workers: int) -> None:
    make(120)
    out = tmp_path / "out"
    arguments = (
        tmp_path / "runs",
        "--out",
        out,
        "--measure",
        "labels",
        "--workers",
        workers,
        "--outliers",
        0,
    )
    process = start(*arguments)
    wait_for_rows(process, out, 1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in output + errors
    assert "interrupted; what was finished is stored" in " ".join(errors.split())
    kept = stored(out)
    assert 0 < len(kept) < 120
    assert not list(out.rglob("*.part"))
    assert len(neurons_of(open_store(out))) == 24 * len(kept)
    found = batch(tmp_path / "runs", out, measure="labels", workers=workers, outliers=0)
    assert (found.before, found.done) == (len(kept), 120 - len(kept))


def test_a_hundred_good_files_among_twenty_bad_ones(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = make(100), tmp_path / "runs"
    sample, settings = good[0].read_bytes(), good[0].with_suffix(".json").read_text()
    vanishing = []
    for i in range(4):
        (bad / f"truncated-{i}.safetensors").write_bytes(sample[: len(sample) // (i + 2)])
        (bad / f"truncated-{i}.json").write_text(settings)
        torch.save({"weight": torch.ones(3, i + 2)}, bad / f"dialect-{i}.pt")
        nan = torch.load(bad / "dialect-0.pt")
        torch.save(
            {"fc1.weight": nan["weight"] * torch.nan, "fc2.weight": torch.ones(2, 3)}, bad / f"nan-{i}.pt"
        )
        vanishing.append(bad / f"vanishing-{i}.safetensors")
        vanishing[-1].write_bytes(sample)
        (bad / f"unreadable-{i}.safetensors").write_bytes(sample)

    def read(path: str):
        if Path(path) in vanishing:
            Path(path).unlink()  # after the job has listed it
        return fetched(path)

    def opened(path: Path, *how: Any, **more: Any) -> int:
        if Path(path).name.startswith("unreadable"):  # the tests may run as root, who may read anything
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *how, **more)

    original = os.open
    monkeypatch.setattr("interp.files.os.open", opened)
    monkeypatch.setattr("interp.jobs.worker.fetched", read)
    found = batch(bad, tmp_path / "out", workers=1, outliers=0)
    assert (found.done, found.failed) == (100, 20)
    rows = rows_of(found.store).to_pylist()
    failures = {Path(row["checkpoint"]).name: row for row in rows if row["status"] == "failed"}
    assert len(failures) == 20
    assert {row["error_type"] for row in failures.values()} == {"CheckpointError"}
    for kind, says in {
        "truncated": "cannot read weights",
        "dialect": "fits no known dialect",
        "nan": "NaN",
        "vanishing": "there is no file",
        "unreadable": "Permission denied",
    }.items():
        messages = [row["error"] for name, row in failures.items() if name.startswith(kind)]
        assert len(messages) == 4
        assert all(says in message for message in messages), messages


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_error_and_the_job_goes_on_once_there_is_room(
    make: Make, tmp_path: Path, small_disk: Path
) -> None:
    make(600)
    out = small_disk / "out"
    arguments = (tmp_path / "runs", "--out", out, "--workers", 1, "--outliers", 0, "--measure", "labels")
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, output + errors
    assert "Traceback" not in errors
    assert errors.count("error:") == 1
    assert "No space left on device" in " ".join(errors.split())
    assert not list(small_disk.rglob("*.part"))
    kept = stored(out)
    assert 0 < len(kept) < 600
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    after = stored(out)
    assert len(after) == 600
    assert {path: after[path] for path in kept} == kept
    assert len(neurons_of(open_store(out))) == 600 * 24
