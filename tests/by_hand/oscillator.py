"""A chain of segments, one neuron and one segment after another."""

from __future__ import annotations

import copy
from math import pi
from typing import Any

import torch

STEPS, WINDOW = 50, 26


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Amplitudes of a chain whose weights keep the signs of their neurons."""
    felt, crossed, driven = (weight.detach().abs() for weight in (module.felt, module.crossed, module.driven))
    relaxed = -module.relaxed.detach().abs()
    segments = range(len(felt))
    bend = [torch.zeros(len(inputs)) for _ in segments]
    history = []
    for step in range(STEPS):
        ahead = [inputs[:, 1] * torch.sin(2 * pi * step * inputs[:, 0]), *bend[:-1]]
        sides = [(torch.relu(one), torch.relu(-one)) for one in ahead]
        excited = [torch.relu(_sum(sides[s], felt[s], to)) for s in segments for to in (0, 1)]
        excited = change("tap:excitatory", step, torch.stack(excited, 1))
        inhibiting = [torch.relu(_sum(_pair(excited, s), crossed[s], to)) for s in segments for to in (0, 1)]
        inhibiting = change("tap:inhibitory", step, torch.stack(inhibiting, 1))
        for s in segments:
            muscles = [
                _sum(_pair(excited, s), driven[s], to) + _sum(_pair(inhibiting, s), relaxed[s], to)
                for to in (0, 1)
            ]
            bend[s] = 0.7 * bend[s] + 0.3 * torch.tanh(muscles[0] - muscles[1])
        history.append(torch.stack(bend, 1))
    return 2**0.5 * torch.stack(history[-WINDOW:], 1).std(1, correction=0)


def _pair(neurons: torch.Tensor, segment: int) -> tuple[torch.Tensor, torch.Tensor]:
    return neurons[:, 2 * segment], neurons[:, 2 * segment + 1]


def _sum(values: Any, weights: torch.Tensor, to: int) -> torch.Tensor:
    return values[0] * weights[0, to] + values[1] * weights[1, to]


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy in which nothing reads these neurons."""
    edited = copy.deepcopy(module)
    read = [edited.relaxed] if site == "tap:inhibitory" else [edited.crossed, edited.driven]
    with torch.no_grad():
        for weight in read:
            weight.flatten(0, 1)[neurons] = 0
    return edited
