"""Verbatim reproduction against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from probes.verbatim import longest_common_run, shortest_prompt, verbatim_length


def shared_run(first: list[int], second: list[int]) -> int:
    """Every run of the first, looked for in the second."""
    longest = 0
    for start in range(len(first)):
        for end in range(start + 1, len(first) + 1):
            run = first[start:end]
            if any(second[at : at + len(run)] == run for at in range(len(second))):
                longest = max(longest, len(run))
    return longest


@pytest.mark.parametrize("seed", range(20))
def test_longest_common_run(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (generator.integers(0, 3, generator.integers(1, 12)) for _ in range(2))
    assert longest_common_run(first, second) == shared_run(first.tolist(), second.tolist())


@pytest.mark.parametrize("seed", range(20))
def test_shortest_prompt_is_where_all_that_follows_is_right(seed: int) -> None:
    right = np.random.default_rng(seed).random(9) < 0.8
    prompts = [n for n in range(1, len(right) + 1) if right[n - 1 :].all()]
    assert shortest_prompt(right) == (min(prompts) if prompts else -1)


def test_verbatim_length_of_all_and_of_none() -> None:
    assert verbatim_length(np.ones(4, dtype=bool)) == 4
    assert verbatim_length(np.zeros(4, dtype=bool)) == 0
