"""The order in which maps over pairs of operands show a task: its ordering, cosets of subgroups, or the natural one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import Task
from interp.measuring.arrays import on_grid, side_of_grid
from interp.scoring.compositions import task_composition
from probes.composition import Composition
from probes.cosets import nested_cosets


@dataclass(frozen=True, eq=False)
class PairOrder:
    """Operands and results in the order shown.

    Attributes:
        left, right, output: First operands, second operands and results, ``(position,)`` each.
        axis: Words for an axis of a map: ``position``, ``by cosets`` or ``by class``.
        sentence: The order in words, for a caption; empty where the task's own or the natural one is shown.
        subgroups: Orders of the subgroups whose cosets stand together, rising; empty where there are none.
    """

    left: Int[np.ndarray, " position"]
    right: Int[np.ndarray, " position"]
    output: Int[np.ndarray, " position"]
    axis: str = "position"
    sentence: str = ""
    subgroups: tuple[int, ...] = ()


def pair_order(task: Task) -> PairOrder:
    """The order of a task's operands and results: its own, by cosets or classes of a group, or else as numbered.

    A group is shown by nested cosets; elements on which another group acts by the classes that it keeps, the largest
    first. Elements that are not read come last.

    Example:
        >>> from interp.data import ModularTask
        >>> order = pair_order(ModularTask("group:S3"))
        >>> order.left.tolist(), order.right.tolist(), order.subgroups
        ([0, 3, 4, 1, 5, 2], [0, 4, 3, 1, 5, 2], (3,))
        >>> pair_order(ModularTask("multiply", 15)).left.tolist()
        [1, 2, 4, 7, 8, 11, 13, 14, 3, 6, 9, 12, 5, 10, 0]
    """
    if task.ordering is not None:
        return PairOrder(task.ordering.left, task.ordering.right, task.ordering.output)
    composition = task_composition(task)
    if composition is None:
        natural = np.arange(side_of_grid(task))
        return PairOrder(natural, natural, natural)
    return _of_composition(composition, side_of_grid(task))


@lru_cache(maxsize=8)
def _of_composition(composition: Composition, p: int) -> PairOrder:
    """The order of all p operands."""
    components, read = composition.components, (composition.left, composition.right, composition.output)
    rest = p - len(composition.left)
    last = f" The other {rest} come last." if rest else ""
    if components.acting is None:
        cosets = nested_cosets(components)
        places = (cosets.left, cosets.right, cosets.left)
        left, right, output = (_all_of(one[place], p) for one, place in zip(read, places, strict=True))
        return PairOrder(left, right, output, "by cosets", cosets.sentence() + last, cosets.orders)
    sizes = np.bincount(composition.orbits)[composition.orbits]
    place = np.lexsort((composition.orbits, -sizes))
    left, right, output = (_all_of(one[place], p) for one in read)
    sentence = f"Elements are ordered by the classes that the group keeps, the largest first.{last}"
    return PairOrder(left, right, output, "by class", sentence)


def _all_of(some: Int[np.ndarray, " element"], p: int) -> Int[np.ndarray, " position"]:
    """Some operands, and all others after them."""
    return np.concatenate([some, np.setdiff1d(np.arange(p), some)])


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
    """Grids in a task's ordering or as numbered, with operands by cosets or classes where a group acts."""
    return grids[:, order.left[:, None], order.right] if order.sentence else grids
