"""Time constants of units, the timescales of their activity, and the delays that they serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats

from interp.lab.hosts.networks.leaky_rnn import DELAYS, LONG, SHORT, SITE, STEPS, SYMBOLS, TESTED, trained
from interp.lab.study import Record, Settings, Study, StudyResult, setting
from interp.lab.timescales.ablation import (
    QUANTITIES,
    curves_by_delay,
    delay_numbers,
    delay_sentences,
    sets_by_time_constant,
)
from interp.lab.timescales.figure import timescales_figure
from interp.lab.timescales.measure import activity_timescales
from interp.lab.timescales.parity import CURRICULA, learn, robustness, slope
from interp.lab.timescales.tasks import Recall, delayed_recall
from interp.models import adopt
from interp.progress import Report, shifted

FEWEST_BITS = 2


@dataclass(frozen=True)
class Config(Settings):
    """A network for delayed recall, and two for parity."""

    updates: int = setting(2000, "Updates of the network for delayed recall.", "[1, inf)")
    bits: int = setting(6, "Parity is learnt of two bits, three, and so on to so many.", "[4, 12]")
    most: int = setting(800, "Updates for each number of bits, at most.", "[1, inf)")
    width: int = setting(64, "Units of the networks for parity.", "[10, inf)")
    longest: float = setting(
        4.0, "Their time constants are drawn between 1 and so many steps before training.", "(1, inf)"
    )


def measure(config: Config, seed: int, report: Report) -> Record:
    """Delayed recall, then parity with a single head and with several."""
    generator = torch.Generator().manual_seed(seed)
    numbers, curves = _recall(config, seed, generator, report)
    bits = range(FEWEST_BITS, config.bits + 1)
    curves["bits"], curves["parity"] = list(bits), {}
    for place, curriculum in enumerate(CURRICULA):
        part = shifted(report, config.updates + place * len(bits) * config.most, "parity")
        model, stages = learn(bits, curriculum, config.most, config.width, config.longest, generator, part)
        left = robustness(model, bits, config.width, generator, np.random.default_rng(seed))
        tau, activity = [one.tau for one in stages], [one.activity for one in stages]
        numbers |= {
            f"learnt_{curriculum}": float(sum(one.learnt for one in stages)),
            f"tau_first_{curriculum}": tau[0],
            f"tau_last_{curriculum}": tau[-1],
            f"tau_slope_{curriculum}": slope(bits, tau),
            f"activity_slope_{curriculum}": slope(bits, activity),
            f"left_{curriculum}": float(np.mean(list(left.values()))),
        }
        curves["parity"][curriculum] = {
            "tau": tau,
            "activity": activity,
            "updates": [one.updates for one in stages],
            "left": {str(share): value for share, value in left.items()},
        }
    return Record(numbers, curves)


def _recall(
    config: Config, seed: int, generator: torch.Generator, report: Report
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Time constants against timescales of activity, and ablation by time constant, in a network that recalls."""
    network = trained(config.updates, generator, report)
    tau = network.tau.detach().numpy()

    def draw(delay: int) -> Recall:
        return delayed_recall(TESTED, [delay], generator, symbols=SYMBOLS, steps=STEPS)

    every = delayed_recall(TESTED, DELAYS, generator, symbols=SYMBOLS, steps=STEPS)
    model = adopt(network, [SITE], example=every.inputs[:8])
    activity = activity_timescales(model, every.inputs, SITE)["timescale"]
    tested = ~np.isnan(activity)
    enough = tested.sum() >= 3
    sets = sets_by_time_constant(tau, np.random.default_rng(seed))
    curves = curves_by_delay(model, SITE, sets, DELAYS, draw)
    numbers: dict[str, float | None] = {
        "rank_correlation": float(stats.spearmanr(tau[tested], activity[tested])[0]) if enough else None,
        "testable": float(tested.mean()),
        "ratio": float(np.median(activity[tested] / tau[tested])) if enough else None,
    }
    return numbers | delay_numbers(curves, DELAYS, SHORT, LONG), {
        "tau": tau.round(3).tolist(),
        "activity": [None if np.isnan(one) else round(float(one), 3) for one in activity],
        "delays": list(DELAYS),
        "accuracy": {name: curve.round(4).tolist() for name, curve in curves.items()},
    }


