"""Names of the numbers of injected facts, and the sentences that the seeds allow about them."""

from __future__ import annotations

from interp.lab.over_seeds import OverSeeds
from interp.lab.retention.fact_neurons import NEURON_QUANTITIES, neuron_sentences
from interp.lab.retention.injected_training import (
    ARMS,
    BATCHES,
    DUPLICATED,
    NEVER,
    PARAPHRASED,
)
from interp.lab.study import StudyResult
from interp.language.injections import DEPTHS, PARAPHRASE, VERBATIM
from probes.retention import RIVALS

LEAST_R2 = 0.8
SMALL, LARGE = BATCHES

QUANTITIES = (
    {"known_facts": "probability of a known fact's answer"}
    | {
        f"jump_{arm}_{depth}_{batch}": f"jump of {depth} log probability, {arm}, batch {batch}"
        for batch in BATCHES
        for depth in DEPTHS
        for arm in (*ARMS, NEVER)
    }
    | {
        f"rise_{arm}_{VERBATIM}_{batch}": f"rise at the last exposure, {arm}, batch {batch}"
        for batch in BATCHES
        for arm in (*ARMS, NEVER)
    }
    | {
        f"{name}_{arm}_{depth}_{batch}": f"{words}, {arm}, {depth}, batch {batch}"
        for batch in BATCHES
        for depth in (VERBATIM, PARAPHRASE)
        for arm in ARMS
        for name, words in {
            "slope": "slope of what is left by log time",
            "r2": "R² of that line",
            "left": "left at the end",
            "life": "log10 of the updates until nothing is left",
        }.items()
    }
    | NEURON_QUANTITIES
)
"""Names in words of the numbers that are shown."""


def sentences(result: StudyResult) -> list[str]:
    """Sentences on injected facts: their jump and depth, their decay, repetition, batches, neurons."""
    every = [*_jumps(result), *_decay(result), *_arms(result), *_batches(result)]
    return [*every, *neuron_sentences(result)]


def _nats(over: OverSeeds) -> str:
    return over.words("{:.2f}".format)


def _jumps(result: StudyResult) -> list[str]:
    """Jumps at each depth, beside facts that were never injected and are looked at in the same window."""
    parts = []
    for depth in DEPTHS:
        for arm in ARMS:
            name, control = f"jump_{arm}_{depth}_{SMALL}", f"jump_{NEVER}_{depth}_{SMALL}"
            both, apart = result.all_over(name, control), result.difference(name, control)
            assert both is not None
            assert apart is not None
            side = apart.verdict("more than", "less than", "not decidedly more than")
            parts.append(
                f"{depth} {arm} {_nats(both[0])}, {side} the {_nats(both[1])} of facts never injected"
            )
    moved = [result.over(f"rise_{arm}_{VERBATIM}_{SMALL}") for arm in (*ARMS, NEVER)]
    assert all(moved)
    rises = [_nats(one) for one in moved if one is not None]
    return [
        f"With batches of {SMALL}, {result.config.injections} exposures lift the log probability of an answer by, in "
        f"nats at its maximum: {'; '.join(parts)}.",
        f"At the last exposure itself, with no maximum chosen, it is {rises[0]} duplicated and {rises[1]} paraphrased, "
        f"and {rises[2]} of facts never injected: the rest of their jump is noise that a maximum picks.",
    ]


def _decay(result: StudyResult) -> list[str]:
    """One sentence a batch size: slope, R², and other curves."""
    lines = []
    for batch in BATCHES:
        for arm in ARMS:
            name = f"{arm}_{VERBATIM}_{batch}"
            fits = result.all_over(f"slope_{name}", f"r2_{name}")
            if fits is None:
                lines.append(f"No line by log time could be fitted to {arm} facts with batches of {batch}.")
                continue
            slope, r2 = fits
            enough = "at least" if min(r2.values) >= LEAST_R2 else "in some seed below"
            lines.append(
                f"What is left of {arm} facts {_falling(slope)} with the logarithm of time with batches of {batch}: "
                f"slope {slope.words('{:+.3f}'.format)}, R² {r2.words('{:.2f}'.format)}, {enough} {LEAST_R2}"
                f"{_rivals(result, name)}."
            )
    return [*lines, *_selection(result)]


def _selection(result: StudyResult) -> list[str]:
    """The same lines from the last exposure on, and through facts never injected: a chosen maximum falls by itself."""
    lines = []
    for batch in BATCHES:
        for arm in ARMS:
            name = f"plain_{arm}_{VERBATIM}_{batch}"
            fits = result.all_over(f"slope_{name}", f"r2_{name}")
            if fits is not None:
                slope, r2 = fits
                lines.append(
                    f"Counted from the last exposure, with no maximum chosen, it {_falling(slope)} for {arm} facts "
                    f"with batches of {batch} (slope {slope.words('{:+.3f}'.format)}, R² {r2.words('{:.2f}'.format)}"
                    f"{_rivals(result, name)})."
                )
        control = result.all_over(*(f"{name}_{NEVER}_{VERBATIM}_{batch}" for name in ("slope", "r2")))
        if control is not None:
            slope, r2 = control
            lines.append(
                f"The same line through the chosen maximum of facts never injected {_falling(slope)} with batches of "
                f"{batch} (slope {slope.words('{:+.3f}'.format)}, R² {r2.words('{:.2f}'.format)})."
            )
    return lines


