"""Fourier components that neurons read and write, and their significance against random directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.data import Ordering, Task
from interp.errors import ConfigError
from interp.lab.lens.effects import DirectEffect
from interp.measuring.arrays import grid_of, weight_vectors
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.models import HookedModel, neuron_site
from interp.scoring.periodicity import all_pairs_activations, answer_profile, operands_of
from probes.activity import CLUSTER_SHARE, explained_by_one_frequency
from probes.development import alignment
from probes.null import benjamini_hochberg, null_p_values
from probes.periodicity import phase_residual
from probes.spectrum import energy, peak_frequency, phase


@dataclass(frozen=True, eq=False, repr=False)
class Components:
    """The component A cos(2 pi k i/n + phase) that explains most of each neuron's variance along an ordering.

    Attributes:
        frequency: k in 1..n//2; 0 for a neuron that is constant or of which nothing is known.
        share: Of the variance, in [0, 1]; nan where the frequency is 0.
        phase: In radians, (-pi, pi]; nan where it is not known.
    """

    frequency: Int[np.ndarray, " neuron"]
    share: Float[np.ndarray, " neuron"]
    phase: Float[np.ndarray, " neuron"]


def written_components(
    effect: Float[np.ndarray, "neuron output"], ordering: Ordering | None = None
) -> Components:
    """The Fourier component over output classes that each neuron writes.

    Args:
        effect: Of `direct_effect`.
        ordering: The task's; the natural order of classes if None.

    Example:
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.effects import direct_effect
        >>> written = written_components(direct_effect(analytic_mlp("add", p=13, width=20)).effect)
        >>> float(written.share.min().round(6))
        1.0
    """
    along = _along(effect, ordering)
    share = energy(along)
    frequency = peak_frequency(share)
    return Components(frequency, share.max(1), phase(along, frequency))


def _along(effect: np.ndarray, ordering: Ordering | None) -> np.ndarray:
    return effect if ordering is None else effect[:, ordering.output]


def read_components(
    model: HookedModel, task: Task, site: str | None = None, *, cached: CachedPass | None = None
) -> Components:
    """The Fourier component over operands that each neuron reads, as one over the answer's position a + b.

    From the weights of neurons that are fed by tokens: the frequency that explains most of both vectors, its mean
    share, and the sum of the two phases. Else from the activations over all pairs: the frequency whose 3 x 3 block
    explains most (arXiv 2301.05217), and the phase of the part that depends on a + b alone. Where the task is no
    operation on pairs, nothing is known.

    Args:
        model: A hooked model.
        task: What it computes; its ordering is the one that components are read in.
        site: Hook name of the neurons; the model's last site if None.
        cached: From `cached_pass`, if it is at hand.

    Raises:
        HookNameError: There are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.effects import direct_effect
        >>> model, task = analytic_mlp("add", p=13, width=20), ModularTask("add", p=13)
        >>> read, written = read_components(model, task), written_components(direct_effect(model).effect)
        >>> bool((read.frequency == written.frequency).all())
        True
    """
    place, p, order = neuron_site(model, site), operands_of(task), task.ordering
    if len(place.input_vectors) == 2 and p is not None:
        left, right = (vector.astype(np.float64) for vector in weight_vectors(place, order)[1][:2])
        share = np.nan_to_num(np.stack([energy(left), energy(right)])).mean(0)
        frequency = peak_frequency(share)
        angle = phase_residual(phase(left, frequency), phase(right, frequency), np.zeros(place.width))
        return Components(frequency, np.where(frequency > 0, share.max(1), np.nan), angle)
    unknown = np.full(place.width, np.nan)
    if p is None:
        return Components(np.zeros(place.width, np.int64), unknown, unknown)
    cached = cached or cached_pass(model, task, site=site)
    grid = grid_of(all_pairs_activations(cached, task, p), p, order)
    grid = np.nan_to_num(grid.astype(np.float64))
    share, frequency = explained_by_one_frequency(grid)
    return Components(frequency, share, phase(answer_profile(grid), frequency))


@dataclass(frozen=True)
class Match:
    """Agreement of what neurons write with what they read.

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