def judge(result: StudyResult) -> list[str]:
    """Time constants against activity; against delays; and against the number of bits of parity."""
    sentences = []
    if (ranks := result.all_over("rank_correlation", "ratio")) is not None:
        correlation, ratio = ranks
        sentences.append(
            f"Units are ranked {correlation.verdict('alike', 'the other way round', 'not decidedly alike')} by their "
            f"time constants and by the autocorrelation of their activity while the network recalls: Spearman's "
            f"correlation is {correlation.words('{:.2f}'.format)}, and the timescale of activity is "
            f"{ratio.words('{:.1f}'.format)} times the time constant."
        )
    return [*sentences, *delay_sentences(result, 1 / SYMBOLS), *_of_parity(result)]


def _of_parity(result: StudyResult) -> list[str]:
    sentences, last = [], result.config.bits
    for kind, called in (("tau", "the mean time constant"), ("activity", "the median timescale of activity")):
        slopes = result.all_over(f"{kind}_slope_single", f"{kind}_slope_multi")
        apart = result.difference(f"{kind}_slope_single", f"{kind}_slope_multi")
        if slopes is None or apart is None:
            sentences.append(f"How {called} depends on the bits of parity is not known in every seed.")
            continue
        single, multi = (
            f"{one.verdict('rises', 'falls', 'does not decidedly change')} ({one.words('{:+.3f}'.format)} steps a bit)"
            for one in slopes
        )
        falls = " That it rises with N does not hold here." if kind == "tau" and slopes[0].sign == -1 else ""
        steeper = apart.verdict("above", "below", "not decidedly apart from")
        sentences.append(
            f"From parity of {FEWEST_BITS} bits to {last}, {called} {single} with a single head and {multi} with "
            f"several; the former slope is {steeper} the latter.{falls}"
        )
    left, apart = result.all_over("left_single", "left_multi"), result.difference("left_multi", "left_single")
    assert left is not None
    assert apart is not None
    share = "{:.0%}".format
    sentences.append(
        f"Without random units, a twentieth to a fifth of them, {left[0].words(share)} of the accuracy above chance at "
        f"{last} bits is left with a single head and {left[1].words(share)} with several, which is "
        + apart.verdict("more robust", "less robust", "not decidedly more or less robust")
        + "."
    )
    learnt = [result.each(f"learnt_{curriculum}") for curriculum in CURRICULA]
    all_bits = last - FEWEST_BITS + 1
    if any(one != all_bits for values in learnt for one in values):
        sentences.append("Not every number of bits was learnt in the updates that it was given.")
    return sentences


STUDY = Study(
    name="timescales",
    title="Time constants, timescales of activity, and the delays that units serve",
    about=(
        "Leaky recurrent units have time constants among their parameters, and their activity has a timescale, which "
        "recurrent connections change as well. A network with trainable time constants (after arXiv 2309.12927 and "
        "the leaky memory of arXiv 2306.16922) recalls one of eight symbols after 1 to 24 steps. Its time constants "
        "are compared with the fall of the autocorrelation of hooked activity, and the thirds of its units with the "
        "longest, the middle and the shortest, and as many random ones are held at zero inside the loop: units of "
        "long time constants should cost long delays more than short ones, and the others not. A set that leaves "
        "hardly more than chance after short delays decides nothing, as long ones can lose no more. Then parity of the "
        "last N bits is learnt for N = 2 to 6, one N after another, either for the newest N only (single head) or "
        "for all so far (multi-head): the paper reports that time constants rise with N with a single head only, and "
        "that multi-head networks withstand ablation better; it trains more units, and more bits, for longer. The "
        "figure shows timescales of units, accuracy by delay, and mean time constants by N."
    ),
    config=Config,
    measure=measure,
    units=lambda config: config.updates + len(CURRICULA) * (config.bits - FEWEST_BITS + 1) * config.most,
    quantities={
        "rank_correlation": "rank correlation of time constants and activity",
        "testable": "share of units whose activity's timescale is known",
        "ratio": "timescale of activity over time constant, median",
    }
    | QUANTITIES
    | {
        f"{name}_{curriculum}": f"{words}, {called}"
        for name, words in {
            "learnt": "numbers of bits learnt",
            "tau_first": "mean time constant at 2 bits (steps)",
            "tau_last": "mean time constant at the last (steps)",
            "tau_slope": "its slope (steps a bit)",
            "activity_slope": "slope of the timescale of activity",
            "left": "accuracy left without random units",
        }.items()
        for curriculum, called in CURRICULA.items()
    },
    judge=judge,
    draw=timescales_figure,
)
