"""Development of single neurons over training: when each became periodic, its frequencies, and how phases align."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from probes.labels import Criteria
from probes.periodicity import phase_residual
from probes.spectrum import at_step, fourier


@dataclass(frozen=True, eq=False, repr=False)
class Development:
    """Periodicity of each neuron over the checkpoints of a training run; ``(neuron,)`` each but for `periodic`.

    Attributes:
        became_periodic_before: Step of the last checkpoint at which the neuron was not periodic, if it was at all later
            ones; nan if it was from the first on, or was not at the last.
        became_periodic_after: Step of the first checkpoint from which it stays periodic; nan if there is none.
        frequency: At the last checkpoint; 0 if it was not periodic there.
        held_longest: The frequency that it was periodic at for most steps in all, a checkpoint standing for the steps
            that are nearest to it; of equals the lowest, 0 if it was never periodic.
        switches: How often a periodic checkpoint had another frequency than the periodic one before it. Checkpoints in
            between, at which no frequency prevailed, are passed over.
        last_switch_before: Step of the last periodic checkpoint before the last switch; nan if it never switched.
        last_switch_after: Step of the first checkpoint with the new frequency; likewise.
    """

    became_periodic_before: Float[np.ndarray, " neuron"]
    became_periodic_after: Float[np.ndarray, " neuron"]
    periodic_at_end: Bool[np.ndarray, " neuron"]
    frequency: Int[np.ndarray, " neuron"]
    held_longest: Int[np.ndarray, " neuron"]
    switches: Int[np.ndarray, " neuron"]
    last_switch_before: Float[np.ndarray, " neuron"]
    last_switch_after: Float[np.ndarray, " neuron"]
    periodic: Bool[np.ndarray, "checkpoint neuron"]

    def __len__(self) -> int:
        return len(self.frequency)

    def __repr__(self) -> str:
        return f"Development({len(self)} neurons, {int(self.periodic_at_end.sum())} periodic at the end)"

    def columns(self) -> dict[str, np.ndarray]:
        """The ``(neuron,)`` arrays by name."""
        return {name: values for name, values in vars(self).items() if name != "periodic"}


def development_of(
    steps: Int[np.ndarray, " _"],
    q_values: Float[np.ndarray, "_ _"],
    shares: Float[np.ndarray, "_ _"],
    frequencies: Int[np.ndarray, "_ _"],
    criteria: Criteria | None = None,
) -> Development:
    """Follow each neuron over the checkpoints of a training run.

    A neuron is periodic at a checkpoint by `probes.labels.Criteria.periodic`, if it has a frequency. Assumes that a
    neuron keeps its index. The q-values control false discoveries within one checkpoint, not over all of them; staying
    periodic to the end guards against chance.

    Args:
        q_values: ``(checkpoint, neuron)``, as are the other two; a neuron that is dead (nan) is not periodic.
        shares: Share of the variance that the main frequency explains, in [0, 1].
        frequencies: The main frequency; 0 or less where there is none.

    Raises:
        ValueError: The shapes differ, there is no checkpoint, or the steps do not ascend.

    Example:
        >>> q, share = np.zeros((4, 2)), np.array([[0.1, 0.1], [0.9, 0.8], [0.9, 0.1], [0.9, 0.1]])
        >>> run = development_of(np.array([0, 10, 20, 30]), q, share, np.array([[3, 5], [3, 5], [4, 5], [4, 5]]))
        >>> run.became_periodic_before.tolist(), run.became_periodic_after.tolist(), run.switches.tolist()
        ([0.0, nan], [10.0, nan], [1, 0])
    """
    shapes = {"q_values": q_values.shape, "shares": shares.shape, "frequencies": frequencies.shape}
    if not len(steps) or len(set(shapes.values())) > 1 or q_values.shape[0] != len(steps):
        raise ValueError(
            f"{len(steps)} steps for arrays of shapes {shapes}; expected (checkpoint, neuron) each"
        )
    if (np.diff(steps) <= 0).any():
        raise ValueError(f"the steps {steps.tolist()} do not ascend")
    periodic = (criteria or Criteria()).periodic(q_values, shares) & (frequencies > 0)
    last, times = len(steps) - 1, np.append(steps.astype(float), np.nan)
    not_yet = np.where(periodic, -1, np.arange(len(steps))[:, None]).max(0)  # -1 and last + 1 stand for nan
    at_end = periodic[last]
    switches, before, after = _switches(times, periodic, frequencies)
    return Development(
        became_periodic_before=np.where(at_end, times[not_yet], np.nan),
        became_periodic_after=times[not_yet + 1],
        periodic_at_end=at_end,
        frequency=np.where(at_end, frequencies[last], 0),
        held_longest=_held_longest(steps, periodic, frequencies),
        switches=switches,
        last_switch_before=before,
        last_switch_after=after,
        periodic=periodic,
    )


def _switches(
    times: np.ndarray, periodic: np.ndarray, frequencies: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count of each neuron's changes from one frequency to another, and the steps on either side of the last."""
    count = periodic.shape[1]
    held, since, switches = np.zeros(count, int), np.zeros(count, int), np.zeros(count, int)
    before, after = np.full(count, np.nan), np.full(count, np.nan)
    for i, (now, frequency) in enumerate(zip(periodic, frequencies, strict=True)):
        changed = now & (held > 0) & (frequency != held)
        switches += changed
        before, after = np.where(changed, times[since], before), np.where(changed, times[i], after)
        held, since = np.where(now, frequency, held), np.where(now, i, since)
    return switches, before, after