def match_of(read: Components, written: Components, least: float = CLUSTER_SHARE) -> Match:
    """Compare what neurons read with what they write.

    Args:
        read: Of `read_components`.
        written: Of `written_components`.
        least: The share from which one frequency explains a neuron.

    Example:
        >>> one = Components(np.array([2, 3]), np.array([0.9, 0.9]), np.array([1.0, 2.0]))
        >>> match_of(one, Components(np.array([2, 4]), np.array([0.9, 0.9]), np.array([1.0, 2.0])))
        Match(explained=2, same=1, resultant=1.0, offset=0.0)
    """
    explained = explained_by(read, least)
    same = explained & (read.frequency == written.frequency)
    residual = phase_residual(read.phase, np.zeros(len(same)), written.phase)
    angles = alignment(residual[None], same[None])
    resultant, offset = None, None
    if angles.n[0]:
        resultant, offset = float(angles.resultant[0]), float(angles.direction[0])
    return Match(int(explained.sum()), int(same.sum()), resultant, offset)


def explained_by(read: Components, least: float = CLUSTER_SHARE) -> Bool[np.ndarray, " neuron"]:
    """Mask of the neurons that one frequency explains by what they read."""
    return (np.nan_to_num(read.share) >= least) & (read.frequency > 0)


@dataclass(frozen=True, eq=False, repr=False)
class Significance:
    """Comparison of neurons with randomly rotated directions, which write as one-sidedly only by chance.

    Attributes:
        p_share: How likely a rotated direction has as large a share of its variance at one frequency, (0, 1].
        q_share: The same as a false-discovery rate over the neurons (Benjamini and Hochberg).
        p_class: How likely it writes as much for (or against) one class, in standard deviations over the classes.
        q_class: The same as a false-discovery rate.
        rotated: The components of the rotated directions.
        example: What one of them writes, ``(output,)`` along the ordering, as large as a typical neuron.
    """

    p_share: Float[np.ndarray, " neuron"]
    q_share: Float[np.ndarray, " neuron"]
    p_class: Float[np.ndarray, " neuron"]
    q_class: Float[np.ndarray, " neuron"]
    rotated: Components
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
        >>> from interp.lab.lens.effects import direct_effect
        >>> test = significance(direct_effect(analytic_mlp("add", p=31, width=20)), rotations=999)
        >>> float(test.q_share.max()), bool(test.p_class.min() > 0.5)
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
    rotated = written_components(written, ordering)
    own, alone, null = (
        written_components(effect.effect, ordering),
        _one_class(effect.effect),
        _one_class(written),
    )
    p_share = null_p_values(own.share, np.sort(rotated.share[np.isfinite(rotated.share)]))
    p_class = null_p_values(alone, np.sort(null[np.isfinite(null)]))
    example = _along(written[:1] - written[:1].mean(), ordering)[0]
    return Significance(
        p_share, benjamini_hochberg(p_share), p_class, benjamini_hochberg(p_class), rotated, example
    )


def _one_class(effect: np.ndarray) -> np.ndarray:
    """Distance of the most extreme class from the mean, in standard deviations; nan for a constant row."""
    centred = effect - effect.mean(1, keepdims=True)
    spread = centred.std(1)
    alive = spread > 1e-12 * np.abs(effect).max(1)
    return np.where(alive, np.abs(centred).max(1) / np.where(alive, spread, 1), np.nan)


def chance_of_match(read: Components, rotated: Components, least: float = CLUSTER_SHARE) -> float | None:
    """The share of explained neurons that a rotated direction in their place would match; None without any."""
    chosen = read.frequency[explained_by(read, least)]
    if not len(chosen):
        return None
    return float(np.mean([(rotated.frequency == k).mean() for k in chosen]))
