"""Batch jobs over checkpoints of the paper's size (p=97, N=500), and over one network of very many neurons.

Makes 2,000 checkpoints (1.2 GB) and a network of a million neurons (another 1.2 GB) in a folder of the temporary ones,
or that `GROKSCOPE_BENCHMARKS` names, if they are not there yet; for large lines one of ten million (12 GB).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp
from typing import Any

import numpy as np
from timing import Contest, Cost, Limit, Line, Peer, at_least, at_most, cost_of

P, WIDTH, COUNT = 97, 500, 2_000
SIZES = {"1,000": 10**3, "10,000": 10**4, "100,000": 10**5}
FOLDER = Path(os.environ.get("GROKSCOPE_BENCHMARKS", Path(gettempdir()) / "grokscope-benchmarks"))


def make(folder: Path, count: int = COUNT) -> list[str]:
    """Networks in which a growing part of the neurons is periodic, one checkpoint each."""
    import torch

    from interp.checkpoints import save_checkpoint
    from interp.data import ModularTask
    from interp.models import HookedMLP, MLPConfig

    folder.mkdir(parents=True, exist_ok=True)
    task = ModularTask("add", p=P, train_fraction=0.5, corrupt_fraction=0.35)
    model, generator = HookedMLP(MLPConfig(width=WIDTH), P), np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(P) / P
    paths = [folder / f"step-{i:08d}.safetensors" for i in range(count)]
    for i, path in enumerate(paths):
        if path.exists():
            continue
        periodic = WIDTH * i // count
        k, phases = (
            generator.integers(1, P // 2 + 1, periodic),
            generator.uniform(0, 2 * np.pi, (3, periodic)),
        )
        waves = [np.cos(np.outer(angle, k) + phase) for phase in (*phases[:2], phases[0] + phases[1])]
        with torch.no_grad():
            embed, unembed = model.embed.W_E, model.unembed.weight
            for matrix in (embed, unembed):
                matrix.copy_(torch.from_numpy(generator.normal(0, 0.3, tuple(matrix.shape))))
            embed[0, :, :periodic] += torch.from_numpy(waves[0])
            embed[1, :, :periodic] += torch.from_numpy(waves[1])
            unembed[:periodic] += torch.from_numpy(waves[2].T)
        save_checkpoint(path, model, task, step=i)
    return [str(path) for path in paths]


def matrices(path: str) -> list[Any]:
    """A checkpoint's three matrices, as tensors."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    return [*tensors["embed.W_E"].transpose(1, 2), tensors["unembed.W_U"]]


def bare_loop(paths: list[str]) -> None:
    """What the job is compared with: load every file, and transform its matrices."""
    import torch

    torch.set_num_threads(1)
    for path in paths:
        for matrix in matrices(path):
            torch.fft.rfft(matrix)


def job(paths: list[str], workers: int) -> Cost:
    """A job into an empty folder, all of it but audits of outliers."""
    from interp.jobs import batch

    out = Path(mkdtemp(prefix="job-", dir=FOLDER))

    def run() -> None:
        result = batch(paths, out / "scored", workers=workers, outliers=0)
        if (result.done, result.failed) != (len(paths), 0):
            raise RuntimeError(f"{result.failed} of {len(paths)} checkpoints failed")

    try:
        cost = cost_of(run)
        return cost if workers == 1 else Cost(cost.wall, 0)  # what workers use is not known here
    finally:
        rmtree(out)


def authors_loop(vectors: list[np.ndarray]) -> list[float]:
    """IPR of one neuron after another."""
    scores = []
    for rows in zip(*vectors, strict=True):
        each = []
        for row in rows:
            spectrum = np.abs(np.fft.rfft(row))
            each.append((np.linalg.norm(spectrum, 4) / np.linalg.norm(spectrum, 2)) ** 4)
        scores.append(np.mean(each))
    return scores


