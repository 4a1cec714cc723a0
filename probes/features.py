"""From a neuron's weight vectors to named columns, one value for each neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from probes.null import combine, fisher_tail, quick_fisher_tail, stretched
from probes.periodicity import entropy, gini, harmonic_share, ipr, peak_share, phase_residual
from probes.permutation import drawn_orders
from probes.spectrum import ONE_SIDED, Convention, energy, folded, power, real_dft

PERMUTED = 256
PHASE_COLUMNS = ("phase_left", "phase_right", "phase_output")


def mean_of_live(values: Sequence[np.ndarray]) -> np.ndarray:
    """The entry-wise mean of equally shaped arrays over those that are not nan; nan where all are.

    Example:
        >>> mean_of_live([np.array([1.0, np.nan, np.nan]), np.array([3.0, 5.0, np.nan])]).tolist()
        [2.0, 5.0, nan]
    """
    total, count = np.zeros(np.shape(values[0])), np.zeros(np.shape(values[0]), int)
    for value in values:
        live = ~np.isnan(value)
        count += live
        total += np.where(live, value, 0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def joint_scores(
    vectors: Sequence[Float[np.ndarray, "*_ _ _"]],
    convention: Convention = ONE_SIDED,
    distinct: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
    sample: Sequence[Float[np.ndarray, "*_ _ _"]] | None = None,
) -> dict[str, np.ndarray]:
    """Periodicity of every neuron, for one network or for many of one shape: one transform a vector.

    Args:
        vectors: ``(*network, neuron, position)`` each, in the order in which the task is addition: left, right, output.
            Each may have a length of its own. The work is done in their dtype. Leading axes stack networks; the scores
            of one do not depend on the others, to the bit.
        convention: For the IPR columns alone.
        distinct: Positions of the vectors that are tested: those that do not repeat another, as tied ones do, because a
            test that counts one vector twice finds too much. All if None.
        steps: For each vector how many times the neuron's frequency it has: 2 for the left operand of a**2 * b, in the
            order of logarithms. All 1 if None.
        sample: What `sampled` gives of the whole network's vectors, if these are only some of its neurons.

    Returns:
        ``p_value``, Fisher's g-test of the distinct vectors, `stretched` by how it fares on the same weights with
        positions permuted, and the columns of `probes.columns` from ``ipr`` to
        ``norm`` with this source, ``(*network, neuron)`` each. Means are over the live vectors of a neuron; a neuron
        without any has nan everywhere, frequency and norm 0. Of vectors of different lengths the first decides the
        frequency, and phases are nan unless there are three vectors of one length.

    Example:
        >>> angle = 2 * np.pi * 13 * np.arange(97) / 97
        >>> columns = joint_scores([np.cos(angle + f)[None] for f in (1.0, 0.5, 1.5)])
        >>> [round(float(columns[c][0]), 6) for c in ("ipr", "frequency", "frequency_share", "phase_left")]
        [1.0, 13.0, 1.0, 1.0]
    """
    spectra = [_spectrum(vector) for vector in vectors]
    iprs = [
        spectrum.ipr() if convention == ONE_SIDED else ipr(power(vector, convention), convention.r)
        for vector, spectrum in zip(vectors, spectra, strict=True)
    ]
    alike = [one.at(step) for one, step in zip(spectra, steps or [1] * len(spectra), strict=True)]
    frequency, share = _common_frequency(alike)
    squares = sum(spectrum.squares for spectrum in spectra)
    return {
        "ipr": mean_of_live(iprs),
        **{f"ipr_{i}": column for i, column in enumerate(iprs)},
        "frequency": frequency,
        "frequency_share": share,
        **_phases(alike, frequency),
        "norm": np.sqrt(squares / sum(spectrum.n for spectrum in spectra)),
        "p_value": _g_test(sample or vectors, spectra, range(len(vectors)) if distinct is None else distinct),
    }


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """One vector's transform of every neuron; `share` is that of the variance at 1..n//2, all 0 for a dead vector."""

    n: int
    real: np.ndarray
    imaginary: np.ndarray
    share: np.ndarray
    live: np.ndarray
    squares: np.ndarray

    def at(self, step: int) -> _Spectrum:
        """The spectrum with the multiple k * step at each frequency k, none where that is a multiple of the length."""
        if step == 1:
            return self
        frequency, sign = folded(np.arange(1, self.n // 2 + 1), step, self.n)
        real, imaginary, share = (
            np.where(frequency > 0, part[..., frequency - 1], 0)
            for part in (self.real, self.imaginary, self.share)
        )
        return replace(self, real=real, imaginary=imaginary * sign, share=share)

    def ipr(self) -> np.ndarray:
        """Inverse participation ratio of the unweighted power, nan for a dead vector."""
        share = self.share
        if self.n % 2 == 0:  # the highest frequency's power was halved, as it has one side only
            share = share.copy()
            share[..., -1] *= 2
            share /= np.where(self.live, share.sum(-1), 1)[..., None]
        return np.where(self.live, np.einsum("...f,...f->...", share, share), np.nan).astype(np.float64)


def _g_test(
    vectors: Sequence[np.ndarray], spectra: Sequence[_Spectrum], distinct: Sequence[int]
) -> np.ndarray:
    """Fisher's g-test of every distinct vector, combined to one p-value a neuron."""
    tests = []
    for i in distinct:
        n = vectors[i].shape[-1]
        null = _fisher_g(real_dft(permuted_vectors(vectors[i])).power, n)
        tests.append(stretched(_tail(_fisher_g(spectra[i].share, n), n), _tail(null, n)))
    p = np.stack(tests, axis=-1)
    return combine(p.reshape(-1, len(tests))).reshape(p.shape[:-1])


def _fisher_g(power: np.ndarray, n: int) -> np.ndarray:
    """Fisher's g of the interior frequencies: the largest share of their power, nan where there is none."""
    interior = power[..., : (n - 1) // 2]
    if not interior.shape[-1]:
        return np.full(power.shape[:-1], np.nan, power.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        total = interior.sum(-1)
        largest = _column(interior, interior.argmax(-1))  # a third of the time of max
        live = (total > 0) & np.isfinite(total)
        return np.divide(largest, total, out=np.full_like(total, np.nan), where=live)


def _tail(g: np.ndarray, n: int) -> np.ndarray:
    """p-values of Fisher's g; in single precision, to the precision that g has."""
    tail = quick_fisher_tail if g.dtype == np.float32 else fisher_tail
    p, known = np.full(g.shape, np.nan), ~np.isnan(g)
    p[known] = tail(g[known].astype(np.float64), (n - 1) // 2)
    return p


def sampled(vectors: Float[np.ndarray, "*_ _ _"]) -> Float[np.ndarray, "*_ _ _"]:
    """`PERMUTED` vectors of the neurons ``(*network, neuron, position)``, evenly spaced; repeated if there are fewer.

    Example:
        >>> sampled(np.arange(10.0)[:, None])[::64, 0].tolist()
        [0.0, 2.0, 5.0, 7.0]
    """
    return vectors[..., sampled_rows(vectors.shape[-2]), :]


def sampled_rows(neurons: int) -> Int[np.ndarray, " row"]:
    """Indices of the neurons that are `sampled`."""
    return np.arange(PERMUTED) * neurons // PERMUTED if neurons else np.zeros(0, int)


def permuted_vectors(vectors: Float[np.ndarray, "*_ _ _"]) -> Float[np.ndarray, "*_ _ _"]:
    """The vectors that are `sampled`, each with its positions in an order of its own; always the same.

    Args:
        vectors: ``(*network, neuron, position)``.

    Example:
        >>> permuted_vectors(np.random.default_rng(0).normal(size=(10, 97))).shape
        (256, 97)
    """
    chosen = sampled(vectors)
    *_, rows, n = chosen.shape
    return chosen.reshape(*chosen.shape[:-2], rows * n).take(_places(rows, n), axis=-1)


@lru_cache(maxsize=32)
def _places(rows: int, n: int) -> np.ndarray:
    """Places ``(row, position)`` in flat rows, each row in an order of its own."""
    return drawn_orders(n, rows, seed=0) + np.arange(rows)[:, None] * n


def _spectrum(vector: np.ndarray) -> _Spectrum:
    transform = real_dft(vector)
    share, variance = transform.power, transform.variation
    with np.errstate(invalid="ignore", over="ignore"):
        if transform.n % 2 == 0:
            share[..., -1] /= 2
            variance = variance - share[..., -1]
        live = np.asarray((variance > 0) & np.isfinite(variance))
        share /= np.where(live, variance, 1)[..., None]
        if not live.all():
            share[~live] = 0
        squares = (np.square(transform.total.astype(np.float64)) + 2.0 * variance) / transform.n
    return _Spectrum(transform.n, transform.real, transform.imaginary, share, live, squares)


def _common_frequency(spectra: Sequence[_Spectrum]) -> tuple[np.ndarray, np.ndarray]:
    """The frequency that the vectors share, 0 where there is none, and the part of the variance at it."""
    count = np.sum([spectrum.live for spectrum in spectra], axis=0)
    one_length = len({spectrum.n for spectrum in spectra}) == 1
    decisive = spectra[0].share
    for spectrum in spectra[1:] if one_length else ():
        decisive = decisive + spectrum.share
    if decisive.shape[-1] == 0:
        return np.zeros(count.shape, np.int64), np.full(count.shape, np.nan)
    column = decisive.argmax(-1)
    largest = _column(decisive, column)
    at = largest if one_length else sum(_column(spectrum.share, column) for spectrum in spectra)
    share = np.divide(at, count, out=np.full(count.shape, np.nan), where=(largest > 0) & (count > 0))
    return np.where(largest > 0, column + 1, 0), share


def _column(values: np.ndarray, column: np.ndarray) -> np.ndarray:
    """One column of each row; 0 past the last one."""
    inside = np.minimum(column, values.shape[-1] - 1)
    taken = np.take_along_axis(values, inside[..., None], -1)[..., 0]
    return np.where(inside < column, 0, taken)


def _phases(spectra: Sequence[_Spectrum], frequency: np.ndarray) -> dict[str, np.ndarray]:
    """Phases at the common frequency in (-pi, pi], and their residual; nan unless there are three equal lengths."""
    n = spectra[0].n
    if len(spectra) != 3 or len({spectrum.n for spectrum in spectra}) > 1 or n < 2:
        unknown = np.full(frequency.shape, np.nan)
        return dict.fromkeys((*PHASE_COLUMNS, "phase_residual"), unknown)
    column = np.maximum(frequency, 1) - 1
    real, imaginary = (
        np.stack([_column(getattr(spectrum, part), column) for spectrum in spectra]).astype(np.float64)
        for part in ("real", "imaginary")
    )
    angle = np.arctan2(imaginary, real)
    angle[angle <= -np.pi] = np.pi
    angle[(frequency == 0) | ((real == 0) & (imaginary == 0))] = np.nan
    return dict(zip(PHASE_COLUMNS, angle, strict=True)) | {"phase_residual": phase_residual(*angle)}


def weight_features(
    vectors: Sequence[Float[np.ndarray, "_ _"]],
    convention: Convention = ONE_SIDED,
    distinct: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """`joint_scores` in double precision, and the other spectral scores of neurons with a vector for each role.

    All are columns of `probes.columns`, ``(neuron,)`` each. ``gini``, ``peak_share``, ``harmonic_share`` and
    ``entropy`` are means of the scores of each live vector, so that a neuron scores high even if its vectors have
    different frequencies.

    Raises:
        ValueError: The vectors are not matrices of the same neurons.

    Example:
        >>> angle = 2 * np.pi * 13 * np.arange(97) / 97
        >>> columns = weight_features([np.cos(angle + f)[None] for f in (1.0, 0.5, 1.5)])
        >>> [round(float(columns[c][0]), 6) for c in ("gini", "peak_share", "norm")]
        [0.979167, 1.0, 0.707107]
    """
    shapes = [v.shape for v in vectors]
    if not shapes or any(len(s) != 2 or s[0] != shapes[0][0] or s[1] < 2 for s in shapes):
        raise ValueError(
            f"the vectors have shapes {shapes}; expected one or more (neuron, position), "
            "all of the same neurons, with 2 positions or more"
        )
    exact = [v.astype(np.float64) for v in vectors]
    energies, columns = [energy(v) for v in exact], joint_scores(exact, convention, distinct, steps)
    harmonics = [harmonic_share(e, v.shape[1])[0] for e, v in zip(energies, exact, strict=True)]
    iprs = {name: columns.pop(name) for name in list(columns) if name.startswith("ipr")}
    return iprs | {
        "gini": mean_of_live([gini(e) for e in energies]),
        "peak_share": mean_of_live([peak_share(e) for e in energies]),
        "harmonic_share": mean_of_live(harmonics),
        "entropy": mean_of_live([entropy(e) for e in energies]),
        "agreement": frequency_agreement(exact, columns["frequency"], steps),
        **columns,
    }


def frequency_agreement(
    vectors: Sequence[Float[np.ndarray, "_ _"]],
    frequency: Int[np.ndarray, " neuron"],
    steps: Sequence[int] | None = None,
) -> Float[np.ndarray, " neuron"]:
    """The share of a neuron's live vectors that are strongest at its frequency, in [0, 1]; nan without one.

    Args:
        vectors: ``(neuron, position)`` each.
        frequency: Of each neuron; 0 for a dead one.
        steps: As for `joint_scores`.

    Example:
        >>> angle = 2 * np.pi * np.arange(97) / 97
        >>> vectors = [np.cos(k * angle)[None] for k in (3, 3, 5)]
        >>> frequency_agreement(vectors, np.array([3])).round(3).tolist()
        [0.667]
    """
    own = []
    for vector, step in zip(vectors, steps or [1] * len(vectors), strict=True):
        n = vector.shape[1]
        energies = energy(vector.astype(np.float64))
        live = (frequency > 0) & (energies.max(1, initial=0) > 0)
        wanted = folded(frequency, step, n)[0]
        own.append(np.where(live, energies.argmax(1) + 1 == wanted, np.nan))
    return mean_of_live(own)


def score_matrix(
    columns: Mapping[str, np.ndarray], names: Sequence[str]
) -> Float[np.ndarray, "neuron score"]:
    """The named columns side by side, as the classifiers read them; nan stays nan.

    Raises:
        ValueError: No names, a name without a column, or columns of different lengths.

    Example:
        >>> columns = {"ipr": np.array([0.1, 0.9]), "frequency": np.array([3, 4])}
        >>> score_matrix(columns, ["frequency", "ipr"]).tolist()
        [[3.0, 0.1], [4.0, 0.9]]
    """
    unknown = [name for name in names if name not in columns]
    if unknown or not names:
        raise ValueError(
            f"unknown columns {unknown or list(names)}; expected names among {', '.join(sorted(columns))}"
        )
    chosen = [np.asarray(columns[name], np.float64) for name in names]
    if len({c.shape for c in chosen}) > 1 or chosen[0].ndim != 1:
        raise ValueError(
            f"the columns have shapes {[c.shape for c in chosen]}; expected one value for each neuron"
        )
    return np.stack(chosen, axis=1)
