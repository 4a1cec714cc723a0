"""Checkpoints for jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from batches import Make, P, network

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write checkpoints of small networks, ``runs/step-….safetensors``; each has another content."""

    def make_checkpoints(count: int, folder: str = "runs") -> list[Path]:
        task = ModularTask("add", p=P, train_fraction=0.7, corrupt_fraction=0.2)
        return [
            save_checkpoint(tmp_path / folder / f"step-{i:08d}", network(i), task, step=i)
            for i in range(count)
        ]

    return make_checkpoints


@pytest.fixture
def killer(tmp_path: Path) -> Path:
    """A user's module whose building ends the process, and weights for it."""
    factory = tmp_path / "killer.py"
    factory.write_text("import os\n\n\ndef build():\n    os._exit(9)\n")
    model = HookedMLP(MLPConfig(width=4), 3)
    torch.save(model.state_dict(), tmp_path / "victim.pt")
    return factory
