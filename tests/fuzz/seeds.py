"""Whole files from which spoilt ones are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign import output_first, transformer

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.models import HookedMLP, Prompt, SmallTransformer, TransformerConfig, analytic_mlp

P = 7


def noisy_mlp(seed: int = 0) -> HookedMLP:
    """The closed form with noise, so that it answers most examples but not all: a changed weight shows."""
    model = analytic_mlp("add", p=P, width=20)
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor += 0.5 * tensor.std() * torch.randn(tensor.shape, generator=generator)
    return model


def native_mlp(folder: Path) -> Path:
    """A checkpoint of ours, with a training curve beside it."""
    task = ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.2)
    history = [
        {"step": step, "loss": 0.5, "accuracy": {"train": 0.5, "test": 0.25 * step}, "margin": {"test": 0.1}}
        for step in range(4)
    ]
    (folder / "history.json").write_text(json.dumps(history))
    return save_checkpoint(
        folder / "step-00000003", noisy_mlp(), task, step=3, training={"lr": 0.1}, metrics={"loss": 1}
    )


def native_transformer(folder: Path) -> Path:
    config = TransformerConfig(d_model=12, n_heads=3, d_head=4, d_mlp=10, activation="relu")
    model = SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=3)
    for tensor in model.state_dict().values():
        tensor *= 3
    return save_checkpoint(folder / "small", model, ModularTask("subtract", p=P), step=1)


def doshi() -> dict[str, torch.Tensor]:
    """The tensors of a stranger's perceptron."""
    model = noisy_mlp(1)
    first = torch.cat([table.T for table in model.embed.W_E.detach()], dim=1)
    return {"fc1.weight": first.clone(), "fc2.weight": model.unembed.weight.detach().T.clone()}


def nanda() -> dict[str, torch.Tensor]:
    """The tensors of a stranger's transformer."""
    net = transformer(vocab=P + 1, n_ctx=3, n_outputs=P + 1, seed=5)
    mask = np.tril(np.ones((3, 3)))
    return {
        name: torch.tensor(np.ascontiguousarray(a), dtype=torch.float32)
        for name, a in output_first(net, mask=mask).items()
    }


def table_rows(random: Any) -> list[list[str]]:
    """A table of all pairs, the header first."""
    rows = [["a", "b", "label", "split"]]
    rows += [
        [str(a), str(b), str((a + b) % P), random.choice(("train", "test"))]
        for a in range(P)
        for b in range(P)
    ]
    return rows


JOB = """out = "results"
workers = 1
measure = "labels"
outliers = 0
[[files]]
paths = ["run"]
seed = 1
[[files]]
paths = ["*.pt", "run/*"]
task = "add"
p = 7
activation = "square"
[grid]
seed = [0, 1]
"""
GRID = """out = "swept"
title = "a title"
p = 7
width = 8
steps = 2
save_every = 1
measure = "labels"
early_stop = true
[grid]
weight_decay = [0, 1.5]
seed = [0, 1]
[[runs]]
name = "plain"
expect = "confusion"
[[runs]]
name = "noisy"
corrupt_fraction = 0.2
expect = ["memorisation", "confusion"]
[runs.grid]
lr = [0.01, 0.1]
"""
