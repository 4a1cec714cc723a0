"""Binary operations modulo p, and the ordering of operands in which a network that solves one is periodic."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.data.group_tables import group_table, order_of
from interp.errors import ConfigError, choose, cut
from interp.expressions import polynomial
from interp.memory import check_need

OPERATIONS = ("add", "subtract", "multiply", "divide")
MODULUS = 97
"""That of a task that says none."""
MAX_MODULUS = 4096
PAIR_BYTES = 70
"""Of memory that a pair of operands takes at the most, with its results, labels and masks."""
ORDERINGS = ("task", "natural", "log")  # see `group_ordering`
LOGARITHMIC = "discrete logarithm"
TABLE, READ = "table", "read"
"""The operation whose results a task is given, and the task that is taken from a network's answers."""
GROUP, FROM_FILE = "group:", "table:"
"""What the names of a finite group and of a file of results follow, as in ``group:S5`` and ``table:products.csv``."""


@dataclass(frozen=True)
class Ordering:
    """Three lists of residues along which the operation is addition of positions modulo their length n.

    For every i and j: ``operation(left[i], right[j]) == output[(s * i + t * j) % n]`` with the steps s and t. A neuron
    that takes part in a general solution is periodic when its weights are read in these orders (arXiv 2310.13061 for
    addition, 2406.03495 for multiplication, whose orders are discrete logarithms and leave 0 out): at some frequency k
    in the output, and at s k and t k in the operands.

    Attributes:
        left, right, output: First operands, second operands and results, each of shape ``(position,)``.
        name: The order in words.
        steps: Positions of the output that a position of each operand counts for; more than 1 where different operands
            have the same results, as in a**2 * b.
    """

    left: np.ndarray
    right: np.ndarray
    output: np.ndarray
    name: str
    steps: tuple[int, int] = (1, 1)

    def __len__(self) -> int:
        return len(self.left)


def is_prime(n: int) -> bool:
    """True if n is prime, by trial division."""
    return n >= 2 and all(n % d for d in range(2, isqrt(n) + 1))


