"""Core neurons of a network's functions: how much they keep, and how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.analysis.functions import Functions, Halved, halved
from interp.data import Task
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.markup import number, percentage
from interp.measuring.band import INTERVAL, Band
from interp.output import plain
from interp.subject import Network, subject_of
from probes.core_neurons import ALPHA, BETA, chance_jaccard, jaccard, matrix_agreement
from probes.core_neurons import core_neurons as chosen_core


@dataclass(frozen=True, eq=False)
class CoreNeurons(Drawable):
    """Core neurons of each function, chosen on one half of its examples and measured on the other.

    Attributes:
        functions: Their names.
        cores: Sorted indices, of each function.
        width: Neurons of the site.
        alpha, beta: Shares, see `interp.core_neurons`.
        whole: Accuracy of each function, of the whole network.
        kept: Accuracy where every neuron but those of a function's core is taken out, by function of the core and
            function of the examples.
        random: Accuracy with as many random neurons as each function's own core has.
        overlap: Jaccard index of the cores chosen on the one half (first) and on the other (second): on the diagonal
            how stable a core is.
        chance: The same of random sets of these sizes.
        agreement: Rank correlation of `overlap` with the similarities that were given, over pairs of functions, and
            its p-value by Mantel's permutations; None without them or where it cannot be tested.
    """

    figure = "plots.bricks.core_neurons"
    functions: tuple[str, ...]
    cores: tuple[Int[np.ndarray, " _core"], ...]
    width: int
    alpha: float
    beta: float
    whole: Float[np.ndarray, " function"]
    kept: Float[np.ndarray, "core function"]
    random: Float[np.ndarray, "draw function"]
    overlap: Float[np.ndarray, "core function"]
    chance: Float[np.ndarray, "core function"]
    agreement: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"CoreNeurons({len(self.functions)} functions, {percentage(self.share)} of {self.width:,} neurons)"

    @property
    def share(self) -> float:
        """Mean size of a core, as a share of all neurons."""
        return float(np.mean([len(core) for core in self.cores]) / self.width)

    @property
    def own(self) -> float:
        """Mean accuracy with a function's own core alone."""
        return float(self.kept.diagonal().mean())

    @property
    def others(self) -> float | None:
        """Mean accuracy with the core of another function alone; None of a single function."""
        return _off_diagonal(self.kept)

    @property
    def band(self) -> Band:
        """Mean accuracy over the functions with random sets."""
        band = Band.of(list(self.random.mean(1)))
        assert band is not None
        return band

    @property
    def p_value(self) -> float:
        """Share of the random draws that keep as much, the core counted among them."""
        return (1 + int((self.random.mean(1) >= self.own).sum())) / (1 + len(self.random))

    @property
    def within(self) -> float:
        """Mean Jaccard index of the two cores of one function."""
        return float(self.overlap.diagonal().mean())

    @property
    def between(self) -> float | None:
        """Mean Jaccard index of cores of two functions; None of a single function."""
        return _off_diagonal(self.overlap)

    def sentence(self) -> str:
        """The finding in words."""
        band = self.band
        random = f"{percentage(band.mean)} ({INTERVAL} of draws: {percentage(band.low)} to {percentage(band.high)})"
        text = (
            f"With the core neurons alone ({percentage(self.share)} of all), {percentage(self.own)} of a function's "
            f"other examples are right; with all neurons {percentage(float(self.whole.mean()))}, with as many random "
            f"ones {random}, p = {number(self.p_value, 2)}. The cores of two halves of one function share "
            f"{percentage(self.within)} of their neurons"
        )
        if self.between is None or self.others is None:
            return f"{text}, chance is {percentage(float(self.chance.mean()))}."
        chance = _off_diagonal(self.chance)
        return (
            f"{text}, those of two functions {percentage(self.between)} (chance: {percentage(chance)}); with another "
            f"function's core {percentage(self.others)} are right."
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        names = ("share", "own", "others", "band", "p_value", "within", "between")
        return plain(vars(self) | {name: getattr(self, name) for name in names})


def core_neurons(
    network: Network,
    task: Task | None = None,
    functions: Functions = None,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    absolute: bool = False,
    mode: str = "zero",
    site: str | None = None,
    similarity: Any = None,
    n_random: int = 20,
    seed: int | None = None,
) -> CoreNeurons:
    """Find each function's core neurons on half of its examples, and measure what they keep on the other half.

    In every example, and at every position where the site has positions, the largest share `alpha` of the positive
    activations is marked; the share `beta` of the neurons that is marked most often is the core (arXiv 2410.18311). All
    other neurons are then taken out. The controls are random sets of the same size, of neurons that are ever active,
    and the cores of other functions. A core that is chosen by what is to be answered, as with ``"labels"``, leans to
    that answer: compare it with what examples of other functions keep (`CoreNeurons.others`).

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        functions: ``"labels"``, ``"input:K"``, or masks or indices of examples by name, such as of each operation;
            None: all examples are one function.
        absolute: Mark large absolute values instead, for neurons whose negative activations are used as well.
        mode: How the others are taken out, one of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        similarity: Of each pair of functions, ``(function, function)``, to compare `CoreNeurons.overlap` with.
        n_random: Random sets, at least 19 for a p-value of 5 %.
        seed: Of halves and draws.

    Raises:
        ConfigError: A setting, the functions or the similarity cannot be used; or no neuron is ever active.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.2)
        >>> result = core_neurons(planted_mlp(task).model, task, beta=0.5)
        >>> result.functions, len(result.cores[0]) == round(0.5 * result.width)
        (('all examples',), True)
    """
    for name, share in (("alpha", alpha), ("beta", beta)):
        if not 0 < share <= 1:
            raise ConfigError(f"{name}={share} is no share; expected a number above 0 and at most 1")
    if n_random < 1:
        raise ConfigError(f"n_random={n_random}; expected at least 1 random set")
    subject = subject_of(network, task, site=site, seed=seed)
    generator = np.random.default_rng(subject.seed)
    return _compared(
        halved(subject, functions, mode), (alpha, beta), absolute, similarity, n_random, generator
    )


def _compared(
    parts: Halved,
    shares: tuple[float, float],
    absolute: bool,
    similarity: Any,
    n_random: int,
    generator: np.random.Generator,
) -> CoreNeurons:
    """Cores by one half, measured on the other beside random sets."""
    n, (alpha, beta) = len(parts.names), shares
    given = None if similarity is None else np.asarray(similarity, dtype=np.float64)
    if given is not None and (given.shape != (n, n) or not np.allclose(given, given.T)):
        raise ConfigError(
            f"the similarity has shape {given.shape}; expected a symmetric table of {n} functions"
        )
    acts, example = _tokens(parts, absolute)
    first, second = (
        [chosen_core(acts[(half & inside)[example]], alpha, beta) for inside in parts.member.T]
        for half in (parts.half, ~parts.half)
    )
    if any(not len(core) for core in (*first, *second)):
        raise ConfigError("no neuron has a positive activation in a function's examples; try absolute=True")
    overlap = np.array([[jaccard(one, other) for other in second] for one in first])
    chance = [[chance_jaccard(len(one), len(other), acts.shape[1]) for other in second] for one in first]
    kept, random = _accuracies(parts, first, np.flatnonzero((acts > 0).any(0)), n_random, generator)
    agreement = None
    if given is not None:
        rank, p_value = matrix_agreement((overlap + overlap.T) / 2, given, generator)
        agreement = None if np.isnan(rank) else (rank, p_value)
    whole = parts.measured(np.zeros(0, dtype=np.int64))[0]
    return CoreNeurons(
        parts.names,
        tuple(first),
        acts.shape[1],
        alpha,
        beta,
        whole,
        kept,
        random,
        overlap,
        np.array(chance),
        agreement,
    )


def _tokens(
    parts: Halved, absolute: bool
) -> tuple[Float[np.ndarray, "token neuron"], Int[np.ndarray, " token"]]:
    """Activations at every position of every example, and the example of each."""
    captured = parts.cached.prefix.activations
    assert isinstance(captured, torch.Tensor)
    flat = captured.double().reshape(len(captured), -1, captured.shape[-1]).cpu().numpy()
    example = np.repeat(np.arange(len(flat)), flat.shape[1])
    flat = flat.reshape(-1, flat.shape[-1])
    return np.abs(flat) if absolute else flat, example


def _accuracies(
    parts: Halved,
    cores: list[np.ndarray],
    pool: Int[np.ndarray, " active"],
    n_random: int,
    generator: np.random.Generator,
) -> tuple[Float[np.ndarray, "core function"], Float[np.ndarray, "draw function"]]:
    """Accuracies with the cores alone, and with random sets as large as each."""
    every = np.arange(parts.cached.width)
    kept = np.stack([parts.measured(np.setdiff1d(every, core))[0] for core in cores])
    random = np.zeros((n_random, len(cores)))
    sizes = np.array([len(core) for core in cores])
    for draw in range(n_random):
        order = generator.permutation(pool)
        for size in np.unique(sizes):
            measured = parts.measured(np.setdiff1d(every, order[:size]))[0]
            random[draw, sizes == size] = measured[sizes == size]
    return kept, random


def _off_diagonal(table: Float[np.ndarray, "core function"]) -> float | None:
    return float(table[~np.eye(len(table), dtype=bool)].mean()) if len(table) > 1 else None
