"""Groups of order 720 and closed forms of a thousand tokens."""

from __future__ import annotations

import numpy as np
from timing import Contest, Line

from interp import audit
from interp.data import ModularTask
from interp.data.group_tables import group_table
from interp.models import analytic_mlp
from probes.finite_group import group_of
from probes.isotypic import components_of

GROUP = "group:S6"


def components() -> Contest:
    """Its components from the table, and the shares of 500 vectors in them."""
    table = group_table("S6")
    vectors = np.random.default_rng(0).normal(size=(500, len(table)))
    return Contest(lambda: components_of(group_of(table)).shares(vectors), {}, seconds=10, memory=2)


def audited(operation: str, p: int | None, width: int | None, seconds: float) -> Contest:
    """Bounded by the issue's limits on two cores."""
    model, task = analytic_mlp(operation, p, width), ModularTask(operation, p=p)
    return Contest(lambda: audit(model, task), {}, seconds=seconds, memory=2.5)


LINES = {
    "group-components": Line("components of a group of order 720", components),
    "audit-group": Line(
        "audit of the closed form of S6, 518,400 pairs", lambda: audited(GROUP, None, None, 600), large=True
    ),
    "audit-large": Line(
        "audit of the closed form, p=1009, N=2000", lambda: audited("add", 1009, 2000, 600), large=True
    ),
}
