"""The main job at the paper's size: p=97, 500 quadratic neurons, half of all pairs trained on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import torch
from peers import curve_peers, effect_peers, forward_of
from timing import Contest, Line, Peer, Work, at_least, at_most
from torch.nn import functional as F

from interp import audit
from interp.data import ModularTask
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.effects import single_effects
from interp.models import HookedMLP, MLPConfig, analytic_mlp
from interp.safeguards import kept_memory
from interp.training import TrainConfig, TrainingRun

WITHIN = ExitStack()
"""What a line's process computes in, until it ends."""
P, WIDTH, SOME = 97, 500, 16
TASK = ModularTask("add", p=P, train_fraction=0.5, corrupt_fraction=0.35)


def mostly_periodic() -> HookedMLP:
    """The closed form, of which a fifth of the neurons are noise."""
    model, generator = analytic_mlp("add", P, width=WIDTH), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in (model.embed.W_E[..., -WIDTH // 5 :], model.unembed.weight[-WIDTH // 5 :]):
            weights.normal_(0, 0.05, generator=generator)
    return model


def audited() -> Contest:
    model = mostly_periodic()
    return Contest(lambda: audit(model, TASK), {}, seconds=3)


def curve() -> Contest:
    """All cumulative removals, on every split; peers measure one accuracy."""
    model = mostly_periodic()
    state, order = cached_pass(model, TASK), np.arange(WIDTH)
    own = {"forward passes": Peer(lambda: forward_of(model, TASK), at_most(8))}
    peers = {**own, **curve_peers(model, TASK, SOME, WIDTH, 50)}
    return Contest(lambda: measure_curve(state, order, n_random=0), peers)


def effects() -> Contest:
    """Each neuron's own effect on accuracies and margins of every split; peers measure one accuracy."""
    model = mostly_periodic()
    state = cached_pass(model, TASK)
    own = {"forward passes": Peer(lambda: forward_of(model, TASK), at_most(10))}
    return Contest(lambda: single_effects(state), {**own, **effect_peers(model, TASK, SOME, WIDTH, 50)})


def column_gather_step() -> Callable[[], None]:
    """A training step as the authors' notebook lays it out: weights (neuron, token), gathered by column."""
    data, generator = TASK.dataset, torch.Generator().manual_seed(0)
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


def matrix_products() -> Work:
    """The three products of a step with the readout, forward and backward, and nothing else."""
    n = int(TASK.dataset.train.sum())
    x, w, g = torch.randn(n, WIDTH), torch.randn(WIDTH, P), torch.randn(n, P)
    return lambda: (x @ w, g @ w.T, x.T @ g)


def training() -> Contest:
    run = TrainingRun(HookedMLP(MLPConfig(width=WIDTH), vocab=P), TASK, TrainConfig())
    WITHIN.enter_context(kept_memory())
    peers = {
        "its three matrix products": Peer(matrix_products, at_most(1.5)),
        "notebook's column gather": Peer(column_gather_step, at_least(2.2)),
    }
    return Contest(run.update, peers)


LINES = {
    "audit": Line(f"audit after start-up, p={P}, N={WIDTH}", audited),
    "curve": Line(f"curve of all {WIDTH + 1} steps, p={P}, N={WIDTH}", curve),
    "effects": Line(f"effects of {WIDTH} neurons, p={P}", effects),
    "training": Line(f"training step, p={P}, N={WIDTH}", training),
}
