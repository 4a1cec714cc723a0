"""The sentences of the study of side memories."""

from __future__ import annotations

from interp.lab.over_seeds import OverSeeds
from interp.lab.side_memory.arms import ARMS
from interp.lab.study import StudyResult
from interp.markup import percentage

ENOUGH = 0.95
"""Locality that is asked for."""


def findings(result: StudyResult) -> list[str]:
    """The side memory beside fine-tuning, its parts, its routing, and what is left open."""
    return [_memory(result), _tuning(result), _parts(result), _routing(result), _limits(result)]


def _memory(result: StudyResult) -> str:
    last, known = _of(result, "side", "all"), result.over("known_wordings")
    assert known is not None
    locality = last["locality"]
    enough = "at least" if locality.low >= ENOUGH else "below" if locality.high < ENOUGH else "not decidedly"
    enough += "" if enough in ("at least", "below") else " at least"
    early = [result.over(f"locality_side_{stop}") for stop in ("1", "5")]
    before = " and ".join(_words(one) for one in early if one is not None)
    return (
        f"The models know {_words(known)} of the facts in wordings that they were not trained on. After "
        f"{result.config.edits} edits the side memory answers {_words(last['reliability'])} of the edits and "
        f"{_words(last['generality'])} of their paraphrases, and keeps {_words(locality)} of the unrelated answers, "
        f"which is {enough} {percentage(ENOUGH)} (after one and five edits: {before})."
    )


def _tuning(result: StudyResult) -> str:
    parts = []
    for arm in ("tuned", "every", "l2", "kept"):
        own = _of(result, arm, "all")
        apart = result.difference("locality_side_all", f"locality_{arm}_all")
        assert apart is not None
        parts.append(
            f"{ARMS[arm]} answers {_words(own['reliability'])} and keeps {_words(own['locality'])} "
            f"({apart.verdict('less than', 'more than', 'not decidedly less than')} the side memory)"
        )
    return f"Edits in the weights: {'; '.join(parts)}."


def _parts(result: StudyResult) -> str:
    parts = []
    for arm in ("merged", "whole", "alone", "free"):
        own = _of(result, arm, "all")
        apart = result.difference("reliability_side_all", f"reliability_{arm}_all")
        assert apart is not None
        fewer = apart.verdict("fewer", "more", "not decidedly fewer")
        parts.append(
            f"{ARMS[arm]}: {_words(own['reliability'])} of the edits ({fewer}), {_words(own['generality'])} of the "
            f"paraphrases, {_words(own['locality'])} kept"
        )
    needed = result.difference("reliability_side_all", "reliability_whole_all")
    assert needed is not None
    sharding = needed.verdict(
        "Separate copies are needed here",
        "Separate copies do harm here",
        "It is not decided that separate copies are needed where all edits of one can be learnt together",
    )
    return f"Other memories: {'; '.join(parts)}. {sharding}."


def _routing(result: StudyResult) -> str:
    always, chance = _of(result, "always", "all"), _of(result, "random", "all")
    loss = result.difference("locality_side_all", "locality_always_all")
    gain = result.difference("reliability_side_all", "reliability_random_all")
    areas, read = result.all_over("auc_side", "auc_free"), result.over("read_unrelated_side")
    assert loss is not None
    assert gain is not None
    assert areas is not None
    assert read is not None
    return (
        f"Always read, the same memory answers {_words(always['reliability'])} of the edits and keeps "
        f"{_words(always['locality'])} ({loss.verdict('less', 'more', 'not decidedly less')}). Read as often at "
        f"random, it answers {_words(chance['reliability'])} ({gain.verdict('fewer', 'more', 'not decidedly fewer')}). "
        f"The score tells paraphrases from unrelated examples with an area under the curve of "
        f"{areas[0].words('{:.3f}'.format)}, without the margin loss {areas[1].words('{:.3f}'.format)}. Of the "
        f"unrelated examples {_words(read)} read it; the threshold was set for at most "
        f"{percentage(result.config.misrouted)}."
    )


def _limits(result: StudyResult) -> str:
    same = result.over("subject_side")
    subject = "" if same is None else f" Of facts with an edited subject {_words(same)} are kept."
    return (
        f"{subject.strip()} Locality is that of the same kind of facts as the threshold was set by; other texts are "
        "not measured, nor larger models, of which the paper reports merged copies."
    ).strip()


def _of(result: StudyResult, arm: str, stop: str) -> dict[str, OverSeeds]:
    names = ("reliability", "generality", "locality")
    values = result.all_over(*(f"{name}_{arm}_{stop}" for name in names))
    assert values is not None
    return dict(zip(names, values, strict=True))


def _words(over: OverSeeds) -> str:
    return over.words(lambda value: percentage(round(value, 3) + 0.0))
