"""The same rows from a Ray cluster of two nodes on this machine, also when one of them dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import Make, assert_same, rows_of

from interp.errors import ConfigError
from interp.jobs import batch

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::ray"), pytest.mark.timeout(280)]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes with one processor each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.second = started.add_node(num_cpus=1)
    yield started
    started.shutdown()


def test_two_nodes_give_the_rows_of_one_process(make: Make, tmp_path: Path, cluster: Any) -> None:
    make(24)
    (tmp_path / "runs" / "broken.safetensors").write_bytes(b"")
    options = {"measure": "labels", "outliers": 0}
    alone = batch(tmp_path / "runs", tmp_path / "alone", workers=1, **options)
    spread = batch(
        tmp_path / "runs", tmp_path / "spread", engine="ray", ray_address=cluster.address, **options
    )
    assert (spread.done, spread.failed) == (alone.done, alone.failed) == (24, 1)
    assert_same(alone.store, spread.store)


def test_a_node_that_dies_midway_costs_no_row(make: Make, tmp_path: Path, cluster: Any) -> None:
    make(200)
    options = {"measure": "labels", "outliers": 0}

    def kill() -> None:
        deadline = time.monotonic() + 120
        while (
            not list((tmp_path / "spread" / "checkpoints").glob("*.parquet")) and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    spread = batch(
        tmp_path / "runs", tmp_path / "spread", engine="ray", ray_address=cluster.address, **options
    )
    killer.join()
    assert (spread.done, spread.failed) == (200, 0)
    parts = list((tmp_path / "spread" / "checkpoints").glob("*.parquet"))
    assert len(parts) > 1  # the node died before the job was done
    alone = batch(tmp_path / "runs", tmp_path / "alone", workers=1, **options)
    assert len(rows_of(spread.store)) == 200
    assert_same(alone.store, spread.store)


def test_a_cluster_that_is_not_there_is_one_error(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    make(1)
    with pytest.raises(ConfigError, match=r"cannot reach the Ray cluster at '127\.0\.0\.1:1'"):
        batch(tmp_path / "runs", tmp_path / "out", engine="ray", ray_address="127.0.0.1:1")


def test_a_cluster_of_its_own_is_warned_of(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    make(1)
    with pytest.warns(UserWarning, match="listens on all its network addresses"):
        result = batch(tmp_path / "runs", tmp_path / "out", engine="ray", workers=1, outliers=0)
    assert result.done == 1
