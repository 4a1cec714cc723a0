"""From a neuron's weight vectors to named columns, one value for each neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from probes.joint import joint_scores, mean_of_live
from probes.periodicity import entropy, gini, harmonic_share, peak_share
from probes.spectrum import ONE_SIDED, Convention, energy


def _check(vectors: Sequence[np.ndarray]) -> None:
    shapes = [v.shape for v in vectors]
    if not shapes or any(len(s) != 2 or s[0] != shapes[0][0] or s[1] < 2 for s in shapes):
        raise ValueError(
            f"the vectors have shapes {shapes}; expected one or more (neuron, position), "
            "all of the same neurons, with 2 positions or more"
        )


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
    exact = [v.astype(np.float64) for v in vectors]
    energies, columns = [energy(v) for v in exact], joint_scores(exact, convention)
    harmonics = [harmonic_share(e, v.shape[1])[0] for e, v in zip(energies, exact, strict=True)]
    others = {
        "gini": mean_of_live([gini(e) for e in energies]),
        "peak_share": mean_of_live([peak_share(e) for e in energies]),
        "harmonic_share": mean_of_live(harmonics),
        "entropy": mean_of_live([entropy(e) for e in energies]),
    }
    scores = {name: column for name, column in columns.items() if name.startswith("ipr")}
    return scores | others | {name: column for name, column in columns.items() if name not in scores}


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
