"""Multiplication tables of finite groups by name: symmetric, alternating, dihedral, cyclic, and their products."""

from __future__ import annotations

import re
from itertools import permutations, product
from math import factorial

import numpy as np
from jaxtyping import Int

from interp.errors import ConfigError, cut

Table = Int[np.ndarray, "_ _"]
MOST = 1000
"""Elements of a group that is made by its name."""
_FACTOR = re.compile(r"(S|A|D|Q|Z|C)(\d{1,4})")
ORDERS = {
    "S": lambda n: factorial(min(n, 20)),
    "A": lambda n: max(1, factorial(min(n, 20)) // 2),
    "D": lambda n: 2 * n,
    "Q": lambda n: n,
    "Z": lambda n: n,
    "C": lambda n: n,
}


def order_of(name: str) -> int:
    """The number of elements of the group with a name such as S5, A5, D59, Z118 or Z2xZ4xZ10.

    Dn are the 2 n symmetries of a polygon with n sides; Qn is the dicyclic group of n elements, Q8 that of the
    quaternions; Cn is Zn.

    Raises:
        ConfigError: It is none, or has more than `MOST` elements.

    Example:
        >>> order_of("S5"), order_of("D59"), order_of("Z2xZ4xZ10")
        (120, 118, 80)
    """
    order = 1
    for kind, n in _factors_of(name):
        order *= ORDERS[kind](n)
    if order > MOST:
        raise ConfigError(f"the group {cut(name)} has {order:,} elements; at most {MOST:,} are handled")
    return order


def group_table(name: str) -> Table:
    """The multiplication table of a group by its name; see `order_of`.

    Elements are numbered from 0, the identity: residues as they are; permutations in lexicographic order; rotations of
    a polygon, then its reflections; tuples of a product with the last factor changing fastest.

    Example:
        >>> group_table("Z2xZ2")[1].tolist()
        [1, 0, 3, 2]
    """
    order_of(name)
    makers = {"S": symmetric, "A": alternating, "D": dihedral, "Q": dicyclic, "Z": cyclic, "C": cyclic}
    return direct_product(*(makers[kind](n) for kind, n in _factors_of(name)))


def _factors_of(name: str) -> list[tuple[str, int]]:
    matches = [_FACTOR.fullmatch(part) for part in name.replace("×", "x").split("x")]
    factors = [(match[1], int(match[2])) for match in matches if match is not None]
    dicyclic_of = [n for kind, n in factors if kind == "Q"]
    if len(factors) < len(matches) or any(n < 1 for _, n in factors) or any(n % 4 for n in dicyclic_of):
        raise ConfigError(
            f"{cut(name)} names no group; write S5, A5, D59, Z118 or Q8 (a multiple of 4), or a product of such ones, "
            "Z2xZ4xZ10"
        )
    return factors


def symmetric(n: int) -> Table:
    """All permutations of n things, in lexicographic order; the product a b does b first.

    Example:
        >>> symmetric(3)[1].tolist()
        [1, 0, 4, 5, 2, 3]
    """
    return _of_permutations(np.array(list(permutations(range(n)))))


def alternating(n: int) -> Table:
    """The even permutations of n things.

    Example:
        >>> len(alternating(5))
        60
    """
    every = np.array(list(permutations(range(n))))
    swaps = sum((every[:, i] > every[:, j]).astype(int) for i in range(n) for j in range(i + 1, n))
    return _of_permutations(every[swaps % 2 == 0] if n > 1 else every)


def _of_permutations(every: np.ndarray) -> Table:
    n = every.shape[1]
    place = n ** np.arange(n)[::-1]
    codes = every @ place
    products = every[:, None, :].repeat(len(every), 1)
    products = np.take_along_axis(products, every[None].repeat(len(every), 0), 2) @ place
    return np.searchsorted(codes, products)


def cyclic(n: int) -> Table:
    """Addition modulo n.

    Example:
        >>> cyclic(3).tolist()
        [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    """
    return np.add.outer(np.arange(n), np.arange(n)) % n


def dihedral(n: int) -> Table:
    """The 2 n symmetries of a regular polygon: n rotations, then n reflections.

    Example:
        >>> dihedral(3)[1].tolist(), dihedral(3)[:, 3].tolist()
        ([1, 2, 0, 4, 5, 3], [3, 4, 5, 0, 1, 2])
    """
    turn, flip = np.arange(2 * n) % n, np.arange(2 * n) // n
    turned = (turn[:, None] + np.where(flip[:, None], -turn[None], turn[None])) % n
    return turned + n * (flip[:, None] ^ flip[None])


def dicyclic(n: int) -> Table:
    """The n elements x**i y**j with x**(n / 2) = 1, y**2 = x**(n / 4) and y x = x**-1 y; n is a multiple of 4.

    Example:
        >>> dicyclic(8)[4].tolist()
        [4, 7, 6, 5, 2, 1, 0, 3]
    """
    half = n // 2
    turn, other = np.arange(n) % half, np.arange(n) // half
    turned = turn[:, None] + np.where(other[:, None], -turn[None], turn[None])
    turned = (turned + (other[:, None] & other[None]) * (half // 2)) % half
    return turned + half * (other[:, None] ^ other[None])


def direct_product(*tables: Table) -> Table:
    """Tuples of elements, the last one changing fastest, multiplied one by one.

    Example:
        >>> direct_product(cyclic(2), cyclic(2)).tolist()
        [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]
    """
    whole = tables[0]
    for table in tables[1:]:
        n, m = len(whole), len(table)
        whole = (whole[:, None, :, None] * m + table[None, :, None, :]).reshape(n * m, n * m)
    return whole


def abelian_names(n: int) -> list[tuple[int, ...]]:
    """The abelian groups of order n, as orders of cyclic factors of which each divides the next.

    Example:
        >>> abelian_names(8)
        [(8,), (2, 4), (2, 2, 2)]
    """
    by_prime = [
        [tuple(p**k for k in parts) for parts in _partitions(count)] for p, count in _prime_factors(n)
    ]
    names = []
    for chosen in product(*by_prime):
        longest = max(map(len, chosen), default=0)
        factors = [1] * longest
        for parts in chosen:
            for place, part in enumerate(sorted(parts, reverse=True)):
                factors[longest - 1 - place] *= part
        names.append(tuple(factors) or (1,))
    return sorted(names, key=len)


def _prime_factors(n: int) -> list[tuple[int, int]]:
    factors, p = [], 2
    while n > 1:
        count = 0
        while n % p == 0:
            n, count = n // p, count + 1
        if count:
            factors.append((p, count))
        p += 1
    return factors


def _partitions(n: int, most: int | None = None) -> list[tuple[int, ...]]:
    most = n if most is None else most
    if n == 0:
        return [()]
    return [(k, *rest) for k in range(min(n, most), 0, -1) for rest in _partitions(n - k, k)]
