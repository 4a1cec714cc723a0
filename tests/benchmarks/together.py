"""Training many networks as one computation, against one after another."""

from __future__ import annotations

from timing import Contest, Cost, Line, Peer, at_least, cost_of

from interp.data import ModularTask
from interp.models import MLPConfig
from interp.training import TrainConfig, TrainingRun, finish, prepare, train_together

COUNT, FEW, STEPS = 16, 4, 100
SHAPES = {"small": (11, 32, 2.0), "medium": (53, 200, 1.0), "paper": (97, 500, 0.8)}
"""p, width, and how many times faster at least."""


def runs(p: int, width: int, count: int, steps: int = STEPS, device: str = "cpu") -> list[TrainingRun]:
    """Networks that differ by seed, ready to train; measured at the first and the last step only."""
    config = {"steps": steps, "log_every": steps, "weight_decay": 1.0}
    tasks = [ModularTask("add", p=p, train_fraction=0.5, corrupt_fraction=0.35, seed=i) for i in range(count)]
    return [
        prepare(task, MLPConfig(width=width), TrainConfig(seed=i, **config), device=device)
        for i, task in enumerate(tasks)
    ]


def together(p: int, width: int, count: int, steps: int, device: str = "cpu") -> Cost:
    """Of a network, when all are trained as one computation."""
    own = runs(p, width, count, steps, device)
    return cost_of(lambda: train_together(own)).times(1 / count)


def one_by_one(p: int, width: int, count: int, steps: int, device: str = "cpu") -> Cost:
    """Of a network, when one is trained after another."""
    own = runs(p, width, count, steps, device)

    def train() -> None:
        for run in own:
            finish(run)

    return cost_of(train).times(1 / count)


def contest(p: int, width: int, least: float) -> Contest:
    steps = STEPS if p < 90 else STEPS // 5
    peer = Peer(
        lambda: lambda: one_by_one(p, width, FEW, steps), at_least(least), note="a network of several"
    )
    return Contest(lambda: together(p, width, COUNT, steps), {"one after another": peer})


LINES = {
    f"together-{name}": Line(
        f"{COUNT} networks trained together, p={p}, N={width}",
        lambda p=p, width=width, least=least: contest(p, width, least),
    )
    for name, (p, width, least) in SHAPES.items()
}
