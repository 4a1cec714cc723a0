"""Rich or lazy learning: the change of weights, of representations and of kernels, and the rank of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-12
"""Of a matrix's norm: a centred matrix below it is 0."""


def relative_change(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> float:
    """Norm of the change of all weights over the norm that they had; nan where that was 0.

    Example:
        >>> relative_change([np.array([3.0]), np.array([[4.0]])], [np.array([3.0]), np.array([[6.0]])])
        0.4
    """
    _check(before, after)
    first, change = (
        sum(float(np.square(one, dtype=np.float64).sum()) for one in arrays)
        for arrays in (before, [new.astype(np.float64) - old for old, new in zip(before, after, strict=True)])
    )
    return float(np.sqrt(change / first)) if first else float("nan")


def sign_similarity(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> float:
    """Share of the weights that have the sign they had, of those that were not 0; .5 for unrelated ones.

    A weight that has become 0 has lost its sign. nan where all were 0.

    Example:
        >>> sign_similarity([np.array([1.0, -2.0, 0.0, 4.0])], [np.array([0.5, 2.0, 9.0, 3.0])]).__round__(3)
        0.667
    """
    _check(before, after)
    counted = [old != 0 for old in before]
    n = sum(int(one.sum()) for one in counted)
    same = sum(
        int((np.sign(old) == np.sign(new))[one].sum())
        for old, new, one in zip(before, after, counted, strict=True)
    )
    return same / n if n else float("nan")


def _check(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> None:
    shapes = [one.shape for one in before], [one.shape for one in after]
    if shapes[0] != shapes[1]:
        raise ValueError(f"weights of shapes {shapes[0]} and {shapes[1]}; expected those of one network")


def kernel_alignment(
    first: Float[np.ndarray, "example example"],
    second: Float[np.ndarray, "example example"],
    *,
    centred: bool = True,
) -> float:
    """Cosine between two matrices of similarities of the same examples.

    Of Gram matrices of activations it is the representation alignment of arXiv 2310.08513, of sums over parameters of
    products of gradients that of neural tangent kernels. Uncentred, it is near 1 for most pairs of networks, as the
    examples share their mean; centred (arXiv 1905.00414) that mean is taken out.

    Args:
        first, second: Symmetric, with no negative eigenvalue.
        centred: Take the mean out of rows and columns.

    Returns:
        In [0, 1]; nan where a matrix is 0.

    Example:
        >>> acts = np.random.default_rng(0).normal(size=(30, 50))
        >>> turned = acts @ np.linalg.qr(np.random.default_rng(1).normal(size=(50, 50)))[0]
        >>> round(kernel_alignment(acts @ acts.T, 4 * turned @ turned.T), 6)
        1.0
    """
    if first.shape != second.shape:
        raise ValueError(f"matrices of {len(first)} and {len(second)} examples; expected the same examples")
    pair = [one.astype(np.float64) for one in (first, second)]
    norms = [float(np.linalg.norm(one)) for one in pair]
    if centred:
        pair = [one - one.mean(0) - one.mean(1)[:, None] + one.mean() for one in pair]
    sizes = [float(np.linalg.norm(one)) for one in pair]
    if any(size <= ROUNDING * norm for size, norm in zip(sizes, norms, strict=True)):
        return float("nan")
    return float(np.clip(np.vdot(pair[0] / sizes[0], pair[1] / sizes[1]), 0.0, 1.0))


def gram(activations: Float[np.ndarray, "example neuron"]) -> Float[np.ndarray, "example example"]:
    """Products of the examples' activations, in double precision."""
    exact = activations.astype(np.float64)
    return exact @ exact.T


def effective_rank(matrix: Float[np.ndarray, "row column"]) -> float:
    """The exponential of the entropy of the singular values' shares (Roy and Vetterli 2007).

    Returns:
        From 1 to the smaller side: as many as the singular values that are equal, if the rest are 0. nan for zeros, and
        where an entry is nan or infinite.

    Example:
        >>> round(effective_rank(np.diag([2.0, 2.0, 2.0, 0.0])), 6)
        3.0
    """
    if not np.isfinite(matrix).all():
        return float("nan")
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    if not values.sum():
        return float("nan")
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
