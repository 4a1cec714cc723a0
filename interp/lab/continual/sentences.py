"""Findings of the comparison of methods, from intervals over the seeds."""

from __future__ import annotations

from collections.abc import Sequence

from interp.lab.continual.arms import CONTROLS, arms, penalties
from interp.lab.continual.benchmarks import BENCHMARKS
from interp.lab.continual.table import WORDS, chosen_strengths, methods_of, of_method
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult

AGREES = 0.95  # overlap with principal components from which a Hebbian subspace counts as converged
LAYERS = {"0": "first", "2": "second", "4": "last"}


def method_sentences(result: StudyResult) -> list[str]:
    """A sentence or more on every method, beside its control."""
    pairs = {name: arm.control for name, arm in arms(2, 1, 1).items() if arm.control}
    others = [name for name in pairs if name not in ("projection", "fpf_most")]
    return [
        _naive(result),
        _projection(result),
        *(_penalty(result, arm) for arm in ("l2", "ewc", "mas")),
        _finetuning(result),
        *(_beside(result, name, str(pairs[name])) for name in others),
        *(_protection(result, arm) for arm in ("ewc", "mas", "l2", "projection")),
        *(_elsewhere(result, name) for name in BENCHMARKS if name != "permuted"),
    ]


def _naive(result: StudyResult) -> str:
    average, forgetting, joint = (
        _words(result, prefix, arm)
        for prefix, arm in (("average", "naive"), ("forgetting", "naive"), ("average", "joint"))
    )
    return (
        f"After {result.config.tasks} tasks of permuted digits, naive training ends at an average accuracy of "
        f"{average} and has forgotten {forgetting}; training on all at once ends at {joint}."
    )


def _projection(result: StudyResult) -> str:
    beside = [_against(result, "forgetting", "projection", other) for other in ("naive", "projection_random")]
    return (
        "With updates orthogonal to Hebbian subspaces of earlier tasks' activity, "
        f"{_words(result, 'forgetting', 'projection')} is forgotten: {_listed(beside)}. {_overlap(result)}"
    )


def _overlap(result: StudyResult) -> str:
    both = result.all_over("overlap", "overlap_worst")
    if both is None:
        return "In a seed there are no subspaces, as training diverged."
    least = min(both[1].values)
    wanted = "at least" if least >= AGREES else f"not always the wanted {AGREES}, but in the worst case"
    return (
        f"The subspaces overlap by {both[0].mean:.3f} with as many principal components on average, {wanted} "
        f"{least:.3f}."
    )


def _penalty(result: StudyResult, arm: str) -> str:
    strengths = penalties("permuted")[arm]
    chosen = sorted(set(chosen_strengths(result, "permuted", arm)))
    average, words = of_method(result, "permuted_average", arm), WORDS[arm]
    span = " or ".join(f"{one:g}" for one in chosen)
    broken = [
        f"{one:g} in {n} of {len(result.seeds)} seeds"
        for one in strengths
        if (n := sum(value is None for value in result.each(f"permuted_average_{arm}_{one:g}")))
    ]
    diverged = f" Training diverged at strength {', '.join(broken)}." if broken else ""
    serves = "serves the other seeds best" if len(result.seeds) > 1 else "is best for this very seed"
    if average is None:
        return f"{words} at the strength that {serves} diverges in one, {span}.{diverged}"
    parts = [_against(result, "average", arm, "naive")]
    parts += [
        _against(result, "average", arm, other)
        for other in (CONTROLS.get(arm), "l2")
        if other not in (None, arm)
    ]
    return (
        f"{words}, at the strength that {serves} ({span}), ends at {_shown(average)}: "
        f"{_listed(parts)}.{diverged}"
    )


def _finetuning(result: StudyResult) -> str:
    orders = []
    for record in result.records:
        moved = record.curves.get("moved", {})  # none if fine-tuning of all diverged
        orders.append(
            " > ".join(LAYERS.get(one, one) for one in sorted(moved, key=moved.__getitem__, reverse=True))
            or "unknown"
        )
    ranking = "; ".join(f"{order} in {orders.count(order)}" for order in dict.fromkeys(orders))
    parts = [_against(result, "average", "fpf_most", other) for other in ("naive", "fpf_least", "fpf_all")]
    return (
        f"By movement the layers rank {ranking} of {len(result.seeds)} seeds. Fine-tuning the one that moved most on "
        f"{result.config.kept} examples of each task ends at {_words(result, 'average', 'fpf_most')}: "
        f"{_listed(parts)}."
    )


def _beside(result: StudyResult, arm: str, control: str) -> str:
    parts = [_against(result, "average", arm, other) for other in ("naive", control)]
    return f"{_capital(WORDS[arm])} ends at {_words(result, 'average', arm)}: {_listed(parts)}."


def _protection(result: StudyResult, arm: str) -> str:
    """Rank correlations of importance and movement, against those of naive training."""
    parts = []
    for kind, words in (("fisher", "Fisher information"), ("mas", "MAS")):
        own, naive = (of_method(result, f"protects_{kind}", one) for one in (arm, "naive"))
        if own is None or naive is None:
            parts.append(f"{words} not known in every seed")
            continue
        apart = own.minus(naive)
        verdict = apart.verdict("above", "below", "not decidedly apart from")
        parts.append(
            f"by {words} {own.words('{:.2f}'.format)}, {verdict} naive training's {naive.words('{:.2f}'.format)}"
        )
    protects = of_method(result, "protects_fisher", arm)
    decided = (
        ""
        if protects is None
        else protects.verdict(
            " Important neurons still move more than others.",
            " Important neurons move less than others.",
            " That important neurons move more or less than others is not decided.",
        )
    )
    return (
        f"Rank correlation of a neuron's importance for the first task and the later movement of its weights with "
        f"{WORDS[arm]}: {'; '.join(parts)}.{decided}"
    )


def _elsewhere(result: StudyResult, name: str) -> str:
    """The methods that end above naive training on another benchmark."""
    naive = of_method(result, f"{name}_average", "naive")
    if naive is None:
        return f"On {BENCHMARKS[name]}, naive training diverged in a seed."
    above, rest = [], []
    for arm in methods_of(result, name):
        own = of_method(result, f"{name}_average", arm)
        if arm in ("naive", "joint"):
            continue
        if own is not None and own.minus(naive).sign == 1:
            above.append((own.mean, f"{WORDS[arm]} {_shown(own)}"))
        else:
            rest.append(WORDS[arm])
    best = ", ".join(words for _, words in sorted(above, reverse=True)) or "none"
    undecided = f"; not decidedly: {', '.join(rest)}" if rest else ""
    where = f"On {BENCHMARKS[name]}, where naive training ends at {_shown(naive)}"
    return f"{where}, decidedly above it: {best}{undecided}."


def _against(result: StudyResult, measure: str, arm: str, other: str) -> str:
    own, beside = (of_method(result, f"permuted_{measure}", one) for one in (arm, other))
    if own is None or beside is None:
        return f"the difference to {WORDS[other]} is not known in every seed"
    apart = own.minus(beside)
    less, more = ("less than", "more than") if measure == "forgetting" else ("below", "above")
    verdict = apart.verdict(more, less, "not decidedly apart from")
    return f"{verdict} {WORDS[other]} ({apart.words('{:+.3f}'.format)})"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _words(result: StudyResult, measure: str, arm: str) -> str:
    """A number on permuted digits with its interval, or that it is not known."""
    over = of_method(result, f"permuted_{measure}", arm)
    return "an unknown share (it diverged in a seed)" if over is None else _shown(over)


def _shown(over: OverSeeds) -> str:
    return over.words("{:.3f}".format)


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