def _falling(slope: OverSeeds) -> str:
    return slope.verdict("rises", "falls", "does not decidedly fall")


def _rivals(result: StudyResult, name: str) -> str:
    """The rivals that explain decidedly less, and those that do not."""
    apart = {rival: result.difference(f"r2_{name}", f"{rival}_{name}") for rival in RIVALS}
    worse = [RIVALS[rival] for rival, one in apart.items() if one is not None and one.sign == 1]
    better = [RIVALS[rival] for rival, one in apart.items() if one is not None and one.sign == -1]
    open_ = [words for words in RIVALS.values() if words not in (*worse, *better)]
    parts = [
        f"{words} {', '.join(names)}"
        for words, names in (
            ("decidedly above that of", worse),
            ("decidedly below that of", better),
            ("not decidedly apart from that of", open_),
        )
        if names
    ]
    return f"; its R² is {' and '.join(parts)}" if parts else ""


def _arms(result: StudyResult) -> list[str]:
    """Duplicated against paraphrased injection: the peak and the decay."""
    lines = []
    for batch in BATCHES:
        names = [f"{arm}_{VERBATIM}_{batch}" for arm in (DUPLICATED, PARAPHRASED)]
        peak = result.difference(*(f"jump_{name}" for name in names))
        fall = result.difference(*(f"slope_{name}" for name in names))
        deep = result.difference(*(f"jump_{arm}_{PARAPHRASE}_{batch}" for arm in (DUPLICATED, PARAPHRASED)))
        if peak is None or fall is None or deep is None:
            lines.append(f"Duplicated and paraphrased injection cannot be compared with batches of {batch}.")
            continue
        higher = peak.verdict("peak higher", "peak lower", "peak neither decidedly higher nor lower")
        faster = fall.verdict(
            "are forgotten more slowly",
            "are forgotten faster",
            "are forgotten neither decidedly faster nor slower",
        )
        opposite = peak.sign == -1 or fall.sign == 1
        expected = "that duplicated facts peak higher and are forgotten faster"
        if (peak.sign, fall.sign) == (1, -1):
            holds = ""
        elif opposite:
            holds = f" {expected.capitalize()} does not hold here."
        else:
            holds = f" These seeds do not decide {expected}."
        carried = deep.verdict("more", "less", "neither decidedly more nor less")
        lines.append(
            f"Duplicated facts {higher} than paraphrased ones with batches of {batch} (difference {_nats(peak)} nats) "
            f"and {faster} (difference of slopes {fall.words('{:+.3f}'.format)}); in words that were never injected "
            f"they gain {carried} ({_nats(deep)} nats).{holds}{_unchosen(result, batch)}"
        )
    return lines


def _unchosen(result: StudyResult, batch: int) -> str:
    """The same differences from the last exposure on: maxima of a single wording are higher by chance."""
    peak, fall = (
        result.difference(*(f"{kind}_{arm}_{VERBATIM}_{batch}" for arm in (DUPLICATED, PARAPHRASED)))
        for kind in ("rise", "slope_plain")
    )
    if peak is None or fall is None:
        return ""
    return (
        f" At the last exposure, with no maximum chosen, duplicated facts are "
        f"{peak.verdict('higher', 'lower', 'neither decidedly higher nor lower')} ({_nats(peak)} nats), and from there "
        f"on forgotten {fall.verdict('more slowly', 'faster', 'neither decidedly faster nor slower')} (difference of "
        f"slopes {fall.words('{:+.3f}'.format)})."
    )


def _batches(result: StudyResult) -> list[str]:
    """Large batches against small ones, in which injected sentences are a smaller share."""
    parts = []
    for arm in ARMS:
        peak, fall = (
            result.difference(f"{kind}_{arm}_{VERBATIM}_{LARGE}", f"{kind}_{arm}_{VERBATIM}_{SMALL}")
            for kind in ("jump", "slope")
        )
        if peak is None or fall is None:
            return [f"Batches of {LARGE} and {SMALL} cannot be compared."]
        lower = peak.verdict("higher", "lower", "neither decidedly higher nor lower")
        flatter = fall.verdict("slower", "faster", "neither decidedly slower nor faster")
        parts.append(
            f"{arm} facts' peak is {lower} ({_nats(peak)} nats) and their forgetting {flatter} "
            f"({fall.words('{:+.3f}'.format)})"
        )
    return [
        f"With batches of {LARGE} instead of {SMALL}, of which as many rows are injected and thus a smaller share, "
        f"{'; '.join(parts)}."
    ]
