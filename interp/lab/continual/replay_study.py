"""Replay of hidden activations beside that of examples: what stale activations cost, and what stable units save."""

from __future__ import annotations

import numpy as np

from interp.lab.continual.benchmarks import benchmark
from interp.lab.continual.comparison import Compared
from interp.lab.continual.method import Method
from interp.lab.continual.methods.hidden_replay import HiddenReplay, activation_drift
from interp.lab.continual.methods.replay import Replay
from interp.lab.continual.metrics import sequence_metrics
from interp.lab.continual.sequence import NAIVE, learn_in_sequence
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from interp.progress import Report, shifted

SITE, LAYER = "1", "0"  # the first hidden layer's activation, and what feeds it
NO_ROW = 0.01  # a share of a batch of 32 that is no row
ARMS = {
    "none": "no replay",
    "raw": "replay of examples",
    "raw_last": "replay of the last two classes alone",
    "hidden": "replay of hidden activations",
    "hidden_shuffled": "the same with shuffled labels",
    "hidden_noise": "the same of noise",
    "stable_half": "hidden, units with half of the activation stable",
    "stable_most": "hidden, units with 90 % of it stable",
    "stable_all": "hidden, all active units stable",
    "frozen": "all active units stable, no replay",
    "fresh": "hidden, activations computed anew",
}
QUANTITIES = {
    f"replay_average_{arm}": f"digits by class, {words}: accuracy" for arm, words in ARMS.items()
} | {
    f"replay_drift_{arm}": f"digits by class, {ARMS[arm]}: drift of kept activations"
    for arm in ("hidden", "stable_half", "stable_most", "stable_all", "fresh")
}


def arms(kept: int) -> dict[str, Method]:
    """The methods that are compared, by the names in `ARMS`; each keeps so many examples of a task."""
    stable = {"half": 0.5, "most": 0.9, "all": 1.0}
    return {
        "none": NAIVE,
        "raw": Replay(kept),
        "raw_last": Replay(kept, recent=1),
        "hidden": HiddenReplay(kept, site=SITE),
        "hidden_shuffled": HiddenReplay(kept, site=SITE, content="shuffled"),
        "hidden_noise": HiddenReplay(kept, site=SITE, content="noise"),
        **{
            f"stable_{name}": HiddenReplay(kept, site=SITE, stable=share, layer=LAYER)
            for name, share in stable.items()
        },
        "frozen": HiddenReplay(kept, NO_ROW, site=SITE, stable=1.0, layer=LAYER),
        "fresh": HiddenReplay(kept, site=SITE, content="fresh"),
    }


def units(config: Compared) -> int:
    """Steps of progress of `hidden_replay`."""
    return len(ARMS) * benchmark("classes", config, 0).updates


def hidden_replay(
    config: Compared, seed: int, report: Report
) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Learn digits two classes at a time with each replay.

    Returns:
        The numbers of `QUANTITIES`, and by arm the accuracy on the classes of each task in the end.
    """
    numbers: dict[str, float | None] = {}
    curves: dict[str, list[float]] = {}
    bench = benchmark("classes", config, seed)
    for place, (arm, method) in enumerate(arms(config.kept).items()):
        learnt = learn_in_sequence(
            *(bench.network(), bench.tasks, method, bench.training),
            seed=seed,
            report=shifted(report, place * bench.updates, ARMS[arm]),
        )
        numbers[f"replay_average_{arm}"] = sequence_metrics(learnt.accuracy, learnt.untrained)["average"]
        if f"replay_drift_{arm}" in QUANTITIES:
            numbers[f"replay_drift_{arm}"] = float(np.mean(activation_drift(learnt, SITE)[:-1]))
        curves[arm] = learnt.accuracy[-1].tolist()
    return numbers, curves


def sentences(result: StudyResult) -> list[str]:
    """Sentences on hidden replay."""
    return [_recovered(result), _stale(result), _controls(result)]


def _recovered(result: StudyResult) -> str:
    parts = []
    for arm in ("hidden", "stable_all"):
        over = result.all_over(*(f"replay_average_{one}" for one in ("none", "raw", arm)))
        assert over is not None
        recovered = share_of_gain(*over)
        verdict = recovered.minus(OverSeeds.of([0.5] * len(recovered.values))).verdict(
            "more than half", "less than half", "some, more or less than half is not decided"
        )
        parts.append(f"{ARMS[arm]} {verdict} ({recovered.words('{:.0%}'.format)})")
    drift = result.over("replay_drift_hidden")
    assert drift is not None
    return (
        f"On digits two classes at a time, of what replay of examples gains: {'; '.join(parts)}. By the end, kept "
        f"activations are {drift.words('{:.2f}'.format)} of their own norm away from what the same examples give then."
    )


def share_of_gain(none: OverSeeds, raw: OverSeeds, other: OverSeeds) -> OverSeeds:
    """The part of what replay of examples gains that another arm gains, seed by seed; 0 where there is no gain.

    Example:
        >>> share_of_gain(OverSeeds.of([0.0, 0.25]), OverSeeds.of([0.5, 0.75]), OverSeeds.of([0.25, 0.25])).values
        (0.5, 0.0)
    """
    rows = np.array([none.values, raw.values, other.values])
    gain = rows[1] - rows[0]
    return OverSeeds.of(np.where(gain > 0, (rows[2] - rows[0]) / np.where(gain > 0, gain, 1), 0))


def _stale(result: StudyResult) -> str:
    parts = []
    for arm in ("stable_half", "stable_most", "stable_all", "frozen", "fresh"):
        difference = result.difference(f"replay_average_{arm}", "replay_average_hidden")
        if difference is not None:
            words = difference.verdict("higher", "lower", "not decided")
            parts.append(f"{ARMS[arm].removeprefix('hidden, ')} {words} ({_signed(difference)})")
    return f"Accuracy beside hidden replay as such: {'; '.join(parts)}."


def _controls(result: StudyResult) -> str:
    parts = []
    for arm, other in (("hidden", "hidden_shuffled"), ("hidden", "hidden_noise"), ("raw", "raw_last")):
        difference = result.difference(f"replay_average_{arm}", f"replay_average_{other}")
        if difference is not None:
            words = difference.verdict("above", "below", "not told apart from")
            parts.append(f"{ARMS[arm]} is {words} {ARMS[other]} ({_signed(difference)})")
    return f"{'; '.join(parts).capitalize()}."


def _signed(difference: OverSeeds) -> str:
    return difference.words("{:+.3f}".format)
