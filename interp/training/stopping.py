"""When a training run may end early: once the phase that it is in can no longer be expected to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from interp.measuring.phase import GOOD

EARLIEST = 200  # before this step nothing is settled: grokking may be yet to begin
NOISE = 0.01  # accuracy within this of a threshold may cross it by chance
SAFETY = 1.5  # how much further than so far an accuracy may move in the logarithm of the step
SINCE = (0.5, 0.75)  # shares of the step that movements are measured from

Record = Mapping[str, Any]


class Decisive(NamedTuple):
    """A quantity that decides the phase: of which kind and split, and the value that it must not reach."""

    kind: str
    split: str
    threshold: float

    def of(self, record: Record) -> float | None:
        """Its value in a record; None if it is not known."""
        return record.get(self.kind, {}).get(self.split)


def settled(history: Sequence[Record], steps: int, corrupt_fraction: float) -> bool:
    """True if a run's phase will be the same at its last step.

    Every quantity that decides the phase is carried on from how it moved since t/2 and since 3t/4: accuracies in the
    logarithm of the step, as training slows down, margins in a straight line. The margin of held-out examples moves
    before any accuracy does; as long as they are not known, so is that of the corrupted examples' true labels. The
    phase is settled if nothing reaches its threshold by the last step, `steps`.

    Example:
        >>> accuracy = {"train": 1.0, "test": 0.01, "corrupted_as_labelled": 1.0, "corrupted_as_true": 0.0}
        >>> margin = {"test": -0.5, "corrupted_as_true": -0.9}
        >>> flat = [{"step": step, "accuracy": accuracy, "margin": margin} for step in range(0, 410, 10)]
        >>> settled(flat, 2000, 0.3), settled(flat[:11], 2000, 0.3)
        (True, False)
    """
    if not history or history[-1]["step"] < EARLIEST:
        return False
    now = history[-1]
    earlier = [record for record in history if 0 < record["step"] <= SINCE[0] * now["step"]][-1:]
    earlier += [record for record in history if 0 < record["step"] <= SINCE[1] * now["step"]][-1:]
    if not earlier:
        return False
    return not any(_reaches(one, now, earlier, steps) for one in decisive(now, corrupt_fraction))


def decisive(now: Record, corrupt_fraction: float) -> Iterator[Decisive]:
    """The quantities that decide which phase a run is in."""
    yield Decisive("accuracy", "test", GOOD)
    yield Decisive("accuracy", "train", GOOD)
    yield Decisive("margin", "test", 0.0)
    if (now["accuracy"]["test"] or 0.0) < GOOD:
        yield Decisive("margin", "corrupted_as_true", 0.0)
    elif corrupt_fraction:
        yield Decisive("accuracy", "train", 1.05 - corrupt_fraction)
        yield Decisive("accuracy", "corrupted_as_labelled", GOOD)
        yield Decisive("accuracy", "corrupted_as_true", GOOD)


def _reaches(one: Decisive, now: Record, earlier: Sequence[Record], steps: int) -> bool:
    value, slack = one.of(now), NOISE if one.kind == "accuracy" else 0.0
    if value is None:
        return False
    distance = one.threshold - value
    if abs(distance) <= slack:
        return True
    for record in earlier:
        past = one.of(record)
        if past is None:
            continue
        ahead = movements_left(record["step"], now["step"], steps, slowing=one.kind == "accuracy")
        moved = (value - past) * ahead
        if moved * distance > 0 and abs(moved) >= abs(distance) - slack:
            return True
    return False


def movements_left(before: int, now: int, last: int, *, slowing: bool) -> float:
    """Factor by which a quantity may move further between the second step and the last than between the first two.

    It moves evenly in the step or, if `slowing`, in its logarithm (`SAFETY` times as far, then).

    Example:
        >>> movements_left(100, 200, 800, slowing=True), movements_left(100, 200, 800, slowing=False)
        (3.0, 6.0)
    """
    if slowing:
        return SAFETY * math.log(max(last, now) / now) / math.log(now / before)
    return max(last - now, 0) / (now - before)
