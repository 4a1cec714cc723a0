"""Sets of neurons chosen on one half of the examples, and measured on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.data import GROUPS, SPLITS, Dataset
from interp.measuring.band import Band
from interp.measuring.cached_pass import CachedPass
from interp.measuring.curves import split_accuracy
from interp.measuring.removals import change_rows, random_sets
from interp.output import plain

GAP = "membership_gap"
"""Training accuracy less held-out accuracy: what memory adds where no label is known to be wrong."""
REPEATS = 3


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Accuracies without sets of neurons on examples that the choice of the neurons did not look at.

    Attributes:
        judged_by: The accuracy that tells whether the sets do what they were chosen for: a split, or `GAP`.
        sizes: Of the set that each half chose.
        before, after: By split and `GAP`, mean over the halves that were not looked at; None without examples.
        random: The same for random sets as large; None without examples.
        effect_kept: Drop of that accuracy on the halves that were not looked at, over that on those that chose. 1:
            other examples would have chosen as well; 0: the neurons hold the examples that they were chosen by. None
            where nothing was dropped. From -inf to inf.
        controlled: Whether the random sets can tell anything (see `Removal`).
    """

    judged_by: str
    sizes: tuple[int, ...]
    before: dict[str, float | None]
    after: dict[str, float | None]
    random: dict[str, Band | None]
    effect_kept: float | None
    n_draws: int
    controlled: bool

    @property
    def size(self) -> float:
        """Mean size of the sets."""
        return float(np.mean(self.sizes))

    def beats_random(self) -> bool | None:
        """True if less of `judged_by` is left than the random sets' interval holds; None if not known."""
        return self._below(self.judged_by)

    def hurts(self, split: str = "test") -> bool | None:
        """True if the accuracy lies below the random sets' interval; None if not known."""
        return self._below(split)

    def _below(self, name: str) -> bool | None:
        after, random = self.after[name], self.random[name]
        if not self.controlled or after is None or random is None:
            return None
        return bool(after < random.low)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The same as shown, in the order of `interp.measuring.removals.REMOVAL_HEADER`."""
        yield from change_rows(self)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON: accuracies by split beside the rest."""
        rest = {"size": self.size, "effect_kept": self.effect_kept, "judged_by": self.judged_by}
        control = {"random": self.random, "random_draws": self.n_draws, "controlled": self.controlled}
        return plain({**self.after, **rest, **control})


def memory_shown_by(data: Dataset) -> str | None:
    """Name of what shows memory: wrong labels, or the `GAP`; None where no example can tell."""
    if not data.split_known or not data.test.any() or not data.train.any():
        return None
    return "corrupted_as_labelled" if data.mislabelled.any() else GAP


def not_testable(data: Dataset) -> str | None:
    """The reason in words for which no set of neurons can be tested for memory; None if one can."""
    if memory_shown_by(data) is not None:
        return None
    if not data.split_known:
        return "not testable, because it is not known which examples were trained on"
    missing = "trained on" if data.test.any() else "held out"
    return f"not testable, because no example is {missing}"


def halves(
    data: Dataset, repeats: int = REPEATS, seed: int = 0, *, symmetric: bool = False
) -> list[Bool[Tensor, " example"]]:
    """Halves of the examples, each followed by the other half, as often as `repeats` says.

    Wrong labels, other training examples and held-out ones are halved alike, and every true label in each of them.
    Examples with the same input stay together, or choosing by one would be choosing by the other.

    Args:
        seed: Of the draws.
        symmetric: Keep (a, b) and (b, a) together too, for a network that does not tell them apart.

    Returns:
        ``2 * repeats`` masks.

    Example:
        >>> from interp.data import ModularTask
        >>> one, other = halves(ModularTask("add", 7, train_fraction=0.5).dataset, repeats=1)
        >>> int(one.sum()), bool((one ^ other).all())
        (25, True)
    """
    kind = data.train.long() + data.corrupted.long() + data.mislabelled.long()
    rows = data.inputs.flatten(1).sort(dim=1).values if symmetric else data.inputs.flatten(1)
    first, group = np.unique(rows.cpu().numpy(), axis=0, return_index=True, return_inverse=True)[1:]
    group, first = (
        np.argsort(np.argsort(first))[group.ravel()],
        np.sort(first),
    )  # in the order of the examples
    keys = [x.cpu().numpy()[first] for x in (data.true_labels, kind)]
    generator, fits = np.random.default_rng(seed), []
    for _ in range(repeats):
        order = np.lexsort(
            (generator.random(len(first)), *keys)
        )  # neighbours in it are of one kind and label
        inside = np.zeros(len(first), dtype=bool)
        inside[order[::2]] = True
        one = inside[group]
        fits += [torch.as_tensor(half, device=data.train.device) for half in (one, ~one)]
    return fits


