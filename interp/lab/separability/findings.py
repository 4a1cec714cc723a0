"""The sentences of the study of separability."""

from __future__ import annotations

from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from probes.labels import GENERALIZING, MEMORIZING

FINE, TWO, SHARE, WHOLE = "{:+.4f}".format, "{:+.3f}".format, "{:.1%}".format, "{:.0f}".format
SEPARATED, NOT_SEPARATED = -0.1, -0.02
"""Of generalizing neurons at most the first, of memorizing ones at least the second, is reported."""


def findings(result: StudyResult) -> list[str]:
    """Labelled neurons, their controls, and the class of the next word."""
    return [*_sets(result), _permuted(result), *_words(result)]


def _sets(result: StudyResult) -> list[str]:
    sentences = []
    test, corrupted = (_over(result, name) for name in ("test", "corrupted"))
    reached = (
        f"The network answers {test.words(SHARE)} of held-out examples and {corrupted.words(SHARE)} of the wrong "
        "labels."
    )
    for label, bound in ((GENERALIZING, SEPARATED), (MEMORIZING, NOT_SEPARATED)):
        over = result.all_over(f"value_{label}", f"size_{label}")
        if over is None:
            sentences.append(f"Not every seed has {label} neurons, so that nothing is decided of them.")
            continue
        value, size = over
        sentences.append(
            f"Classes a + b are apart by {value.words(FINE)} in the {size.words(WHOLE)} {label} neurons, "
            f"{_against(value, bound, label)}; {_beside(result, label)}."
        )
    whole = result.all_over("value_all", "value_logits")
    assert whole is not None
    sentences.append(
        f"All neurons together have {whole[0].words(FINE)}, the logits {whole[1].words(FINE)}. A subset tells what the "
        "whole layer hides, but the value depends on the number of dimensions and on the set: only sets as large "
        "compare."
    )
    return [reached, *sentences]


def _against(value: OverSeeds, bound: float, label: str) -> str:
    above, below, between = (
        (
            f"above the reported {bound:g}",
            f"below the reported {bound:g}",
            f"not decidedly below the reported {bound:g}",
        )
        if label == GENERALIZING
        else (f"above {bound:g}", f"below {bound:g}", f"not decidedly above {bound:g}")
    )
    if value.low > bound:
        return above
    return below if value.high < bound else between


def _beside(result: StudyResult, label: str) -> str:
    difference, random = (
        result.difference(f"value_{label}", f"random_{label}"),
        result.over(f"random_{label}"),
    )
    if difference is None or random is None:
        return "they are most of the neurons, so that random sets as large cannot differ"
    verdict = difference.verdict(
        "less apart than in", "further apart than in", "not decidedly further apart than in"
    )
    return f"{verdict} random sets as large ({random.words(FINE)})"


def _permuted(result: StudyResult) -> str:
    parts = []
    for name, words in (
        ("all", "all neurons"),
        (GENERALIZING, "generalizing"),
        (MEMORIZING, "memorizing"),
        ("logits", "logits"),
    ):
        difference, null = (
            result.difference(f"value_{name}", f"permuted_{name}"),
            result.over(f"permuted_{name}"),
        )
        if difference is not None and null is not None:
            verdict = difference.verdict("above", "below", "not decidedly apart from")
            parts.append(f"{words} {verdict} {null.words(FINE)}")
    untrained = result.all_over("value_untrained")
    assert untrained is not None
    largest = max(value or 0.0 for value in result.each("p_value_untrained"))
    smallest = min(value or 0.0 for value in result.each("p_value_untrained"))
    return (
        f"With operands renamed, which keeps pairs with a common operand together, the values are: "
        f"{', '.join(parts)}. The "
        f"untrained network has {untrained[0].words(FINE)} (p from {smallest:.2f} to {largest:.2f} over the seeds): "
        "without training a value is not exactly 0, as pairs that share an operand are never of one class."
    )


def _words(result: StudyResult) -> list[str]:
    sentences = []
    for name, where in (("every", "after any nine words"), ("noun", "after nine words that end with a noun")):
        after, before, scrambled, shuffled = (
            _over(result, f"{name}_{one}")
            for one in ("ordered", "ordered_before", "scrambled", "ordered_shuffled")
        )
        grows, more = after.minus(before), after.minus(scrambled)
        best = _over(result, f"{name}_ordered_best").minus(after)
        sentences.append(
            f"The class of the next word {where} is apart by {after.words(TWO)} in the hidden state after training on "
            f"text, {grows.verdict('less than', 'more than', 'not decidedly more than')} before "
            f"({before.words(TWO)}) and "
            f"{more.verdict('less than', 'more than', 'not decidedly more than')} after training on the same words in "
            f"random order ({scrambled.words(TWO)}); with classes shuffled it is {shuffled.words(TWO)}. At its "
            "most during "
            f"training it was {best.verdict('less', 'further', 'not decidedly further')} apart ({best.words(TWO)})."
        )
    return sentences


def _over(result: StudyResult, name: str) -> OverSeeds:
    over = result.over(name)
    assert over is not None
    return over
