"""What an audit's numbers mean, in sentences; and what a reader must know before relying on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interp.data import Task

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.sweeps import Removal
    from probes.agreement import Agreement

FEW_EXAMPLES = 50
CHANCE_AUC = 0.5

_PHASES = {
    "coexistence": "It generalises and has memorised its corrupted labels at the same time (coexistence).",
    "partial inversion": "It generalises and has given up part of its corrupted labels (partial inversion).",
    "full inversion": (
        "It generalises and answers its corrupted examples by the rule, against their labels (full inversion)."
    ),
    "generalisation": "It generalises: at least 90 % of held-out examples are answered by the rule.",
    "memorisation": "It has memorised its training set and does not generalise (below 90 % on held-out examples).",
    "forgetting": "It generalised earlier in training and has lost it (forgetting).",
    "confusion": "It has neither learnt its training set nor the rule (confusion).",
}


def percent(value: float | None) -> str:
    """A fraction as a percentage with one decimal, or a dash."""
    return "–" if value is None else f"{100 * value:.1f} %"


def verdict(report: AuditReport) -> Iterator[str]:
    """The findings of an audit, most important first."""
    name = report.phase.name
    yield _PHASES[name] if name else "Whether it generalises cannot be told: no example is really held out."
    counts = report.table.counts()
    yield (
        f"Of {counts['total']} neurons {counts['generalizing']} generalize, {counts['memorizing']} memorize, "
        f"{counts['dead']} are dead and {counts['inconclusive']} inconclusive."
    )
    if counts["memorizing"]:
        memory_split = "corrupted_as_labelled"
        if report.without_memorizing.after.corrupted_as_labelled is None:
            memory_split = "train"
        yield _removal_sentence("memorizing", report.without_memorizing, (memory_split, "test"))
    if counts["generalizing"]:
        yield _removal_sentence(
            "generalizing", report.without_generalizing, ("test", "corrupted_as_labelled")
        )
    inconclusive = report.without_others.get("inconclusive")
    if counts["inconclusive"] and inconclusive is not None:
        yield _removal_sentence("inconclusive", inconclusive, ("test", "corrupted_as_labelled"))
    yield from _agreement_sentence(report.agreement)


def _agreement_sentence(found: Agreement | None) -> Iterator[str]:
    if found is None or found.auc is None or found.low is None or found.high is None:
        return
    numbers = f"AUC {found.auc:.3f}, 95 % interval {found.low:.3f} to {found.high:.3f}"
    if found.low > CHANCE_AUC:
        yield f"Periodicity agrees with the causal effect of single neurons ({numbers})."
    elif found.high < CHANCE_AUC:
        yield f"Periodicity runs against the causal effect of single neurons ({numbers})."
    else:
        yield f"Whether periodicity agrees with the causal effect of single neurons is inconclusive ({numbers})."


def _removal_sentence(label: str, removal: Removal, splits: tuple[str, ...]) -> str:
    parts = []
    for split in [s for s in splits if removal.after[s] is not None] or ["all"]:
        random = removal.random[split]
        control = "" if random is None else f" (random sets of that size: {percent(random['mean'])})"
        change = f"from {percent(removal.before[split])} to {percent(removal.after[split])}"
        parts.append(f"{split.replace('_', ' ')} accuracy goes {change}{control}")
    many = "neuron" if removal.removed == 1 else "neurons"
    return f"Without the {removal.removed} {label} {many} {'; '.join(parts)}."


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
            "No example was held out: the rule's effect was measured on training examples"
            + ("." if data.mislabelled.any() else ", and memorising neurons cannot be told from others.")
        )
    elif not data.mislabelled.any():
        yield (
            "No label is corrupted: a neuron counts as memorizing only if it serves training examples better "
            "than held-out ones."
        )
    elif int(data.mislabelled.sum()) < FEW_EXAMPLES:
        yield f"Only {int(data.mislabelled.sum())} labels are wrong: evidence for memorising neurons is weak."
    if 0 < int(data.test.sum()) < FEW_EXAMPLES:
        yield f"Only {int(data.test.sum())} examples are held out: whether it generalises is uncertain."
    if report.leakage is not None and report.leakage["leaked"]:
        yield (
            f"{report.leakage['leaked']} of {report.leakage['test_pairs']} held-out pairs are trained on in the other "
            "order, which this network cannot tell apart. Accuracy on the others, which decides the phase: "
            f"{percent(report.leakage['accuracy_without'])}."
        )
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
    memory_split = "corrupted_as_labelled" if data.mislabelled.any() else "train"
    for label, removal, split in (
        ("memorizing", report.without_memorizing, memory_split),
        ("generalizing", report.without_generalizing, "test" if data.test.any() else "all"),
    ):
        if removal.removed and removal.hurts(split) is False:
            yield (
                f"Removing the {label} neurons costs no more {split.replace('_', ' ')} accuracy than random sets of "
                "that size do: as a set, the label has no causal support."
            )
