"""Scores of a neuron's activations over all pairs of a group's elements: `probes.activity` with components.

For addition modulo n these are the scores by frequencies.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from probes.component_scores import component_tails
from probes.features import mean_of_live
from probes.isotypic import Components
from probes.orders import answer_means, permuted_p_values
from probes.spectrum import is_flat

SUMMED = 2.5e9
"""Activations that random orders add up at the most, of all draws together; fewer orders are drawn beyond."""
FEWEST_DRAWS, MOST_DRAWS = 99, 999
SMALLEST_TAIL = 1e-300

Grid = Float[np.ndarray, "neuron left right"]
Answers = Int[np.ndarray, "left right"]


def component_activity(grid: Grid, components: Components, answers: Answers) -> dict[str, np.ndarray]:
    """Every score of activations over the pairs of a group's elements, ``(neuron,)`` each.

    A function of both operands is a sum over blocks: the left operand in one component and the right one in another.
    What a neuron has at a component is its variance in three of them: the component in both operands, and in either
    with no dependence on the other. A function of the product alone lies in blocks of twice the same component.

    Args:
        grid: Activations at every pair, elements in the group's order.
        answers: The element that each pair gives.

    Returns:
        By the names of `probes.columns`: ``activation_share``, the variance at one component, in [0, 1], and
        ``activation_frequency``, the number of it, from 1; ``sum_share`` and ``sum_frequency``, the same of the mean
        over the pairs of each answer; ``activation_ipr``, over blocks, in which a block of one component counts as two
        parts, along the answer and the rest; ``silent``; ``activation_harmonics``, nan, as only
        frequencies have them; ``agreement``, the share of left operand, right operand and
        answer whose own largest component it is. A dead or constant neuron has nan, and 0 for a component; shares
        along the answer are nan where not all answers have as many pairs.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> table = np.add.outer(np.arange(7), np.arange(7)) % 7
        >>> wave = np.cos(2 * np.pi * 3 * np.arange(7) / 7)
        >>> grid = np.stack([wave[table], np.outer(wave, wave)])
        >>> scores = component_activity(grid, components_of(group_of(table)), table)
        >>> scores["activation_share"].round(3).tolist(), scores["sum_share"].round(3).tolist()
        ([1.0, 1.0], [1.0, 0.5])
    """
    blocks, total = _blocks(grid, components)
    diagonal = np.einsum("nii->ni", blocks)[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        profile = (diagonal + blocks[:, 0, 1:] + blocks[:, 1:, 0]) / total[:, None]
        along = _along_answer(grid, components, answers) / total[:, None]
        blocks = blocks / total[:, None, None]
        diagonal = diagonal / total[:, None]
    rest = np.maximum(diagonal - np.nan_to_num(along), 0)
    squares = np.square(blocks).sum((1, 2)) - np.square(diagonal).sum(1)
    share, component = _largest(profile)
    sum_share, sum_component = _largest(along)
    sides = [_largest(part)[1] for part in (blocks[:, 1:].sum(2), blocks[:, :, 1:].sum(1))]
    sides.append(sum_component)
    own = [np.where(side > 0, (side == component).astype(float), np.nan) for side in sides]
    return {
        "activation_share": share,
        "activation_frequency": component,
        "activation_harmonics": np.full(len(share), np.nan),
        "sum_share": sum_share,
        "sum_frequency": sum_component,
        "activation_ipr": squares + np.square(np.nan_to_num(along)).sum(1) + np.square(rest).sum(1),
        "silent": (grid == 0).mean((1, 2)),
        "agreement": mean_of_live(own),
    }


def _blocks(grid: Grid, components: Components) -> tuple[np.ndarray, np.ndarray]:
    """The power of each neuron by left and right component, none of the constant; and its variance, nan if flat."""
    centred = grid - grid.mean((1, 2), keepdims=True)
    flat = is_flat(grid.reshape(len(grid), -1))
    basis = components.basis.astype(grid.dtype)
    power = np.square(basis.T @ (centred @ basis))
    starts = components.starts[:-1]
    blocks = np.add.reduceat(np.add.reduceat(power, starts, axis=1), starts, axis=2).astype(np.float64)
    blocks[:, 0, 0] = 0
    return blocks, np.where(flat, np.nan, blocks.sum((1, 2)))


def _along_answer(grid: Grid, components: Components, answers: Answers) -> np.ndarray:
    """The power of each neuron's mean over the pairs of each answer, by component."""
    n = len(answers)
    if (np.bincount(answers.ravel(), minlength=n) != n).any():
        return np.full((len(grid), len(components.sizes) - 1), np.nan)
    means = answer_means(grid - grid.mean((1, 2), keepdims=True), answers)
    power: np.ndarray = n * np.add.reduceat(
        np.square(means @ components.basis), components.starts[:-1], axis=1
    )
    return power[:, 1:]


def _largest(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest share of each row, and the number of its component; nan and 0 for a dead neuron."""
    best = profile.max(1, initial=-np.inf) if profile.shape[1] else np.full(len(profile), np.nan)
    best = np.where(np.isfinite(best), np.minimum(best, 1), np.nan)
    return best, np.where(np.isnan(best), 0, profile.argmax(1) + 1)


def component_order_p_values(
    grid: Grid, components: Components, answers: Answers, seed: int = 0, draws: int | None = None
) -> dict[str, Float[np.ndarray, " neuron"]]:
    """p-values of the components in activations, against the same ones with the elements in random orders.

    `probes.orders.order_p_values` for any table: both operands in the same random order, since one embedding may read
    both, and the mean over the pairs of what then is each answer.

    Args:
        seed: Of the orders.
        draws: Of orders; if None from `FEWEST_DRAWS` to `MOST_DRAWS`, as many as take seconds.

    Returns:
        ``"p_value"`` of the most unlikely share in one component, ``"p_null"`` of the IPR over components; nan for a
        constant neuron.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> table = np.add.outer(np.arange(23), np.arange(23)) % 23
        >>> noise = np.random.default_rng(0).normal(size=(2, 23, 23))
        >>> noise[0] += np.cos(2 * np.pi * 3 * table / 23)
        >>> p = component_order_p_values(noise, components_of(group_of(table)), table)["p_value"]
        >>> bool(p[0] < 1e-3), bool(p[1] > 0.01)
        (True, True)
    """
    sizes = components.sizes[1:]
    if draws is None:
        draws = int(np.clip(SUMMED / max(grid.size, 1), FEWEST_DRAWS, MOST_DRAWS))

    def measures(sums: np.ndarray) -> np.ndarray:
        shares = components.shares(sums.astype(np.float64))
        tails = np.maximum(component_tails(shares, sizes).min(1), SMALLEST_TAIL)
        return np.nan_to_num(np.stack([-np.log(tails), np.square(shares).sum(1)]))

    return permuted_p_values(grid, lambda order: answers[np.ix_(order, order)], measures, seed, draws)
