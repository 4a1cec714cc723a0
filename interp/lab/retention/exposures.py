"""Memory of strings after some exposures, and after updates on new strings that interfere with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.lab.retention.ablation import QUANTITIES as WITHOUT
from interp.lab.retention.ablation import memory_without
from interp.lab.retention.memory import MEASURES, memory_now
from interp.lab.retention.order import ORDERS, PROBES, order_numbers, probe_numbers
from interp.lab.retention.strings import CLASSES, SUCCESSORS, VOCAB, Strings, draw_strings
from interp.lab.retention.training import NEW, Learner, Size, pretrained
from interp.lab.study import Settings, setting
from interp.language.small_training import RandomLanguage, random_language
from interp.progress import Report, shifted

EXPOSURES = (1, 3, 5, 10, 30)
LAGS = (1, 10, 100, 1000)
FEW, MANY = 3, 30
"""Exposures after which new strings interfere."""
LONGEST_AFTER_FEW = 100


@dataclass(frozen=True)
class ExposureSettings(Settings):
    """Sizes of the experiment with strings that are exposed."""

    updates: int = setting(
        800, "Updates on the language and its questions before strings are exposed.", "[1, inf)"
    )
    lr: float = setting(0.001, "Learning rate of exposures and of interfering updates.", "(0, inf)")
    strings: int = setting(64, "Strings that are exposed, all of them in each update.", "[4, inf)")
    foils: int = setting(128, "Strings never shown that they are compared with.", "[2, inf)")
    interference: int = setting(1000, "Updates on new strings after the last exposure.", "[1, inf)")
    removed: float = setting(0.1, "Share of the neurons that is taken out.", "(0, 1)")
    n_random: int = setting(3, "Random sets of neurons beside each of these.", "[1, inf)")


def exposure_updates(config: Any) -> int:
    """Steps of progress of `exposed_strings`."""
    return int(config.updates + max(EXPOSURES) + sum(_longest(config).values()))


def _longest(config: Any) -> dict[int, int]:
    """Interfering updates by exposures before them."""
    return {FEW: min(config.interference, LONGEST_AFTER_FEW), MANY: config.interference}


def exposed_strings(config: Any, seed: int, report: Report) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers and curves of one seed: memory and order by exposures, by interfering updates, and without neurons.

    All strings come once in each exposure, which is one update, by an optimiser whose moments begin at 0.

    Args:
        config: With the fields of `ExposureSettings`.
    """
    generator = np.random.default_rng(seed)
    language = random_language(VOCAB, CLASSES, SUCCESSORS, generator)
    network = pretrained(Size(config.updates), language, seed, generator, report)
    sizes = (config.strings, config.strings, config.foils)
    strings = Strings(*(draw_strings(language, n, generator) for n in sizes))
    learner, done = Learner(network, config.lr), config.updates
    numbers: dict[str, float | None] = dict.fromkeys(QUANTITIES)
    numbers |= _after(network, strings, 0)
    few = None
    for exposure in range(1, max(EXPOSURES) + 1):
        learner.expose(strings.study)
        if exposure in EXPOSURES:
            numbers |= _after(network, strings, exposure)
        if exposure == FEW:
            few = learner.state()
        report(done + exposure, "exposures")
    numbers |= {f"probe_{name}": value for name, value in probe_numbers(network, strings, seed).items()}
    numbers |= memory_without(network, strings, config.removed, config.n_random, seed)
    done += max(EXPOSURES)
    for start, longest in reversed(_longest(config).items()):
        if start == FEW:
            learner.restore(few)
        own = shifted(report, done, f"new strings after {start} exposures")
        numbers |= _interfered(learner, language, strings, start, longest, generator, own)
        done += longest
    return numbers, _curves(numbers)


def _after(network: Any, strings: Strings, exposures: int) -> dict[str, float]:
    own = memory_now(network, strings)
    own |= {f"order_{name}": value for name, value in order_numbers(network, strings).items()}
    return {f"{name}_{exposures}": value for name, value in own.items()}


def _interfered(
    learner: Learner,
    language: RandomLanguage,
    strings: Strings,
    start: int,
    longest: int,
    generator: np.random.Generator,
    report: Report,
) -> dict[str, float]:
    numbers = dict[str, float]()
    for update in range(1, longest + 1):
        learner.expose(draw_strings(language, NEW, generator))
        if update in LAGS:
            own = memory_now(learner.network, strings)
            numbers |= {f"{name}_{start}_{update}": value for name, value in own.items()}
        report(update)
    return numbers


def _curves(numbers: dict[str, float | None]) -> dict[str, Any]:
    """Numbers by exposures and by interfering updates, as the figure shows them."""
    every = (0, *EXPOSURES)
    names = (*MEASURES, *(f"order_{name}" for name in ORDERS))
    after: dict[str, Any] = {}
    for start in (FEW, MANY):
        lags = [lag for lag in LAGS if numbers.get(f"recognition_{start}_{lag}") is not None]
        after[str(start)] = {"updates": [0, *lags]} | {
            name: [numbers[f"{name}_{start}"], *(numbers[f"{name}_{start}_{lag}"] for lag in lags)]
            for name in MEASURES
        }
    exposed = {name: [numbers[f"{name}_{one}"] for one in every] for name in names}
    return {"exposed": {"exposures": list(every)} | exposed, "interfered": after}


def _words() -> dict[str, str]:
    memory = {
        f"{name}_{one}": f"{words}, {_times(one)}"
        for one in (0, *EXPOSURES)
        for name, words in MEASURES.items()
    }
    order = {
        f"order_{name}_{one}": f"{words}, {_times(one)}"
        for one in (0, *EXPOSURES)
        for name, words in ORDERS.items()
    }
    later = {
        f"{name}_{start}_{lag}": f"{words}, {_times(start)}, then {lag} new updates"
        for start in (FEW, MANY)
        for lag in LAGS
        if start == MANY or lag <= LONGEST_AFTER_FEW
        for name, words in MEASURES.items()
        if name in ("recognition", "recall", "recognised", "recalled")
    }
    probes = {f"probe_{name}": f"{words}, {_times(MANY)}" for name, words in PROBES.items()}
    return memory | later | order | probes | WITHOUT


def _times(exposures: int) -> str:
    return f"{exposures} exposure{'s' * (exposures != 1)}"


QUANTITIES = _words()
"""Names in words of the numbers of `exposed_strings`."""
