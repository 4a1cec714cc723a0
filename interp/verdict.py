"""The numbers of an audit in sentences, and reasons for caution in relying on them."""

from __future__ import annotations

from collections.abc import Iterator

from interp.analysis.orderings import BetterOrdering
from interp.checkpoints.select import NOT_TOLD_APART
from interp.data import Task
from interp.data.splits import SPLITS
from interp.markup import percentage as percent
from interp.measuring.crossfit import GAP, CrossFit
from interp.measuring.phase import PHASES
from interp.measuring.removals import Removal
from interp.results import AuditReport
from interp.scoring.compositions import OUTSIDE, no_composition
from interp.scoring.table import NeuronTable
from probes.agreement import Agreement
from probes.labels import DEAD, GENERALIZING, INCONCLUSIVE, LABELS, MEMORIZING
from probes.stages import LEARNT

FEW_EXAMPLES = 50
CHANCE_AUC = 0.5
STRENGTHS = {0.7: "weakly", 0.85: "moderately", 0.95: "strongly"}
"""Words for areas under the ROC curve below these limits, or as far below .5."""
STORED_TOLERANCE = 0.005
THIRD = 0.3
CORRUPTED = "corrupted_as_labelled"
JUDGED = {
    "test": "test accuracy",
    CORRUPTED: "corrupted as labelled accuracy",
    GAP: "training accuracy above held-out accuracy",
}


def verdict(report: AuditReport) -> Iterator[str]:
    """The findings of an audit, most important first."""
    yield _about_accuracy(report)
    if (trained := _about_training(report)) is not None:
        yield trained
    yield _about_labels(report.table)
    counts = report.table.counts()
    memory = CORRUPTED if report.removals[MEMORIZING].after[CORRUPTED] is not None else "train"
    for label, splits in (
        (MEMORIZING, (memory, "test")),
        (GENERALIZING, ("test", CORRUPTED)),
        (INCONCLUSIVE, ("test", CORRUPTED)),
    ):
        if counts[label]:
            yield _without(label, report.removals[label], splits)
            ranks = report.removals[label].ranks
            if label == MEMORIZING and ranks is not None:
                yield ranks.sentence()
        if label in report.crossfits:
            yield from _about_population(label, report.crossfits[label])
    yield from _about_memory_set(report)
    yield from _about_agreement(report.agreement)


def _about_accuracy(report: AuditReport) -> str:
    sentence = report.base_rate.sentence()
    if report.base_rate.finding is not None:
        return sentence
    if report.task["split_known"]:
        reason = "no example is really held out"
    else:
        reason = "how many of them it was trained on is not known"
    return f"{sentence.removesuffix('.')}; {reason}, so whether it generalises cannot be told."


def _about_training(report: AuditReport) -> str | None:
    """Accuracy where memory can help, and the phase that the paper would name."""
    accuracy, phase = report.accuracy, report.phase.name
    if accuracy.train is None:
        return None
    sentence = f"It answers {percent(accuracy.train)} of its training examples"
    if accuracy.corrupted_as_labelled is not None:
        sentence += (
            f"; of those with a corrupted label {percent(accuracy.corrupted_as_labelled)} as labelled and "
            f"{percent(accuracy.corrupted_as_true)} by the rule"
        )
    named = "" if phase is None else f" Phase of arXiv 2310.13061: {phase} ({PHASES[phase].meaning})."
    return f"{sentence}.{named}"


def _about_labels(table: NeuronTable) -> str:
    """Numbers of neurons by label; memory is left out where it could not be tested."""
    counts = table.counts()
    *others, last = (
        f"{counts[name]} {label.verb}" for name, label in LABELS.items() if counts[name] is not None
    )
    untested = f" Memory is {reason}." if (reason := table.memory_untestable) else ""
    return f"Of {counts['total']} neurons {', '.join(others)} and {last.replace(' are ', ' ')}.{untested}"


def _without(label: str, removal: Removal, splits: tuple[str, ...]) -> str:
    parts = []
    for split in [split for split in splits if removal.after[split] is not None] or ["all"]:
        random, control = removal.random[split], ""
        if removal.controlled and random is not None:
            control = f" (random sets of that size: {percent(random.mean)})"
        change = f"from {percent(removal.before[split])} to {percent(removal.after[split])}"
        parts.append(f"{SPLITS[split].title} accuracy goes {change}{control}")
    neurons = "neuron" if removal.removed == 1 else "neurons"
    return f"Without the {removal.removed} {label} {neurons} {'; '.join(parts)}."


def _about_population(label: str, result: CrossFit) -> Iterator[str]:
    """Neurons labelled by half of the examples: do they serve the other half too?"""
    if (beats := result.beats_random()) is None:
        return
    name = JUDGED[result.judged_by]
    before, after, random = (
        result.before[result.judged_by],
        result.after[result.judged_by],
        result.random[result.judged_by],
    )
    assert random is not None
    measured = (
        f"labelled by one half of the examples, {result.size:.0f} of them take {name} on the other half from "
        f"{percent(before)} to {percent(after)} (random sets: {percent(random.mean)})"
    )
    if beats:
        yield f"They are a population of {label} neurons: {measured}."
    elif label == MEMORIZING:
        yield f"These neurons hold these examples; others would hold others: {measured}."
    else:
        yield f"As a set they do no more for other examples than random neurons: {measured}."


