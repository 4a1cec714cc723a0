"""Sequences of tasks: digits with their pixels permuted or by classes, and modular operations."""

from __future__ import annotations

import torch
from torch import Tensor

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


def _digits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=generator)
    return torch.tensor(images, dtype=torch.float32)[order] / 16, torch.tensor(labels)[order]
