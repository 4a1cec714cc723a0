"""Fine-tuning of few modules on few examples of all tasks."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.errors import ConfigError, near_matches
from interp.lab.continual.method import Method, Run

RANKED = ("most", "least", "all")


@dataclass(eq=False)
class Movement:
    """Mean absolute change of each module's parameters so far, see `module_movement`, and their values then."""

    values: dict[str, Tensor]
    moved: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FinetuneMoved(Method):
    """Fine-tuning of the module that moves most between tasks, on a buffer of examples (arXiv 2304.04158).

    Examples of the buffer are spread evenly over those of a task. The order in which modules move is measured from the
    end of the first task on.

    Attributes:
        which: ``most``, ``least``, ``all``, or the name of a module.
        examples: Of each task in the buffer.
        times: How often it is fine-tuned: 1, after the last task only; k, as often at equal distances after the first.
        updates: Of each time.
        batch: Examples of each update.
    """

    which: str = "most"
    examples: int = 40
    times: int = 1
    updates: int = 100
    batch: int = 32

    def start(self, run: Run) -> None:
        run.memory[self] = Movement(_values(run.network))
        if self.which not in (names := (*RANKED, *modules(run.network))):
            raise ConfigError(f"no module is called {self.which!r}; {near_matches(self.which, names)}")

    def after_step(self, run: Run) -> None:
        after, total = (run.task - 1) * run.updates + run.step + 1, (len(run.tasks) - 1) * run.updates
        due = run.task and (after * self.times) // total > ((after - 1) * self.times) // total
        if due and after < total:
            self._look(run)
            self._finetune(run)

    def after_task(self, run: Run) -> None:
        if run.task:
            self._look(run)
        run.memory[self].values = _values(run.network)
        if run.task == len(run.tasks) - 1:
            self._finetune(run)

    def _look(self, run: Run) -> None:
        """Add how much modules have moved since the last look."""
        movement, now = run.memory[self], _values(run.network)
        for name, moved in module_movement(run.network, movement.values, now).items():
            movement.moved[name] = movement.moved.get(name, 0.0) + moved

    def _finetune(self, run: Run) -> None:
        parameters = [
            one for module in self._chosen(run) for one in modules(run.network)[module].parameters()
        ]
        optimizer = type(run.optimizer)(parameters, lr=run.lr)  # type: ignore[call-arg]
        inputs, labels = self._buffer(run)
        for _ in range(self.updates):
            rows = run.drawn(self.batch, len(labels))
            run.network.zero_grad()
            cross_entropy(run.network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
        run.network.zero_grad()
        run.memory[self].values = _values(run.network)

    def _chosen(self, run: Run) -> list[str]:
        moved = run.memory[self].moved
        order = sorted(moved, key=moved.__getitem__)
        return {"most": order[-1:], "least": order[:1], "all": order}.get(self.which, [self.which])

    def _buffer(self, run: Run) -> tuple[Tensor, Tensor]:
        inputs, labels = [], []
        for task in run.tasks[: run.task + 1]:
            rows = torch.linspace(0, len(task.labels) - 1, min(self.examples, len(task.labels))).long()
            inputs.append(task.inputs[rows])
            labels.append(task.labels[rows])
        return torch.cat(inputs), torch.cat(labels)


def modules(network: nn.Module) -> dict[str, nn.Module]:
    """Submodules with parameters of their own, by name; the network itself is the empty name."""
    return {
        name: module
        for name, module in network.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    }


def module_movement(
    network: nn.Module, before: dict[str, Tensor], after: dict[str, Tensor]
) -> dict[str, float]:
    """Mean absolute change of the parameters of each module between two readings of them, such as two checkpoints'.

    Args:
        before, after: Parameters by name, as ``network.state_dict()`` gives them.

    Returns:
        By the name of a module that has parameters of its own; 0 or more.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
        >>> before, after = ({f"{k}.weight": torch.full((1, 1), x * k) for k in range(2)} for x in (1.0, 3.0))
        >>> module_movement(network, before, after)
        {'0': 0.0, '1': 2.0}
    """
    moved = {}
    for name, module in modules(network).items():
        own = [f"{name}.{one}".lstrip(".") for one, _ in module.named_parameters(recurse=False)]
        total = sum(float((after[one] - before[one]).abs().sum()) for one in own)
        moved[name] = total / sum(before[one].numel() for one in own)
    return moved


def _values(network: nn.Module) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in network.named_parameters()}
