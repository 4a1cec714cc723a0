"""Verbatim reproduction of a sequence, from which of its tokens a model chooses right."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int


def verbatim_length(right: Bool[np.ndarray, " token"]) -> int:
    """Tokens that are reproduced before the first other one.

    Generating greedily from the prompt gives just these, as each is chosen after all before it were chosen right.

    Example:
        >>> verbatim_length(np.array([True, True, False, True]))
        2
    """
    wrong = np.flatnonzero(~right)
    return int(wrong[0]) if len(wrong) else len(right)


def shortest_prompt(right: Bool[np.ndarray, " following"]) -> int:
    """Tokens from the beginning of a sequence after which all that follows is reproduced.

    Args:
        right: Whether each token but the first is chosen, given all before it.

    Returns:
        From 1 to the length less one; −1 if not even the last token is chosen.

    Example:
        >>> shortest_prompt(np.array([True, False, True, True])), shortest_prompt(np.array([True, False]))
        (3, -1)
    """
    wrong = np.flatnonzero(~right)
    if not len(wrong):
        return 1
    return -1 if wrong[-1] == len(right) - 1 else int(wrong[-1]) + 2


def longest_common_run(first: Int[np.ndarray, " a"], second: Int[np.ndarray, " b"]) -> int:
    """Length of the longest run of tokens that two sequences share, at any places.

    Example:
        >>> longest_common_run(np.array([5, 1, 2, 3, 9]), np.array([1, 2, 3, 4]))
        3
    """
    ending = np.zeros(len(second) + 1, dtype=np.int64)  # of the runs that end at each token of the second
    longest = 0
    for token in first:
        ending[1:] = np.where(second == token, ending[:-1] + 1, 0)
        longest = max(longest, int(ending.max()))
    return longest
