"""A set of neurons that holds memories where no single one decides: ordered, cut, cross-fitted, and tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.hooks import evaluation_mode
from interp.measuring.cached_pass import CachedPass
from interp.measuring.crossfit import CrossFit, crossfit, halves, memory_shown_by
from interp.measuring.evaluation import margins
from interp.measuring.memory_orders import (
    ORDERS,
    Aim,
    Order,
    affordable_order,
    aim_at,
    masked_logits,
    none_gone,
)
from interp.output import plain

LOSS = 0.01
"""Held-out accuracy that a memory set may cost the examples that chose it. Others lose more: about as much again in
networks of digits with 20 % wrong labels, so that few lose above 2 points."""
POINTS, POINTS_OF_SMALL, SMALL = 24, 64, 2_000
"""Sizes at which an order may be cut, and in networks with at most so many output weights."""
POINTS_THROUGH_LAYERS = 16
CHEAP = 2e7
MANY_ORDERS, FEW_ORDERS = 99, 19
FEW_ROWS = 100
"""Of each kind of examples so many at most are looked at for each random order."""


@dataclass(frozen=True, eq=False)
class MemorySet:
    """A set of neurons that holds memories and that the rule can do without.

    Attributes:
        neurons: The set, chosen by all examples, in the order of the choice.
        order: Name in `interp.measuring.memory_orders.ORDERS`.
        crossfit: The same choice on halves of the examples, measured on the others.
        p_value: Share of random orders, cut in the same way, that leave as little memory on the examples that were not
            looked at, in (0, 1].
        n_orders: How many random orders there were.
    """

    neurons: tuple[int, ...]
    order: str
    crossfit: CrossFit
    p_value: float
    n_orders: int

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain({**vars(self), "size": len(self.neurons)})


def memory_set(
    cached: CachedPass,
    order: str | None = None,
    *,
    n_draws: int = 20,
    pool: np.ndarray | None = None,
    seed: int = 0,
) -> MemorySet | None:
    """Find the neurons that hold a network's memories, and test them on examples that they were not chosen by.

    Neurons are ordered by half of the memorised and held-out examples. Of the first k, the smallest set is taken that
    leaves no more memory than one standard error above the least (Breiman and others 1984), of the sets that cost
    these examples at most 1 point of held-out accuracy. Memory is the accuracy on wrong labels, or, where none is
    known to be wrong, training accuracy above held-out accuracy.

    Args:
        order: Name of an order in `ORDERS`; the greedy one where it can be afforded, else attribution, if None.
        n_draws: Random sets for the control.
        pool: Neurons that random sets and orders are drawn from; all if None.
        seed: Of the halves and all draws.

    Returns:
        None where memory is `interp.measuring.crossfit.not_testable`.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.measuring.cached_pass import cached_pass
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 17, train_fraction=0.6, corrupt_fraction=0.3)
        >>> planted = planted_mlp(task, memorizing=40)
        >>> found = memory_set(cached_pass(planted.model, task))
        >>> found.p_value, found.crossfit.beats_random(), found.crossfit.hurts()
        (0.01, True, False)
    """
    if memory_shown_by(cached.data) is None:
        return None
    fits = halves(cached.data, seed=seed, symmetric=cached.leakage.symmetric)
    order = order or affordable_order(cached, fits[0])
    settings: dict[str, Any] = {"pool": pool, "seed": seed}
    chosen = [chosen_set(cached, fit, order, **settings) for fit in fits]
    checked = crossfit(cached, fits, chosen, n_draws=n_draws, **settings)
    assert checked is not None
    p_value, n_orders = _p_value(cached, fits[:2], chosen[:2], pool, seed)
    neurons = chosen_set(cached, fits[0] | fits[1], order, **settings)
    return MemorySet(tuple(int(i) for i in neurons), order, checked, p_value, n_orders)


def chosen_set(
    cached: CachedPass,
    fit: Bool[Tensor, " example"],
    order: str | Order,
    *,
    pool: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Neurons of a pool (all if None) in an order that is made and cut by looking at the examples of `fit` alone.

    Args:
        order: Name of an order in `ORDERS`, or a function like these.
    """
    make = ORDERS[order] if isinstance(order, str) else order
    ordered, aim = make(cached, fit, seed), aim_at(cached, fit, seed)
    if pool is not None:
        ordered = ordered[np.isin(ordered, pool)]
    sizes = sizes_of(cached, len(ordered))
    return ordered[: sizes[cut(Followed.of(cached, [aim], ordered, sizes), 0)]]


