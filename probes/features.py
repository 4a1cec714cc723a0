"""From a neuron's weight vectors to named columns, one value for each neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from probes.null import combine, g_test
from probes.periodicity import entropy, gini, harmonic_share, ipr, peak_share, phase_residual
from probes.spectrum import ONE_SIDED, Convention, dominant, energy, peak_frequency, phase, power

PHASES = ("phase_left", "phase_right", "phase_output")


def mean_of_live(values: Sequence[np.ndarray]) -> np.ndarray:
    """The entry-wise mean of equally shaped arrays over those that are not nan; nan where all are.

    Example:
        >>> mean_of_live([np.array([1.0, np.nan, np.nan]), np.array([3.0, 5.0, np.nan])]).tolist()
        [2.0, 5.0, nan]
    """
    stacked = np.stack(values).astype(np.float64)
    live = ~np.isnan(stacked)
    count = live.sum(0)
    total = np.where(live, stacked, 0).sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _check(vectors: Sequence[np.ndarray]) -> None:
    shapes = [v.shape for v in vectors]
    if not shapes or any(len(s) != 2 or s[0] != shapes[0][0] or s[1] < 2 for s in shapes):
        raise ValueError(
            f"the vectors have shapes {shapes}; expected one or more (neuron, position), "
            "all of the same neurons, with 2 positions or more"
        )


def _common_frequency(vectors: Sequence[np.ndarray], energies: Sequence[np.ndarray]) -> np.ndarray:
    if len({v.shape[1] for v in vectors}) > 1:
        return dominant(vectors[0])
    return peak_frequency(mean_of_live(energies))


def _share_at(share: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """The column of each row's frequency; 0 past the last column, nan for frequency 0."""
    column = np.clip(frequency, 1, share.shape[1]) - 1
    value = np.take_along_axis(share, column[:, None], 1)[:, 0].astype(np.float64)
    value[(frequency > share.shape[1]) & ~np.isnan(value)] = 0
    value[frequency == 0] = np.nan
    return value


def _phases(vectors: Sequence[np.ndarray], frequency: np.ndarray) -> dict[str, np.ndarray]:
    """Phases at the common frequency and their residual; nan unless there are three vectors of one length."""
    if len(vectors) == 3 and len({v.shape[1] for v in vectors}) == 1:
        angles = [phase(v.astype(np.float64), frequency) for v in vectors]
    else:
        angles = [np.full(len(frequency), np.nan)] * 3
    return dict(zip(PHASES, angles, strict=True)) | {"phase_residual": phase_residual(*angles)}


def weight_features(
    vectors: Sequence[Float[np.ndarray, "_ _"]], convention: Convention = ONE_SIDED
) -> dict[str, np.ndarray]:
    """Every score of neurons whose weights are one vector for each operand and the output.

    Args:
        vectors: ``(neuron, position)`` each, in the order in which the task is addition: left, right, output.
            Each may have a length of its own.
        convention: For the IPR columns alone. The others have the conventions of their own scores.

    Returns:
        Columns of shape ``(neuron,)``. Means are over the live vectors of a neuron; a neuron without any has
        nan everywhere, frequency 0.

        - ``ipr``: mean of ``ipr_0``, ``ipr_1``, .. of each vector, (0, 1] (arXiv 2310.13061).
        - ``gini``, ``peak_share``, ``harmonic_share``, ``entropy``: means of the `probes.periodicity` scores
          of each vector's energy, so a neuron scores high even if its vectors have different frequencies.
        - ``frequency``: where the mean energy of the vectors is largest, 1..n//2; of vectors of different
          lengths, that of the first.
        - ``frequency_share``: variance at that frequency, mean over the vectors, [0, 1].
        - ``phase_left``, ``phase_right``, ``phase_output``, ``phase_residual``: at that frequency, (-pi, pi];
          nan unless there are three vectors of one length.
        - ``norm``: root mean square of all entries, 0 for a dead neuron.
        - ``p_gtest``: combined p-value of Fisher's g-test, [0, 1].

    Raises:
        ValueError: The vectors are not matrices of the same neurons.

    Example:
        >>> angle = 2 * np.pi * 13 * np.arange(97) / 97
        >>> left, right, output = (np.cos(angle + f)[None] for f in (1.0, 0.5, 1.5))
        >>> columns = weight_features([left, right, output])
        >>> [round(float(columns[c][0]), 6) for c in ("ipr", "frequency", "frequency_share", "phase_left")]
        [1.0, 13.0, 1.0, 1.0]
    """
    _check(vectors)
    energies = [energy(v) for v in vectors]
    lengths = [v.shape[1] for v in vectors]
    iprs = [ipr(power(v, convention), convention.r).astype(np.float64) for v in vectors]
    frequency = _common_frequency(vectors, energies)
    squares = sum((v.astype(np.float64) ** 2).sum(1) for v in vectors)
    return {
        "ipr": mean_of_live(iprs),
        **{f"ipr_{i}": column for i, column in enumerate(iprs)},
        "gini": mean_of_live([gini(e) for e in energies]),
        "peak_share": mean_of_live([peak_share(e) for e in energies]),
        "harmonic_share": mean_of_live(
            [harmonic_share(e, n)[0] for e, n in zip(energies, lengths, strict=True)]
        ),
        "entropy": mean_of_live([entropy(e) for e in energies]),
        "frequency": frequency,
        "frequency_share": mean_of_live([_share_at(e, frequency) for e in energies]),
        **_phases(vectors, frequency),
        "norm": np.sqrt(squares / sum(lengths)),
        "p_gtest": combine(np.stack([g_test(v) for v in vectors], axis=1)),
    }


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
