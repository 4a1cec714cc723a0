"""Facts injected into a language model in training: their jump, their decay with log time, and the neurons they are in.

Metrics are those of arXiv 2406.11813.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.lab.retention.fact_neurons import neuron_numbers
from interp.lab.retention.injected_training import (
    ARMS,
    BATCHES,
    DUPLICATED,
    NEVER,
    WRONG,
    Injected,
    Learner,
    answer_log_probability,
    draw_injected,
    injections,
    learn_background,
    probe_rows,
)
from interp.lab.retention.injection_findings import QUANTITIES as QUANTITIES
from interp.lab.retention.injection_findings import sentences as sentences
from interp.lab.study import Settings, setting
from interp.language.injections import VERBATIM
from interp.progress import Report, shifted
from probes.retention import RIVALS, WINDOW, Decay, acquisition, decay, since_peak

TIMES = 14
"""Times after the maximum, log-spaced, that curves are compared at."""
GROWTH = 1.15
"""Of the time between two measurements after the window."""


@dataclass(frozen=True)
class InjectionSettings(Settings):
    """Sizes of the experiment with injected facts."""

    background: int = setting(1500, "Updates on background text before facts are injected.", "[0, inf)")
    facts: int = setting(24, "Facts of each arm: duplicated, paraphrased, never injected.", "[2, 400]")
    injections: int = setting(10, "Exposures of each injected fact.", "[1, inf)")
    after: int = setting(500, "Updates on background text after the injection.", "[8, inf)")


def injection_updates(config: Any) -> int:
    """Steps of progress of `injected_facts`."""
    return int(config.background + len(BATCHES) * (config.injections * -(-config.facts // 2) + config.after))


@dataclass(frozen=True, eq=False)
class Measured:
    """Log probabilities over one branch of the training.

    Attributes:
        steps: Updates since the branch began at which probes were measured; 0 is before the injection.
        injected: The update of each fact's last exposure, ``(fact,)``, alike in every arm.
        values: By arm and depth, ``(fact, step)``.
        after: The learner after the last injection.
    """

    steps: Int[np.ndarray, " step"]
    injected: Int[np.ndarray, " fact"]
    values: dict[str, dict[str, Float[np.ndarray, "fact step"]]]
    after: Learner


def injected_facts(config: Any, seed: int, report: Report) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers and curves of one seed: two branches of one training, with small and with large batches.

    Args:
        config: With the fields of `InjectionSettings`.
    """
    learner, drawn = learn_background(config.background, 3 * config.facts, seed, report)
    injected = draw_injected(learner.language, drawn, config.injections, learner.generator)
    numbers: dict[str, float | None] = {
        "known_facts": float(np.exp(_known(learner)).mean()),
    }
    curves: dict[str, Any] = {"batches": {}}
    done = config.background
    for batch in BATCHES:
        measured = inject(learner, injected, batch, config.after, shifted(report, done, f"batch {batch}"))
        done += config.injections * -(-config.facts // 2) + config.after
        generator = np.random.default_rng(seed)
        own, drawn_curves = retention_numbers(measured, config.after, generator)
        numbers |= {f"{name}_{batch}": value for name, value in own.items()}
        curves["batches"][str(batch)] = drawn_curves
        if batch == BATCHES[0]:
            more, curves["neurons"] = neuron_numbers(learner, measured.after, injected, generator)
            numbers |= more
    return numbers, curves


def _known(learner: Learner) -> np.ndarray:
    """Log probabilities of the known facts of the background text."""
    first = np.zeros(len(learner.known), dtype=np.int64)
    return answer_log_probability(learner.network, learner.language.say(learner.known, first))


def inject(learner: Learner, injected: Injected, batch: int, after: int, report: Report) -> Measured:
    """A branch of the training that is given the facts, and then goes on with background text alone."""
    branch = learner.branch()
    probes = {arm: probe_rows(learner.language, injected, arm) for arm in (*ARMS, NEVER)}
    steps, measured = [0], [_measure(branch, probes)]
    last: dict[int, int] = {}
    updates = list(injections(branch, injected))
    final = len(updates) - 1
    kept, step = branch, 0
    round_length = len({first for first, _ in updates})
    due = float(final + 1 + WINDOW)
    for step in range(1, len(updates) + after + 1):
        rows = updates[step - 1] if step <= len(updates) else None
        branch.update(batch, None if rows is None else rows[1])
        if rows is not None:
            last[rows[0]] = step
        near = len(updates) - round_length < step <= len(updates) + WINDOW
        if near or step >= due or step == len(updates) + after:
            due = len(updates) + (step - len(updates)) * GROWTH
            steps.append(step)
            measured.append(_measure(branch, probes))
        if step == len(updates):
            kept = branch.branch()
        report(step)
    first = sorted(last)
    n = len(injected.facts[DUPLICATED])
    owner = np.searchsorted(np.array(first), np.arange(n), side="right") - 1
    values = {
        arm: {depth: np.stack([one[arm][depth] for one in measured], axis=1) for depth in probes[arm]}
        for arm in probes
    }
    return Measured(np.array(steps), np.array([last[first[i]] for i in owner]), values, kept)


def _measure(learner: Learner, probes: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """The mean log probability of each fact over its probes, by arm and depth; all of them in one pass."""
    parts = [(arm, depth, rows) for arm, own in probes.items() for depth, rows in own.items()]
    flat = np.concatenate([rows.reshape(-1, rows.shape[-1]) for _, _, rows in parts])
    values = answer_log_probability(learner.network, flat)
    result: dict[str, dict[str, np.ndarray]] = {arm: {} for arm in probes}
    start = 0
    for arm, depth, rows in parts:
        size = rows.shape[0] * rows.shape[1]
        result[arm][depth] = values[start : start + size].reshape(rows.shape[:2]).mean(0)
        start += size
    return result


def retention_numbers(
    measured: Measured, after: int, generator: np.random.Generator
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Jump, retention and decay of every arm at every depth, and mean curves."""
    times = np.unique(np.round(np.geomspace(1, after, TIMES)))
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {"steps": measured.steps.tolist(), "mean": {}, "retained": {}}
    steps, exposed = measured.steps[1:], np.searchsorted(measured.steps[1:], measured.injected)
    for arm, own in measured.values.items():
        curves["mean"][arm] = {depth: values.mean(0).round(4).tolist() for depth, values in own.items()}
        curves["retained"][arm] = {}
        for depth, values in own.items():
            name, gains = f"{arm}_{depth}", values[:, 1:] - values[:, :1]
            peak, jump = acquisition(steps, gains, np.zeros(len(gains)), measured.injected)
            rise = gains[np.arange(len(gains)), exposed]
            numbers |= {f"jump_{name}": float(jump.mean()), f"rise_{name}": float(rise.mean())}
            if depth == WRONG:
                continue
            aligned = since_peak(steps, gains, peak, times)
            fit = decay(times, aligned, jump, generator)
            numbers |= _decay_numbers(name, fit)
            whole = ~np.isnan(aligned).any(0) & bool(jump.mean() > 0)
            share = aligned[:, whole].mean(0) / max(float(jump.mean()), 1e-9)
            numbers[f"left_{name}"] = float(share[-1]) if arm != NEVER and len(share) else None
            curves["retained"][arm][depth] = {
                "times": times[whole].tolist(),
                "share": share.round(4).tolist(),
                "slope": None if fit is None else [fit.slope, fit.slope_low, fit.slope_high],
            }
            if arm != NEVER and depth == VERBATIM:
                plain = decay(times, since_peak(steps, gains, exposed, times), rise, generator)
                numbers |= _decay_numbers(f"plain_{name}", plain)
    return numbers, curves


def _decay_numbers(name: str, fit: Decay | None) -> dict[str, float | None]:
    if fit is None:
        return dict.fromkeys([f"{key}_{name}" for key in ("slope", "r2", "life", *RIVALS)])
    life = None if np.isinf(fit.life) else fit.life
    return {f"slope_{name}": fit.slope, f"r2_{name}": fit.r2, f"life_{name}": life} | {
        f"{rival}_{name}": r2 for rival, r2 in fit.rivals.items()
    }