def _about_memory_set(report: AuditReport) -> Iterator[str]:
    """Neurons that together hold the memories, measured on examples that did not choose them."""
    chosen = report.memory_set
    if chosen is None:
        if report.no_memory is not None and report.table.memory_untestable is None:
            yield f"No memory set was looked for, because {report.no_memory}."
        return
    if not chosen.crossfit.size:
        yield "No memory set was found: no neurons can be taken out that cost memories and not the rule."
        return
    result, p = chosen.crossfit, f"{chosen.n_orders} random orders cut alike: p = {chosen.p_value:.2g}"
    changes = []
    for name, words in ((result.judged_by, JUDGED[result.judged_by]), ("test", "test accuracy")):
        random = result.random[name]
        control = "" if random is None or not result.controlled else f" (random sets: {percent(random.mean)})"
        changes.append(
            f"{words} from {percent(result.before[name])} to {percent(result.after[name])}{control}"
        )
    name = "A memory set" if result.beats_random() else "No memory set beats random ones; the best"
    yield (
        f"{name} of {result.size:.0f} neurons, chosen by one half of the examples, takes on the other half "
        f"{' and '.join(changes)}; {p}."
    )


def _about_agreement(agreement: Agreement | None) -> Iterator[str]:
    if agreement is None or agreement.auc is None or agreement.low is None or agreement.high is None:
        return
    numbers = f"AUC {agreement.auc:.3f}, 95 % interval {agreement.low:.3f} to {agreement.high:.3f}"
    effect = "the causal effect of single neurons"
    strength = strength_of(agreement.auc)
    if agreement.low > CHANCE_AUC:
        yield f"Periodicity agrees {strength} with {effect} ({numbers})."
    elif agreement.high < CHANCE_AUC:
        yield f"Periodicity runs {strength} against {effect} ({numbers})."
    else:
        yield f"Whether periodicity agrees with {effect} is inconclusive ({numbers})."


def strength_of(auc: float) -> str:
    """The strength of an agreement in words, whichever its direction: see `STRENGTHS`.

    Example:
        >>> strength_of(0.61), strength_of(0.2), strength_of(1.0)
        ('weakly', 'moderately', 'very strongly')
    """
    distance = max(auc, 1 - auc)
    return next((words for limit, words in STRENGTHS.items() if distance < limit), "very strongly")


def warnings_of(report: AuditReport, task: Task, other: BetterOrdering | None = None) -> Iterator[str]:
    """Reasons for caution.

    Args:
        report: The measurements.
        task: The task that the network was measured on.
        other: An ordering that explains its neurons better than the one they were read in, if there is one.
    """
    yield from (f"The file was {note}." for note in report.notes if NOT_TOLD_APART in note)
    yield from _about_chance(report)
    yield from _about_periodicity(report, task)
    if other is not None:
        yield other.sentence(task)
    yield from _about_stored(report)
    yield from _about_leakage(report)
    yield from _about_spread(report)
    yield from _about_examples(task)
    yield from _about_phase(report)
    total = len(report.table)
    dead, undecided = (len(report.table.where(label=label)) for label in (DEAD, INCONCLUSIVE))
    if dead > total / 2:
        yield f"{dead} of {total} neurons are dead."
    if undecided > total / 4:
        yield f"{undecided} of {total} neurons are inconclusive: the data do not decide what they do."
    yield from _about_support(report, task)
    yield from _about_cost(report)


def _about_chance(report: AuditReport) -> Iterator[str]:
    """A network that answers no more than the commonest class follows no rule, whatever its neurons add to logits."""
    if not report.base_rate.above:
        yield (
            "No more examples are right than have the commonest label, so no neuron counts as generalizing. Is it "
            "another task (--task), or the file read in the wrong way?"
        )