def sizes_of(cached: CachedPass, n: int) -> np.ndarray:
    """Numbers of neurons at which an order of n may be cut, from 0 to all but one."""
    points = POINTS_OF_SMALL if cached.width * cached.logits.shape[1] <= SMALL else POINTS
    points = points if cached.readout is not None else POINTS_THROUGH_LAYERS
    return np.unique(np.linspace(0, max(0, n - 1), min(points, max(1, n))).round().astype(int))


@dataclass(frozen=True, eq=False)
class Followed:
    """Memory left and held-out accuracy along an order, ``(aim, size)``, and how many memorised examples there were."""

    memory: Float[np.ndarray, "aim size"]
    held_out: Float[np.ndarray, "aim size"]
    n: int

    @classmethod
    def of(cls, cached: CachedPass, aims: Sequence[Aim], order: np.ndarray, sizes: np.ndarray) -> Followed:
        """Follow an order on the examples of several aims at once."""
        kinds = [(aim.rows[kind], aim.labels[kind]) for aim in aims for kind in (aim.forget, aim.held_out)]
        rows, labels = (torch.cat(column) for column in zip(*kinds, strict=True))
        ends = np.cumsum([len(one) for one, _ in kinds])[:-1].tolist()
        right = [
            margins(logits, labels) > cached.tolerance for logits in _logits_along(cached, rows, order, sizes)
        ]
        shares = [
            part.double().mean(1).cpu().numpy() for part in torch.stack(right).tensor_split(ends, dim=1)
        ]
        memory, held_out = np.stack(shares[::2]), np.stack(shares[1::2])
        gap = 0.0 if aims[0].wrong else held_out
        return cls(memory - gap, held_out, int(aims[0].forget.sum()))


def _logits_along(cached: CachedPass, rows: Tensor, order: np.ndarray, sizes: np.ndarray) -> Iterator[Tensor]:
    """Logits of some examples without the first neurons of an order, for each size."""
    chosen = torch.as_tensor(order, device=rows.device)
    if cached.readout is not None:
        logits, change = cached.logits[rows], cached.change[rows]
        for start, end in zip((0, *sizes), sizes, strict=False):
            block = chosen[start:end]
            logits = torch.addmm(logits, change[:, block], cached.readout[block])
            yield logits
        return
    gone = none_gone(cached)
    for size in sizes:
        gone[chosen[:size]] = 1.0
        with evaluation_mode(cached.model):
            yield masked_logits(cached, rows, gone)


def cut(followed: Followed, aim: int) -> int:
    """Index of the size that an order is cut at."""
    memory, held_out = followed.memory[aim], followed.held_out[aim]
    allowed = held_out >= held_out[0] - LOSS - 1e-9
    least = memory[allowed].min()
    share = min(max(least, 0.0), 1.0)
    error = np.sqrt(share * (1 - share) / followed.n)
    return int(np.flatnonzero(allowed & (memory <= least + error))[0])


def _p_value(
    cached: CachedPass,
    fits: Sequence[Bool[Tensor, " example"]],
    chosen: Sequence[np.ndarray],
    pool: np.ndarray | None,
    seed: int,
) -> tuple[float, int]:
    """Share of random orders, cut in the same way, that leave as little memory on the other half; and their number."""
    aims = [aim_at(cached, fit, seed, most=FEW_ROWS) for fit in fits]
    among = np.arange(cached.width) if pool is None else pool
    sizes = sizes_of(cached, len(among))
    work = sum(len(aim.rows) for aim in aims) * cached.logits.shape[1] * cached.width
    n_orders = MANY_ORDERS if cached.readout is not None and work <= CHEAP else FEW_ORDERS
    left = [
        Followed.of(cached, aims, one, np.array([0, len(one)])).memory[1 - i, -1]
        for i, one in enumerate(chosen)
    ]
    generator, as_good = np.random.default_rng(seed), 0
    for _ in range(n_orders):
        followed = Followed.of(cached, aims, generator.permutation(among), sizes)
        by_chance = [followed.memory[1 - i, cut(followed, i)] for i in range(2)]
        as_good += int(np.mean(by_chance) <= np.mean(left))
    return (1 + as_good) / (1 + n_orders), n_orders
