"""Spoil many files of a kind, have each opened, and collect every rule that is broken."""

from __future__ import annotations

import json
import re
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz.worker import Answer, Worker

Make = Callable[[Path, Random], dict[str, Any]]
"""Puts spoilt files into an empty folder, and returns a request."""
Judge = Callable[[Path, dict[str, Any], dict[str, Any]], str]
"""From the folder, the request and its value to the fault of a success; empty if it is right."""


@dataclass
class Campaign:
    """Spoilt files of one kind.

    Attributes:
        faults: The first of each kind, with the seed that makes it again.
        ends: Counts of outcomes.
    """

    kind: str
    worker: Worker
    folder: Path
    faults: dict[str, str] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)

    def run(self, seeds: Iterable[int], make: Make, judge: Judge | None = None) -> Campaign:
        """Make, open and judge a file for each seed."""
        for seed in seeds:
            answer, fault = self.once(seed, make, judge)
            self.ends[answer.outcome] += 1
            if fault:
                self.faults.setdefault(_kind_of(fault), f"seed {seed}: {fault}")
        return self

    def once(self, seed: int, make: Make, judge: Judge | None) -> tuple[Answer, str]:
        place = self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        request = make(place, Random(f"{self.kind} {seed}"))
        answer = self.worker.ask(**request)
        fault = answer.fault
        if not fault and answer.outcome == "ok" and judge is not None:
            try:
                fault = judge(place, request, answer.value)
            except Exception:  # what cannot be read independently should not have been read
                fault = f"judge: {answer.value}\n{traceback.format_exc()[-1200:]}"
        if fault:
            kept = self.folder / f"{self.kind}-{seed}".replace(" ", "-")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(place, kept, symlinks=True)
            (kept / "request.json").write_text(json.dumps(request))
        return answer, fault

    def check(self) -> None:
        """Fail with all faults."""
        sys.stdout.write(f"{self.kind}: {sum(self.ends.values())} files, {dict(self.ends)}\n")
        assert not self.faults, "\n\n".join([f"{self.kind}: {dict(self.ends)}", *self.faults.values()])


def _kind_of(fault: str) -> str:
    """A fault without the numbers and names in it: of a traceback, its last lines."""
    last = (
        "".join(fault.strip().splitlines()[-4:]) if "Traceback" in fault or "File " in fault else fault[:60]
    )
    return re.sub(r"'[^']*'|[\d.]+", "", last)[:160]
