"""Binary operations modulo p, and the ordering of operands in which a network that solves one is periodic."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.errors import ConfigError, choose
from interp.expressions import polynomial

OPERATIONS = ("add", "subtract", "multiply", "divide")
MAX_MODULUS = 4096
ORDERINGS = ("task", "natural", "log")  # see `group_ordering`


@dataclass(frozen=True)
class Ordering:
    """Three lists of residues along which the operation is addition of positions modulo their length n.

    For every i and j: ``operation(left[i], right[j]) == output[(i + j) % n]``. A neuron that takes part in
    a general solution is periodic when its weights are read in these orders (arXiv 2310.13061 for addition,
    2406.03495 for multiplication, whose orders are discrete logarithms and leave 0 out).

    Attributes:
        left, right, output: First operands, second operands and results, each of shape ``(position,)``.
        name: The order in words.
    """

    left: np.ndarray
    right: np.ndarray
    output: np.ndarray
    name: str

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


def check_operation(operation: Any, p: Any) -> None:
    """Raise a `ConfigError` if the operation is not defined modulo p, or does not parse."""
    if not isinstance(operation, str):
        raise ConfigError(
            f"operation={operation!r} is no text; expected one of {', '.join(OPERATIONS)}, or a polynomial"
        )
    if not isinstance(p, int) or not 2 <= p <= MAX_MODULUS:
        raise ConfigError(f"p={p!r} is no usable modulus; expected a whole number from 2 to {MAX_MODULUS}")
    if operation in ("multiply", "divide") and not is_prime(p):
        nearest = next(q for q in range(p, 2 * p) if is_prime(q))
        raise ConfigError(f"{operation} needs a prime modulus, not p={p}; the next prime is {nearest}")
    if operation not in OPERATIONS:
        if operation.isidentifier() and operation not in ("a", "b"):
            raise ConfigError(
                f"unknown operation {operation!r}; expected one of {', '.join(OPERATIONS)}, "
                "or a polynomial in a and b such as 'a**2 + a*b'"
            )
        polynomial(operation, {"a": 1, "b": 1}, p)


def operation_table(operation: str, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of operands that the operation allows, with its result.

    Args:
        operation: ``add``, ``subtract``, ``multiply``, ``divide``, or a polynomial in ``a`` and ``b``.
        p: The modulus; prime for ``multiply`` and ``divide``.

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
    a, b = (axis.ravel() for axis in np.meshgrid(np.arange(p), np.arange(p), indexing="ij"))
    if operation == "divide":
        a, b = a[b != 0], b[b != 0]
        inverse = np.array([0] + [pow(x, -1, p) for x in range(1, p)])
        results = a * inverse[b] % p
    elif operation in OPERATIONS:
        results = {"add": a + b, "subtract": a - b, "multiply": a * b}[operation] % p
    else:
        results = polynomial(operation, {"a": a, "b": b}, p)
    return np.stack([a, b], axis=1), np.broadcast_to(results, a.shape).astype(np.int64)


def group_ordering(operation: str, p: int, name: str = "task") -> Ordering | None:
    """The ordering in which a solution of the operation is periodic, or another that neurons are to be read in.

    A polynomial has one if it is a sum f(a) + g(b) of two permutations of the residues. Multiplication modulo 2
    has none: a single residue is no group to be periodic in.

    Args:
        operation: The rule that the network computes, or is said to compute.
        p: The modulus.
        name: ``"task"``: the operation's own. ``"natural"``: residues as they are. ``"log"``: powers of a primitive
            root, the second operand's backwards if the operation is ``divide``.

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
    """
    choose("ordering", name, ORDERINGS)
    if name == "log" and (p == 2 or not is_prime(p)):
        raise ConfigError(
            f"the ordering 'log' needs a prime modulus above 2, not p={p}; try 'natural' or 'task'"
        )
    check_operation(operation, p)
    if name != "task":  # those of an operation that has it
        logarithmic = "divide" if operation == "divide" else "multiply"
        operation = "add" if name == "natural" else logarithmic
    natural = np.arange(p)
    if operation == "add":
        return Ordering(natural, natural, natural, "natural")
    if operation == "subtract":
        return Ordering(natural, -natural % p, natural, "natural, the second operand negated")
    if operation in ("multiply", "divide"):
        if p == 2:
            return None
        g = primitive_root(p)
        powers = np.array([pow(g, i, p) for i in range(p - 1)])
        right = powers if operation == "multiply" else np.roll(powers[::-1], 1)
        return Ordering(powers, right, powers, f"discrete logarithm to base {g}, without 0")
    table = operation_table(operation, p)[1].reshape(p, p)
    left, right = table[:, 0], (table[0] - table[0, 0]) % p
    separable = np.array_equal(table, (left[:, None] + right[None, :]) % p)
    if not (separable and len(set(left.tolist())) == p == len(set(right.tolist()))):
        return None
    return Ordering(np.argsort(left), np.argsort(right), natural, "by the value of each term")


def in_order(
    vectors: Float[np.ndarray, "neuron token"], order: Int[np.ndarray, " position"]
) -> Float[np.ndarray, "neuron position"]:
    """The columns in another order; the vectors themselves, not a copy, where that is the one they are in."""
    natural = len(order) == vectors.shape[1] and (order == np.arange(len(order))).all()
    return vectors if natural else vectors[:, order]
