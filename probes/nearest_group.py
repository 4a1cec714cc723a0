"""The group that most of a multiplication table agrees with."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from probes.finite_group import FiniteGroup, NoGroup, group_of

VOTES, ROUNDS = 60, 4


def nearest_group(table: Int[np.ndarray, "left right"], seed: int = 0) -> FiniteGroup | None:
    """The group whose table differs in some results; None if these are too many to tell which it is, or there is none.

    Each product a b is voted on by the table's own results: by associativity it is (a c) d for every c and d whose
    product is b. Of results of which a share s is right, a vote is right with a probability of about s³, and the wrong
    ones agree on nothing. The winners are the next round's table.

    Args:
        table: Results ``(left, right)``, whole numbers from 0 to n - 1.
        seed: Of the choice of c, at most `VOTES` of them for each b.

    Example:
        >>> table = np.add.outer(np.arange(7), np.arange(7)) % 7
        >>> table[2, 3] = 0
        >>> group = nearest_group(table)
        >>> int(group.table[2, 3]), group.identity
        (5, 0)
    """
    generator = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        try:
            return group_of(table)
        except NoGroup:
            table = _voted(table, generator)
    return None


def _voted(table: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The results that most of `VOTES` ways to bracket them have."""
    n = len(table)
    voted = np.empty_like(table)
    for b in range(n):
        first, second = np.nonzero(table == b)
        if len(first) > VOTES:
            chosen = generator.choice(len(first), VOTES, replace=False)
            first, second = first[chosen], second[chosen]
        if not len(first):
            voted[:, b] = table[:, b]
            continue
        votes = table[table[:, first], second]  # (a, vote)
        counts = np.zeros((n, n), np.int32)
        np.add.at(counts, (np.arange(n)[:, None], votes), 1)
        voted[:, b] = counts.argmax(1)
    return voted
