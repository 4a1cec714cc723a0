"""Sentences that the seeds allow about recognition, recall, order, and the neurons that keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from interp.lab.over_seeds import OverSeeds
from interp.lab.retention.ablation import METHODS
from interp.lab.retention.exposures import EXPOSURES, FEW, LAGS, MANY
from interp.lab.study import StudyResult

SCALES = {
    "as they are": ("recognition", "recall"),
    "as shares of what chance leaves": ("recognised", "recalled"),
    "as choices between two strings": ("recognition", "by_recall"),
}
"""Scales on which recognition is compared with recall."""
NEAR_PERFECT = 0.95
STEEP = 10  # interfering updates in which the source reports that recall decays steeply
CEILING = 0.98


def sentences(result: StudyResult) -> list[str]:
    """Sentences on exposures, controls, interference, order and neurons."""
    return [
        *(_compared(result, scale) for scale in SCALES),
        _few_exposures(result),
        _controls(result),
        *(_interference(result, start) for start in (MANY, FEW)),
        _order(result),
        _probe(result),
        *_neurons(result),
    ]


def _over(result: StudyResult, name: str) -> OverSeeds:
    over = result.over(name)
    assert over is not None
    return over


def _shown(over: OverSeeds) -> str:
    return over.words("{:.2f}".format)


def _list(values: Iterable[object]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def _compared(result: StudyResult, scale: str) -> str:
    """Exposures after which recognition is above recall on a scale, below it, or neither."""
    first, second = SCALES[scale]
    sides, shown = _sides(result, first, second, "recall")
    return f"Compared {scale}, recognition is {sides} (difference {shown})."


def _sides(result: StudyResult, first: str, second: str, noun: str) -> tuple[str, str]:
    """Exposures after which one number is decidedly above another, below it, or neither; and their differences."""
    signs: dict[int | None, list[int]] = {1: [], -1: [], None: []}
    shown = []
    for one in EXPOSURES:
        apart = result.difference(f"{first}_{one}", f"{second}_{one}")
        assert apart is not None
        signs[apart.sign].append(one)
        shown.append(f"{_shown(apart)} after {one}")
    words = {1: f"above {noun}", -1: f"below {noun}", None: f"not decidedly above or below {noun}"}
    parts = [f"{words[sign]} after {_exposures(own)}" for sign, own in signs.items() if own]
    return "; ".join(parts), ", ".join(shown)


def _exposures(numbers: list[int]) -> str:
    return f"{_list(numbers)} exposure{'s' * (numbers != [1])}"


def _few_exposures(result: StudyResult) -> str:
    one, three = _over(result, "recognition_1"), _over(result, f"recalled_{FEW}")
    perfect = _against(one, NEAR_PERFECT)
    reached = {1: "is near perfect", -1: "is not near perfect", None: "may be near perfect or not"}
    recall = three.verdict("above chance", "below chance", "not decidedly above chance")
    enough = next((k for k in EXPOSURES if _over(result, f"recognition_{k}").mean >= NEAR_PERFECT), None)
    half = next((k for k in EXPOSURES if _over(result, f"recalled_{k}").mean >= 0.5), None)
    return (
        f"After one exposure recognition {reached[perfect]} ({_shown(one)}; the mean reaches {NEAR_PERFECT} "
        f"{_by(enough)}); after {FEW} exposures recall is {recall} ({_shown(three)} of what chance leaves; the mean "
        f"reaches half {_by(half)})."
    )


def _by(exposures: int | None) -> str:
    return "at no number of exposures" if exposures is None else f"by exposure {exposures}"


def _against(over: OverSeeds, level: float) -> int | None:
    return OverSeeds.of([value - level for value in over.values]).sign


def _controls(result: StudyResult) -> str:
    """Control strings after every number of exposures, and study strings before the first."""
    recognition = [_over(result, f"never_recognition_{one}") for one in EXPOSURES]
    recall = [_over(result, f"never_recalled_{one}") for one in EXPOSURES]
    off = _off([*(_against(one, 0.5) for one in recognition), *(one.sign for one in recall)])
    first = _over(result, "recognition_0")
    beside = {1: "above", -1: "below", None: "not decidedly beside"}[_against(first, 0.5)]
    return (
        f"Of control strings that are never shown, recognition is {_range(recognition)} and recall above chance "
        f"{_range(recall)}; {off} of these {2 * len(EXPOSURES)} numbers are decidedly beside chance. Before any "
        f"exposure, recognition of the study strings is {_shown(first)}, {beside} chance."
    )


def _range(overs: list[OverSeeds]) -> str:
    means = [over.mean for over in overs]
    return f"{min(means):.2f} to {max(means):.2f}"


def _off(signs: list[int | None]) -> str:
    n = sum(sign is not None for sign in signs)
    return str(n) if n else "none"


def _interference(result: StudyResult, start: int) -> str:
    """Shares above chance before and after updates on new strings, and which of the two loses more of it."""
    lags = [0] + [lag for lag in LAGS if result.records[0].numbers.get(f"recalled_{start}_{lag}") is not None]
    values: dict[str, Callable[[int], OverSeeds]] = {
        name: lambda lag, name=name: _over(result, f"{name}_{start}" + f"_{lag}" * bool(lag))  # type: ignore[misc]
        for name in ("recognised", "recalled")
    }
    shown = {
        name: ", ".join(f"{_shown(value(lag))} after {lag}" for lag in lags) for name, value in values.items()
    }
    text = (
        f"After {start} exposures and so many updates on new strings, recognition above chance is "
        f"{shown['recognised']}, and recall above chance {shown['recalled']}"
    )
    if STEEP not in lags:
        return text + "."
    before = values["recalled"](0)
    if before.sign != 1:
        return text + "; recall was not decidedly above chance to begin with, so that it has little to lose."
    falls = {name: value(0).minus(value(STEEP)) for name, value in values.items()}
    apart = falls["recalled"].minus(falls["recognised"])
    more = apart.verdict("more than", "less than", "not decidedly more or less than")
    left = ", which begins at its ceiling" if values["recognised"](0).mean >= CEILING > before.mean else ""
    return (
        f"{text}: in the first {STEEP} updates recall loses {_shown(falls['recalled'])}, {more} recognition, "
        f"{_shown(falls['recognised'])}{left}."
    )


def _order(result: StudyResult) -> str:
    before, never = _over(result, "order_in_0"), _over(result, f"order_never_{MANY}")
    sides = {1: "above", -1: "below", None: "not decidedly beside"}
    accuracies = {
        case: ", ".join(f"{_shown(_over(result, f'order_{case}_{one}'))} after {one}" for one in EXPOSURES)
        for case in ("in", "trained")
    }
    within, apart = _sides(result, "order_in", "order_trained", "that of strings trained only")
    trained, memory = _sides(result, "order_trained", "order_never", "that of strings never trained")
    return (
        f"Order is answered by likelihood with the string in context in {_shown(before)} of cases before any exposure "
        f"and in {accuracies['in']} exposures; of strings that were trained only in {accuracies['trained']}; of "
        f"strings never trained in {_shown(never)} after {MANY}, {sides[_against(never, 0.5)]} chance. Order in "
        f"context is {within} (difference {apart}); order of strings trained only is {trained} (difference {memory})."
    )


def _probe(result: StudyResult) -> str:
    names = ("in", "trained", "never", "never_in", "shuffled")
    within, trained, never, others, shuffled = (_over(result, f"probe_{name}") for name in names)
    first = within.minus(trained).verdict("more", "less", "not decidedly more or less")
    second = trained.minus(never).verdict("above", "below", "not decidedly above or below")
    return (
        f"A linear probe on hidden states reads the order of {_shown(within)} of pairs in context, {first} than that "
        f"of strings which were trained only, {_shown(trained)}, which is {second} that of strings never trained, "
        f"{_shown(never)}; in context it reads {_shown(others)} of strings never trained, so that it needs no memory, "
        f"and with shuffled labels {_shown(shuffled)}."
    )


def _neurons(result: StudyResult) -> Iterable[str]:
    labelled, removed = _over(result, "labelled"), _over(result, "removed")
    whole = [_over(result, f"{name}_whole") for name in ("recognised", "recalled")]
    yield (
        f"After {MANY} exposures the evidence labels {labelled.words('{:.0f}'.format)} neurons as memorizing, chosen "
        f"by half of the strings; so the first {removed.mean:.0f} of each ranking are taken out, and memory is "
        f"measured on the other half, where with all neurons recognition above chance is {_shown(whole[0])} and recall "
        f"{_shown(whole[1])}."
    )
    for name, words in METHODS.items():
        parts = []
        for measure, noun in (("recognised", "recognition"), ("recalled", "recall")):
            own, random = (_over(result, f"{measure}_{case}{name}") for case in ("", "random_"))
            side = own.minus(random).verdict("above", "below", "not decidedly above or below")
            parts.append(f"{noun} is {_shown(own)}, {side} {_shown(random)} without as many random ones")
        own, random = (_over(result, f"foil_loss_{case}{name}") for case in ("", "random_"))
        harm = own.minus(random).verdict("more", "less", "not decidedly more or less")
        yield (
            f"Without the neurons of {words}, {' and '.join(parts)}; strings never shown are harmed {harm} than "
            f"without random ones (log loss {_shown(own)} against {_shown(random)})."
        )
