"""Compiled functions are kept where the user's caches are, as long as their sources are what they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import pytest

from interp import compiled as module
from interp.compiled import compiled, in_parts

KERNEL = """
from interp.compiled import compiled
from beside import term


@compiled()
def total(x):
    return x + term(x)
"""
BESIDE = """
from interp.compiled import compiled


@compiled()
def term(x):
    return {}
"""
CALL = """
import sys
sys.path.insert(0, sys.argv[1])
import kernel
print(kernel.total(3), sum(kernel.total.stats.cache_hits.values()))
"""


def call(sources: Path, cache: Path | None, **variables: str) -> str:
    """The result of a kernel that stands in a folder, and how often it came from a cache, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    own = kept | {"PYTHONDONTWRITEBYTECODE": "1"} | variables
    if cache is not None:
        own |= {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    words = [sys.executable, "-c", CALL, str(sources)]
    return subprocess.run(words, capture_output=True, text=True, check=True, env=own).stdout.strip()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "beside.py").write_text(BESIDE.format("2 * x"))
    return folder


def test_the_cache_is_the_users_and_ends_with_the_sources(sources: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert call(sources, cache) == "9 0"
    assert call(sources, cache) == "9 1"
    assert list(cache.rglob("kernel.total*.nbi"))
    assert not (sources / "__pycache__").exists()
    stamp = (sources / "beside.py").stat()
    (sources / "beside.py").write_text(BESIDE.format("5 * x"))  # as large as before, and as old
    os.utime(sources / "beside.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert call(sources, cache) == "18 0"


def test_numbas_own_variable_names_the_folder(sources: Path, tmp_path: Path) -> None:
    assert call(sources, tmp_path / "cache", NUMBA_CACHE_DIR=str(tmp_path / "own")) == "9 0"
    assert list((tmp_path / "own").rglob("*.nbi"))
    assert not (tmp_path / "cache").exists()


def test_nothing_fails_where_nothing_can_be_written(sources: Path, tmp_path: Path) -> None:
    """A file stands where each folder would be made, which stops the superuser too."""
    (sources / "__pycache__").write_text("")
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("")
    assert call(sources, nowhere) == "9 0"
    assert call(sources, nowhere) == "9 0"


def test_an_installation_that_cannot_be_written_to_has_its_cache(sources: Path, tmp_path: Path) -> None:
    (sources / "__pycache__").write_text("")
    assert [call(sources, tmp_path / "cache") for _ in range(2)] == ["9 0", "9 1"]
    shutil.rmtree(tmp_path / "cache")
    assert call(sources, tmp_path / "cache") == "9 0"


@compiled()
def _shares(part, n_parts, x, out, meeting):
    for i in range(part, len(x), n_parts):
        out[part] += x[i]


@pytest.mark.parametrize("n_parts", [1, 2, 5])
def test_parts_together_are_the_whole(n_parts: int) -> None:
    x, out = np.random.default_rng(0).normal(size=101), np.zeros(n_parts)
    in_parts(_shares, n_parts, x, out, 0)
    np.testing.assert_allclose(out, [sum(x[part::n_parts]) for part in range(n_parts)])


def test_parts_run_at_once_and_their_errors_arrive() -> None:
    barrier = threading.Barrier(3, timeout=20)
    in_parts(lambda part, n_parts: barrier.wait(), 3)

    def fail(part: int, n_parts: int) -> None:
        if part == 1:
            raise ValueError("of one part")

    with pytest.raises(ValueError, match="of one part"):
        in_parts(fail, 2)


def test_compiling_is_announced_once_and_only_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    shown = []

    @contextmanager
    def progress(doing: str) -> Iterator[None]:
        shown.append(doing)
        yield
        shown.append("")

    monkeypatch.setattr(module, "progress", progress)

    @compiled()
    def inner(x):
        return x + 1

    @compiled()
    def outer(x):
        return inner(x) * 2

    @numba.njit
    def foreign(x):
        return x

    assert (foreign(1), shown) == (1, [])
    assert [outer(1), outer(2)] == [4, 6]
    assert shown == ["compiling kernels, once per installation", ""]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_does_not_wait_for_the_other_parts(failing: int) -> None:
    raised, ended = threading.Event(), []

    def wait(part: int, n_parts: int) -> None:
        if part == failing:
            raise ValueError("of one part")
        if part:
            ended.append(raised.wait(timeout=20))

    with pytest.raises(ValueError, match="of one part"):
        in_parts(wait, 3)
    assert not ended
    raised.set()
