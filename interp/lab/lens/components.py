"""Fourier components that neurons read and write, and their significance against random directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.data import Ordering
from interp.data.operations import steps_of
from interp.errors import ConfigError
from interp.lab.lens.effects import DirectEffect
from interp.measuring.arrays import grid_of, weight_vectors
from interp.scoring.periodicity import all_pairs_activations, operands_of
from interp.subject import Subject
from probes.activity import CLUSTER_SHARE, explained_by_one_frequency
from probes.development import alignment
from probes.null import benjamini_hochberg, null_p_values
from probes.orders import sum_profile
from probes.periodicity import phase_residual
from probes.spectrum import at_step, energy, folded, peak_frequency, phase


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
    """The Fourier component over output classes, in their ordering (None: the natural one), that each neuron writes.

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


def read_components(subject: Subject) -> Components:
    """The Fourier component over operands that each neuron reads, as one over the answer's position a + b.

    From the weights of neurons that are fed by tokens: the frequency that explains most of both vectors, its mean
    share, and the sum of the two phases. Else from the activations over all pairs: the frequency whose 3 x 3 block
    explains most (arXiv 2301.05217), and the phase of the part that depends on a + b alone. Where the task is no
    operation on pairs, nothing is known.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> from interp.lab.lens.effects import direct_effect
        >>> model, task = analytic_mlp("add", p=13, width=20), ModularTask("add", p=13)
        >>> read, written = read_components(Subject(model, task)), written_components(direct_effect(model).effect)
        >>> bool((read.frequency == written.frequency).all())
        True
    """
    place, p, order = subject.place, operands_of(subject.task), subject.task.ordering
    if len(place.input_vectors) == 2 and p is not None:
        vectors = [vector.astype(np.float64) for vector in weight_vectors(place, order)[1][:2]]
        pairs, n = list(zip(vectors, steps_of(order, 2), strict=True)), vectors[0].shape[1]
        share = np.nan_to_num(np.stack([at_step(energy(vector), n, step) for vector, step in pairs])).mean(0)
        frequency, angles = peak_frequency(share), []
        for vector, step in pairs:
            own, sign = folded(frequency, step, n)
            angles.append(sign * phase(vector, own))
        left, right = angles
        angle = phase_residual(left, right, np.zeros(place.width))
        return Components(frequency, np.where(frequency > 0, share.max(1), np.nan), angle)
    if p is None:
        unknown = np.full(place.width, np.nan)
        return Components(np.zeros(place.width, np.int64), unknown, unknown)
    grid = grid_of(all_pairs_activations(subject.cached, subject.task, p), p, order)
    grid = np.nan_to_num(grid.astype(np.float64))
    steps = (1, 1) if order is None else order.steps
    share, frequency = explained_by_one_frequency(grid, steps)
    return Components(frequency, share, phase(sum_profile(grid, steps), frequency))


def match_of(read: Components, written: Components, least: float = CLUSTER_SHARE) -> dict[str, float | None]:
    """Compare what neurons read with what they write.

    Returns:
        ``explained``, how many neurons one frequency explains by what they read; ``same``, how many of these write at
        the frequency that they read, and ``agreement``, their share; ``resultant``, R of phase read minus phase written
        over those, 1 if it is the same for all; and ``offset``, the mean of that difference in radians, which is 0 by
        the rule of arXiv 2310.13061. None where there are none.

    Example:
        >>> one = Components(np.array([2, 3]), np.array([0.9, 0.9]), np.array([1.0, 2.0]))
        >>> match_of(one, Components(np.array([2, 4]), np.array([0.9, 0.9]), np.array([1.0, 2.0])))
        {'explained': 2.0, 'same': 1.0, 'agreement': 0.5, 'resultant': 1.0, 'offset': 0.0}
    """
    explained = explained_by(read, least)
    same = explained & (read.frequency == written.frequency)
    residual = phase_residual(read.phase, np.zeros(len(same)), written.phase)
    angles = alignment(residual[None], same[None])
    n, agreeing = float(explained.sum()), float(same.sum())
    return {
        "explained": n,
        "same": agreeing,
        "agreement": agreeing / n if n else None,
        "resultant": float(angles.resultant[0]) if angles.n[0] else None,
        "offset": float(angles.direction[0]) if angles.n[0] else None,
    }


def explained_by(read: Components, least: float = CLUSTER_SHARE) -> Bool[np.ndarray, " neuron"]:
    """Mask of the neurons that one frequency explains by what they read."""
    return (np.nan_to_num(read.share) >= least) & (read.frequency > 0)


@dataclass(frozen=True, eq=False, repr=False)
class Significance:
    """Comparison of neurons with randomly rotated directions, which write as one-sidedly only by chance.

    Attributes:
        p_share: How likely a rotated direction has as large a share of its variance at one frequency, (0, 1].
        p_class: How likely it writes as much for (or against) one class, in standard deviations over the classes.
        q_share, q_class: The same as false-discovery rates over the neurons (Benjamini and Hochberg).
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
    direction is in the control; else in the space of the outputs, their mean apart. Neither statistic has a scale, so
    all neurons share the directions. A p-value is at least 1/(rotations + 1), of one or more; dead neurons have nan.

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
    shares = written_components(effect.effect, ordering).share, rotated.share
    classes = _one_class(effect.effect), _one_class(written)
    example = _along(written[:1] - written[:1].mean(), ordering)[0]
    return Significance(*_against(*shares), *_against(*classes), rotated, example)


def _against(observed: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = null_p_values(observed, np.sort(null[np.isfinite(null)]))
    return p, benjamini_hochberg(p)


def _one_class(effect: np.ndarray) -> np.ndarray:
    """Distance of the most extreme class from the mean, in standard deviations; nan for a constant row."""
    centred = effect - effect.mean(1, keepdims=True)
    spread = centred.std(1)
    alive = spread > 1e-12 * np.abs(effect).max(1)
    return np.where(alive, np.abs(centred).max(1) / np.where(alive, spread, 1), np.nan)


def chance_of_match(read: Components, rotated: Components, least: float = CLUSTER_SHARE) -> float | None:
    """The share of explained neurons that a rotated direction in their place would match; None without any."""
    chosen = read.frequency[explained_by(read, least)]
    return float(np.mean([(rotated.frequency == k).mean() for k in chosen])) if len(chosen) else None
