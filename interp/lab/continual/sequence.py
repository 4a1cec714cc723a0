"""Learning tasks one after another with a method against forgetting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.errors import ConfigError, choose
from interp.lab.continual.method import Batch, LearningTask, Method, Run
from interp.progress import Report, silent

NAIVE = Method()
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


class DivergedError(ConfigError):
    """Training whose loss or parameters are no longer finite."""


@dataclass(frozen=True)
class Training:
    """Settings that every task is trained with.

    Attributes:
        updates: Of each task.
        batch: Examples of the current task in every update.
        optimizer: One of `OPTIMIZERS`; it is the same for all tasks, and keeps its state.
        criterion: Accuracy on the current task's held-out examples that counts as learnt.
        check_every: Updates between two looks at it.
    """

    updates: int = 400
    batch: int = 32
    lr: float = 0.1
    optimizer: str = "sgd"
    criterion: float = 0.8
    check_every: int = 10


@dataclass(frozen=True, eq=False)
class Learnt:
    """A network that has learnt tasks in sequence.

    Attributes:
        accuracy: On held-out examples of each task (column) after learning each one (row).
        untrained: Of the network before the first task.
        steps: Updates after which each task's accuracy first reached the criterion; None where it did not.
        snapshots: Parameters after each task, by name.
        memory: What each method kept, such as importances of weights or subspaces, under the method.
    """

    network: nn.Module
    tasks: tuple[LearningTask, ...]
    accuracy: Float[np.ndarray, "learnt task"]
    untrained: Float[np.ndarray, " task"]
    steps: tuple[int | None, ...]
    snapshots: tuple[Mapping[str, Tensor], ...]
    memory: Mapping[Method, Any]


def learn_in_sequence(
    network: nn.Module,
    tasks: Sequence[LearningTask],
    method: Method = NAIVE,
    training: Training = Training(),
    *,
    seed: int = 0,
    report: Report = silent,
) -> Learnt:
    """Train a network on tasks one after another, by cross-entropy, with a method against forgetting.

    Args:
        network: Changed in place; it gives logits over the classes of all tasks.
        method: See `interp.lab.continual.method`; several at once by `Together`.
        seed: Of the order of examples, and of all that the method draws.
        report: Given updates done, of tasks times ``training.updates``.

    Raises:
        ConfigError: There is no task, or an optimiser is unknown.
        DivergedError: The loss or the parameters became infinite or nan; it is a `ConfigError`.

    Example:
        >>> x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
        >>> tasks = [LearningTask(str(k), x, (x[:, k] > 0).long(), x, (x[:, k] > 0).long()) for k in range(2)]
        >>> learnt = learn_in_sequence(nn.Linear(5, 2), tasks, training=Training(updates=50))
        >>> learnt.accuracy.shape, bool(learnt.accuracy[1, 1] > learnt.accuracy[1, 0])
        ((2, 2), True)
    """
    if not tasks:
        raise ConfigError("there is no task to learn; give one or more")
    optimizer = OPTIMIZERS[choose("optimizer", training.optimizer, OPTIMIZERS)](
        network.parameters(), lr=training.lr
    )
    generator = torch.Generator().manual_seed(seed)
    run = Run(network.train(), tuple(tasks), optimizer, training.updates, training.lr, generator)
    untrained = accuracies(network, tasks)
    method.start(run)
    rows, steps, snapshots = [], list[int | None](), []
    for place in range(len(tasks)):
        run.task = place
        steps.append(_learn(run, method, training, report))
        _check_finite(run, method)  # before a method looks at what was learnt
        method.after_task(run)
        _check_finite(run, method)
        rows.append(accuracies(network, tasks))
        snapshots.append({name: value.detach().clone() for name, value in network.state_dict().items()})
    return Learnt(network, run.tasks, np.stack(rows), untrained, tuple(steps), tuple(snapshots), run.memory)  # type: ignore[arg-type]


def _check_finite(run: Run, method: Method) -> None:
    if not all(bool(value.isfinite().all()) for value in run.network.parameters()):
        raise _diverged(run, method)


def _diverged(run: Run, method: Method) -> DivergedError:
    return DivergedError(
        f"training diverged in task {run.current.name} with {method}; lower the learning rate, or its strength"
    )


def _learn(run: Run, method: Method, training: Training, report: Report) -> int | None:
    """One task; the updates after which the criterion was first met."""
    first = None
    for run.step in range(training.updates):
        rows = run.drawn(training.batch, len(run.current.labels))
        batch = method.before_batch(run, Batch(run.current.inputs[rows], run.current.labels[rows]))
        logits = forward(run.network, batch)
        loss = cross_entropy(logits, batch.labels)
        if not loss.isfinite():
            raise _diverged(run, method)
        run.optimizer.zero_grad()
        loss.backward()
        method.gradient(run, batch, logits.detach())
        run.optimizer.step()
        method.after_step(run)
        done = run.step + 1
        if first is None and done % training.check_every == 0:
            first = done if accuracies(run.network, [run.current])[0] >= training.criterion else None
        report(run.task * training.updates + done)
    return first


def forward(network: nn.Module, batch: Batch) -> Float[Tensor, "row class"]:
    """Logits of a batch, with replayed activations in place."""
    with ExitStack() as stack:
        for name, hidden in batch.hidden.items():
            stack.enter_context(_replaced(network.get_submodule(name), hidden))
        return network(batch.inputs)


@contextmanager
def _replaced(module: nn.Module, hidden: Tensor) -> Iterator[None]:
    def replay(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return torch.cat([output[: len(output) - len(hidden)], hidden])

    handle = module.register_forward_hook(replay)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def accuracies(network: nn.Module, tasks: Sequence[LearningTask]) -> Float[np.ndarray, " task"]:
    """Accuracy on the held-out examples of each task, in evaluation mode."""
    training = network.training
    network.eval()
    right = [(network(one.test_inputs).argmax(1) == one.test_labels).double().mean() for one in tasks]
    network.train(training)
    return np.array([float(value) for value in right])