def _about_periodicity(report: AuditReport, task: Task) -> Iterator[str]:
    if report.table.meta["null"]["source"] is None:
        yield (
            "Nothing says in which order a solution would be periodic (--task, or a column 'ordering' in the table): "
            "periodicity was not scored, and labels rest on evidence alone."
        )
    elif report.table.parts.known:
        null = report.table.meta["null"]
        outside = [row["share"] for row in null.get("classes", ()) if row["name"] == OUTSIDE]
        yield from (f"{null['notes'][0]} {percent(share)} of all weights are there." for share in outside)
    elif task.ordering is None and getattr(task, "positions", None) is None:
        reason = no_composition(task)
        without = "" if reason is None else f", nor a group that its components could be of ({reason})"
        yield (
            f"No group ordering is known for this operation{without}: periodicity was read in the natural order of the "
            "tokens, so a network that solves the task may look aperiodic, and labels rest on evidence alone."
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
    if not min(stored.values()) - STORED_TOLERANCE <= total <= max(stored.values()) + STORED_TOLERANCE:
        yield (
            f"The file records accuracies of {percent(stored['train'])} in training and {percent(stored['test'])} on "
            f"held-out examples; {percent(total)} of all examples is not between them."
        )


def _about_leakage(report: AuditReport) -> Iterator[str]:
    leakage = report.leakage
    if leakage is None or not leakage["leaked"]:
        return
    duplicates, swapped = leakage["duplicates"], leakage["leaked"] - leakage["duplicates"]
    reasons = [f"{duplicates} as they are"] if duplicates else []
    reasons += [f"{swapped} in the other order, which this network does not tell apart"] if swapped else []
    yield (
        f"{leakage['leaked']} of {leakage['test_pairs']} held-out examples are trained on too "
        f"({' and '.join(reasons)}). "
        f"Accuracy on the others, which decides the phase: {percent(leakage['accuracy_without'])}."
    )


def _about_spread(report: AuditReport) -> Iterator[str]:
    """Corrupted labels that sit in no neurons of their own, judged by the removal of a third of the neurons.

    Where memorizing neurons are a population by examples that did not label them, there is nothing to warn of.
    """
    memorizing = report.crossfits.get(MEMORIZING)
    if memorizing is not None and memorizing.beats_random():
        return
    before, lowest = report.accuracy[CORRUPTED], report.curves[0]
    band = lowest.random[CORRUPTED]
    if before is None or before < LEARNT or band is None or lowest.random["test"] is None:
        return
    at = int(abs(lowest.fraction - THIRD).argmin())
    low, high = (curve.at(THIRD, CORRUPTED) for curve in report.curves)
    if low is None or high is None or (low < band.low[at] and high > band.high[at]):
        return
    yield (
        f"Memorisation is spread over neurons of all kinds: without the least periodic {percent(lowest.fraction[at])} "
        f"corrupted accuracy as labelled is {percent(low)}, without the most periodic {percent(high)}, without random "
        f"ones {percent(float(band.mean[at]))}. There is no clean population of memorizing neurons, and a label "
        "says what a neuron mostly does, not all that it does."
    )


def _about_examples(task: Task) -> Iterator[str]:
    """Kinds of examples that are missing, or too few to tell anything."""
    data = task.dataset
    wrong, held_out = int(data.mislabelled.sum()), int(data.test.sum())
    if not data.split_known:
        yield (
            "Which examples were trained on is not known (--split-from or --table says it): accuracies of training and "
            "held-out examples cannot be told apart, and memorising neurons cannot be found."
        )
    elif not held_out:
        ending = "." if wrong else ", and memorising neurons cannot be told from others."
        yield f"No example was held out: the rule's effect was measured on training examples{ending}"
    elif not wrong:
        yield (
            "No label is corrupted: a neuron counts as memorizing only if it serves training examples better "
            "than held-out ones."
        )
    elif wrong < FEW_EXAMPLES:
        yield f"Only {wrong} labels are wrong: evidence for memorising neurons is weak."
    if 0 < held_out < FEW_EXAMPLES:
        yield f"Only {held_out} examples are held out: whether it generalises is uncertain."


def _about_phase(report: AuditReport) -> Iterator[str]:
    table, corrupted = report.phase.by_table, report.phase.by_corrupted
    if table and corrupted and table != corrupted:
        yield (
            f"The paper's table calls this {table}; the corrupted examples themselves say {corrupted}, which is "
            "reported. The table is unreliable at small corrupted fractions and near its borders."
        )


def _about_support(report: AuditReport, task: Task) -> Iterator[str]:
    """Labels whose neurons as a set do no more than random ones."""
    data = task.dataset
    splits = {
        MEMORIZING: CORRUPTED if data.mislabelled.any() else "train",
        GENERALIZING: "test" if data.test.any() else "all",
    }
    for label, split in splits.items():
        removal = report.removals[label]
        if removal.removed and removal.hurts(split) is False:
            yield (
                f"Removing the {label} neurons costs no more {SPLITS[split].title} accuracy than random sets of "
                "that size do: as a set, the label has no causal support."
            )


def _about_cost(report: AuditReport) -> Iterator[str]:
    """Memorizing neurons that the rule needs too."""
    removal, memory_set = report.removals[MEMORIZING], report.memory_set
    costs: dict[str, Removal | CrossFit] = {"the memorizing neurons": removal} if removal.removed else {}
    if memory_set is not None:
        costs["the memory set"] = memory_set.crossfit
    for name, result in costs.items():
        random = result.random["test"]
        if result.hurts("test") and random is not None:
            yield (
                f"The rule needs {name} too: without them test accuracy is {percent(result.after['test'])}, "
                f"without random sets of that size {percent(random.mean)}."
            )
