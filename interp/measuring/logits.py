"""Logits of all examples: held where they are few, and computed some rows at a time where they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from interp.memory import check_need

HELD = 100_000_000
"""Numbers up to which all logits are held."""
BLOCK = 4_000_000
"""Numbers of a block of them."""


Rows = Int[Tensor, " row"] | slice


@dataclass(frozen=True, eq=False)
class StreamedLogits:
    """Logits ``(example, output)`` that are computed anew whenever rows of them are asked for.

    Attributes:
        shape: Examples and outputs.
        device: Where they are computed.
        compute: The logits of some examples, by their indices or a slice, without gradients.

    Example:
        >>> cpu = torch.device("cpu")
        >>> logits = StreamedLogits((3, 2), cpu, lambda rows: torch.stack([rows, -rows], dim=1).float())
        >>> logits[torch.tensor([2, 0])].tolist()
        [[2.0, -2.0], [0.0, 0.0]]
    """

    shape: tuple[int, int]
    device: torch.device
    compute: Callable[[Rows], Float[Tensor, "row output"]]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> Float[Tensor, "row output"]:
        """The logits of some examples."""
        with torch.no_grad():
            return self.compute(rows)

    def whole(self) -> Float[Tensor, "example output"]:
        """All of them in memory.

        Raises:
            ConfigError: They need more of it than the budget.
        """
        n, classes = self.shape
        need = 4 * n * classes
        check_need(
            need, f"holding the logits of {n:,} examples of {classes:,} classes", "take fewer examples"
        )
        return torch.cat([self[rows] for rows in blocks_of(self)])


Logits = Float[Tensor, "example output"] | StreamedLogits


def whole_of(logits: Logits) -> Float[Tensor, "example output"]:
    """All logits in memory; see `StreamedLogits.whole`."""
    return logits.whole() if isinstance(logits, StreamedLogits) else logits


def blocks_of(logits: Logits, examples: int | None = None) -> Iterator[slice]:
    """Examples that are worked on together: all of them where the logits are held.

    Args:
        examples: How many there are, if not one for each row.
    """
    n, classes = logits.shape
    n = n if examples is None else examples
    size = max(1, BLOCK // classes) if isinstance(logits, StreamedLogits) else max(1, n)
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def by_rows(
    reduce: Callable[..., Shaped[Tensor, "*axes row"]],
    logits: Logits,
    *others: Tensor,
    chosen: Int[Tensor, " row"] | None = None,
) -> Shaped[Tensor, "*axes row"]:
    """The results of a function of the logits of each example, put together from blocks of them.

    Args:
        reduce: Called with logits and the same rows of the others; its result has the examples on its last axis.
        others: Tensors with a row for each example, or, with `chosen`, for each of these.
        chosen: Indices of the examples that are asked for; all if None.

    Example:
        >>> cpu = torch.device("cpu")
        >>> logits = StreamedLogits((5, 2), cpu, lambda rows: torch.arange(10.0).reshape(5, 2)[rows])
        >>> by_rows(lambda block, less: block.sum(1) - less, logits, torch.ones(5)).tolist()
        [0.0, 4.0, 8.0, 12.0, 16.0]
    """
    if isinstance(logits, Tensor):
        return reduce(logits if chosen is None else logits[chosen], *others)
    n = len(logits) if chosen is None else len(chosen)
    whole = reduce(logits[slice(0)], *(other[:0] for other in others))
    whole = whole.new_empty(
        *whole.shape[:-1], n
    )  # once: parts between the blocks would keep memory from being reused
    for rows in blocks_of(logits, n):
        block = logits[rows if chosen is None else chosen[rows]]
        whole[..., rows] = reduce(block, *(other[rows] for other in others))
    return whole