def _held_longest(steps: np.ndarray, periodic: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """The frequency with most steps, 0 without any."""
    edges = np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]])
    width = np.diff(edges) if len(steps) > 1 else np.ones(1)
    distinct, which = np.unique(np.where(periodic, frequencies, 0), return_inverse=True)
    neurons = periodic.shape[1]
    total = np.zeros((neurons, len(distinct)))
    np.add.at(total, (np.arange(neurons), which.reshape(periodic.shape)), width[:, None])
    total[:, distinct == 0] = 0
    return np.where(periodic.any(0), distinct[total.argmax(1)] if neurons else 0, 0)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Agreement of the periodic neurons' phases with the rule, ``(checkpoint,)`` each; nan where n is 0.

    Attributes:
        n: How many periodic neurons have a phase residual.
        resultant: Mean resultant length R of their residuals, [0, 1]: 1 if all are the same, about 0.89/sqrt(n) for
            random phases.
        direction: Their circular mean in radians, (-pi, pi]: R near 1 obeys the rule only where this is near 0.
        median: Median absolute residual in radians, [0, pi]; pi/2 for random phases.
        p_value: Of Rayleigh's test against uniform phases, [0, 1].
    """

    n: Int[np.ndarray, " checkpoint"]
    resultant: Float[np.ndarray, " checkpoint"]
    direction: Float[np.ndarray, " checkpoint"]
    median: Float[np.ndarray, " checkpoint"]
    p_value: Float[np.ndarray, " checkpoint"]

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name with None for nan, ready for JSON."""
        return {
            name: [None if np.isnan(value) else value for value in values.tolist()]
            for name, values in vars(self).items()
        }


