"""Networks whose initial weights have another scale, a low rank, or a low rank along the task's frequencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig

Matrix = Float[Tensor, "row column"]


def with_scale(p: int, width: int, scale: float, seed: int) -> HookedMLP:
    """A ReLU network whose initial weights are multiplied by `scale`."""
    return HookedMLP(MLPConfig(width=width, activation="relu", init_scale=scale), vocab=p, seed=seed)


def with_rank(p: int, width: int, rank: int, seed: int) -> HookedMLP:
    """A ReLU network each of whose initial matrices is the nearest one of that rank, scaled back to its norm.

    Example:
        >>> model = with_rank(11, 20, 3, seed=0)
        >>> int(torch.linalg.matrix_rank(model.unembed.weight, rtol=1e-4)), model.embed.W_E.shape
        (3, torch.Size([2, 11, 20]))
    """
    return _changed(with_scale(p, width, 1.0, seed), lambda matrix, token_rows: _truncated(matrix, rank))


def with_frequencies(p: int, width: int, rank: int, seed: int) -> HookedMLP:
    """The same with all of it at the frequencies 1, 2, … of the tokens, two dimensions each.

    Raises:
        ConfigError: The rank is not even, or there are not so many frequencies.

    Example:
        >>> model = with_frequencies(11, 20, 4, seed=0)
        >>> spectrum = torch.fft.rfft(model.embed.W_E[0], dim=0).abs().mean(1)
        >>> (spectrum > 1e-4).nonzero().flatten().tolist()
        [1, 2]
    """
    if rank % 2 or not 0 < rank < p:
        raise ConfigError(
            f"rank={rank} is no number of frequencies of {p} tokens; expected an even one below {p}"
        )
    angles = 2 * np.pi * np.outer(np.arange(p), np.arange(1, rank // 2 + 1)) / p
    basis = torch.as_tensor(np.linalg.qr(np.hstack([np.cos(angles), np.sin(angles)]))[0], dtype=torch.float32)

    def along(matrix: Matrix, token_rows: bool) -> Matrix:
        return basis @ (basis.T @ matrix) if token_rows else matrix @ basis @ basis.T

    return _changed(with_scale(p, width, 1.0, seed), along)


def _truncated(matrix: Matrix, rank: int) -> Matrix:
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return left[:, :rank] * values[:rank] @ right[:rank]


@torch.no_grad()
def _changed(model: HookedMLP, change: Callable[[Matrix, bool], Matrix]) -> HookedMLP:
    """Every matrix replaced by another one of its norm; those of the inputs have a row a token, the last a column."""
    for matrix, token_rows in (*((table, True) for table in model.embed.W_E), (model.unembed.weight, False)):
        other = change(matrix.clone(), token_rows)
        matrix.copy_(other * (matrix.norm() / other.norm()))
    return model
