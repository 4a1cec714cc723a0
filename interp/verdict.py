"""What an audit's numbers mean, in sentences; and what a reader must know before relying on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interp.data import Task

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.sweeps import Removal

FEW_EXAMPLES = 50
CHANCE_AUC = 0.5

_PHASES = {
    "coexistence": "It generalises and has memorised its corrupted labels at the same time (coexistence).",
    "partial inversion": "It generalises and answers part of its corrupted examples by the rule (partial inversion).",
    "full inversion": (
        "It generalises and answers its corrupted examples by the rule, against their labels (full inversion)."
    ),
    "generalisation": "It generalises: held-out examples are answered by the rule.",
    "memorisation": "It has memorised its training set and does not generalise.",
    "forgetting": "It generalised earlier in training and has lost it (forgetting).",
    "confusion": "It has neither learnt its training set nor the rule (confusion).",
}


def percent(value: float | None) -> str:
    """A fraction as a percentage with one decimal, or a dash."""
    return "–" if value is None else f"{100 * value:.1f} %"


def verdict(report: AuditReport) -> Iterator[str]:
    """The findings of an audit, most important first."""
    name = report.phase.name
    yield _PHASES[name] if name else "Whether it generalises cannot be told: no example was held out."
    counts = report.table.counts()
    yield (
        f"Of {counts['total']} neurons {counts['generalizing']} generalize, {counts['memorizing']} memorize, "
        f"{counts['dead']} are dead and {counts['inconclusive']} inconclusive."
    )
    if counts["memorizing"]:
        yield _removal_sentence("memorizing", report.without_memorizing, ("corrupted_as_labelled", "test"))
    if counts["generalizing"]:
        yield _removal_sentence(
            "generalizing", report.without_generalizing, ("test", "corrupted_as_labelled")
        )
    found = report.agreement
    if found is not None and found.auc is not None and found.low is not None and found.high is not None:
        decided = (
            ""
            if not found.low <= CHANCE_AUC <= found.high
            else "; the interval includes chance, so this is inconclusive"
        )
        yield (
            f"Periodicity agrees with the causal effect of single neurons with an AUC of {found.auc:.3f} "
            f"(95 % interval {found.low:.3f} to {found.high:.3f}){decided}."
        )


def _removal_sentence(label: str, removal: Removal, splits: tuple[str, ...]) -> str:
    parts = []
    for split in splits:
        before, after, random = removal.before[split], removal.after[split], removal.random[split]
        if after is None:
            continue
        control = "" if random is None else f" (random sets of that size: {percent(random['mean'])})"
        parts.append(
            f"{split.replace('_', ' ')} accuracy goes from {percent(before)} to {percent(after)}{control}"
        )
    effect = "; ".join(parts) or (
        f"accuracy over all pairs goes from {percent(removal.before.all)} to {percent(removal.after.all)}"
    )
    return f"Without the {removal.removed} {label} neurons {effect}."


def warnings_of(report: AuditReport, task: Task) -> Iterator[str]:
    """Reasons for caution."""
    data, counts, phase = task.dataset, report.table.counts(), report.phase
    if task.ordering is None:
        yield (
            "No group ordering is known for this operation: periodicity was read in the natural order of the tokens, "
            "so a network that solves the task may look aperiodic."
        )
    if not data.test.any():
        yield (
            "No example was held out: the rule's effect was measured on training examples, and memorising "
            "neurons cannot be told from others."
        )
    elif not data.mislabelled.any():
        yield (
            "No label is corrupted: a neuron counts as memorizing only if it serves training examples better "
            "than held-out ones."
        )
    elif int(data.mislabelled.sum()) < FEW_EXAMPLES:
        yield f"Only {int(data.mislabelled.sum())} labels are wrong: evidence for memorising neurons is weak."
    if phase.by_table and phase.by_corrupted and phase.by_table != phase.by_corrupted:
        yield (
            f"The paper's table calls this {phase.by_table}; the corrupted examples themselves say "
            f"{phase.by_corrupted}, which is reported. The table is unreliable at small corrupted fractions "
            "and near its borders."
        )
    if counts["dead"] > counts["total"] / 2:
        yield f"{counts['dead']} of {counts['total']} neurons are dead."
    if counts["inconclusive"] > counts["total"] / 4:
        yield (
            f"{counts['inconclusive']} of {counts['total']} neurons are inconclusive: the data do not decide what "
            "they do."
        )
    for label, removal, split in (
        ("memorizing", report.without_memorizing, "corrupted_as_labelled"),
        ("generalizing", report.without_generalizing, "test"),
    ):
        if removal.removed and removal.differs(split) is False:
            yield (
                f"Removing the {label} neurons changes {split.replace('_', ' ')} accuracy no more than random sets of "
                "that size do: as a set, the label has no causal support."
            )
