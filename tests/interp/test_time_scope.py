"""Steps that an intervention is limited to: how they are written, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.errors import InterventionError
from interp.time_scope import TimeScope


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("2-4", [2, 3, 4]),
        ("4-", [4, 5]),
        ("-1", [0, 1]),
        ("0,3,4-5", [0, 3, 4, 5]),
        ("3", [3]),
        (range(1, 3), [1, 2]),
        (np.array([False, True, False, False, False, True]), [1, 5]),
        (torch.tensor([True, False, False, False, False, False]), [0]),
        (2, [2]),
        (TimeScope(start=1, until=4, steps=(0, 2, 4, 5)), [2, 4]),
    ],
)
def test_steps_in_every_form(given: object, steps: list[int]) -> None:
    scope = TimeScope.of(given)
    assert np.flatnonzero(scope.mask(6)).tolist() == steps
    assert [step for step in range(6) if step in scope] == steps


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "names no steps; write"),
        ("a-b", "names no steps; write"),
        ("-", "names no steps; write"),
        ("5-2", "end at 2, before they start at 5"),
        ([], "no step was named|names no steps"),
        (np.zeros(4, dtype=bool), "no step was named"),
        (-1, "is none; steps are whole numbers from 0"),
        (1.5, "names no steps; give a text such as"),
        (np.ones((2, 2), dtype=bool), "names no steps"),
    ],
)
def test_what_names_no_steps_is_refused(given: object, message: str) -> None:
    with pytest.raises(InterventionError, match=message):
        TimeScope.of(given)


@pytest.mark.parametrize("given", ["6", "2-6", "7-", "0,9"])
def test_steps_that_do_not_exist_are_refused(given: str) -> None:
    with pytest.raises(InterventionError, match=r"there is no step \d; the site has steps 0 to 5"):
        TimeScope.of(given).mask(6)


@pytest.mark.parametrize("mask", [[True, False], [True, False, False, False, False, False], True])
def test_a_mask_of_another_length_is_refused(mask: object) -> None:
    with pytest.raises(InterventionError, match="the mask has"):
        TimeScope.of(mask).mask(5)
