"""Tasks that need memory for a number of steps: delayed recall of a symbol, and parity of the last N bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Recall:
    """Examples of delayed recall; all are as long, and the answer is asked for at the last step.

    Attributes:
        inputs: 1 at the channel of a symbol at one step, and Gaussian noise at every channel and step.
        labels: The symbol.
        delays: Steps from the symbol to the last step.
    """

    inputs: Float[Tensor, "example time channel"]
    labels: Int[Tensor, " example"]
    delays: Int[Tensor, " example"]


def delayed_recall(
    n: int,
    delays: Sequence[int],
    generator: torch.Generator,
    *,
    symbols: int = 8,
    steps: int = 26,
    noise: float = 0.1,
) -> Recall:
    """Draw examples of delayed recall.

    Args:
        delays: Those that are drawn from, from 1 on.
        generator: Draws symbols, delays and noise.

    Raises:
        ConfigError: A delay does not fit into the steps.

    Example:
        >>> recall = delayed_recall(3, [2], torch.Generator().manual_seed(0), symbols=4, steps=5, noise=0)
        >>> recall.inputs.shape, recall.inputs.sum((0, 2)).tolist()
        (torch.Size([3, 5, 4]), [0.0, 0.0, 3.0, 0.0, 0.0])
    """
    if not 0 < min(delays) <= max(delays) < steps:
        raise ConfigError(f"delays={list(delays)} do not fit into {steps} steps; expected 1 to {steps - 1}")
    labels = torch.randint(symbols, (n,), generator=generator)
    delay = torch.tensor(delays)[torch.randint(len(delays), (n,), generator=generator)]
    inputs = noise * torch.randn(n, steps, symbols, generator=generator)
    inputs[torch.arange(n), steps - 1 - delay, labels] += 1
    return Recall(inputs, labels, delay)


def spike_recall(
    n: int,
    delays: Sequence[int],
    generator: torch.Generator,
    *,
    symbols: int = 6,
    steps: int = 42,
    channels: int = 4,
    rate: float = 0.02,
) -> Recall:
    """Draw examples of delayed recall whose symbols are bursts: each of a symbol's channels spikes once, with p = 0.9.

    Args:
        channels: Of each symbol.
        rate: Probability of a spike of the background, at every channel and step.

    Example:
        >>> recall = spike_recall(2, [3], torch.Generator().manual_seed(0), steps=5)
        >>> recall.inputs.shape, recall.inputs.unique().tolist()
        (torch.Size([2, 5, 24]), [0.0, 1.0])
    """
    recall = delayed_recall(n, delays, generator, symbols=symbols, steps=steps, noise=0)
    bursts = recall.inputs.repeat_interleave(channels, -1)
    drawn = torch.rand(bursts.shape, generator=generator)
    return Recall((drawn < torch.where(bursts > 0, 0.9, rate)).float(), recall.labels, recall.delays)
