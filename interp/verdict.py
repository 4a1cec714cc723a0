"""What an audit's numbers mean, in sentences; and what a reader must know before relying on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interp.checkpoints.select import NOT_TOLD_APART, above_chance
from interp.data import Task
from interp.markup import percentage as percent

if TYPE_CHECKING:
    from interp.analysis.orderings import BetterOrdering
    from interp.audit import AuditReport
    from interp.measuring.controls import Removal
    from probes.agreement import Agreement

FEW_EXAMPLES = 50
CHANCE_AUC = 0.5
STORED_TOLERANCE = 0.005
LEARNT, THIRD = 0.5, 0.3

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


def verdict(report: AuditReport) -> Iterator[str]:
    """The findings of an audit, most important first."""
    name = report.phase.name
    if name:
        yield _PHASES[name]
    elif report.task["split_known"]:
        yield "Whether it generalises cannot be told: no example is really held out."
    else:
        yield (
            f"It answers {percent(report.accuracy.all)} of all examples by the rule; how many of them it was trained "
            "on is not known, so whether it generalises cannot be told from its accuracy."
        )
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
        random, control = removal.random[split], ""
        if removal.controlled and random is not None:
            control = f" (random sets of that size: {percent(random.mean)})"
        change = f"from {percent(removal.before[split])} to {percent(removal.after[split])}"
        parts.append(f"{split.replace('_', ' ')} accuracy goes {change}{control}")
    many = "neuron" if removal.removed == 1 else "neurons"
    return f"Without the {removal.removed} {label} {many} {'; '.join(parts)}."


def _about_chance(report: AuditReport, n_classes: int) -> Iterator[str]:
    """A network that answers nothing right serves no rule, whatever its neurons add to logits."""
    shares = [share for split in report.accuracy if (share := report.accuracy[split]) is not None]
    if report.table.counts()["generalizing"] and not above_chance(max(shares, default=0.0), n_classes):
        yield (
            "No kind of example is answered above chance: labels say what neurons add to the right logit, not that the "
            "network follows the rule. Is it another task (--task), or the file read in the wrong way?"
        )


def _about_periodicity(report: AuditReport, task: Task) -> Iterator[str]:
    source = report.table.meta["null"]["source"]
    if source is None:
        yield (
            "Nothing says in which order a solution would be periodic (--task, or a column 'ordering' in the table): "
            "periodicity was not scored, and labels rest on evidence alone."
        )
    elif task.ordering is None and getattr(task, "positions", None) is None:
        yield (
            "No group ordering is known for this operation: periodicity was read in the natural order of the tokens, "
            "so a network that solves the task may look aperiodic."
        )


def _about_stored(report: AuditReport) -> Iterator[str]:
    """Accuracies that the file records, where they are not what was measured."""
    stored = report.stored
    for split in ("train", "test"):
        measured = report.accuracy[split]
        if split in stored and measured is not None and abs(stored[split] - measured) > STORED_TOLERANCE:
            yield (
                f"The file records a {split} accuracy of {percent(stored[split])}; {percent(measured)} was measured. "
                "Is the split another one, or the file read in the wrong way?"
            )
    total = report.accuracy.all
    if report.task["split_known"] or total is None or len(stored) < 2:
        return
    low, high = min(stored.values()), max(stored.values())
    if not low - STORED_TOLERANCE <= total <= high + STORED_TOLERANCE:
        yield (
            f"The file records accuracies of {percent(stored['train'])} in training and {percent(stored['test'])} on "
            f"held-out examples; {percent(total)} of all examples is not between them."
        )


def _about_leakage(report: AuditReport) -> Iterator[str]:
    found = report.leakage
    if found is None or not found["leaked"]:
        return
    swapped = found["leaked"] - found["duplicates"]
    reasons = [f"{found['duplicates']} as they are"] if found["duplicates"] else []
    reasons += [f"{swapped} in the other order, which this network does not tell apart"] if swapped else []
    yield (
        f"{found['leaked']} of {found['test_pairs']} held-out examples are trained on too ({' and '.join(reasons)}). "
        f"Accuracy on the others, which decides the phase: {percent(found['accuracy_without'])}."
    )


def _about_spread(report: AuditReport) -> Iterator[str]:
    """Whether the corrupted labels sit in neurons of their own, judged by the removal of a third of the neurons."""
    split, held = "corrupted_as_labelled", "test"
    before, lowest = report.accuracy[split], report.curves[0]
    band, test_band = lowest.random[split], lowest.random[held]
    if before is None or before < LEARNT or band is None or test_band is None:
        return
    at = int(abs(lowest.fraction - THIRD).argmin())
    low, high = (sweep.at(THIRD, split) for sweep in report.curves)
    if low is None or high is None or (low < band.low[at] and high > band.high[at]):
        return
    yield (
        f"Memorisation is spread over neurons of all kinds: without the least periodic {percent(lowest.fraction[at])} "
        f"corrupted accuracy as labelled is {percent(low)}, without the most periodic {percent(high)}, without random "
        f"ones {percent(float(band.mean[at]))}. There is no clean population of memorizing neurons, and a label "
        "says what a neuron mostly does, not all that it does."
    )


def warnings_of(report: AuditReport, task: Task, other: BetterOrdering | None = None) -> Iterator[str]:
    """Reasons for caution.

    Args:
        report: What was found.
        task: What the network was measured on.
        other: An ordering that explains its neurons better than the one they were read in, if there is one.
    """
    data, counts, phase = task.dataset, report.table.counts(), report.phase
    yield from (f"The file was {note}." for note in report.notes if NOT_TOLD_APART in note)
    yield from _about_chance(report, data.n_classes)
    yield from _about_periodicity(report, task)
    if other is not None:
        yield other.sentence(task)
    yield from _about_stored(report)
    yield from _about_leakage(report)
    yield from _about_spread(report)
    if not data.split_known:
        yield (
            "Which examples were trained on is not known (--split-from or --table says it): accuracies of training and "
            "held-out examples cannot be told apart, and memorising neurons cannot be found."
        )
    elif not data.test.any():
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
