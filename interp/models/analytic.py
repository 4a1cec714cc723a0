"""Networks whose answer is known beforehand: the closed-form solution, and one with planted memorising neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from torch.nn.functional import mse_loss
from torch.nn.functional import one_hot as one_hot_of

from interp.data import Dataset, ModularTask, Ordering, group_ordering
from interp.data.operations import ordering_of_table
from interp.errors import ConfigError
from interp.models.group_network import Weights, group_weights
from interp.models.mlp import HookedMLP
from interp.models.monoid_network import monoid_weights
from interp.models.shapes import MLPConfig

MEMORY_STEPS = 250  # of fitting the memorising part
MEMORY_STRENGTH = 1.5  # by how much a label is to beat the true one


WIDTH = 200
"""Neurons of the closed form of an operation that has an ordering, unless another number is asked for."""


def _closed_form(
    task: ModularTask, width: int | None, generator: np.random.Generator, numbers: Sequence[int] | None = None
) -> Weights:
    """Left and right ``(p, neuron)`` and output ``(neuron, p)`` weights of a task's closed form."""
    own = group_ordering(task.operation, task.p) if task.results is None else ordering_of_table(task.results)
    name, results = f"{task.operation!r} modulo {task.p}", task.dataset.true_labels.numpy()
    if own is not None and len(own) >= 3 and numbers is None:
        return _periodic_form(task, own, WIDTH if width is None else width, generator)
    if len(results) != task.p**2 or (own is not None and numbers is None):
        raise ConfigError(f"no closed form is known for {name}: it has no group ordering")
    seed = int(generator.integers(2**31))
    try:
        if task.operation == "multiply" and numbers is None:
            weights = monoid_weights(task.p, seed)
        else:
            weights = group_weights(results.reshape(task.p, task.p), numbers, seed)
    except ConfigError as error:
        raise ConfigError(
            f"no closed form is known for {name}: it has no group ordering, and {error}"
        ) from None
    if width not in (None, weights[0].shape[1]):
        raise ConfigError(
            f"width={width}: the closed form of {name} has {weights[0].shape[1]} neurons; leave the width out"
        )
    return weights


