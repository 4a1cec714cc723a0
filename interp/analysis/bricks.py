"""Bricks of a layer, whose neurons are active together, and what each function loses without each brick."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.analysis.functions import Functions, Halved, halved
from interp.data import Task
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.markup import number, percentage
from interp.measuring.band import INTERVAL, Band
from interp.output import plain
from interp.subject import Network, subject_of
from probes.bricks import (
    NO_BRICK,
    average_precisions,
    balanced_partition,
    own_and_others,
    own_functions,
)
from probes.communities import affinity_of, modularity

MOST_EXAMPLES = 2_000
"""That a partition and average precisions are computed from."""
MOST_BRICKS = 10
"""If nobody says how many."""
Index = int | np.integer[Any]


@dataclass(frozen=True, eq=False)
class Bricks(Drawable):
    """A partition of a site's neurons and its ablation matrix.

    Partition and own functions are chosen on one half of the examples, losses are measured on the other. In a random
    partition the neurons are dealt anew to bricks of the same sizes, and own functions are chosen in the same way.

    Attributes:
        functions: Names of the functions.
        brick: Of each neuron from 0; -1 of one that is constant.
        precision: Average precision with which each neuron's activity picks out each function's examples, in [0, 1].
        base_rate: The same at chance: each function's share of the examples.
        own: The function of each brick.
        whole: Accuracy of each function, of the whole network.
        lost: Accuracy that each function loses without each brick.
        loss: Cross-entropy that each function gains without each brick, in nats.
        random_lost: Accuracy that the own function, and the others on average, lose without a brick of a random
            partition.
        random_loss: The same of cross-entropy.
        modularity: Newman's Q of the partition by positive correlations of activities, on the half that is measured on.
        modularity_random: The same of random partitions.
    """

    figure = "plots.bricks.bricks"
    functions: tuple[str, ...]
    brick: Int[np.ndarray, " neuron"]
    precision: Float[np.ndarray, "function neuron"]
    base_rate: Float[np.ndarray, " function"]
    own: Int[np.ndarray, " brick"]
    whole: Float[np.ndarray, " function"]
    lost: Float[np.ndarray, "brick function"]
    loss: Float[np.ndarray, "brick function"]
    random_lost: Float[np.ndarray, "draw two"]
    random_loss: Float[np.ndarray, "draw two"]
    modularity: float
    modularity_random: Float[np.ndarray, " draw"]

    def __repr__(self) -> str:
        return f"Bricks({len(self.own)} of {len(self.brick):,} neurons, {len(self.functions)} functions)"

    @property
    def own_lost(self) -> float:
        """Mean accuracy that a brick's own function loses without it."""
        return own_and_others(self.lost, self.own)[0]

    @property
    def others_lost(self) -> float:
        """Mean accuracy that the other functions lose without it."""
        return own_and_others(self.lost, self.own)[1]

    @property
    def ratio(self) -> float | None:
        """Accuracy that the own function loses as a multiple of what the others lose; None where these lose none."""
        return _ratio(*own_and_others(self.lost, self.own))

    @property
    def loss_ratio(self) -> float | None:
        """The same of cross-entropy."""
        return _ratio(*own_and_others(self.loss, self.own))

    @property
    def random_ratios(self) -> list[float | None]:
        """`ratio` of every random partition."""
        return [_ratio(float(own), float(others)) for own, others in self.random_lost]

    @property
    def p_value(self) -> float:
        """Share of random partitions whose own functions lose as much more accuracy than the others do, the bricks
        counted among them."""
        return self._reached(self.lost, self.random_lost)

    @property
    def loss_p_value(self) -> float:
        """The same of cross-entropy."""
        return self._reached(self.loss, self.random_loss)

    def _reached(self, table: np.ndarray, random: np.ndarray) -> float:
        own, others = own_and_others(table, self.own)
        return (1 + int((random[:, 0] - random[:, 1] >= own - others).sum())) / (1 + len(random))

    def sentence(self) -> str:
        """The finding in words."""
        q = Band.of(list(self.modularity_random))
        assert q is not None
        return (
            f"Without one of {len(self.own)} bricks its own function loses accuracy by {self._lost(percentage)}; by "
            f"cross-entropy {number(self.loss_ratio, 2)} times as much as the others (p = "
            f"{number(self.loss_p_value, 2)}). Modularity is {number(self.modularity, 2)} (random partitions, "
            f"{INTERVAL} of draws: {number(q.low, 2)} to {number(q.high, 2)})."
        )

    def _lost(self, shown: Callable[[float], str]) -> str:
        times = "no ratio" if self.ratio is None else f"{number(self.ratio, 2)} times as much"
        own, others = (shown(float(one)) for one in self.random_lost.mean(0))
        return (
            f"{shown(self.own_lost)}, the others {shown(self.others_lost)} ({times}; random partitions {own} and "
            f"{others}, p = {number(self.p_value, 2)} for the difference)"
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        names = ("own_lost", "others_lost", "ratio", "loss_ratio", "random_ratios", "p_value", "loss_p_value")
        return plain(vars(self) | {name: getattr(self, name) for name in names})


def bricks(
    network: Network,
    task: Task | None = None,
    functions: Functions = "labels",
    *,
    n_bricks: int | None = None,
    partition: Sequence[Index] | Int[np.ndarray, " neuron"] | None = None,
    absolute: bool = True,
    mode: str = "zero",
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
) -> Bricks:
    """Divide neurons into bricks that are active together, and measure what every function loses without each.

    The idea is that of arXiv 2409.02877: parts of a layer by balanced k-means of co-activation, the function of each by
    the average precision of its neurons. Random partitions show how much of a large ratio comes from choosing the
    function that a set of neurons prefers: with few functions it is not 1.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        functions: ``"labels"``, ``"input:K"``, or masks or indices of examples by name, such as of each operation; at
            least two.
        n_bricks: How many; as many as there are functions, at most 10, if None.
        partition: The brick of each neuron from 0, with -1 for those in none, instead of k-means. Choose it without the
            examples given here, or on what follows nothing rests.
        absolute: Take absolute activations, for neurons whose negative ones are used as well.
        mode: How a brick is taken out, one of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random partitions, at least 19 for a p-value of 5 %.
        seed: Of halves, starting centres and draws.

    Raises:
        ConfigError: A setting, the functions or the partition cannot be used.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = bricks(analytic_mlp("add", p=13), ModularTask("add", p=13), n_bricks=4, n_random=5)
        >>> result.lost.shape, int(result.brick.max())
        ((4, 13), 3)
    """
    if n_random < 1:
        raise ConfigError(f"n_random={n_random}; expected at least 1 random partition")
    subject = subject_of(network, task, site=site, seed=seed)
    parts = halved(subject, functions, mode)
    if len(parts.names) < 2:
        raise ConfigError("there is one function only; name at least two, such as functions='labels'")
    generator = np.random.default_rng(subject.seed)
    return _compared(parts, n_bricks, partition, absolute, n_random, generator)


def _compared(
    parts: Halved,
    n_bricks: int | None,
    partition: Any,
    absolute: bool,
    n_random: int,
    generator: np.random.Generator,
) -> Bricks:
    """The partition and its losses, beside those of random partitions."""
    acts = np.abs(parts.acts) if absolute else parts.acts
    chosen, measured = (_some(half, generator) for half in (parts.half, ~parts.half))
    brick = _partition(acts[chosen], n_bricks, partition, len(parts.names), generator)
    member = parts.member[chosen]
    precision, base_rate = average_precisions(acts[chosen], member), member.mean(0)
    inside = brick != NO_BRICK
    affinity = affinity_of(acts[measured][:, inside], "rectified")
    dealt = [_dealt(brick, generator) for _ in range(n_random)]
    own = own_functions(precision, base_rate, brick)
    whole, tables = _ablations(parts, brick)
    each = []
    for one in dealt:
        mine = own_functions(precision, base_rate, one)
        each.append([own_and_others(table, mine) for table in _ablations(parts, one)[1]])
    random = np.array(each)
    return Bricks(
        parts.names,
        brick,
        precision,
        base_rate,
        own,
        whole,
        tables[0],
        tables[1],
        random[:, 0],
        random[:, 1],
        _modularity(affinity, brick[inside]),
        np.array([_modularity(affinity, one[inside]) for one in dealt]),
    )


def _modularity(affinity: np.ndarray, brick: np.ndarray) -> float:
    """Newman's Q, nan where no pair has an affinity."""
    q = modularity(affinity, brick)
    return math.nan if q is None else q


def _some(half: np.ndarray, generator: np.random.Generator) -> Int[np.ndarray, " row"]:
    rows = np.flatnonzero(half)
    return np.sort(generator.choice(rows, min(len(rows), MOST_EXAMPLES), replace=False))


def _partition(
    acts: np.ndarray, n_bricks: int | None, given: Any, n_functions: int, generator: np.random.Generator
) -> Int[np.ndarray, " neuron"]:
    """The given partition, checked, or one by balanced k-means."""
    width = acts.shape[1]
    if given is None:
        wanted = min(n_functions, MOST_BRICKS) if n_bricks is None else n_bricks
        try:
            return balanced_partition(acts, wanted, generator)
        except ValueError as error:
            raise ConfigError(f"n_bricks={wanted}: {error}") from error
    brick = np.asarray(given)
    if n_bricks is not None or brick.shape != (width,) or brick.dtype.kind not in "iu":
        raise ConfigError(
            f"partition has shape {brick.shape} and type {brick.dtype}; expected a whole number for each of {width} "
            "neurons, and no n_bricks beside it"
        )
    present = np.unique(brick[brick != NO_BRICK])
    if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
        raise ConfigError(
            f"partition has the bricks {present[:9].tolist()}; expected 0, 1, … without gaps, at least two, and -1 for "
            "neurons in none"
        )
    return brick.astype(np.int64)


def _dealt(brick: Int[np.ndarray, " neuron"], generator: np.random.Generator) -> Int[np.ndarray, " neuron"]:
    """The neurons that are in a brick, dealt anew to bricks of the same sizes."""
    result, inside = brick.copy(), brick != NO_BRICK
    result[inside] = generator.permutation(brick[inside])
    return result


def _ablations(
    parts: Halved, brick: Int[np.ndarray, " neuron"]
) -> tuple[Float[np.ndarray, " function"], tuple[np.ndarray, np.ndarray]]:
    """Accuracy of the whole network; what each function loses of it without each brick, and gains in cross-entropy."""
    whole = parts.measured(np.zeros(0, dtype=np.int64))
    each = np.stack([parts.measured(np.flatnonzero(brick == one)) for one in range(int(brick.max()) + 1)])
    return whole[0], (whole[0] - each[:, 0], each[:, 1] - whole[1])


def _ratio(own: float, others: float) -> float | None:
    return own / others if others > 0 else None