def crossfit(
    cached: CachedPass,
    fits: Sequence[Bool[Tensor, " example"]],
    sets: Sequence[np.ndarray],
    judged_by: str | None = None,
    *,
    n_draws: int = 20,
    pool: np.ndarray | None = None,
    seed: int = 0,
) -> CrossFit | None:
    """Accuracies without sets of neurons on the examples that their choice did not look at.

    A set that was chosen by looking at examples removes the memory of these examples, if only by chance; what it
    removes of others says whether the neurons are a population of their own (Chernozhukov and others 2018, arXiv
    1608.00060, on cross-fitting). Random sets look at no example, so they are measured on both halves at once.

    Args:
        cached: From `cached_pass`; its mode says what removing means.
        fits: From `halves`: the examples that each choice looked at.
        sets: For each of them the neurons that it chose.
        judged_by: See `CrossFit`; what shows memory (`memory_shown_by`) if None.
        n_draws: Random sets, of the sizes of `sets` in turn.
        pool: Neurons that the random sets are drawn from; all if None.
        seed: Of the random sets.

    Returns:
        None where no example shows it.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.measuring.cached_pass import cached_pass
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> cached = cached_pass(planted_mlp(task).model, task)
        >>> fits = halves(cached.data, repeats=1)
        >>> crossfit(cached, fits, [np.arange(5), np.arange(8)]).size
        6.5
    """
    sample, cached = cached.sample, cached.sampled
    if sample.rows is not None:
        fits = [fit[sample.rows] for fit in fits]
    measured = partial(accuracies, cached, sample.weights)
    judged_by = judged_by or memory_shown_by(cached.data)
    unchanged = cached.margins > cached.tolerance
    if judged_by is None or measured(unchanged)[judged_by] is None:
        return None
    chosen = [np.asarray(neurons, dtype=np.int64) for neurons in sets]
    sizes = tuple(len(one) for one in chosen)
    before, after, dropped = [], [], np.zeros(2)
    for one, fit in zip(chosen, fits, strict=True):
        right = cached.margins_after(one) > cached.tolerance
        sides = [(measured(unchanged, side), measured(right, side)) for side in (fit, ~fit)]
        dropped += [(start[judged_by] or 0.0) - (end[judged_by] or 0.0) for start, end in sides]
        before.append(sides[1][0])
        after.append(sides[1][1])
    kept = float(dropped[1] / dropped[0]) if dropped[0] > 0 else None
    random, controlled = _random_bands(cached, sample.weights, sizes, n_draws, pool, seed)
    means = mean_of(before), mean_of(after)
    return CrossFit(judged_by, sizes, *means, random, kept, n_draws, controlled)


def _random_bands(
    cached: CachedPass,
    weights: np.ndarray,
    sizes: Sequence[int],
    n_draws: int,
    pool: np.ndarray | None,
    seed: int,
) -> tuple[dict[str, Band | None], bool]:
    """Bands of accuracies without random sets of these sizes in turn, and whether they can tell anything."""
    drawn = [random_sets(sizes[i % len(sizes)], cached.width, 1, pool, seed + i) for i in range(n_draws)]
    draws = [accuracies(cached, weights, cached.margins_after(one) > cached.tolerance) for (one,), _ in drawn]
    bands = {name: Band.of([draw[name] for draw in draws]) for name in (*SPLITS, GAP)}
    return bands, all(fair for _, fair in drawn)


def accuracies(
    cached: CachedPass,
    weights: Float[np.ndarray, " group"],
    right: Bool[Tensor, "two example"],
    inside: Bool[Tensor, " example"] | None = None,
) -> dict[str, float | None]:
    """Accuracy by split, and the `GAP`, on the examples inside a mask (all if None); None without examples.

    Args:
        weights: Of an example of each group, from `Sample`, so that splits mix groups as all examples do.
    """
    kept = torch.ones_like(right[0]) if inside is None else inside
    totals = torch.bincount(cached.group[kept], minlength=len(GROUPS)).cpu().numpy() * weights
    counts = cached.by_group(right & kept) * weights[:, None]
    measured = split_accuracy(counts[None], cached, totals)
    values = {name: None if value is None else float(value[0]) for name, value in measured.items()}
    train, test = values["train"], values["test"]
    return {**values, GAP: None if train is None or test is None else train - test}


def mean_of(measured: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each number over several measurements; None where one has none."""
    columns = {name: [values[name] for values in measured] for name in (*SPLITS, GAP)}
    return {name: None if None in values else float(np.mean(values)) for name, values in columns.items()}  # type: ignore[arg-type]
