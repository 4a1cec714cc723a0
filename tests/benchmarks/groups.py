"""What groups up to order 1,000 cost: components, closed forms, and an audit of one of order 720, in seconds and GiB.

python tests/benchmarks/groups.py [--audit]
"""

from __future__ import annotations

import resource
import subprocess
import sys
from time import perf_counter, process_time

import numpy as np

from interp import audit
from interp.data import ModularTask
from interp.data.group_tables import group_table
from interp.models import analytic_mlp
from interp.models.representations import representations_of
from probes.finite_group import group_of
from probes.isotypic import components_of

GROUPS = ("Z997", "S5xZ8", "D500", "Z2xZ2xZ250", "A5xZ16", "S6")
LARGE = "group:S6"


def peak() -> float:
    """Most memory that this process has held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def one(name: str) -> None:
    """Print a line on a group, in a process of its own."""
    table, start, before = group_table(name), perf_counter(), peak()
    components = components_of(group_of(table))
    seconds = perf_counter() - start
    components.shares(np.random.default_rng(0).normal(size=(500, len(table))))
    shares, after = perf_counter() - start - seconds, peak()
    start = perf_counter()
    n = len(representations_of(table))
    print(
        f"{name:>12}: order {len(table):4}, {len(components.sizes):3} components {seconds:5.2f} s, "
        f"{after - before:5.2f} GiB; shares of 500 vectors {shares:5.2f} s; "
        f"{n:3} representations {perf_counter() - start:5.2f} s"
    )


def audited() -> None:
    """Print what an audit of the closed form of order 720 takes: 518,400 pairs, 720 classes."""
    model, task = analytic_mlp(LARGE), ModularTask(LARGE)
    start, used = perf_counter(), process_time()
    report = audit(model, task)
    print(
        f"audit of {LARGE}: {report.table.counts()['generalizing']} of {len(report.table)} neurons generalizing, "
        f"{perf_counter() - start:.0f} s, {process_time() - used:.0f} CPU s, peak {peak():.2f} GiB"
    )


def main() -> None:
    """Print one line a group, and with ``--audit`` one on the audit."""
    if sys.argv[1:] == ["--audit"]:
        audited()
    elif sys.argv[1:]:
        one(sys.argv[1])
    else:
        for name in GROUPS:
            subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