def alignment(phase_residuals: Float[np.ndarray, "_ _"], periodic: Bool[np.ndarray, "_ _"]) -> Alignment:
    """Measure at each checkpoint how well periodic neurons obey left + right = output phase (arXiv 2310.13061).

    Both are ``(checkpoint, neuron)``, residuals (`probes.periodicity.phase_residual`) in radians, nan where not known.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> aligned = alignment(np.array([[0.1, -0.1, 0.0, 3.0]]), np.array([[True, True, True, False]]))
        >>> int(aligned.n[0]), round(float(aligned.resultant[0]), 3), round(float(aligned.median[0]), 3)
        (3, 0.997, 0.1)
    """
    if phase_residuals.shape != periodic.shape:
        raise ValueError(
            f"residuals of shape {phase_residuals.shape} for a mask of shape {periodic.shape}; expected the same"
        )
    counted = periodic & np.isfinite(phase_residuals)
    n = counted.sum(1)
    directions = np.where(counted, np.exp(1j * np.where(counted, phase_residuals, 0)), 0)
    mean = np.divide(directions.sum(1), n, out=np.full(len(n), np.nan + 0j), where=n > 0)
    length = np.minimum(np.abs(mean), 1)
    middle = [
        np.median(np.abs(residuals[chosen])) if chosen.any() else np.nan
        for residuals, chosen in zip(phase_residuals, counted, strict=True)
    ]
    direction = np.where(n > 0, np.angle(mean), np.nan)
    return Alignment(n, length, direction, np.array(middle), rayleigh_p(n, length))


def rayleigh_p(n: Int[np.ndarray, " _"], resultant: Float[np.ndarray, " _"]) -> Float[np.ndarray, " _"]:
    """p-values of Rayleigh's test: how likely n uniform angles have a mean resultant length as large; nan without any.

    Exact for one and two angles; beyond, the approximation of Zar (Biostatistical Analysis, 1999, eq. 27.4), which is
    within .035 of the truth for three angles, .015 for four and .006 from five on.

    Example:
        >>> rayleigh_p(np.array([0, 1, 50]), np.array([np.nan, 1.0, 0.3])).round(3).tolist()
        [nan, 1.0, 0.01]
    """
    length = np.clip(resultant, 0, 1)
    spread = 4 * n**2 * (1 - length**2)
    many = np.exp(np.sqrt(1 + 4 * n + spread) - (1 + 2 * n))
    exact = [np.full(len(n), np.nan), np.ones(len(n)), np.arccos(length) * 2 / np.pi]
    return np.clip(np.select([n == 0, n == 1, n == 2], exact, many), 0, 1)


def fourier_components(
    vectors: Sequence[Float[np.ndarray, "_ _"]], steps: Sequence[int] | None = None
) -> tuple[Float[np.ndarray, "neuron freq"], Float[np.ndarray, "neuron freq"]]:
    """Amplitude of every Fourier component of the neurons' weights, and how far its phases are from the rule's.

    The vectors are as for `probes.features.joint_scores`, all of one shape; frequencies 1..n//2. Amplitudes are in
    units of the weights (root mean square over the vectors), phase residuals in radians, (-pi, pi]; nan unless there
    are three vectors.

    Args:
        steps: Of each vector, how many times the answer's frequency it has; 1 if None.

    Raises:
        ValueError: There is no vector, or the shapes differ.

    Example:
        >>> angle = 2 * np.pi * 2 * np.arange(5) / 5
        >>> amplitude, residual = fourier_components([3 * np.cos(angle + f)[None] for f in (1.0, 0.5, 1.7)])
        >>> amplitude.round(6).tolist(), round(float(residual[0, 1]), 6)
        ([[0.0, 3.0]], -0.2)
    """
    shapes = {vector.shape for vector in vectors}
    if len(shapes) != 1:
        raise ValueError(f"the vectors have shapes {sorted(shapes)}; expected one or more, all of one shape")
    positions = vectors[0].shape[1]
    components = np.stack([fourier(vector.astype(np.float64)) for vector in vectors]) * (2 / positions)
    if positions % 2 == 0:
        components[..., -1] /= 2  # the highest frequency has one side only
    components = np.stack(
        [
            at_step(one, positions, step)
            for one, step in zip(components, steps or [1] * len(vectors), strict=True)
        ]
    )
    amplitude = np.sqrt((np.abs(components) ** 2).mean(0))
    if len(vectors) != 3:
        return amplitude, np.full(amplitude.shape, np.nan)
    return amplitude, np.where((components == 0).any(0), np.nan, phase_residual(*np.angle(components)))
