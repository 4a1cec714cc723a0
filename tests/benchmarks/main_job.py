"""What the main job costs, as ratios against named baselines in one run.

    python tests/benchmarks/main_job.py

The network is the paper's: p=97, 500 quadratic neurons, half of all pairs trained on. Baselines alternate with what
they are compared to, a few runs of each in turn, and medians are quoted, so that a drifting machine moves both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from interp.data import ModularTask
from interp.hooks import evaluation_mode
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.effects import single_effects
from interp.measuring.evaluation import measure_logits
from interp.models import HookedMLP, MLPConfig
from interp.training import TrainConfig, TrainingRun

P, WIDTH = 97, 500
TURN = 5


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternate(rounds: int, **work: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each piece of work; they take turns of `TURN` runs after a warm-up run each turn."""
    times = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            run()
            times[name] += [seconds(run) for _ in range(TURN)]
    return {name: float(np.median(values)) for name, values in times.items()}


def column_gather_step(task: ModularTask) -> Callable[[], None]:
    """A training step as the authors' notebook lays it out: weights (neuron, token), gathered by column."""
    data, generator = task.dataset, torch.Generator().manual_seed(0)
    a, b = data.inputs[data.train].T.contiguous()
    targets = F.one_hot(data.labels[data.train], P).float().T
    shapes = ((WIDTH, P), (WIDTH, P), (P, WIDTH))
    u, v, w = (torch.nn.Parameter(torch.randn(*shape, generator=generator) * 0.05) for shape in shapes)
    optimizer = torch.optim.AdamW([u, v, w], lr=0.01, betas=(0.9, 0.98))

    def step() -> None:
        optimizer.zero_grad()
        ((w @ (u[:, a] + v[:, b]) ** 2 - targets) ** 2).mean().backward()
        optimizer.step()

    return step


def matrix_products(n: int) -> Callable[[], object]:
    x, w, g = torch.randn(n, WIDTH), torch.randn(WIDTH, P), torch.randn(n, P)
    return lambda: (x @ w, g @ w.T, x.T @ g)


def curve_by_hooks(model: HookedMLP, task: ModularTask, order: np.ndarray, steps: int) -> None:
    """The same curve with one `run_with_hooks` a step."""
    mask = torch.ones(WIDTH)
    with evaluation_mode(model):
        for k in range(steps):
            if k:
                mask[order[k - 1]] = 0
            hook = ("blocks.0.mlp.hook_post", lambda x, hook: x * mask)
            measure_logits(model.run_with_hooks(task.dataset.inputs, fwd_hooks=[hook]), task.dataset)


def main() -> None:
    """Print every ratio with its baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    task = ModularTask("add", p=P, train_fraction=0.5, corrupt_fraction=0.35)
    model = HookedMLP(MLPConfig(width=WIDTH), vocab=P).eval()
    state, order, inputs = cached_pass(model, task), np.arange(WIDTH), task.dataset.inputs

    def forward() -> None:
        with torch.no_grad():
            model(inputs)

    found = alternate(
        rounds,
        forward=forward,
        curve=lambda: measure_curve(state, order, n_random=0),
        effects=lambda: single_effects(state),
    )
    by_hooks = seconds(lambda: curve_by_hooks(model, task, order, WIDTH + 1))
    with_control = seconds(lambda: measure_curve(state, order, n_random=20))
    run = TrainingRun(HookedMLP(MLPConfig(width=WIDTH), vocab=P), task, TrainConfig())
    steps = alternate(
        rounds,
        ours=run.update,
        gather=column_gather_step(task),
        products=matrix_products(int(task.dataset.train.sum())),
    )
    print(f"one forward pass over all pairs                      {1e3 * found['forward']:8.1f} ms")
    print(f"full curve, 501 points, every split                  {1e3 * found['curve']:8.1f} ms")
    print(f"  in forward passes (at most 12)                     {found['curve'] / found['forward']:8.1f}")
    print(f"  times faster than run_with_hooks (at least 50)     {by_hooks / found['curve']:8.1f}")
    print(f"all single-neuron effects, in forward passes         {found['effects'] / found['forward']:8.1f}")
    print(f"full curve with 20 random ones                       {1e3 * with_control:8.1f} ms")
    print(f"training step                                        {1e3 * steps['ours']:8.1f} ms")
    print(f"  times faster than column gather (at least 2.2)     {steps['gather'] / steps['ours']:8.2f}")
    print(f"  over its three matrix products (at most 2)         {steps['ours'] / steps['products']:8.2f}")


if __name__ == "__main__":
    main()
