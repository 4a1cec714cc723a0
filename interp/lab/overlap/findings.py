"""The sentences of the study of overlaps."""

from __future__ import annotations

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.lab.overlap.subspace import PLANTS, RATIOS
from interp.lab.overlap.theory import LEAST
from interp.lab.study import StudyResult

SHARE, TIMES, P = "{:.1%}".format, "{:.2f}".format, "{:.3f}".format
NETWORKS = {"modular": "Sums modulo p", "digits": "Digits"}
ERROR, NOTICED = 0.1, 0.01


def findings(result: StudyResult) -> list[str]:
    """Formulas, unions, the common subspace on each network, and similarity."""
    sentences = [*_formulas(result), *_unions(result)]
    for network, words in NETWORKS.items():
        sentences += [
            *_subspace(result, network, words),
            *_controls(result, network),
            *_similarity(result, network),
        ]
    return sentences


def _known(result: StudyResult, *names: str) -> list[OverSeeds]:
    over = result.all_over(*names)
    assert over is not None
    return over


def _formulas(result: StudyResult) -> list[str]:
    error, others, deviation = _known(result, "error", "error_others", "deviation")
    worst = max(*error.values, *others.values)
    agrees = "agrees with" if worst <= ERROR else "differs from"
    straight = {
        name: {
            shape: _known(result, f"straight_{name}_{shape}")[0].mean for shape in ("exponential", "power")
        }
        for name in ("fixed", "growing")
    }
    shapes = {
        name: "exponentially" if one["exponential"] > one["power"] else "as a power"
        for name, one in straight.items()
    }
    r2 = {
        name: f"R² {TIMES(one['exponential'])} over n, {TIMES(one['power'])} over log n"
        for name, one in straight.items()
    }
    return [
        f"The formula {agrees} the simulation for probabilities above {LEAST:g}: its largest error is "
        f"{error.words(SHARE)} with 1024 units of which 20 are active, {others.words(SHARE)} for other sizes (largest "
        f"deviation {deviation.words(TIMES)} standard errors of the simulation).",
        f"The probability of a false match falls {shapes['growing']} with the number of units n where a fixed share of "
        f"them is active ({r2['growing']}), but {shapes['fixed']} where their number is fixed ({r2['fixed']}).",
    ]


def _unions(result: StudyResult) -> list[str]:
    error, two, ten = _known(result, "union_error", "union_missing_2", "union_missing_10")
    return [
        f"Matches with a union of patterns: the exact probability is within {error.words(P)} of the simulation; 1 - (1 "
        f"- P)^M misses {two.words(SHARE)} of it for two patterns and {ten.words(SHARE)} for ten, as units of several "
        "patterns add up. It is exact only for a match with one of the patterns alone."
    ]


def _sign(ratio: OverSeeds) -> int | None:
    """1 if the logarithm of a ratio is decidedly above 0, -1 if below, None if not decided."""
    return OverSeeds.of(np.log(ratio.values)).sign


def _subspace(result: StudyResult, network: str, words: str) -> list[str]:
    test, memorised, base = _known(
        result, *(f"{network}_{name}" for name in ("test", "memorised", "base_rate"))
    )
    sentences = [
        f"{words}: {memorised.words(SHARE)} of the wrong labels are answered, {test.words(SHARE)} of the held-out "
        f"examples (base rate {base.words(SHARE)})."
    ]
    for by in ("attribution", "activation"):
        ratios = dict(
            zip(RATIOS, _known(result, *(f"{network}_{by}_{ratio}" for ratio in RATIOS)), strict=True)
        )
        signs = {name: _sign(one) for name, one in ratios.items()}
        phrases = {1: "more than", -1: "fewer than", None: "not decidedly more or fewer than"}
        listed = "; ".join(
            f"{phrases[signs[name]]} {other} ({ratios[name].words(TIMES)} times)"
            for name, other in RATIOS.items()
        )
        uniform, matched = _known(result, f"{network}_{by}_pairs_uniform", f"{network}_{by}_pairs_matched")
        needed = [signs["matched"], signs["clean"]]
        if needed == [1, 1]:
            verdict = "Memorised examples have neurons of their own in common"
        elif signs["uniform"] == 1:
            verdict = (
                "More than chance, but rates of neurons or clean examples explain it: no common subspace"
            )
        elif -1 in needed:
            verdict = "No common subspace of memory"
        else:
            verdict = "A common subspace of memory is not shown"
        sentences.append(
            f"By {by}, two memorised examples share {listed}. {uniform.words(SHARE)} of their pairs are significant "
            f"against random sets, {matched.words(SHARE)} against neurons that keep their rates. {verdict}."
        )
    return sentences


def _controls(result: StudyResult, network: str) -> list[str]:
    counts, n = [], len(result.seeds)
    for count in (0, *PLANTS):
        names = (f"{network}_planted_{count}_p_{name}" for name in ("matched", "clean"))
        rates, other = (np.array(one.values) <= NOTICED for one in _known(result, *names))
        counts.append(f"{count} planted: {rates.sum()} and {other.sum()}")
    return [
        "Two halves of the clean examples, with neurons planted that half of the examples of one have in common; "
        f"seeds of {n} in which p is at most {NOTICED:g} with rates kept, and against the other half: "
        f"{'; '.join(counts)}. Fewer "
        "common neurons than are noticed are not excluded."
    ]


def _similarity(result: StudyResult, network: str) -> list[str]:
    trained, untrained, shuffled = _known(
        result, *(f"{network}_similarity_{name}" for name in ("trained", "untrained", "shuffled"))
    )
    difference = trained.minus(untrained)
    change = difference.verdict("more", "less", "not decidedly more or less")
    preserved = trained.verdict("overlap more", "overlap less", "do not decidedly overlap more")
    return [
        f"Inputs that are more similar {preserved} in their most active neurons: rank correlation "
        f"{trained.words(TIMES)} of held-out examples, {change} than in the untrained network "
        f"({untrained.words(TIMES)}); {shuffled.words(TIMES)} "
        "with sets dealt anew."
    ]
