"""Hook points at places that a network passes once, or once a step of a loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.hook_points import HookPoint


class SitePoint(HookPoint):
    """A hook point that may be passed once a step.

    Attributes:
        loop: Name of the axis that its steps are in captures, such as ``time``; None: it is passed once.
        step: The step that the network is at while hooks run, from 0; None outside a loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop: str | None = None
        self.step: int | None = None


def loop_at(point: nn.Module) -> str | None:
    """Name of the axis that a hook point's steps are; None if it is passed once."""
    return getattr(point, "loop", None)


def step_at(point: nn.Module) -> int | None:
    """The step that the network is at while hooks run; None outside a loop."""
    return getattr(point, "step", None)


class Steps:
    """Activations of one forward pass at a hook point, put together as one tensor.

    Example:
        >>> point = SitePoint()
        >>> point.loop, steps = "time", Steps()
        >>> for point.step in (1, 0):  # as a layer that reads backwards
        ...     steps.keep(point, torch.full((2, 3), float(point.step)))
        >>> steps.joined("hidden")[0, :, 0].tolist()
        [0.0, 1.0]
    """

    def __init__(self) -> None:
        self.kept: list[tuple[int, Tensor]] = []
        self.loop: str | None = None

    def keep(self, point: nn.Module, activation: Tensor) -> None:
        """Take the activation of a step, or the only one."""
        self.loop = loop_at(point)
        self.kept.append((step_at(point) or 0, activation))

    def joined(self, name: str) -> Tensor:
        """Activations of all steps, ``(example, step, …)``; of a site that is passed once as they are.

        Raises:
            ConfigError: The shape changes from step to step.
        """
        if self.loop is None:
            return self.kept[-1][1]
        in_order = [tensor for _, tensor in sorted(self.kept, key=lambda one: one[0])]
        if len({tensor.shape for tensor in in_order}) > 1:
            shapes = ", ".join(map(str, dict.fromkeys(tuple(tensor.shape) for tensor in in_order)))
            raise ConfigError(
                f"{name!r} changes its shape from step to step ({shapes}), so that its steps are no one tensor; tap "
                "one of a fixed shape, such as a memory with all its slots from the start"
            )
        return torch.stack(in_order, dim=1)


def collecting(steps: Steps) -> Any:
    """A forward hook of a hook point that keeps what passes."""

    def keep(point: nn.Module, _args: Any, output: Tensor) -> None:
        steps.keep(point, output.detach())

    return keep
