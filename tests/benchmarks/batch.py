"""What batch jobs cost, as ratios in one run: ``python tests/benchmarks/batch.py [FOLDER] [--neurons]``.

Makes 2,000 checkpoints of the paper's size (p=97, N=500; 1.2 GB) in the folder, if they are not there yet, and
compares a job over them with a bare loop, one worker with two, and scoring with other ways to compute the same. With
``--neurons`` also the cost per neuron from 10³ to 10⁷ neurons (another 13 GB).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import numpy as np

P, WIDTH, COUNT, SAMPLE = 97, 500, 2_000, 200
REPEATS, ROUNDS = 200, 3


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


def bare_loop(paths: list[str]) -> float:
    """Seconds of what the job is compared with: load every file, and transform its matrices."""
    import torch

    start = perf_counter()
    for path in paths:
        for matrix in matrices(path):
            torch.fft.rfft(matrix)
    return perf_counter() - start


def job(paths: list[str], workers: int) -> float:
    """Seconds of a job into an empty folder, all of it but audits of outliers."""
    from interp.jobs import batch

    out = Path(mkdtemp(prefix="grokscope-benchmark-"))
    try:
        found = batch(paths, out / "scored", workers=workers, outliers=0)
        assert (found.done, found.failed) == (len(paths), 0)
        return found.seconds
    finally:
        rmtree(out)


def best(compute: Any, repeats: int = REPEATS) -> float:
    """Milliseconds, the median of many."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        compute()
        times.append(perf_counter() - start)
    return 1e3 * median(times)


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


def scoring(path: str) -> None:
    """IPR of all neurons of one network whose weights are in memory."""
    import torch
    from threadpoolctl import threadpool_limits

    from probes import spectrum
    from probes.periodicity import ipr
    from probes.spectrum import real_dft

    tensors = [matrix.contiguous() for matrix in matrices(path)]
    stacked, stack = torch.stack(tensors), np.stack([tensor.numpy() for tensor in tensors])
    loop = best(lambda: authors_loop(list(stack)), 5)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            rfft = best(lambda: torch.fft.rfft(stacked))
            own = best(lambda: [ipr(found.power) for found in map(real_dft, stack)])
        print(f"IPR of 3 x {WIDTH} vectors, {threads} threads: {own:.3f} ms; one neuron at a time {loop:.1f} ms "
              f"({loop / own:.0f}x), bare batched rfft {rfft:.3f} ms ({rfft / own:.1f}x)")  # fmt: skip
    for n in (59, 97, 113, 257, 509, 769, 1021):
        x = np.random.default_rng(0).normal(size=(1500, n)).astype(np.float32)
        limit = spectrum.LARGEST_PRODUCT
        times = []
        for spectrum.LARGEST_PRODUCT in (10**6, 0):
            times.append(best(lambda x=x: real_dft(x), 20))
        spectrum.LARGEST_PRODUCT = limit
        print(f"  n={n}: by matrix product {times[0]:.2f} ms, by FFT {times[1]:.2f} ms")


def alone(paths: list[str], first: str) -> tuple[float, float]:
    """Seconds of measuring, and most memory in MiB, of a job in a process of its own that measured one file before."""
    code = (
        "import sys, json, tempfile\nfrom interp.jobs import batch\nfrom interp.jobs.worker import peak_memory\n"
        "paths, first = json.load(sys.stdin), sys.argv[2]\n"
        "with tempfile.TemporaryDirectory(dir=sys.argv[1]) as out:\n"
        "    batch(first, out + '/first', workers=1, outliers=0)\n"
        "    found = batch(paths, out, workers=1, outliers=0)\n"
        "    assert not found.failed, found.store.checkpoints.to_pylist()[0]['error']\n"
        "    print(sum(found.store.checkpoints['seconds'].to_pylist()), peak_memory() / 2**20)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(paths[0]).parents[1]), first],
        input=json.dumps(paths), capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, memory = map(float, run.stdout.split())
    return seconds, memory


def sharded(folder: Path, width: int) -> Path:
    """A network of random weights in two shards, written neuron block by neuron block, and the index of its shards."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"wide-{width}"
    index = folder / f"{name}.safetensors.index.json"
    if index.exists():
        return index
    generator = np.random.default_rng(width)
    shapes = {"embed.W_E": (2, P, width), "unembed.W_U": (width, P)}
    for i, (tensor, shape) in enumerate(shapes.items(), 1):
        size = 4 * int(np.prod(shape))
        header = json.dumps({tensor: {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
        with (folder / f"{name}-{i:05d}-of-00002.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            left = size // 4
            while left:
                block = generator.standard_normal(min(left, 2**24), dtype=np.float32)
                block.tofile(file)
                left -= len(block)
    from interp.data import ModularTask

    task = ModularTask("add", p=P)
    model = {
        "kind": "mlp",
        "vocab": P,
        "n_outputs": P,
        "n_tokens": 2,
        "width": width,
        "depth": 2,
        "tied": False,
    }
    settings = {"format": "grokscope-1", "step": 0, "model": model, "task": task.to_dict()}
    (folder / f"{name}.json").write_text(json.dumps(settings))
    files = {tensor: f"{name}-{i:05d}-of-00002.safetensors" for i, tensor in enumerate(shapes, 1)}
    index.write_text(json.dumps({"weight_map": files}))
    return index


def cost_per_neuron(folder: Path, series: list[str]) -> None:
    """From two checkpoints of 500 neurons to one of ten million."""
    for neurons in (10**3, 10**4, 10**5, 10**6, 10**7):
        paths = series[-neurons // WIDTH :] if neurons <= 10**5 else [str(sharded(folder / "wide", neurons))]
        runs = [alone(paths, series[0]) for _ in range(3 if neurons < 10**6 else 1)]
        seconds, memory = min(runs)
        print(
            f"{neurons:>10,} neurons: {1e6 * seconds / neurons:.2f} us each, peak {memory:.0f} MiB",
            flush=True,
        )


def main() -> None:
    """Print all ratios."""
    import torch

    folder = Path(next((a for a in sys.argv[1:] if not a.startswith("-")), "/tmp/grokscope-benchmark"))
    paths = make(folder / "series")
    scoring(paths[-1])
    for threads in (1, 2):
        torch.set_num_threads(threads)
        bare_loop(paths[:SAMPLE])
        print(f"bare loop, {threads} threads: {1e3 * bare_loop(paths) / COUNT:.2f} ms a checkpoint")
    torch.set_num_threads(1)
    job(paths[:SAMPLE], 1)
    rounds = [(bare_loop(paths), job(paths, 1), job(paths, 2)) for _ in range(ROUNDS)]
    bare, one, two = (median(times) for times in zip(*rounds, strict=True))
    print(f"{COUNT} checkpoints: bare loop {bare:.2f} s, one worker {one:.2f} s ({one / bare:.2f}x), "
          f"two workers {two:.2f} s ({one / two:.2f}x faster than one)")  # fmt: skip
    few, many = alone(paths[:SAMPLE], paths[-1])[1], alone(paths, paths[0])[1]
    print(f"peak memory: {few:.0f} MiB at {SAMPLE}, {many:.0f} MiB at {COUNT} ({many / few - 1:+.1%})")
    if "--neurons" in sys.argv:
        cost_per_neuron(folder, paths)


if __name__ == "__main__":
    main()
