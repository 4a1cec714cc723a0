"""What runs on a GPU, against the same on the processor: seconds, and figures that agree to 1e-4.

``python tests/benchmarks/all.py --device cuda``; a line fails where the figures of both differ by more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from main_job import TASK, WIDTH, P, mostly_periodic
from timing import Contest, Line, Peer, Work, at_least

from interp import audit
from interp.data import ModularTask
from interp.language.memory import memory_of
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.models import HookedMLP, MLPConfig
from interp.training import TrainConfig, prepare, train_together

sys.path.insert(0, str(Path(__file__).parents[1]))

DEVICE = os.environ.get("GROKSCOPE_DEVICE", "cuda")
CLOSE, NETWORKS, STEPS = 1e-4, 64, 50
COSTS = ("seconds", "duration", "path", "version", "memory")
"""Parts of the names of values that differ from run to run."""


def numbers_in(value: Any, name: str = "") -> dict[str, float]:
    """Every number in nested dictionaries, lists and arrays, by its dotted name, without costs.

    Example:
        >>> numbers_in({"a": [1, 2.5], "seconds": 3})
        {'a.0': 1.0, 'a.1': 2.5}
    """
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):
        parts = enumerate(value)
    else:
        is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        return {name: float(value)} if is_number else {}
    found: dict[str, float] = {}
    for key, own in parts:
        if not any(cost in str(key) for cost in COSTS):
            found |= numbers_in(own, f"{name}.{key}" if name else str(key))
    return found


def check_close(one: Any, other: Any, close: float = CLOSE) -> None:
    """Raise an `AssertionError` that names the number that differs most, if it does by more than `close`."""
    a, b = numbers_in(one), numbers_in(other)
    if a.keys() != b.keys():
        raise AssertionError(f"only one device gives {sorted(a.keys() ^ b.keys())[:5]}")
    differences = {
        name: abs(a[name] - b[name]) for name in a if not np.isclose(a[name], b[name], close, close, True)
    }
    if differences:
        worst = max(differences, key=differences.get)
        raise AssertionError(
            f"{len(differences)} of {len(a)} numbers differ; {worst}: {a[worst]} and {b[worst]}"
        )


def contest(start: Callable[[str], Callable[[], Any]], least: float = 1.0) -> Contest:
    """The same on both devices, after a check that the figures agree."""
    ours, theirs = start(DEVICE), start("cpu")
    check_close(ours(), theirs())
    return Contest(synchronised(ours), {"the processor": Peer(lambda: theirs, at_least(least))})


def synchronised(work: Work) -> Work:
    """A run that is over when the device is done."""

    def run() -> None:
        work()
        if DEVICE.startswith("cuda"):
            torch.cuda.synchronize()

    return run


def audited(device: str) -> Callable[[], Any]:
    model = mostly_periodic()
    return lambda: audit(deepcopy(model), TASK, device=device).to_dict()


def curve(device: str) -> Callable[[], Any]:
    state = cached_pass(mostly_periodic().to(device), TASK)
    return lambda: vars(measure_curve(state, np.arange(WIDTH), n_random=2))["accuracy"]


def grid(device: str, networks: int = NETWORKS, p: int = P, width: int = WIDTH) -> Callable[[], Any]:
    """Networks that differ by seed, trained together; their weights are the figures."""

    def train() -> Any:
        settings = {"steps": STEPS, "log_every": STEPS, "weight_decay": 1.0}
        tasks = [ModularTask("add", p=p, train_fraction=0.5, seed=i) for i in range(networks)]
        runs = [
            prepare(task, MLPConfig(width=width), TrainConfig(seed=i, **settings), device=device)
            for i, task in enumerate(tasks)
        ]
        results = train_together(runs)
        models: list[HookedMLP] = [one.model for one in results]
        return {i: float(model.embed.W_E.detach().square().mean()) for i, model in enumerate(models)}

    return train


def sequences(device: str, source: Any = None, length: int = 64) -> Callable[[], Any]:
    """Memory of sequences of random tokens in a language model."""
    from language_models import real_model

    model = open_language_model(real_model() if source is None else deepcopy(source), device=device)
    rows = np.random.default_rng(0).integers(0, 32, (8, length))
    given = token_sequences(rows)
    return lambda: {
        name: column
        for name, column in memory_of(model, given).table.columns.items()
        if column.dtype.kind == "f"
    }


LINES = {
    f"{DEVICE}-{name}": Line(f"{words}, on {DEVICE}", partial(contest, start))
    for name, words, start in (
        ("audit", f"audit, p={P}, N={WIDTH}", audited),
        ("curve", f"curve with two random ones, p={P}, N={WIDTH}", curve),
        ("grid", f"{NETWORKS} networks trained together for {STEPS} steps", grid),
        ("sequences", "memory of 8 sequences in SmolLM2-135M", sequences),
    )
}
