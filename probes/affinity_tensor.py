"""Affinities of neurons over time as a tensor, and its non-negative factors: groups with a time course each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

RANKS = (2, 4, 8, 16, 32)
"""Numbers of components that are tried, each twice the one before."""
GAIN = 0.03
"""Of the held-out affinity that is explained: less than this is no reason to double the components."""
ITERATIONS, TOLERANCE = 60, 1e-4


class AffinityFactors(NamedTuple):
    """Components of a tensor of affinities.

    Attributes:
        membership: Of each neuron in each component; columns have length 1.
        course: Strength of each component at each time: the length of its part of the affinities.
        explained: Share of the squared affinity that is explained, of the tensor that was factorised.
        held_out: The same of a tensor from other examples; below 0 if worse than nothing.
        asymmetry: Largest distance of a component's two memberships, which are one for a symmetric tensor, in [0, √2].
    """

    membership: Float[np.ndarray, "neuron component"]
    course: Float[np.ndarray, "time component"]
    explained: float
    held_out: float
    asymmetry: float

    @property
    def rank(self) -> int:
        """Number of components."""
        return self.membership.shape[1]

    def strongest(self) -> Int[np.ndarray, " neuron"]:
        """The component that each neuron takes most part in, at that component's greatest strength.

        -1 for a neuron that is in none.
        """
        weight = self.membership * np.sqrt(self.course.max(0, initial=0.0))
        return np.where(weight.max(1) > 0, weight.argmax(1), -1)


def affinity_tensor(
    affinities: list[Float[np.ndarray, "neuron neuron"]],
) -> Float[np.ndarray, "neuron neuron time"]:
    """Affinities stacked over time, the diagonal of each filled with a neuron's largest affinity there.

    A neuron's affinity to itself says nothing of a group; zeros would have to be explained, ones would make a group of
    every neuron. The largest correlation is the usual first estimate of a communality in factor analysis.

    Example:
        >>> affinity_tensor([np.array([[0.0, 0.5], [0.5, 0.0]])])[:, :, 0].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    tensor = np.stack(affinities, -1).astype(float)
    own = np.arange(len(tensor))
    tensor[own, own] = 0
    tensor[own, own] = tensor.max(1)
    return tensor


def factorise(
    tensor: Float[np.ndarray, "neuron neuron time"],
    held_out: Float[np.ndarray, "neuron neuron time"],
    rank: int,
    seed: int = 0,
) -> AffinityFactors:
    """Non-negative parallel factors (CP) of a tensor of affinities, by tensorly's multiplicative updates.

    The two factors of neurons are not constrained to be one; for slices that are symmetric they nearly are, and their
    geometric mean is the membership. A local optimum, which depends on the seed.

    Args:
        held_out: The tensor of the same neurons and times, from other examples.

    Raises:
        ValueError: A number is negative, the shapes differ, or the rank is below 1.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3)))
        >>> tensor = np.stack([block * [[1], [1], [1], [0], [0], [0]], block], -1)
        >>> factors = factorise(tensor, tensor, 2)
        >>> factors.strongest()[[0, 3]].tolist() != factors.strongest()[[0, 0]].tolist(), factors.explained > 0.98
        (True, True)
    """
    if tensor.shape != held_out.shape or rank < 1 or min(tensor.min(), held_out.min()) < 0:
        raise ValueError(
            f"shapes {tensor.shape} and {held_out.shape}, rank {rank}; expected equal shapes, no negative affinity, "
            "and a rank of 1 or more"
        )
    from tensorly import cp_to_tensor
    from tensorly.decomposition import non_negative_parafac

    weights, (left, right, course) = non_negative_parafac(
        tensor, rank, n_iter_max=ITERATIONS, init="random", random_state=seed, tol=TOLERANCE
    )
    fitted = cp_to_tensor((weights, (left, right, course)))
    left_length, right_length = (np.linalg.norm(one, axis=0) for one in (left, right))
    left, right = (_divided(one, length) for one, length in ((left, left_length), (right, right_length)))
    mean = np.sqrt(left * right)
    return AffinityFactors(
        _divided(mean, np.linalg.norm(mean, axis=0)),
        course * left_length * right_length * weights,
        _explained(tensor, fitted),
        _explained(held_out, fitted),
        float(np.linalg.norm(left - right, axis=0).max()),
    )


def factorise_by_rank(
    tensor: Float[np.ndarray, "neuron neuron time"],
    held_out: Float[np.ndarray, "neuron neuron time"],
    seed: int = 0,
) -> AffinityFactors:
    """The factors of the first rank of `RANKS` whose double explains less than `GAIN` more of the held-out affinity.

    The last of them that are not above the number of neurons, if all gain; a larger rank might then explain more.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3)))
        >>> tensor = np.stack([block, block], -1)
        >>> factorise_by_rank(tensor, tensor).rank
        2
    """
    best = factorise(tensor, held_out, RANKS[0], seed)
    for rank in RANKS[1:]:
        if rank > len(tensor):
            break
        more = factorise(tensor, held_out, rank, seed)
        if more.held_out < best.held_out + GAIN:
            break
        best = more
    return best


def _divided(columns: Float[np.ndarray, "row column"], by: Float[np.ndarray, " column"]) -> np.ndarray:
    return columns / np.where(by > 0, by, 1)


def _explained(tensor: np.ndarray, fitted: np.ndarray) -> float:
    total = float(np.square(tensor).sum())
    return float(1 - np.square(tensor - fitted).sum() / total) if total > 0 else 0.0
