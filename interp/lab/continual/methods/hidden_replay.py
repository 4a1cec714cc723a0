"""Replay of hidden activations, with stable units, after the idea of SHARP (arXiv 2305.18563)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.lab.continual.method import Batch, Run
from interp.lab.continual.methods.replay import CONTENTS, Buffer, Replay
from interp.lab.continual.sequence import Learnt


@dataclass(frozen=True)
class HiddenReplay(Replay):
    """Activations of former examples are kept at a submodule, and stand in there for those of a part of each batch.

    They are not renewed: what is before the site goes on learning, so that they grow stale, which `activation_drift`
    measures. Only what is behind the site learns from them. With ``stable``, units that carried the activation of a
    former task keep their incoming weights; where the site is the first hidden layer, their activations are then never
    stale. Networks whose rows depend on one another, by batch normalisation before the site, see rows there that are
    not replayed.

    Args:
        site: Name of the submodule.
        stable: From 0 to 1, the share of the site's activation (sum of mean absolute activations over the task's
            examples) that its most active units must make up, added one after another; these are frozen after the task.
        layer: Name of the submodule whose ``weight[unit]`` and ``bias[unit]`` feed the site's units; needed to
            freeze them.

    Raises:
        ConfigError: Units are to be stable, but the layer is not named.

    Example:
        ``HiddenReplay(site="1", stable=0.5, layer="0")`` for a sequence of a linear layer, a ReLU and more.
    """

    site: str = "1"
    stable: float = 0.0
    layer: str | None = None
    contents: ClassVar = CONTENTS | {"fresh": "computed anew from kept inputs, so that nothing is stale"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.stable <= 1:
            raise ConfigError(f"stable={self.stable} is no share from 0 to 1")
        if self.stable and self.layer is None:
            raise ConfigError(f"stable={self.stable}: name the layer that feeds {self.site!r}: layer='0'")

    def start(self, run: Run) -> None:
        run.memory[self] = Stable(parameters=self._feeding(run.network))

    def stored(self, run: Run, inputs: Shaped[Tensor, "kept ..."]) -> Shaped[Tensor, "kept ..."]:
        return inputs if self.content == "fresh" else activations(run.network, self.site, inputs)

    def mixed(
        self, run: Run, batch: Batch, kept: Shaped[Tensor, "replayed ..."], labels: Int[Tensor, " replayed"]
    ) -> Batch:
        if self.content == "fresh":
            kept = activations(run.network, self.site, kept)
        own = len(batch.labels) - len(
            labels
        )  # the inputs of the others are not seen by anything behind the site
        return Batch(batch.inputs, torch.cat([batch.labels[:own], labels]), {self.site: kept})

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        stable = run.memory[self]
        for parameter in stable.kept:
            parameter.grad[stable.units] = 0

    def after_step(self, run: Run) -> None:
        """Put back what momentum or weight decay moved in spite of gradients of 0."""
        stable = run.memory[self]
        with torch.no_grad():
            for parameter, values in stable.kept.items():
                parameter[stable.units] = values

    def after_task(self, run: Run) -> None:
        super().after_task(run)
        if not self.stable:
            return
        stable, active = run.memory[self], activations(run.network, self.site, run.current.inputs)
        if active.shape[1] != len(stable.parameters[0]):
            raise ConfigError(
                f"{self.layer!r} has {len(stable.parameters[0])} units and {self.site!r} {active.shape[1]}; name the "
                "layer that feeds the site directly"
            )
        new = most_active(active, self.stable)
        stable.units = new if stable.units is None else stable.units | new
        stable.kept = {one: one.detach()[stable.units].clone() for one in stable.parameters}

    def _feeding(self, network: nn.Module) -> tuple[nn.Parameter, ...]:
        if self.layer is None:
            return ()
        module = network.get_submodule(self.layer)
        return tuple(one for name, one in module.named_parameters() if name in ("weight", "bias"))


@dataclass(eq=False)
class Stable(Buffer):
    """The buffer, and the units that are frozen.

    Attributes:
        parameters: Of the layer that feeds the site; their first axis is the site's units.
        units: True where a unit is frozen; None before the first task is learnt.
        kept: The frozen units' values in each parameter.
    """

    parameters: tuple[nn.Parameter, ...] = ()
    units: Bool[Tensor, " unit"] | None = None
    kept: dict[nn.Parameter, Tensor] = field(default_factory=dict)


def most_active(active: Float[Tensor, "example unit"], share: float) -> Bool[Tensor, " unit"]:
    """The fewest most active units that make up at least a share of a layer's activation.

    Args:
        active: Activations, of which the mean absolute value of each unit counts.
        share: From 0 to 1.

    Example:
        >>> most_active(torch.tensor([[1.0, 5.0, 0.0, -4.0]]), 0.8).tolist()
        [False, True, False, True]
    """
    mass, order = active.abs().mean(0).sort(descending=True, stable=True)
    before = mass.cumsum(0) - mass  # of the units that come first
    chosen = torch.zeros(len(mass), dtype=torch.bool)
    chosen[order] = (before < share * mass.sum()) & (mass > 0)
    return chosen


@torch.no_grad()
def activations(
    network: nn.Module, site: str, inputs: Shaped[Tensor, "example ..."]
) -> Float[Tensor, "example ..."]:
    """Outputs of a submodule, in evaluation mode.

    Raises:
        ConfigError: There is no such submodule, or it does not run.
    """
    if site not in dict(network.named_modules()):
        raise ConfigError(
            f"the network has no submodule {site!r}; it has {', '.join(dict(network.named_modules()))}"
        )
    outputs: list[Tensor] = []
    handle = network.get_submodule(site).register_forward_hook(lambda *call: outputs.append(call[2].clone()))
    training = network.training
    try:
        network.eval()(inputs)
    finally:
        network.train(training)
        handle.remove()
    if not outputs:
        raise ConfigError(f"the submodule {site!r} does not run when the network does; name another")
    return outputs[-1]


def activation_drift(learnt: Learnt, site: str) -> Float[np.ndarray, " task"]:
    """Distance of activations that were kept after each task from those of the same examples at the end.

    Args:
        learnt: Its network is left as it is.

    Returns:
        For the held-out examples of each task, the norm of the change relative to that of the kept activations; 0 for
        the last task, whose activations are fresh.

    Example:
        >>> from interp.lab.continual.method import LearningTask
        >>> from interp.lab.continual.sequence import learn_in_sequence
        >>> x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
        >>> tasks = [LearningTask(str(k), x, (x[:, k] > 0).long(), x, (x[:, k] > 0).long()) for k in range(2)]
        >>> net = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 2))
        >>> drift = activation_drift(learn_in_sequence(net, tasks), "1")
        >>> bool(drift[0] > 0), float(drift[1])
        (True, 0.0)
    """
    network, drift = deepcopy(learnt.network), []
    for task, snapshot in zip(learnt.tasks, learnt.snapshots, strict=True):
        network.load_state_dict(snapshot)
        kept = activations(network, site, task.test_inputs)
        fresh = activations(learnt.network, site, task.test_inputs)
        drift.append(float((fresh - kept).norm() / kept.norm()))
    return np.array(drift)
