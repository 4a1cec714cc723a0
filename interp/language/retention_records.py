"""Results of following injected sequences over checkpoints: one row a sequence, curves, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from interp.drawing import Drawable, present
from interp.language.fact_neurons import FactNeurons
from interp.markup import percentage
from interp.output import plain, versions, write_result
from probes.retention import RIVALS, Decay, Line

FAR = 15.0
"""Decimal logarithm of a life from which on no number is named."""


@dataclass(frozen=True, eq=False)
class Depth:
    """One kind of probe; arrays have one entry a row of the table, nan where not known.

    Attributes:
        before: Log probability at the last checkpoint before the injection, in nats a token.
        peak: Number of the checkpoint with the local maximum; -1 without one, or without this probe.
        effectivity: The jump up to it.
        left: Retainability at each checkpoint.
        lines: By log time, for each row.
        fitted: Rows that the mean decay is of.
        decay: Of the mean over these; None where it is not testable.
        reason: For that, in words; else empty.
        control: The same fit through the maxima of controls, which fall by themselves as they were chosen; None where
            it is not testable.
        times, share: Steps since the maximum, and the mean gain over the mean jump there, that the decay was fitted to.
    """

    before: Float[np.ndarray, " row"]
    peak: Int[np.ndarray, " row"]
    effectivity: Float[np.ndarray, " row"]
    left: Float[np.ndarray, "row checkpoint"]
    lines: tuple[Line, ...]
    fitted: Bool[np.ndarray, " row"]
    decay: Decay | None
    reason: str
    control: Decay | None = None
    times: Float[np.ndarray, " time"] = field(default_factory=lambda: np.zeros(0))
    share: Float[np.ndarray, " time"] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False, repr=False)
class Retention(Drawable):
    """Injected sequences over the checkpoints of a training; made by `interp.retention`.

    Attributes:
        steps: Of the checkpoints.
        values: By kind of probe, mean log probability of a continuation's tokens, ``(row, checkpoint)``.
        first, last: Steps of each row's first and last injection; -1 where not known.
        control: Rows that were never injected.
        begins: First characters of each row (untrusted).
        depths: By kind of probe that the table has.
        window: Steps after the last injection in which the maximum is looked for.
        notes: In sentences.
        source: The series.
        neurons: Of the sequences in `neuron_rows`, between the checkpoints of the two `neuron_steps`; None if not asked
            for.
    """

    steps: Int[np.ndarray, " checkpoint"]
    values: Mapping[str, Float[np.ndarray, "row checkpoint"]]
    first: Int[np.ndarray, " row"]
    last: Int[np.ndarray, " row"]
    control: Bool[np.ndarray, " row"]
    begins: tuple[str, ...]
    depths: Mapping[str, Depth]
    window: int
    notes: tuple[str, ...] = ()
    source: str = ""
    neurons: FactNeurons | None = None
    neuron_steps: tuple[int, int] | None = None
    neuron_rows: Int[np.ndarray, " fact"] | None = None

    figure = "plots.retention.retention_curves"

    def __repr__(self) -> str:
        return "\n".join(
            (f"Retention of {len(self.last)} sequences, {len(self.steps)} checkpoints", *self.sentences)
        )

    def named(self, source: str) -> Retention:
        """The same with the name of its series."""
        return replace(self, source=source)

    def with_neurons(
        self, neurons: FactNeurons, steps: tuple[int, int], rows: Int[np.ndarray, " fact"]
    ) -> Retention:
        """The same with the neurons of some rows, between two checkpoints."""
        return replace(self, neurons=neurons, neuron_steps=steps, neuron_rows=rows)

    @property
    def table(self) -> dict[str, np.ndarray]:
        """One entry a row by column; lives are decimal logarithms of steps, inf where a sequence is not forgotten."""
        columns: dict[str, Any] = {
            "row": np.arange(len(self.last)),
            "text": np.array(self.begins),
            "step": self.last,
            "control": self.control,
        }
        for name, depth in self.depths.items():
            at = np.where(depth.peak >= 0, self.steps[depth.peak], -1)
            columns |= {
                f"before_{name}": depth.before,
                f"peak_step_{name}": at,
                f"effectivity_{name}": depth.effectivity,
                f"left_{name}": depth.left[:, -1],
                f"slope_{name}": np.array([line.slope for line in depth.lines]),
                f"slope_low_{name}": np.array([line.low for line in depth.lines]),
                f"slope_high_{name}": np.array([line.high for line in depth.lines]),
                f"log10_life_{name}": np.array([line.life for line in depth.lines]),
            }
        return columns

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings, and what cannot be said."""
        return tuple(_sentences(self))

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON: one object a row, the mean decay of every kind of probe, findings and notes."""
        table = plain(self.table)
        decays = {
            name: {
                "sequences": int(depth.fitted.sum()),
                "not_testable": depth.reason or None,
                **({} if depth.decay is None else plain(depth.decay._asdict())),
                "times": depth.times.tolist(),
                "share": depth.share.tolist(),
                "control": None if depth.control is None else plain(depth.control._asdict()),
            }
            for name, depth in self.depths.items()
        }
        neurons = None
        if self.neurons is not None:
            neurons = {
                "steps": plain(self.neuron_steps),
                "rows": plain(self.neuron_rows),
                **self.neurons.to_dict(),
            }
        return {
            "series": self.source,
            "steps": self.steps.tolist(),
            "window": self.window,
            "findings": list(self.sentences),
            "notes": list(self.notes),
            "decay": decays,
            "sequences": [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
            "log_probability": plain(self.values),
            "neurons": neurons,
            "made_by": {"versions": versions()},
        }

    def save(self, path: Path | str) -> Path:
        """Write one row a sequence to ``.parquet`` or ``.csv``, all findings to ``.json``, or a page to ``.html``.

        Raises:
            ConfigError: The suffix is none of these, or the place cannot be written to.
        """
        return write_result(
            path,
            "retention",
            columns=lambda: self.table,
            data=self.to_dict,
            page=lambda: str(present("report.retention.retention_page", self)),
        )


def _sentences(result: Retention) -> Iterator[str]:
    for name, depth in result.depths.items():
        own = depth.effectivity[~result.control & np.isfinite(depth.effectivity)]
        if len(own):
            yield _jump(name, own, depth.effectivity[result.control])
        yield f"Decay, {name}: {depth.reason}." if depth.decay is None else _decay(name, depth, len(own))
        if depth.decay is not None and (control := depth.control) is not None:
            yield (
                f"The same line through the maxima of controls, {name}: {_slope(control)}, as a chosen maximum falls "
                "by itself."
            )
        if depth.decay is not None and not _above(own, depth.effectivity[result.control]):
            yield f"As the jump is not shown to be more than that of controls, the decay, {name}, may be one of noise."
    if result.neurons is not None:
        yield from _stored(result)


def _jump(name: str, own: np.ndarray, control: np.ndarray) -> str:
    line = f"{name.capitalize()}: the log probability of {len(own)} injected sequences jumps by {own.mean():+.2f} nats"
    control = control[np.isfinite(control)]
    if len(control) < 2 or len(own) < 2:
        return f"{line}; without controls (rows with split control) a rise may be due to training in general."
    interval = stats.ttest_ind(own, control, equal_var=False).confidence_interval()
    more = (
        "more than" if interval.low > 0 else "less than" if interval.high < 0 else "not decidedly more than"
    )
    return (
        f"{line}, {more} that of {len(control)} controls in the same windows ({control.mean():+.2f}; difference "
        f"{interval.low:+.2f} to {interval.high:+.2f})."
    )


def _above(own: np.ndarray, control: np.ndarray) -> bool:
    """True if jumps are decidedly above those of controls, or there are too few of these to tell."""
    control = control[np.isfinite(control)]
    if len(control) < 2 or len(own) < 2:
        return True
    return bool(stats.ttest_ind(own, control, equal_var=False).confidence_interval().low > 0)


def _decay(name: str, depth: Depth, injected: int) -> str:
    fit = depth.decay
    assert fit is not None
    falls = "falls" if fit.slope_high < 0 else "rises" if fit.slope_low > 0 else "does not decidedly fall"
    n = int(depth.fitted.sum())
    if n < 2:
        falls = "is followed, of one sequence and thus without an interval,"
    life = ", life not bounded" if fit.life > FAR else f", life about {10**fit.life:.3g} steps"
    bounds = "" if fit.life > FAR or n < 2 else f" ({_steps(fit.life_low)} to {_steps(fit.life_high)})"
    better = [RIVALS[rival] for rival, r2 in fit.rivals.items() if r2 > fit.r2]
    sequences = f"{n} of {injected} sequence{'s' * (injected != 1)}"
    rivals = f"; better explained by {' and '.join(better)}" if better else ", more than by its rivals"
    return (
        f"Decay, {name}: what is left of the jump {falls} with the logarithm of time ({_slope(fit)}; "
        f"R² {fit.r2:.2f} over {fit.points} times and {sequences}{rivals}){life}{bounds}."
    )


def _slope(fit: Decay) -> str:
    """The slope with its interval, if there is one."""
    interval = f", {fit.slope_low:+.3f} to {fit.slope_high:+.3f}" if np.isfinite(fit.slope_low) else ""
    return f"slope {fit.slope:+.3f}{interval}"


def _steps(life: float) -> str:
    return "unbounded" if not life <= FAR else f"{10**life:.3g}"


def _stored(result: Retention) -> Iterator[str]:
    assert result.neurons is not None
    assert result.neuron_steps is not None
    for name, shares in result.neurons.carried.items():
        if shares["recovered_all"] is None:
            yield f"Neurons, {name}: the log probability did not rise between the two checkpoints."
            continue
        own, others, random = (percentage(shares[f"recovered_{one}"]) for one in ("own", "others", "random"))
        chosen = " (on the sequence that chose them, which is biased upwards)" if name == "verbatim" else ""
        yield (
            f"Neurons, {name}: from step {result.neuron_steps[0]} to {result.neuron_steps[1]}, all MLP neurons carry "
            f"{percentage(shares['recovered_all'])} of the jump; a sequence's own carry {own}{chosen}, as many that "
            f"other sequences choose {others}, and random ones {random}."
        )
