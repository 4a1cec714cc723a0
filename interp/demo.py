"""The main job in one call: train the paper's network on corrupted labels, and audit it."""

from __future__ import annotations

from pathlib import Path

import torch

from interp.audit import AuditReport, audit
from interp.data import ModularTask
from interp.models import MLPConfig
from interp.training import TrainConfig, train


def demo(
    out: Path | str = "grokscope-demo",
    *,
    steps: int = 1000,
    weight_decay: float = 0.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> AuditReport:
    """Train the network of arXiv 2310.13061 with 35 % of its labels redrawn, and audit it.

    Run again, it takes up the trained network.

    Args:
        out: Folder for the series.
        steps: Training steps.
        weight_decay: Above 5 the corrupted labels are unlearnt.
        seed: Of task, network and random draws.
        device: Where to compute.

    Raises:
        ConfigError: `out` holds a series that was made with other settings.
        KeyboardInterrupt: Ctrl-C; the series is kept and resumable.

    Example:
        ``demo("runs/demo").save("report.html")``
    """
    task = ModularTask("add", p=97, train_fraction=0.5, corrupt_fraction=0.35, seed=seed)
    config = TrainConfig(steps=steps, weight_decay=weight_decay, seed=seed)
    result = train(task, MLPConfig(width=500), config, out=out, resume=True, device=device)
    if result.step < steps:
        raise KeyboardInterrupt
    return audit(out, device=device, seed=seed)