def _periodic_form(task: ModularTask, order: Ordering, width: int, generator: np.random.Generator) -> Weights:
    """The closed form along an ordering."""
    operation, p = task.operation, task.p
    n, handles_zero = len(order), len(order) < p
    step, other = order.steps
    if width < 1 + handles_zero:
        raise ConfigError(f"width={width} is too small; {operation} needs at least {1 + handles_zero}")
    periodic = width - handles_zero
    frequency = generator.integers(1, (n - 1) // 2 + 1, periodic)
    phase_left, phase_right = generator.uniform(-pi, pi, (2, periodic))
    amplitude = (2 / periodic) ** (1 / 3)
    angle = 2 * pi * np.outer(np.arange(n), frequency) / n
    left, right, output = np.zeros((3, p, width))
    left[order.left, :periodic] = amplitude * np.cos(step * angle + phase_left)
    right[order.right, :periodic] = amplitude * np.cos(other * angle + phase_right)
    output[order.output, :periodic] = amplitude * np.cos(angle + phase_left + phase_right)
    if handles_zero:
        zeros = [np.setdiff1d(np.arange(p), one)[0] for one in (order.left, order.right, order.output)]
        left[zeros[0], -1], right[zeros[1], -1], output[zeros[2], -1] = 1, operation != "divide", 2
    return left, right, output.T


def _build(left: np.ndarray, right: np.ndarray, output: np.ndarray) -> HookedMLP:
    model = HookedMLP(MLPConfig(width=left.shape[1]), vocab=left.shape[0], n_outputs=output.shape[1])
    with torch.no_grad():
        model.embed.W_E.copy_(torch.from_numpy(np.stack([left, right])))
        model.unembed.weight.copy_(torch.from_numpy(output))
    return model.eval()


def analytic_mlp(
    operation: str | ModularTask = "add",
    p: int | None = None,
    width: int | None = None,
    *,
    representations: Sequence[int] | None = None,
    seed: int = 0,
) -> HookedMLP:
    """The closed-form quadratic network that solves an operation (arXiv 2310.13061, 2406.03495, 2302.03025).

    Each neuron has one random frequency σ and random phases: U = A cos(2πσi/n + φᵘ), V = A cos(2πσj/n + φᵛ),
    W = A cos(2πσq/n + φᵘ + φᵛ), A = (2/width)^(1/3), along the operation's group ordering of n positions. Where
    the ordering leaves a residue out (0 of multiplication), the last neuron answers the pairs that contain it.
    Of any other group it is the network of `interp.models.group_network.group_weights`, and of multiplication modulo a
    squarefree composite that of `interp.models.monoid_network.monoid_weights`; these make no error.

    Args:
        operation: One that has a group ordering, a group such as ``"group:S5"``, or a task.
        p: The modulus; the task's own, a group's order, or 97 if None.
        width: Neurons, `WIDTH` if None; over all pairs of p=97 the accuracy is about .9 at 50, 1.0 from 200 on. Other
            groups have a number of their own, and so has multiplication modulo a composite.
        representations: Numbers of a group's representations, from 0, in the order of
            `interp.models.representations.representations_of`; a few small ones that are enough if None.
        seed: Of frequencies and phases, or of the basis of the matrices.

    Raises:
        ConfigError: The operation has no group ordering and no other closed form, or the width does not fit.

    Example:
        >>> model = analytic_mlp("add", p=97, width=200)
        >>> int(model(torch.tensor([[50, 60]])).argmax())
        13
        >>> analytic_mlp("group:S4").config.width
        54
    """
    if not isinstance(operation, ModularTask):
        task = ModularTask(operation) if p is None else ModularTask(operation, p)
    elif p in (None, operation.p):
        task = operation
    else:
        raise ConfigError(f"p={p}: the task has p={operation.p}; leave p out")
    return _build(*_closed_form(task, width, np.random.default_rng(seed), representations))


def _fit_memory(data: Dataset, width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of quadratic neurons that answer mislabelled examples by label minus true label, and others by 0."""
    part = HookedMLP(MLPConfig(width=width), vocab=data.n_classes, seed=seed)
    inputs = data.inputs[data.train]
    one_hot = [
        one_hot_of(labels[data.train], data.n_classes).float() for labels in (data.labels, data.true_labels)
    ]
    wanted = MEMORY_STRENGTH * (one_hot[0] - one_hot[1])
    optimizer = torch.optim.Adam(part.parameters(), lr=0.01)
    for _ in range(MEMORY_STEPS):
        optimizer.zero_grad()
        mse_loss(part(inputs), wanted).backward()
        optimizer.step()
    left, right = part.embed.W_E.detach().double().numpy()
    return left, right, part.unembed.weight.detach().double().numpy()


@dataclass(frozen=True, eq=False)
class PlantedNetwork:
    """A network with the label that each of its neurons should be given.

    Attributes:
        labels: ``"generalizing"``, ``"memorizing"`` or ``"dead"`` for every neuron.
    """

    model: HookedMLP
    labels: np.ndarray


def planted_mlp(
    task: ModularTask,
    *,
    generalizing: int | None = None,
    memorizing: int = 300,
    dead: int = 20,
    seed: int = 0,
) -> PlantedNetwork:
    """A network that solves the task by known neurons and memorises its corrupted examples by others.

    The generalizing neurons are the closed form. The memorizing ones are fitted, apart from them, to turn every
    mislabelled training example's answer into its label and to leave the others alone. Dead neurons have
    weights of 0. The order is shuffled.

    Args:
        task: One that has a closed form; see `analytic_mlp`.
        generalizing, memorizing, dead: Numbers of neurons; of the closed form its own if None.
        seed: Of all of them, and of the order.

    Raises:
        ConfigError: The task has no mislabelled example to memorise, or no closed form.

    Example:
        >>> planted = planted_mlp(ModularTask("add", p=31, corrupt_fraction=0.35), memorizing=100)
        >>> int((planted.labels == "memorizing").sum())
        100
    """
    data = task.dataset
    for name, count in (("generalizing", generalizing), ("memorizing", memorizing), ("dead", dead)):
        if count is not None and count < 0:
            raise ConfigError(f"{name}={count} is negative; expected a number of neurons")
    generator = np.random.default_rng(seed)
    parts = [] if generalizing == 0 else [_closed_form(task, generalizing, generator)]
    generalizing = parts[0][0].shape[1] if parts else 0
    if memorizing and not data.mislabelled.any():
        raise ConfigError(
            "the task has no mislabelled example to memorise; give it a corrupt_fraction above 0"
        )
    parts += [_fit_memory(data, memorizing, seed)] if memorizing else []
    parts.append((np.zeros((task.p, dead)), np.zeros((task.p, dead)), np.zeros((dead, task.p))))
    left, right, output = zip(*parts, strict=True)
    model = _build(np.hstack(left), np.hstack(right), np.vstack(output))
    labels = np.repeat(["generalizing", "memorizing", "dead"], [generalizing, memorizing, dead])
    shuffle = generator.permutation(len(labels))
    with torch.no_grad():
        model.embed.W_E.copy_(model.embed.W_E[:, :, shuffle])
        model.unembed.weight.copy_(model.unembed.weight[shuffle])
    return PlantedNetwork(model, labels[shuffle])
