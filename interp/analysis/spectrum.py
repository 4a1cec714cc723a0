"""Vectors over a task's numbers, and how their variance is spread over frequencies or components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.data import Task
from interp.drawing import Drawable
from interp.scoring.component_words import parts_of
from interp.scoring.compositions import task_composition
from interp.scoring.pair_order import PairOrder, pair_order
from interp.scoring.periodicity import operands_of
from probes.parts import FREQUENCIES, Parts
from probes.spectrum import energy, frequencies, is_flat, phase

NAMES = {1: ("output",), 2: ("left", "right"), 3: ("left", "right", "output")}
"""Names of a neuron's vectors, by how many there are."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Drawable):
    """Vectors along an ordering, and how the variance of each is spread over frequencies or components.

    Attributes:
        names: Of the vectors, such as ``left``, ``right`` and ``output``.
        vectors: ``(position,)`` each.
        energy: Share of each vector's variance at frequency 1, 2, … (cycles) or in component 1, 2, …, ``(part,)`` each;
            they sum to 1, and are nan for a constant vector. See `probes.spectrum.energy`.
        parts: What has those numbers.
        order: In which elements of a group stand; None where positions are those of an ordering.

    Example:
        >>> wave = np.cos(2 * np.pi * 3 * np.arange(11) / 11)
        >>> Spectrum.of(left=wave, right=2 * wave)
        Spectrum(left: frequency 3 has 100%; right: frequency 3 has 100%)
    """

    figure = "plots.single.spectrum_figure"

    names: tuple[str, ...]
    vectors: tuple[np.ndarray, ...]
    energy: tuple[np.ndarray, ...]
    parts: Parts = FREQUENCIES
    order: PairOrder | None = None

    @classmethod
    def of(cls, **vectors: Any) -> Spectrum:
        """The Fourier spectrum of vectors by name.

        Raises:
            ValueError: A vector is empty or has more than one axis.
        """
        arrays = {name: np.asarray(vector, np.float64) for name, vector in vectors.items()}
        for name, array in arrays.items():
            if array.ndim != 1 or not array.size:
                raise ValueError(
                    f"{name} has shape {array.shape}; expected a vector with at least one position"
                )
        return cls(tuple(arrays), tuple(arrays.values()), tuple(energy(a[None])[0] for a in arrays.values()))

    def __len__(self) -> int:
        return len(self.names)

    def elements(self, name: str) -> np.ndarray | None:
        """The elements of a group that a vector's positions are; None along an ordering."""
        return getattr(self.order, name, None)

    def peaks(self) -> list[tuple[str, int, float, float]]:
        """Name, strongest part (cycles, or a component's number; 0 for a constant vector), its share in [0, 1] and the
        phase (rad) of each.

        Share and phase are nan for a constant vector, and the phase for a component.
        """
        rows = []
        for name, vector, share in zip(self.names, self.vectors, self.energy, strict=True):
            if not share.size or np.isnan(share).all() or is_flat(vector):
                rows.append((name, 0, float("nan"), float("nan")))
                continue
            best = int(share.argmax())
            number = best + 1 if self.parts.known else int(frequencies(len(vector))[best])
            angle = float("nan") if self.parts.known else float(phase(vector, number))
            rows.append((name, number, float(share[best]), angle))
        return rows

    def __repr__(self) -> str:
        peaks = "; ".join(
            f"{name}: {self.parts.title(k)} has {share:.0%}" for name, k, share, _ in self.peaks()
        )
        return f"Spectrum({peaks})"


def task_spectrum(task: Task, vectors: Sequence[np.ndarray], names: Sequence[str]) -> Spectrum:
    """The spectrum of a neuron's vectors, as its task is read: over components where it composes a group.

    Args:
        vectors: ``(position,)`` each, in the task's ordering, or by the number of the element where it has none.
        names: Theirs.

    Example:
        >>> from interp.data import ModularTask
        >>> task_spectrum(ModularTask("group:S3"), [np.array([1, -1, -1, 1, 1, -1])], ["output"])
        Spectrum(output: component 1 (sign, 1 dimension) has 100%)
    """
    composition = task_composition(task)
    if composition is None or any(len(vector) != operands_of(task) for vector in vectors):
        return Spectrum.of(**dict(zip(names, vectors, strict=True)))
    order, components = pair_order(task), composition.components
    exact = {name: np.asarray(vector, np.float64) for name, vector in zip(names, vectors, strict=True)}
    shown = [vector[getattr(order, name, order.output)] for name, vector in exact.items()]
    read = [vector[getattr(composition, name, composition.output)] for name, vector in exact.items()]
    shares = [components.shares(vector[None])[0] for vector in read]
    return Spectrum(tuple(names), tuple(shown), tuple(shares), parts_of(components), order)
