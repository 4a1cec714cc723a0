"""Steps that an intervention is limited to, read without PyTorch so that a mistake is an error at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.errors import InterventionError
from interp.selectors import indices_in

STEPS_WRITTEN = "4-9 (both ends count), 4- (from 4 on), -9 (until 9) or 0,3,5-7"
_RANGE = re.compile(r"\s*(\d{1,9})?\s*-\s*(\d{1,9})?\s*")


@dataclass(frozen=True)
class TimeScope:
    """Steps along a site's time axis (of a transformer, positions), counted from 0.

    Attributes:
        start: The first one; from the beginning if None.
        until: The last one, which counts; to the end if None.
        steps: Only these, if given.
        length: How many steps there have to be, as of a mask over all of them; any number if None.

    Example:
        >>> TimeScope(start=2).mask(4).tolist()
        [False, False, True, True]
        >>> TimeScope.of("0,2-3").mask(5).tolist()
        [True, False, True, True, False]
    """

    start: int | None = None
    until: int | None = None
    steps: tuple[int, ...] | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        for value in (self.start, self.until, *(self.steps or ())):
            if value is not None and (type(value) is not int or value < 0):
                raise InterventionError(f"step {value!r} is none; steps are whole numbers from 0")
        if self.start is not None and self.until is not None and self.until < self.start:
            raise InterventionError(f"the steps end at {self.until}, before they start at {self.start}")
        if self.steps is not None and not self.steps:
            raise InterventionError("no step was named; name one or more, or leave the steps out for all")

    @classmethod
    def of(cls, given: Any) -> TimeScope:
        """A scope from a text such as ``4-9``, ``4-``, ``-9`` or ``0,3,5-7``, a boolean mask over all steps, or steps.

        Raises:
            InterventionError: It is none of these.
        """
        if isinstance(given, TimeScope):
            return given
        if isinstance(given, str):
            ends = _RANGE.fullmatch(given)
            if ends and any(ends.groups()):
                start, until = (None if end is None else int(end) for end in ends.groups())
                return cls(start, until)
            if not given.strip()[:1].isdecimal():
                raise InterventionError(f"{given!r} names no steps; write {STEPS_WRITTEN}")
            return cls(steps=tuple(indices_in(given)))
        mask = np.asarray(list(given) if isinstance(given, Iterable) else [given])
        if mask.dtype == bool and mask.ndim == 1:
            return cls(steps=tuple(map(int, np.flatnonzero(mask))), length=len(mask))
        if mask.ndim != 1 or mask.dtype.kind not in "iu":
            raise InterventionError(
                f"during={given!r} names no steps; give a text such as {STEPS_WRITTEN}, a boolean mask or a TimeScope"
            )
        return cls(steps=tuple(map(int, mask)))

    def __contains__(self, step: int) -> bool:
        inside = (self.start or 0) <= step and (self.until is None or step <= self.until)
        return inside and (self.steps is None or step in self.steps)

    def mask(self, length: int) -> np.ndarray:
        """True at the steps in the scope, ``(step,)``.

        Raises:
            InterventionError: It names a step that does not exist, or is empty.
        """
        self.check(length)
        return np.array([step in self for step in range(length)], dtype=bool)

    def check(self, length: int) -> None:
        """Raise an `InterventionError` if a named step is not among so many, or a mask is not of so many."""
        if self.length not in (None, length):
            raise InterventionError(f"the mask has {self.length} steps; the site has {length}")
        named = max(self.start or 0, self.until or 0, *(self.steps or (0,)))
        if named >= length:
            raise InterventionError(f"there is no step {named}; the site has steps 0 to {length - 1}")
        if not any(step in self for step in range(length)):
            raise InterventionError(f"no step is left of {self}; name others")

    def __str__(self) -> str:
        if self.steps is not None:
            return "steps " + ", ".join(map(str, self.steps))
        first, last = ("the first" if self.start is None else self.start), self.until
        return f"steps {first} to {'the last' if last is None else last}"


def check_steps(text: str) -> None:
    """Raise an `InterventionError` unless a text names steps, see `TimeScope.of`."""
    TimeScope.of(text)
