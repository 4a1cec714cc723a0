"""The waves that neurons read and write, and whether a random direction would write such a wave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.data import Ordering, Task
from interp.errors import ConfigError
from interp.lab.lens.decoding import DirectEffect
from interp.measuring.arrays import grid_of, weight_vectors
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.models import HookedModel, neuron_site
from interp.scoring.periodicity import all_pairs_activations, answer_profile, operands_of
from probes.activity import CLUSTER_SHARE, explained_by_one_frequency
from probes.development import alignment
from probes.null import benjamini_hochberg
from probes.periodicity import phase_residual
from probes.spectrum import energy, peak_frequency, phase


@dataclass(frozen=True, eq=False, repr=False)
class Waves:
    """The wave A cos(2 pi k i/n + phase) that explains most of each neuron's variance along an ordering.

    Attributes:
        frequency: k in 1..n//2; 0 for a neuron that is constant or of which nothing is known.
        share: Of the variance, in [0, 1]; nan where the frequency is 0.
        phase: In radians, (-pi, pi]; nan where it is not known.
    """

    frequency: Int[np.ndarray, " neuron"]
    share: Float[np.ndarray, " neuron"]
    phase: Float[np.ndarray, " neuron"]


def written_waves(effect: Float[np.ndarray, "neuron output"], ordering: Ordering | None = None) -> Waves:
    """The wave over output classes that each neuron writes.

    Args:
        effect: Of `direct_effect`.
        ordering: The task's; the natural order of classes if None.

    Example:
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.decoding import direct_effect
        >>> waves = written_waves(direct_effect(analytic_mlp("add", p=13, width=20)).effect)
        >>> float(waves.share.min().round(6))
        1.0
    """
    along = _along(effect, ordering)
    share = energy(along)
    frequency = peak_frequency(share)
    return Waves(frequency, share.max(1), phase(along, frequency))


def _along(effect: np.ndarray, ordering: Ordering | None) -> np.ndarray:
    return effect if ordering is None else effect[:, ordering.output]


def read_waves(
    model: HookedModel, task: Task, site: str | None = None, *, cached: CachedPass | None = None
) -> Waves:
    """The wave over operands that each neuron reads, as a wave over the answer's position a + b.

    From the weights of neurons that are fed by tokens: the frequency that explains most of both vectors, its mean
    share, and the sum of the two phases. Else from the activations over all pairs: the frequency whose 3 x 3 block
    explains most (arXiv 2301.05217), and the phase of the part that depends on a + b alone. Where the task is no
    operation on pairs, nothing is known.

    Args:
        model: A hooked model.
        task: What it computes; its ordering is the one that waves are read in.
        site: Hook name of the neurons; the model's last site if None.
        cached: From `cached_pass`, if it is at hand.

    Raises:
        HookNameError: There are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.decoding import direct_effect
        >>> model, task = analytic_mlp("add", p=13, width=20), ModularTask("add", p=13)
        >>> read, written = read_waves(model, task), written_waves(direct_effect(model).effect)
        >>> bool((read.frequency == written.frequency).all())
        True
    """
    place, p, order = neuron_site(model, site), operands_of(task), task.ordering
    if len(place.input_vectors) == 2 and p is not None:
        left, right = (vector.astype(np.float64) for vector in weight_vectors(place, order)[1][:2])
        share = np.nan_to_num(np.stack([energy(left), energy(right)])).mean(0)
        frequency = peak_frequency(share)
        angle = phase_residual(phase(left, frequency), phase(right, frequency), np.zeros(place.width))
        return Waves(frequency, np.where(frequency > 0, share.max(1), np.nan), angle)
    unknown = np.full(place.width, np.nan)
    if p is None:
        return Waves(np.zeros(place.width, np.int64), unknown, unknown)
    cached = cached or cached_pass(model, task, site=site)
    grid = grid_of(all_pairs_activations(cached, task, p), p, order)
    grid = np.nan_to_num(grid.astype(np.float64))
    share, frequency = explained_by_one_frequency(grid)
    return Waves(frequency, share, phase(answer_profile(grid), frequency))


@dataclass(frozen=True)
class Match:
    """How far neurons write what they read.

    Attributes:
        explained: How many neurons one frequency explains by what they read.
        same: Of these, how many write at the frequency that they read.
        resultant: R of phase read minus phase written, over those: 1 if it is the same for all; None without any.
        offset: The mean of that difference in radians; 0 obeys the rule of arXiv 2310.13061.
    """

    explained: int
    same: int
    resultant: float | None
    offset: float | None


def match_of(read: Waves, written: Waves, least: float = CLUSTER_SHARE) -> Match:
    """Compare what neurons read with what they write.

    Args:
        read: Of `read_waves`.
        written: Of `written_waves`.
        least: The share from which one frequency explains a neuron.

    Example:
        >>> one = Waves(np.array([2, 3]), np.array([0.9, 0.9]), np.array([1.0, 2.0]))
        >>> match_of(one, Waves(np.array([2, 4]), np.array([0.9, 0.9]), np.array([1.0, 2.0])))
        Match(explained=2, same=1, resultant=1.0, offset=0.0)
    """
    explained = explained_by(read, least)
    same = explained & (read.frequency == written.frequency)
    residual = phase_residual(read.phase, np.zeros(len(same)), written.phase)
    found = alignment(residual[None], same[None])
    known = bool(found.n[0])
    return Match(
        int(explained.sum()),
        int(same.sum()),
        float(found.resultant[0]) if known else None,
        float(found.direction[0]) if known else None,
    )


def explained_by(read: Waves, least: float = CLUSTER_SHARE) -> Bool[np.ndarray, " neuron"]:
    """Which neurons one frequency explains by what they read."""
    return (np.nan_to_num(read.share) >= least) & (read.frequency > 0)


@dataclass(frozen=True, eq=False, repr=False)
class Significance:
    """Whether a randomly rotated direction would write as one-sidedly as a neuron does.

    Attributes:
        p_wave: How likely a rotated direction has as large a share of its variance at one frequency, (0, 1].
        q_wave: The same as a false-discovery rate over the neurons (Benjamini and Hochberg).
        p_class: How likely it writes as much for (or against) one class, in standard deviations over the classes.
        q_class: The same as a false-discovery rate.
        rotated: The waves of the rotated directions.
        example: What one of them writes, ``(output,)`` along the ordering, as large as a typical neuron.
    """

    p_wave: Float[np.ndarray, " neuron"]
    q_wave: Float[np.ndarray, " neuron"]
    p_class: Float[np.ndarray, " neuron"]
    q_class: Float[np.ndarray, " neuron"]
    rotated: Waves
    example: Float[np.ndarray, " position"]


def significance(
    effect: DirectEffect, ordering: Ordering | None = None, *, rotations: int = 2000, seed: int = 0
) -> Significance:
    """Compare what neurons write with what randomly rotated directions write through the same unembedding.

    A direction is rotated in the stream that the unembedding reads, so that whatever the unembedding gives to every
    direction is in the control. Where there is no stream, it is rotated in the space of the outputs, their mean apart.
    Both statistics have no scale, so one set of rotated directions serves all neurons. A p-value is at least
    1/(rotations + 1); dead neurons have nan.

    Args:
        effect: Of `direct_effect`.
        ordering: The task's; the natural order of classes if None.
        rotations: How many rotated directions are drawn.
        seed: Of the draws.

    Raises:
        ConfigError: No rotation is asked for.

    Example:
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.decoding import direct_effect
        >>> found = significance(direct_effect(analytic_mlp("add", p=31, width=20)), rotations=999)
        >>> float(found.q_wave.max()), bool(found.p_class.min() > 0.5)
        (0.001, True)
    """
    if rotations < 1:
        raise ConfigError(f"rotations={rotations} must be at least 1")
    vectors = effect.centred() if effect.writes is None else effect.writes
    directions = np.random.default_rng(seed).normal(size=(rotations, vectors.shape[1]))
    if effect.reads is None:
        directions -= directions.mean(1, keepdims=True)
    typical = np.sqrt(np.square(vectors).sum(1).mean())
    directions *= typical / np.linalg.norm(directions, axis=1, keepdims=True)
    written = directions if effect.reads is None else directions @ effect.reads
    rotated = written_waves(written, ordering)
    own, alone = written_waves(effect.effect, ordering), _one_class(effect.effect)
    p_wave = _p_values(own.share, rotated.share)
    p_class = _p_values(alone, _one_class(written))
    example = _along(written[:1] - written[:1].mean(), ordering)[0]
    return Significance(
        p_wave, benjamini_hochberg(p_wave), p_class, benjamini_hochberg(p_class), rotated, example
    )


def _one_class(effect: np.ndarray) -> np.ndarray:
    """How far the most extreme class lies from the mean, in standard deviations; nan for a constant row."""
    centred = effect - effect.mean(1, keepdims=True)
    spread = centred.std(1)
    alive = spread > 1e-12 * np.abs(effect).max(1)
    return np.where(alive, np.abs(centred).max(1) / np.where(alive, spread, 1), np.nan)


def _p_values(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Share of the null that is as large, the observed one counted too; nan stays nan."""
    null = np.sort(null[np.isfinite(null)])
    above = len(null) - np.searchsorted(null, observed, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + above) / (1 + len(null)))


def chance_of_match(read: Waves, rotated: Waves, least: float = CLUSTER_SHARE) -> float | None:
    """The share of explained neurons that a rotated direction in their place would match; None without any."""
    chosen = read.frequency[explained_by(read, least)]
    if not len(chosen):
        return None
    return float(np.mean([(rotated.frequency == k).mean() for k in chosen]))