def primitive_root(p: int) -> int:
    """The smallest generator of the multiplicative group modulo a prime p.

    Example:
        >>> primitive_root(97)
        5
    """
    if not is_prime(p):
        raise ConfigError(f"p={p} is not prime, so there is no primitive root to order its residues by")
    factors = [q for q in range(2, p) if (p - 1) % q == 0 and is_prime(q)]
    return next(g for g in range(1, p) if all(pow(g, (p - 1) // q, p) != 1 for q in factors))


def checked_table(operation: str, results: Any, p: int | None) -> Int[np.ndarray, "left right"]:
    """Results of an operation that a table gives; a `ConfigError` unless they are whole numbers below their number."""
    if operation != TABLE or results is None:
        raise ConfigError(
            f"operation={cut(operation)} and results: only {TABLE!r} has results, and needs them"
        )
    try:
        table = np.asarray(results)
    except ValueError:  # rows of different lengths
        table = np.zeros(())
    n = len(table) if table.ndim else 0
    if (
        table.shape != (n, n)
        or not 2 <= n <= MAX_MODULUS
        or table.dtype.kind not in "iu"
        or p not in (None, n)
    ):
        more = "" if p is None else f", p={p} of each"
        raise ConfigError(
            f"the results have shape {table.shape} and type {table.dtype}; expected whole numbers, as many rows as "
            f"columns{more}"
        )
    if table.min() < 0 or table.max() >= n:
        raise ConfigError(f"the results run from {table.min()} to {table.max()}; expected 0 to {n - 1}")
    return table.astype(np.int64)


def ordering_of_table(results: Int[np.ndarray, "left right"], name: str = "task") -> Ordering | None:
    """As `group_ordering`, of an operation whose results a table gives."""
    if name != "task":
        return group_ordering("add", len(results), name)
    prime = len(results) > 2 and is_prime(len(results))
    return _sum(results) or (_product(results) if prime else None)


def own_modulus(operation: Any) -> int | None:
    """The number of operands that an operation itself says: the order of a group; None of the others.

    Example:
        >>> own_modulus("group:S4"), own_modulus("add")
        (24, None)
    """
    named = isinstance(operation, str) and operation.startswith(GROUP)
    return order_of(operation.removeprefix(GROUP)) if named else None


def table_file(operation: Any) -> Path | None:
    """The file of results that the name of an operation says, as ``table:FILE``; else None.

    Example:
        >>> table_file("table:products.csv"), table_file("add")
        (PosixPath('products.csv'), None)
    """
    named = isinstance(operation, str) and operation.startswith(FROM_FILE)
    return Path(operation.removeprefix(FROM_FILE)) if named else None


def operation_in_words(operation: str, p: int | None) -> str:
    """An operation with its modulus, or its number of elements, as sentences name it.

    Example:
        >>> operation_in_words("add", 97), operation_in_words("group:S4", 24), operation_in_words("table", 7)
        ('add modulo 97', 'group:S4', 'table of 7 elements')
    """
    if p is None or own_modulus(operation) is not None:
        return operation
    return f"{operation} of {p} elements" if operation == TABLE else f"{operation} modulo {p}"


def check_operation(operation: Any, p: Any) -> None:
    """Raise a `ConfigError` if the operation is not defined modulo p, or does not parse."""
    if not isinstance(operation, str):
        raise ConfigError(
            f"operation={cut(operation)} is no text; expected one of {', '.join(OPERATIONS)}, or a polynomial"
        )
    if operation == READ:
        raise ConfigError(
            "the task 'read' is taken from a checkpoint's answers; give it with no table, not to train"
        )
    if not isinstance(p, int) or not 2 <= p <= MAX_MODULUS:
        raise ConfigError(f"p={cut(p)} is no usable modulus; expected a whole number from 2 to {MAX_MODULUS}")
    if (order := own_modulus(operation)) is not None:
        if p != order:
            raise ConfigError(f"{operation} has {order} elements, not p={p}; leave p out")
        return
    if operation == "divide" and not is_prime(p):
        nearest = next(q for q in range(p, 2 * p) if is_prime(q))
        raise ConfigError(
            f"divide needs a prime modulus, not p={p}, by whose divisors nothing can be divided; the next prime is "
            f"{nearest}"
        )
    if operation not in OPERATIONS:
        if operation.isidentifier() and operation not in ("a", "b"):
            raise ConfigError(
                f"unknown operation {cut(operation)}; expected one of {', '.join(OPERATIONS)}, "
                "a polynomial in a and b such as 'a**2 + a*b', or a group such as group:S5"
            )
        polynomial(operation, {"a": 1, "b": 1}, p)


def operation_table(operation: str, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of operands that the operation allows, with its result.

    Args:
        operation: ``add``, ``subtract``, ``multiply``, ``divide``, a polynomial in ``a`` and ``b``, or a group such as
            ``group:S5``, see `interp.data.group_tables`.
        p: The modulus; prime for ``divide``.

    Returns:
        Operands of shape ``(example, 2)`` in row-major order and results of shape ``(example,)``, int64.
        Division leaves out pairs whose divisor is 0.

    Raises:
        ConfigError: p does not fit the operation. ExpressionError: the polynomial does not parse.

    Example:
        >>> operands, results = operation_table("divide", 5)
        >>> operands.shape, int(results[(operands == (3, 2)).all(1)][0])   # 3 / 2 = 4 (mod 5)
        ((20, 2), 4)
    """
    check_operation(operation, p)
    check_need(PAIR_BYTES * p * p, f"making all pairs of operands modulo {p}", "take a smaller modulus")
    a, b = (axis.ravel() for axis in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    if operation == "divide":
        a, b = a[b != 0], b[b != 0]
        inverse = np.array([0] + [pow(x, -1, p) for x in range(1, p)])
        results = a * inverse[b] % p
    elif operation.startswith(GROUP):
        results = group_table(operation.removeprefix(GROUP)).ravel()
    elif operation in OPERATIONS:
        results = {"add": a + b, "subtract": a - b, "multiply": a * b}[operation] % p
    else:
        results = polynomial(operation, {"a": a, "b": b}, p)
    return np.stack([a, b], axis=1), np.broadcast_to(results, a.shape).astype(np.int64)


def group_ordering(operation: str, p: int, name: str = "task") -> Ordering | None:
    """The ordering in which a solution of the operation is periodic, or another that neurons are to be read in.

    A polynomial has one if it is a sum f(a) + g(b), or modulo a prime a product f(a) g(b) plus a constant, of two
    permutations of the residues or of multiples (powers): 2 a + 3 b + 1, c a**i b**j, (a + 1) (b + 2) - 1.
    Multiplication modulo 2 has none: a single residue is no group to be periodic in. Nor has that modulo a composite,
    whose units need not be powers of one.

    Args:
        operation: The rule that the network computes, or is said to compute.
        p: The modulus.
        name: ``"task"``: the operation's own. ``"natural"``: residues as they are. ``"log"``: powers of a primitive
            root, as in the operation's own ordering where that has them, else as for ``multiply``.

    Returns:
        None only for ``"task"``, where no ordering is known.

    Raises:
        ConfigError: There is no such ordering, or there are no discrete logarithms modulo p.

    Example:
        >>> order = group_ordering("multiply", 7)
        >>> order.left.tolist(), len(order)
        ([1, 3, 2, 6, 4, 5], 6)
        >>> group_ordering("add", 7, "log").left.tolist(), group_ordering("multiply", 3, "natural").left.tolist()
        ([1, 3, 2, 6, 4, 5], [0, 1, 2])
        >>> group_ordering("3*a**2*b", 7).steps, group_ordering("a**2 + a*b", 7)
        ((2, 1), None)
    """
    choose("ordering", name, ORDERINGS)
    if name == "log" and (p == 2 or not is_prime(p)):
        raise ConfigError(
            f"the ordering 'log' needs a prime modulus above 2, not p={p}; try 'natural' or 'task'"
        )
    check_operation(operation, p)
    if name == "natural":
        operation = "add"
    own = _own_ordering(operation, p)
    if name == "log" and (own is None or not own.name.startswith(LOGARITHMIC) or 0 in own.left):
        return _own_ordering("multiply", p)
    return own


def _own_ordering(operation: str, p: int) -> Ordering | None:
    natural = np.arange(p)
    if operation == "add":
        return Ordering(natural, natural, natural, "natural")
    if operation == "subtract":
        return Ordering(natural, -natural % p, natural, "natural, the second operand negated")
    if operation in ("multiply", "divide"):
        if p == 2 or not is_prime(p):
            return None
        powers, name = _powers(p), f"{LOGARITHMIC} to base {primitive_root(p)}, without 0"
        right = powers if operation == "multiply" else np.roll(powers[::-1], 1)
        return Ordering(powers, right, powers, name)
    return ordering_of_table(operation_table(operation, p)[1].reshape(p, p))


def _powers(p: int) -> np.ndarray:
    """Powers 0 … p - 2 of the smallest primitive root of a prime p, which are all residues but 0."""
    g = primitive_root(p)
    return np.array([pow(g, i, p) for i in range(p - 1)])


def _sum(table: np.ndarray) -> Ordering | None:
    """The ordering of results ``(left, right)`` that are f(a) + g(b) of permutations or multiples; None of others."""
    natural = np.arange(len(table))
    places = _positions(table)
    if places is None:
        return None
    (left, step), (right, other), constant = places
    output = (natural + constant) % len(table)
    return Ordering(left, right, output, "by the value of each term", (step, other))


def _product(table: np.ndarray) -> Ordering | None:
    """The ordering of results modulo a prime that are f(a) g(b) plus a constant: one row and one column hold the
    constant alone, and logarithms of the rest are a sum."""
    p = len(table)
    rows, columns = (np.flatnonzero((one == one[:, :1]).all(1)) for one in (table, table.T))
    if len(rows) != 1 or len(columns) != 1:
        return None
    (zero_left,), (zero_right,) = rows.tolist(), columns.tolist()
    constant, powers = int(table[zero_left, zero_right]), _powers(p)
    logarithm = np.full(p, -1)
    logarithm[powers] = np.arange(p - 1)
    left, right = (zero_left + powers) % p, (zero_right + powers) % p
    logarithms = logarithm[(table[np.ix_(left, right)] - constant) % p]
    places = None if (logarithms < 0).any() else _positions(logarithms)
    if places is None:
        return None
    (first, step), (second, other), factor = places
    output = (constant + np.roll(powers, -factor)) % p
    without = "0" if zero_left == zero_right == 0 else f"{zero_left} and {zero_right}"
    name = f"{LOGARITHMIC} to base {powers[1 % len(powers)]}, without {without}"
    return Ordering(left[first], right[second], output, name, (step, other))


Places = tuple[np.ndarray, int]
"""The order of an operand's positions, and how many positions of the output each counts for."""


def _positions(table: np.ndarray) -> tuple[Places, Places, int] | None:
    """The orders in which a table ``(left, right)`` modulo its length is a sum of positions and a constant."""
    n, constant = len(table), int(table[0, 0])
    left, right = (table[:, 0] - constant) % n, (table[0] - constant) % n
    if not np.array_equal(table, (left[:, None] + right[None, :] + constant) % n):
        return None
    first, second = _order(left), _order(right)
    return None if first is None or second is None else (first, second, constant)


def _order(values: np.ndarray) -> Places | None:
    """The order in which values that begin with 0 are multiples of a step above 0, modulo their number."""
    n = len(values)
    if len(np.unique(values)) == n:
        return np.argsort(values), 1
    step = int(values[1])
    return (np.arange(n), step) if step and np.array_equal(values, step * np.arange(n) % n) else None


def steps_of(ordering: Ordering | None, n_vectors: int) -> tuple[int, ...]:
    """The steps of an ordering for a site's weight vectors; 1 of its readout, and where there is no ordering.

    Example:
        >>> steps_of(group_ordering("a**2 * b", 31), 3), steps_of(None, 2)
        ((2, 1, 1), (1, 1))
    """
    operands = (1, 1) if ordering is None else ordering.steps
    return (*operands, 1)[:n_vectors] if n_vectors in (2, 3) else (1,) * n_vectors


def in_order(
    vectors: Float[np.ndarray, "neuron token"], order: Int[np.ndarray, " position"]
) -> Float[np.ndarray, "neuron position"]:
    """The columns in another order; the vectors themselves, not a copy, where that is the one they are in."""
    natural = len(order) == vectors.shape[1] and (order == np.arange(len(order))).all()
    return vectors if natural else vectors[:, order]
