"""Sequences of tasks: digits, permuted in pixels or labels or by a few classes, and operations on two numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import ConfigError, choose
from interp.lab.continual.method import LearningTask
from interp.lab.digits import shuffled_digits

HELD_OUT = 0.25


def permuted_digits(n: int, generator: torch.Generator) -> tuple[LearningTask, ...]:
    """Scikit-learn's digits, with the pixels in another random order in every task but the first.

    Example:
        >>> tasks = permuted_digits(2, torch.Generator().manual_seed(0))
        >>> tasks[1].inputs.shape, bool((tasks[0].labels == tasks[1].labels).all())
        (torch.Size([1348, 64]), True)
    """
    inputs, labels = shuffled_digits(generator)
    orders = (_order(place, inputs.shape[1], generator) for place in range(n))
    return tuple(_split(f"permutation {place}", inputs[:, own], labels) for place, own in enumerate(orders))


def class_incremental_digits(generator: torch.Generator, classes: int = 2) -> tuple[LearningTask, ...]:
    """Scikit-learn's digits, so many classes in each task, in random order; answers are among all ten classes.

    Raises:
        ConfigError: The ten classes cannot be dealt out evenly.

    Example:
        >>> tasks = class_incremental_digits(torch.Generator().manual_seed(0))
        >>> len(tasks), [len(task.labels.unique()) for task in tasks]
        (5, [2, 2, 2, 2, 2])
    """
    if classes < 1 or 10 % classes:
        raise ConfigError(f"classes={classes} of each task do not divide the ten digits; give 1, 2, 5 or 10")
    inputs, labels = shuffled_digits(generator)
    train = _trained_on(labels)
    tasks = []
    for own in torch.randperm(10, generator=generator).reshape(-1, classes):
        mine = torch.isin(labels, own)
        first, last = mine.clone(), mine.clone()
        first[train:], last[:train] = False, False
        name = "digits " + ", ".join(map(str, own.tolist()))
        tasks.append(LearningTask(name, inputs[first], labels[first], inputs[last], labels[last]))
    return tuple(tasks)


def relabelled_digits(n: int, generator: torch.Generator) -> tuple[LearningTask, ...]:
    """Scikit-learn's digits, with the ten labels permuted anew in every task but the first: concept shift.

    Example:
        >>> tasks = relabelled_digits(2, torch.Generator().manual_seed(0))
        >>> bool((tasks[0].inputs == tasks[1].inputs).all()), bool((tasks[0].labels == tasks[1].labels).all())
        (True, False)
    """
    inputs, labels = shuffled_digits(generator)
    orders = (_order(place, 10, generator) for place in range(n))
    return tuple(_split(f"labels {place}", inputs, own[labels]) for place, own in enumerate(orders))


OPERATIONS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "add": lambda a, b, p: (a + b) % p,
    "subtract": lambda a, b, p: (a - b) % p,
    "multiply": lambda a, b, p: (a * b) % p,
    "maximum": lambda a, b, p: torch.maximum(a, b),
}


def operations_in_sequence(
    names: Sequence[str], p: int, generator: torch.Generator, *, held_out: float = HELD_OUT
) -> tuple[LearningTask, ...]:
    """Operations on two numbers below p, each a task; its number is the first of three tokens of every example.

    Args:
        names: Of `OPERATIONS`; an operation's token is its place here.
        held_out: Share of the p² pairs that is tested and not trained, other ones for each operation; with 0, the
            training examples are tested, which asks for memory only.

    Raises:
        ConfigError: There is no such operation, or none or all pairs would be held out.

    Example:
        >>> tasks = operations_in_sequence(["add", "maximum"], 5, torch.Generator().manual_seed(0), held_out=0)
        >>> op, a, b = tasks[1].inputs.T
        >>> set(op.tolist()), bool((tasks[1].labels == torch.maximum(a, b)).all()), len(a)
        ({1}, True, 25)
    """
    if not 0 <= held_out < 1:
        raise ConfigError(f"held_out={held_out} is no share of the pairs; give 0 or more, and less than 1")
    a, b = torch.cartesian_prod(torch.arange(p), torch.arange(p)).T
    n_test = int(held_out * p**2)
    tasks = []
    for place, name in enumerate(names):
        labels = OPERATIONS[choose("operation", name, OPERATIONS)](a, b, p)
        inputs = torch.stack([torch.full_like(a, place), a, b], 1)
        order = torch.randperm(p**2, generator=generator)
        train, test = order[n_test:], order[:n_test] if n_test else order
        tasks.append(LearningTask(name, inputs[train], labels[train], inputs[test], labels[test]))
    return tuple(tasks)


class OperationNetwork(nn.Module):
    """Three tokens, an operation and two numbers, whose embeddings are summed, then a hidden layer of ReLU units.

    Example:
        >>> net = OperationNetwork(n_operations=4, p=13)
        >>> net(torch.tensor([[3, 1, 12]])).shape
        torch.Size([1, 13])
    """

    offsets: Tensor

    def __init__(self, n_operations: int, p: int, width: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_operations + 2 * p, width)
        self.activation = nn.ReLU()
        self.hidden = nn.Linear(width, width)
        self.readout = nn.Linear(width, p)
        self.register_buffer("offsets", torch.tensor([0, n_operations, n_operations + p]), persistent=False)

    def forward(self, tokens: Int[Tensor, "example token"]) -> Float[Tensor, "example p"]:
        embedded = self.embedding(tokens + self.offsets).sum(1)
        return self.readout(self.activation(self.hidden(self.activation(embedded))))


def _order(place: int, n: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """A random order, but for the first task."""
    return torch.randperm(n, generator=generator) if place else torch.arange(n)


def _split(name: str, inputs: Tensor, labels: Tensor) -> LearningTask:
    """A task whose last examples are held out."""
    train = _trained_on(labels)
    return LearningTask(name, inputs[:train], labels[:train], inputs[train:], labels[train:])


def _trained_on(labels: Tensor) -> int:
    return len(labels) - int(HELD_OUT * len(labels))
