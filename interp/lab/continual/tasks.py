"""Sequences of tasks: digits with their pixels permuted or by classes, and modular operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from interp.data import operation_table
from interp.lab.continual.method import LearningTask

HELD_OUT = 0.25


def permuted_digits(n: int, generator: torch.Generator) -> tuple[LearningTask, ...]:
    """Scikit-learn's digits, with the pixels in another random order in every task but the first.

    Example:
        >>> tasks = permuted_digits(2, torch.Generator().manual_seed(0))
        >>> tasks[1].inputs.shape, bool((tasks[0].labels == tasks[1].labels).all())
        (torch.Size([1348, 64]), True)
    """
    inputs, labels = _digits(generator)
    train = len(labels) - int(HELD_OUT * len(labels))
    tasks = []
    for place in range(n):
        order = (
            torch.randperm(inputs.shape[1], generator=generator) if place else torch.arange(inputs.shape[1])
        )
        own = inputs[:, order]
        tasks.append(
            LearningTask(f"permutation {place}", own[:train], labels[:train], own[train:], labels[train:])
        )
    return tuple(tasks)


def digits_by_class(classes: int, generator: torch.Generator) -> tuple[LearningTask, ...]:
    """Scikit-learn's digits, so many classes in every task; nothing in an example says which task it is of.

    Example:
        >>> tasks = digits_by_class(2, torch.Generator().manual_seed(0))
        >>> len(tasks), tasks[1].labels.unique().tolist()
        (5, [2, 3])
    """
    inputs, labels = _digits(generator)
    train = torch.arange(len(labels)) < len(labels) - int(HELD_OUT * len(labels))
    tasks = []
    for first in range(0, 10, classes):
        last = min(first + classes, 10) - 1
        inside = (labels >= first) & (labels <= last)
        own, held_out = inside & train, inside & ~train
        name = f"digits {first} to {last}"
        tasks.append(LearningTask(name, inputs[own], labels[own], inputs[held_out], labels[held_out]))
    return tuple(tasks)


def modular_operations(operations: Sequence[str], p: int) -> tuple[LearningTask, ...]:
    """One operation modulo p after another: two operands and the operation, one-hot each, and the result.

    Every pair of operands is trained on and tested, as a sequence asks how much of a table of results is kept; that an
    operation is generalised takes far more updates. Pairs that an operation does not allow are left out.

    Args:
        operations: As `interp.data.operation_table` knows them.

    Example:
        >>> tasks = modular_operations(["add", "subtract"], 5)
        >>> tasks[1].inputs.shape, tasks[1].labels[:5].tolist()
        (torch.Size([25, 12]), [0, 4, 3, 2, 1])
    """
    tasks = []
    for place, name in enumerate(operations):
        pairs, labels = (torch.from_numpy(one) for one in operation_table(name, p))
        of = torch.tensor(place)
        parts = [one_hot(pairs[:, 0], p), one_hot(pairs[:, 1], p)]
        parts.append(one_hot(of, len(operations)).expand(len(pairs), -1))
        inputs = torch.cat(parts, 1).float()
        tasks.append(LearningTask(name, inputs, labels, inputs, labels))
    return tuple(tasks)


def _digits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=generator)
    return torch.tensor(images, dtype=torch.float32)[order] / 16, torch.tensor(labels)[order]
