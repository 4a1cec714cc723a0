"""The sentences of the study of regimes."""

from __future__ import annotations

from interp.lab.over_seeds import OverSeeds
from interp.lab.regime.arms import CLEAN, NOISY, RANK, Sweep
from interp.lab.study import StudyResult

FEW = 0.02
"""Share of labelled neurons below which labels are taken for too weak to compare."""
TWO, SHARE, SIGNED = "{:.2f}".format, "{:.1%}".format, "{:+.3f}".format


def findings(result: StudyResult) -> list[str]:
    """Weight change, accuracy, labels and alignments by scale; the same by rank, and the aligned start."""
    return [
        *(_by_scale(result, sweep) for sweep in (CLEAN, NOISY)),
        *(_labels(result, sweep) for sweep in (NOISY, CLEAN)),
        *_alignments(result),
        _by_rank(result),
        _aligned(result),
    ]


def trend(result: StudyResult, sweep: Sweep, name: str) -> str:
    """The slope of a number over a sweep, in words with its interval."""
    slope = result.over(f"{sweep.name}_slope_{name}")
    if slope is None:
        return "is not known in every seed"
    verdict = slope.verdict("rises", "falls", "neither rises nor falls decidedly")
    return f"{verdict} ({slope.words(SIGNED)} for {sweep.unit})"


def ends(result: StudyResult, sweep: Sweep, name: str, shown: object = TWO) -> str:
    """A number at the first and the last value of a sweep."""
    first, last = (_over(result, f"{arm}_{name}") for arm in (sweep.arms[0], sweep.arms[-1]))
    return f"{first.words(shown)} at {sweep.values[0]:g} to {last.words(shown)} at {sweep.values[-1]:g}"  # type: ignore[arg-type]


def _over(result: StudyResult, name: str) -> OverSeeds:
    over = result.over(name)
    assert over is not None
    return over


def _by_scale(result: StudyResult, sweep: Sweep) -> str:
    return (
        f"From initial scale {sweep.values[0]:g} to {sweep.values[-1]:g}, {sweep.words}, the relative weight change "
        f"{trend(result, sweep, 'relative_change')}: {ends(result, sweep, 'relative_change')}. Held-out accuracy "
        f"{trend(result, sweep, 'test')}: {ends(result, sweep, 'test', SHARE)}; training examples are answered to "
        f"{ends(result, sweep, 'train', SHARE)}. Mean IPR {trend(result, sweep, 'ipr')}."
    )


def _labels(result: StudyResult, sweep: Sweep) -> str:
    most = max(_over(result, f"{arm}_memorizing").mean for arm in sweep.arms)
    if most < FEW:
        return (
            f"{sweep.words.capitalize()} the share of memorizing neurons is not testable with so few examples: at most "
            f"{SHARE(most)} are labelled at any scale, though training examples are answered to "
            f"{ends(result, sweep, 'train', SHARE)} and held-out ones to {ends(result, sweep, 'test', SHARE)}. That no "
            "single neuron is decided says nothing of how much is memorised."
        )
    return (
        f"{sweep.words.capitalize()} the share of memorizing neurons {trend(result, sweep, 'memorizing')}: "
        f"{ends(result, sweep, 'memorizing', SHARE)}; that of generalizing ones "
        f"{trend(result, sweep, 'generalizing')}: "
        f"{ends(result, sweep, 'generalizing', SHARE)}."
    )


def _alignments(result: StudyResult) -> list[str]:
    sentences = []
    for kind, words in (("representation", "representations"), ("kernel", "tangent kernels")):
        plain, centred = (f"{kind}{end}" for end in ("", "_centred"))
        excess = [_over(result, f"{arm}_{kind}_excess") for sweep in (CLEAN, NOISY) for arm in sweep.arms]
        above = sum(one.sign == 1 for one in excess)
        sentences.append(
            f"Alignment of {words} with the start, {CLEAN.words}: as it is {ends(result, CLEAN, plain)}, centred "
            f"{ends(result, CLEAN, centred)}, which {trend(result, CLEAN, centred)}; {NOISY.words} the latter "
            f"{trend(result, NOISY, centred)}. In {above} of {len(excess)} arms the centred alignment is "
            "decidedly above "
            "that of the start with another start of its kind, which was never trained; elsewhere a high "
            "alignment is no "
            "sign of lazy learning, as any two such networks are alike."
        )
    return sentences


def _by_rank(result: StudyResult) -> str:
    parts = [
        f"{words} {trend(result, RANK, name)}: {ends(result, RANK, name)}"
        for name, words in (
            ("representation", "representation alignment"),
            ("representation_centred", "centred representation alignment"),
            ("kernel", "kernel alignment"),
            ("kernel_centred", "centred kernel alignment"),
            ("relative_change", "relative weight change"),
        )
    ]
    return (
        f"From initial rank {RANK.values[0]:g} to {RANK.values[-1]:g} at one norm: {'; '.join(parts)}. Held-out "
        "accuracy "
        f"{trend(result, RANK, 'test')}."
    )


def _aligned(result: StudyResult) -> str:
    parts = []
    for name, words in (
        ("relative_change", "relative weight change"),
        ("representation_centred", "centred representation alignment"),
        ("kernel_centred", "centred kernel alignment"),
        ("test", "held-out accuracy"),
    ):
        difference = result.difference(f"rank_aligned_{name}", f"rank_4_{name}")
        assert difference is not None
        verdict = difference.verdict("higher", "lower", "not decidedly different")
        parts.append(f"{words} {verdict} ({difference.words(SIGNED)})")
    return f"Along two frequencies of the task, instead of at random, the start of rank 4 has: {'; '.join(parts)}."
