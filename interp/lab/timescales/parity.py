"""Parity of the last N bits, learnt for one N after another: with one read-out at a time, or with all so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.interventions import ablate
from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
from interp.lab.timescales.measure import activity_timescales
from interp.models import HookedModel, adopt
from interp.progress import Report

SITE = "tap:hidden"
CURRICULA = {"single": "single head", "multi": "multi-head"}
ENOUGH, MEMORY = (
    0.98,
    0.95,
)  # running accuracy from which the next N comes, and how much of it is kept each update
BATCH, LEARNING_RATE = 128, 3e-3
RECORD, EXAMPLES = 60, 200  # steps and examples of activity whose timescale is measured
SHARES, DRAWS, TESTED = (0.05, 0.1, 0.2), 5, 2000


@dataclass(frozen=True)
class Stage:
    """A network after it has learnt parity of N bits.

    Attributes:
        learnt: Whether the running accuracy reached `ENOUGH`.
        tau: Mean of the time constants in steps.
        activity: Median timescale of activity in steps; None if no unit's can be tested.
    """

    n: int
    learnt: bool
    updates: int
    tau: float
    activity: float | None


def parity_inputs(n: int, steps: int, generator: torch.Generator) -> Float[Tensor, "example time 1"]:
    """Random bits as +1 and -1.

    Example:
        >>> parity_inputs(2, 3, torch.Generator().manual_seed(0)).abs().unique().tolist()
        [1.0]
    """
    return 2.0 * torch.randint(2, (n, steps, 1), generator=generator) - 1


def parities(inputs: Float[Tensor, "example time 1"], n: int) -> Tensor:
    """1 where an odd number of the last n bits is on, ``(example,)``.

    Example:
        >>> parities(torch.tensor([[[1.0], [-1.0], [1.0]]]), 2), parities(torch.tensor([[[1.0], [-1.0], [1.0]]]), 3)
        (tensor([1]), tensor([0]))
    """
    return (inputs[:, -n:, 0] > 0).sum(1) % 2


def learn(
    bits: Sequence[int],
    curriculum: str,
    most: int,
    width: int,
    longest: float,
    generator: torch.Generator,
    report: Report,
) -> tuple[HookedModel, list[Stage]]:
    """Train one network on parity of more and more bits, and look at it after each.

    Sequences are between N + 2 and 4 N bits long (arXiv 2309.12927), and the answer is read at their end. The loss is
    that of the newest read-out for a single head, the mean of all so far for multi-head.

    Args:
        curriculum: One of `CURRICULA`.
        most: Updates for each N.
        longest: Time constants are drawn between 1 and so many steps before training.
    """
    network = LeakyRNN(1, width, 2 * len(bits), generator, longest=longest, phi=nn.LeakyReLU(0.1))
    model = adopt(network, [SITE], example=parity_inputs(4, 4, generator))
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    stages = []
    for newest, n in enumerate(bits):
        trained = range(newest + 1) if curriculum == "multi" else [newest]
        running, update = 0.5, 0
        while running < ENOUGH and update < most:
            steps = int(torch.randint(n + 2, 4 * n + 1, (1,), generator=generator))
            inputs = parity_inputs(BATCH, steps, generator)
            heads = network(inputs).unflatten(1, (len(bits), 2))
            answers = [(heads[:, head], parities(inputs, bits[head])) for head in trained]
            loss = torch.stack([cross_entropy(logits, labels) for logits, labels in answers]).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            right = min((logits.argmax(1) == labels).float().mean().item() for logits, labels in answers)
            running, update = MEMORY * running + (1 - MEMORY) * right, update + 1
            report(newest * most + update, f"{CURRICULA[curriculum]}, N = {n}")
        activity = activity_timescales(model, parity_inputs(EXAMPLES, RECORD, generator))["timescale"]
        known = None if np.isnan(activity).all() else float(np.nanmedian(activity))
        tau = network.tau.detach().mean().item()
        stages.append(Stage(n, running >= ENOUGH, update, tau, known))
        report((newest + 1) * most, f"{CURRICULA[curriculum]}, N = {n}")
    return model, stages


@torch.no_grad()
def robustness(
    model: HookedModel,
    bits: Sequence[int],
    width: int,
    generator: torch.Generator,
    draws: np.random.Generator,
) -> dict[float, float]:
    """Share of the accuracy above chance at the last N that is left without a share of the units, drawn at random."""
    inputs = parity_inputs(TESTED, 3 * bits[-1], generator)
    labels = parities(inputs, bits[-1])

    def above_chance() -> float:
        return (model(inputs)[:, -2:].argmax(1) == labels).float().mean().item() - 0.5

    whole, left = above_chance(), {}
    for share in SHARES:
        values = []
        for _ in range(DRAWS):
            units = draws.choice(width, max(1, round(share * width)), replace=False)
            with ablate(model, units, "zero", site=SITE):
                values.append(above_chance())
        left[share] = float(np.mean(values)) / whole
    return left


def slope(x: Sequence[float], y: Sequence[float | None]) -> float | None:
    """Change of y for each unit of x, by least squares; None with fewer than three points.

    Example:
        >>> round(slope([2, 3, 4], [1.0, 1.5, 2.0]), 6), slope([2, 3, 4], [1.0, None, 2.0])
        (0.5, None)
    """
    pairs = [(one, other) for one, other in zip(x, y, strict=True) if other is not None]
    points = np.array(pairs, float)
    return None if len(pairs) < 3 else float(np.polyfit(points[:, 0], points[:, 1], 1)[0])
