"""The order in which maps over pairs of operands show a task: its ordering, cosets of subgroups, or the natural one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import Task
from interp.measuring.arrays import on_grid, side_of_grid
from interp.scoring.components import task_components
from probes.cosets import NestedCosets, nested_cosets
from probes.isotypic import Components


@dataclass(frozen=True, eq=False)
class PairOrder:
    """Operands and results in the order shown.

    Attributes:
        left, right, output: First operands, second operands and results, ``(position,)`` each.
        subgroups: Of a group, the orders of those whose cosets stand together, rising; None of a task without one.
    """

    left: Int[np.ndarray, " position"]
    right: Int[np.ndarray, " position"]
    output: Int[np.ndarray, " position"]
    subgroups: tuple[int, ...] | None = None

    @property
    def axis(self) -> str:
        """Words for an axis of a map."""
        return "position" if self.subgroups is None else "by cosets"

    @property
    def cosets(self) -> str:
        """The subgroups in words, largest first: ``cosets of subgroups of order 12, 4, 2``."""
        orders = list(map(str, self.subgroups or ()))[::-1]
        if not orders:
            return "powers of one element"
        which = "subgroups" if len(orders) > 1 else "a subgroup"
        return f"cosets of {which} of order {', '.join(orders)}"

    def sentence(self) -> str:
        """The order in words, for a caption; empty where the task's own is shown."""
        if self.subgroups is None:
            return ""
        nested = ", each inside one of the former" if len(self.subgroups) > 1 else ""
        return (
            f"Left operands are ordered by left {self.cosets}{nested}, right ones as their inverses are, so that the "
            "identity is the result along the diagonal and what is constant on cosets is a block."
        )


def pair_order(task: Task) -> PairOrder:
    """The order of a task's operands and results: its own, by nested cosets of a group, or else as they are numbered.

    Example:
        >>> from interp.data import ModularTask
        >>> order = pair_order(ModularTask("group:S3"))
        >>> order.left.tolist(), order.right.tolist(), order.subgroups
        ([0, 3, 4, 1, 5, 2], [0, 4, 3, 1, 5, 2], (3,))
    """
    if task.ordering is not None:
        return PairOrder(task.ordering.left, task.ordering.right, task.ordering.output)
    components = task_components(task)
    if components is None:
        natural = np.arange(side_of_grid(task))
        return PairOrder(natural, natural, natural)
    cosets = _cosets(components)
    return PairOrder(cosets.left, cosets.right, cosets.left, cosets.orders)


@lru_cache(maxsize=8)
def _cosets(components: Components) -> NestedCosets:
    return nested_cosets(components)


def in_pair_order(
    values: Float[Tensor, "example neuron"], task: Task
) -> Float[np.ndarray, "neuron left right"]:
    """Values that were measured on every example, as one map a neuron; nan for pairs that are no example.

    Example:
        >>> import torch
        >>> from interp.data import ModularTask
        >>> task = ModularTask("group:S3")
        >>> in_pair_order(task.dataset.true_labels[:, None].float(), task)[0].diagonal().tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    grid = on_grid(values, task)
    return by_cosets(grid, pair_order(task))


def by_cosets(
    grids: Float[np.ndarray, "neuron left right"], order: PairOrder
) -> Float[np.ndarray, "neuron left right"]:
    """Grids in a task's ordering or as numbered, with their operands by cosets where there are subgroups."""
    return grids[:, order.left[:, None], order.right] if order.subgroups is not None else grids
