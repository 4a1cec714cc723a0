"""Training many networks as one computation, against one after another: ``python tests/benchmarks/together.py``.

Prints seconds a network for both, and their ratio, for the paper's network and for small ones. ``--device cuda --count
64`` is for a GPU, where the paper's networks should train at least 20 times faster together.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import torch

from interp.data import ModularTask
from interp.devices import resolve_device
from interp.models import MLPConfig
from interp.training import TrainConfig, TrainingRun, finish, prepare, train_together

SHAPES = {
    "p=11 width=32": (11, 32),
    "p=23 width=64": (23, 64),
    "p=53 width=200": (53, 200),
    "p=97 width=500": (97, 500),
}


def runs(p: int, width: int, count: int, steps: int, device: str) -> list[TrainingRun]:
    """Networks that differ by seed, ready to train; measured at the first and the last step only."""
    config = {"steps": steps, "log_every": steps, "weight_decay": 1.0}
    tasks = [ModularTask("add", p=p, train_fraction=0.5, corrupt_fraction=0.35, seed=i) for i in range(count)]
    return [
        prepare(task, MLPConfig(width=width), TrainConfig(seed=i, **config), device=device)
        for i, task in enumerate(tasks)
    ]


def seconds(train: object, given: list[TrainingRun], device: str) -> float:
    """How long training takes a network, the measurements at both ends included."""
    start = perf_counter()
    train(given)
    if device != "cpu":
        torch.cuda.synchronize()
    return (perf_counter() - start) / len(given)


def alone(given: list[TrainingRun]) -> None:
    """Train one after another."""
    for run in given:
        finish(run)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--count", type=int, default=16, help="networks that are trained together")
    parser.add_argument("--steps", type=int, default=100)
    chosen = parser.parse_args()
    device = str(resolve_device(chosen.device))
    print(
        f"{chosen.count} networks, {chosen.steps} steps each, on {device}, {torch.get_num_threads()} threads"
    )
    print(f"{'network':>16} {'alone (s)':>10} {'together (s)':>13} {'times faster':>13}")
    for name, (p, width) in SHAPES.items():
        few = max(1, min(4, chosen.count))
        alone(runs(p, width, 1, 5, device))
        one = seconds(alone, runs(p, width, few, chosen.steps, device), device)
        many = seconds(train_together, runs(p, width, chosen.count, chosen.steps, device), device)
        print(f"{name:>16} {one:10.3f} {many:13.3f} {one / many:13.2f}")


if __name__ == "__main__":
    main()
