"""One way to time: a line's ways to do the same work take turns in one process, and medians are compared."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from time import perf_counter, process_time
from typing import Any

Work = Callable[[], object]
"""One run. One that measures itself returns its `Cost`."""
ROUNDS, ENOUGH, MOST = 5, 0.2, 12.0
"""Rounds of turns; seconds of a turn that many short runs fill; seconds that all turns of one way may take."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one run: by the clock, and of processors, those of processes that it started included."""

    wall: float
    cpu: float

    def times(self, factor: float) -> Cost:
        return Cost(self.wall * factor, self.cpu * factor)


@dataclass(frozen=True)
class Limit:
    """A bound: ``"most"`` so many times the other way's time, the other ``"within"`` so many times ours, ``"least"`` so
    many times faster, or at most so many ``"seconds"``.
    """

    kind: str
    number: float

    def ratio(self, ours: float, theirs: float) -> float:
        if self.kind == "seconds":
            return ours
        return ours / theirs if self.kind == "most" else theirs / ours

    def holds(self, ratio: float) -> bool:
        return ratio >= self.number if self.kind == "least" else ratio <= self.number

    def __str__(self) -> str:
        sign = "≥" if self.kind == "least" else "≤"
        return f"{sign} {self.number:g}{' s' if self.kind == 'seconds' else ''}"


@dataclass(frozen=True)
class Peer:
    """Another way to do a line's work.

    Attributes:
        start: Imports and prepares what it needs, and gives one run.
        times: Runs that all of the work would take, where one run does a part of it.
        needs: The package without which its cells say that it is not installed.
    """

    start: Callable[[], Work]
    limit: Limit | None = None
    times: float = 1.0
    note: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Contest:
    """What a line compares; `memory` bounds our peak in GiB, `seconds` one run of ours.

    Attributes:
        started: Our way runs in processes that it starts, whose memory is measured.
    """

    ours: Work
    peers: Mapping[str, Peer]
    seconds: float | None = None
    memory: float | None = None
    started: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table: what is done, and how to prepare it in a process of its own.

    Attributes:
        large: It takes minutes or many gigabytes, and is measured where large lines are asked for.
    """

    work: str
    prepare: Callable[[], Contest]
    large: bool = False


def at_most(number: float) -> Limit:
    return Limit("most", number)


def at_least(number: float) -> Limit:
    return Limit("least", number)


def used() -> float:
    """Processor seconds of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def peak(started: bool) -> float:
    """The most memory in GiB that this process has held, or one that it started."""
    return resource.getrusage(resource.RUSAGE_CHILDREN if started else resource.RUSAGE_SELF).ru_maxrss / 2**20


def cost_of(work: Work, repeats: int = 1) -> Cost:
    """Mean cost of a run among several; the work's own measure where it gives one."""
    start, before, own = perf_counter(), used(), []
    for _ in range(repeats):
        own.append(work())
    costs = [one for one in own if isinstance(one, Cost)]
    if costs:
        return Cost(median(one.wall for one in costs), median(one.cpu for one in costs))
    return Cost((perf_counter() - start) / repeats, (used() - before) / repeats)


def first_run(work: Work) -> tuple[Cost, float]:
    """The cost of a run that warms up, and the seconds until it is over, to plan further ones by."""
    start = perf_counter()
    cost = cost_of(work)
    return cost, perf_counter() - start


def alternate(
    works: Mapping[str, Work], first: Mapping[str, tuple[Cost, float]], quick: bool = False
) -> dict[str, Cost]:
    """Median costs of ways that take turns, in which short runs are repeated and long ones are fewer.

    Args:
        first: Of each, as from `first_run`; that of a run which alone fills the time is its cost.
    """
    costs = {name: [cost] if spent >= MOST else [] for name, (cost, spent) in first.items()}
    for i in range(1 if quick else ROUNDS):
        for name, work in works.items():
            spent = max(first[name][1], 1e-6)
            if (i + 1) * spent < MOST:
                costs[name].append(cost_of(work, max(1, int(ENOUGH / spent))))
    return {
        name: Cost(median(one.wall for one in own), median(one.cpu for one in own))
        for name, own in costs.items()
    }


def measure(name: str, line: Line, quick: bool = False) -> list[dict[str, Any]]:
    """A row for each way that a line's work is compared with; in one without, ours stands alone."""
    contest = line.prepare()
    first = {"": first_run(contest.ours)}
    memory = peak(contest.started)
    there = {peer: one for peer, one in contest.peers.items() if not one.needs or find_spec(one.needs)}
    works = {"": contest.ours, **{peer: one.start() for peer, one in there.items()}}
    first |= {peer: first_run(works[peer]) for peer in there}
    costs = alternate(works, first, quick)
    ours = costs[""]
    shared = {"line": name, "work": line.work, "ours": ours.wall, "ours_cpu": ours.cpu, "memory": memory}
    rows = []
    if contest.seconds is not None or not contest.peers:
        limit = None if contest.seconds is None else Limit("seconds", contest.seconds)
        rows.append({**shared, **_judged(limit, ours, ours)})
    for peer, one in contest.peers.items():
        theirs = costs[peer].times(one.times) if peer in costs else None
        note = one.note if theirs is not None else f"{one.needs} is not installed"
        rows.append({**shared, "against": peer, **_judged(one.limit, ours, theirs), "note": note})
    if contest.memory is not None:
        fits = memory <= contest.memory
        rows.append({**shared, "limit": f"≤ {contest.memory:g} GiB", "ratio": memory, "held": fits})
    return rows


def _judged(limit: Limit | None, ours: Cost, theirs: Cost | None) -> dict[str, Any]:
    if theirs is None:
        return {"limit": limit and str(limit)}
    rule = limit or Limit("least", 0)
    ratio = rule.ratio(ours.wall, theirs.wall)
    return {
        "limit": limit and str(limit),
        "theirs": None if rule.kind == "seconds" else theirs.wall,
        "theirs_cpu": None if rule.kind == "seconds" else theirs.cpu,
        "ratio": ratio,
        "ratio_cpu": rule.ratio(ours.cpu, theirs.cpu) if ours.cpu and theirs.cpu else None,
        "held": limit.holds(ratio) if limit else None,
    }
