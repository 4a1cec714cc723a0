"""Arrays with a row for each example: held where they are small, computed some rows at a time where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from interp.memory import check_need, working_budget

HELD = 100_000_000
"""Numbers up to which all logits are held."""
HELD_ACTIVATIONS = 250_000_000
"""Numbers up to which activations are held, which are dearer to compute again."""
BLOCK = 4_000_000
"""Numbers of a block of them."""


Rows = Int[Tensor, " row"] | slice


@dataclass(frozen=True, eq=False)
class Streamed:
    """An array ``(example, …)`` whose rows are computed anew whenever they are asked for.

    Attributes:
        shape: Examples, and the axes of one example.
        device: Where they are computed.
        compute: The rows of some examples, by their indices or a slice, without gradients.
        dtype: Of the numbers.
        needs: Numbers that are held while a row is computed, if they are more than it has.

    Example:
        >>> cpu = torch.device("cpu")
        >>> logits = Streamed((3, 2), cpu, lambda rows: torch.stack([rows, -rows], dim=1).float())
        >>> logits[torch.tensor([2, 0])].tolist()
        [[2.0, -2.0], [0.0, 0.0]]
    """

    shape: tuple[int, ...]
    device: torch.device
    compute: Callable[[Rows], Shaped[Tensor, "row ..."]]
    dtype: torch.dtype = torch.float32
    needs: int = 0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes, that of the examples included."""
        return len(self.shape)

    def __getitem__(self, rows: Rows) -> Shaped[Tensor, "row ..."]:
        """The rows of some examples."""
        with torch.no_grad():
            return self.compute(rows)

    def map(self, change: Callable[[Tensor], Tensor]) -> Streamed:
        """The same array with a function of each block of rows in their place, which keeps their shape."""
        return replace(self, compute=lambda rows: change(self[rows]))

    def at(self, chosen: Int[Tensor, " row"]) -> Streamed:
        """The array of some examples, by their indices."""
        return replace(
            self, shape=(len(chosen), *self.shape[1:]), compute=lambda rows: self.compute(chosen[rows])
        )

    def whole(self) -> Shaped[Tensor, "example ..."]:
        """All of it in memory.

        Raises:
            ConfigError: It needs more of it than the budget.
        """
        n, *axes = self.shape
        purpose = f"holding {n:,} examples of {' x '.join(f'{axis:,}' for axis in axes)} numbers"
        check_need(4 * torch.Size(self.shape).numel(), purpose, "take fewer examples")
        return self._filled()

    def columns(self, neurons: Int[Tensor, " chosen"]) -> Shaped[Tensor, "example ..."]:
        """All examples of some entries of the last axis, in memory.

        Raises:
            ConfigError: They need more of it than the budget.
        """
        shape = (*self.shape[:-1], len(neurons))
        purpose = f"holding {len(neurons)} neurons on {len(self):,} examples"
        check_need(4 * torch.Size(shape).numel(), purpose, "take fewer neurons")
        return replace(
            self,
            shape=shape,
            compute=lambda rows: self.compute(rows)[..., neurons],
            needs=max(self.needs, torch.Size(self.shape[1:]).numel()),
        )._filled()

    def _filled(self) -> Shaped[Tensor, "example ..."]:
        whole = torch.empty(self.shape, dtype=self.dtype, device=self.device)
        for rows in blocks_of(self):
            whole[rows] = self[rows]
        return whole


Logits = Float[Tensor, "example output"] | Streamed
Activations = Float[Tensor, "example *axes neuron"] | Streamed


def whole_of(array: Tensor | Streamed) -> Shaped[Tensor, "example ..."]:
    """All of an array in memory; see `Streamed.whole`."""
    return array.whole() if isinstance(array, Streamed) else array


def moments_of(block: Float[Tensor, "row output"]) -> Float[Tensor, "two output"]:
    """Sums of each output's logits and of their squares, in double precision."""
    double = block.double()
    return torch.stack([double.sum(0), double.square_().sum(0)])


