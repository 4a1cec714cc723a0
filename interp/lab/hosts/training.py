"""Training that the networks with state share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from interp.progress import Report


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw first weights from a seed inside the block; PyTorch's own random numbers go on after it as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def descend(
    parameters: Iterable[nn.Parameter],
    loss_of: Callable[[], Tensor],
    n_updates: int,
    report: Report,
    *,
    lr: float,
    clip: float | None = 1.0,
    schedule: Callable[[Any, int], Any] | None = None,
) -> None:
    """Change parameters by Adam, so that a loss falls.

    Args:
        parameters: Those that are changed; frozen ones among them are left out.
        loss_of: The loss of an update, on examples that it draws.
        clip: The longest that the gradient may be, which can explode back through many steps; None: as long as it is.
        schedule: A learning-rate schedule, made of the optimiser and the number of updates.
    """
    trained = [one for one in parameters if one.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=lr)
    scheduled = None if schedule is None else schedule(optimiser, n_updates)
    for update in range(1, n_updates + 1):
        loss = loss_of()
        optimiser.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(trained, clip)
        optimiser.step()
        if scheduled is not None:
            scheduled.step()
        report(update, f"loss {loss.item():.2f}")