def spectra(threads: int) -> Contest:
    """IPR of all neurons of one network whose weights are in memory."""
    import torch
    from threadpoolctl import threadpool_limits

    from probes.periodicity import ipr
    from probes.spectrum import real_dft

    threadpool_limits(threads)
    torch.set_num_threads(threads)
    stacked = torch.stack([one.contiguous() for one in matrices(make(FOLDER / "series")[-1])])
    stack = stacked.numpy()
    peers = {
        "bare batched rfft of torch": Peer(lambda: lambda: torch.fft.rfft(stacked), at_least(2)),
        "one neuron at a time": Peer(lambda: lambda: authors_loop(list(stack)), at_least(20)),
    }
    return Contest(lambda: ipr(real_dft(stack).power), peers)


ALONE = """
import json, sys, tempfile
from interp.jobs import batch
paths, first = json.load(sys.stdin)
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as out:
    batch(first, out + "/first", workers=1, outliers=0)
    result = batch(paths, out + "/all", workers=1, outliers=0)
    rows = result.store.checkpoints.to_pylist()
    assert not result.failed, rows[0]["error"]
    print(sum(row["seconds"] for row in rows))
"""


def alone(paths: list[str], first: str, neurons: int) -> Cost:
    """Measuring a neuron, in a process of its own that measured one file before."""
    run = subprocess.run(
        [sys.executable, "-c", ALONE, str(FOLDER)],
        input=json.dumps([paths, first]), capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    seconds = float(run.stdout) / neurons
    return Cost(seconds, seconds)


def sharded(width: int) -> str:
    """A network of random weights in two shards, written block by block, and the index of its shards."""
    from interp.checkpoints.files import FORMAT
    from interp.data import ModularTask
    from interp.models import HookedMLP, MLPConfig

    folder, name = FOLDER / "wide", f"wide-{width}"
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / f"{name}.safetensors.index.json"
    if index.exists():
        return str(index)
    generator = np.random.default_rng(width)
    shapes = {"embed.W_E": (2, P, width), "unembed.W_U": (width, P)}
    files = {tensor: f"{name}-{i:05d}-of-00002.safetensors" for i, tensor in enumerate(shapes, 1)}
    for tensor, shape in shapes.items():
        left = int(np.prod(shape))
        header = json.dumps(
            {tensor: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * left]}}
        ).encode()
        with (folder / files[tensor]).open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            while left:
                block = generator.standard_normal(min(left, 2**24), dtype=np.float32)
                block.tofile(file)
                left -= len(block)
    model = HookedMLP(MLPConfig(width=1), P).to_dict() | {"width": width}
    settings = {"format": FORMAT, "step": 0, "model": model, "task": ModularTask("add", p=P).to_dict()}
    (folder / f"{name}.json").write_text(json.dumps(settings))
    index.write_text(json.dumps({"weight_map": files}))
    return str(index)


def flat(width: int) -> Contest:
    """Cost a neuron of one network of so many neurons, and of series of networks of 500."""
    series, wide = make(FOLDER / "series"), sharded(width)
    peers = {
        f"{words} neurons in files of {WIDTH}": Peer(
            lambda n=n: lambda: alone(series[-n // WIDTH :], series[0], n), Limit("within", 1.25)
        )
        for words, n in SIZES.items()
    }
    return Contest(lambda: alone([wide], series[0], width), peers, memory=2, started=True)


def jobs(workers: int, peer: str, other: Callable[[list[str]], object], limit: Limit | None) -> Contest:
    paths = make(FOLDER / "series")
    return Contest(lambda: job(paths, workers), {peer: Peer(lambda: lambda: other(paths), limit)})


LINES = {
    "spectra": Line(f"IPR of 3 x {WIDTH} vectors, one thread", lambda: spectra(1)),
    "spectra-two-threads": Line(f"IPR of 3 x {WIDTH} vectors, two threads", lambda: spectra(2)),
    "batch-job": Line(
        f"batch of {COUNT:,} checkpoints, one worker",
        lambda: jobs(1, "load and rfft alone", bare_loop, at_most(5)),
    ),
    "batch-workers": Line(
        f"batch of {COUNT:,} checkpoints, two workers",
        lambda: jobs(2, "one worker", lambda paths: job(paths, 1), at_least(1.7)),
    ),
    "batch-neurons": Line("batch, a neuron of a network of 1,000,000", lambda: flat(10**6)),
    "batch-neurons-large": Line(
        "batch, a neuron of a network of 10,000,000", lambda: flat(10**7), large=True
    ),
}