def mapped(array: Activations, change: Callable[[Tensor], Tensor]) -> Activations:
    """An array with a function of its rows in their place, which keeps their shape."""
    return array.map(change) if isinstance(array, Streamed) else change(array)


def blocks_of(array: Tensor | Streamed, examples: int | None = None) -> Iterator[slice]:
    """Examples that are worked on together: all of them where the array is held.

    Args:
        examples: How many there are, if not one for each row.
    """
    n = len(array) if examples is None else examples
    size = max(1, n)
    if isinstance(array, Streamed):
        size = max(1, BLOCK // max(1, array.needs, torch.Size(array.shape[1:]).numel()))
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def by_rows(
    reduce: Callable[..., Shaped[Tensor, "*axes row"]],
    array: Tensor | Streamed,
    *others: Tensor | Streamed,
    chosen: Int[Tensor, " row"] | None = None,
) -> Shaped[Tensor, "*axes row"]:
    """The results of a function of each example's row, such as its logits, put together from blocks of them.

    Args:
        reduce: Called with rows of the array and the same of the others; its result has the examples on its last axis.
        others: Arrays with a row for each example, or, with `chosen`, for each of these.
        chosen: Indices of the examples that are asked for; all if None.

    Example:
        >>> cpu = torch.device("cpu")
        >>> logits = Streamed((5, 2), cpu, lambda rows: torch.arange(10.0).reshape(5, 2)[rows])
        >>> by_rows(lambda block, less: block.sum(1) - less, logits, torch.ones(5)).tolist()
        [0.0, 4.0, 8.0, 12.0, 16.0]
    """
    if isinstance(array, Tensor):
        return reduce(array if chosen is None else array[chosen], *others)
    n = len(array) if chosen is None else len(chosen)
    whole = None
    for rows in blocks_of(array, max(n, 1)):
        block = array[rows if chosen is None else chosen[rows]]
        part = reduce(block, *(other[rows] for other in others))
        if whole is None:  # once: parts between the blocks would keep memory from being reused
            whole = part.new_empty(*part.shape[:-1], n)
        whole[..., rows] = part
    assert whole is not None
    return whole


def neurons_at_once(array: Activations, arrays: int = 1) -> Iterator[Int[Tensor, " chosen"]]:
    """Neurons whose columns are held at the same time: all of them where the array is held.

    Args:
        arrays: Arrays of as many columns that the caller makes of them; all fit the memory budget.
    """
    width, step = array.shape[-1], array.shape[-1]
    if isinstance(array, Streamed):
        each = 4 * (1 + arrays) * torch.Size(array.shape[:-1]).numel()
        step = min(width, max(1, int(COLUMNS_SHARE * min(working_budget(), COLUMNS_MOST) / each)))
    yield from torch.arange(width).split(max(1, step))


def columns_of(
    array: Activations, arrays: int = 1
) -> Iterator[tuple[slice, Float[Tensor, "example *axes column"]]]:
    """All examples of some neurons at a time: of all at once where the array is held.

    Args:
        arrays: As for `neurons_at_once`.

    Example:
        >>> [(some.stop, columns.tolist()) for some, columns in columns_of(torch.eye(2))]
        [(2, [[1.0, 0.0], [0.0, 1.0]])]
    """
    for neurons in neurons_at_once(array, arrays):
        if len(neurons):
            some = slice(int(neurons[0]), int(neurons[-1]) + 1)
            yield some, array[..., some] if isinstance(array, Tensor) else chosen_columns(array, neurons)


COLUMNS_SHARE, COLUMNS_MOST = 0.5, 2**31
"""Of the memory budget that columns of all examples may take, and the largest budget that they count on."""


def chosen_columns(
    array: Activations, neurons: Int[Tensor, " chosen"]
) -> Float[Tensor, "example *axes chosen"]:
    """All examples of some neurons, in memory; see `Streamed.columns`."""
    return array[..., neurons] if isinstance(array, Tensor) else array.columns(neurons)
