"""Neurons that two sets share: more than chance, and more than their activity explains?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from interp.analysis.example_kinds import PREFIX
from interp.analysis.example_overlap import ExampleOverlap, example_overlap
from interp.analysis.removing import chosen_neurons
from interp.data import Task
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.markup import number
from interp.measuring.logits import whole_of
from interp.measuring.traces import p_in_words
from interp.output import plain
from interp.subject import Network, Subject, subject_of
from probes.overlap import matched_tail, overlap_distribution, overlap_tail

STRATA = 5
"""Groups of equally many neurons by their spread of activation, within which the matched null draws."""
ALPHA = 0.01


@dataclass(frozen=True, eq=False)
class SetOverlap(Drawable):
    """Neurons that two sets share, beside sets of the same sizes drawn at random.

    Attributes:
        first_name, second_name: The sets, as they were given.
        n: Neurons that random sets are drawn from: those that are not dead, and any that a set names.
        first, second: Sizes of the sets.
        shared: Indices of the neurons in both.
        expected: Neurons that uniformly drawn sets share on average.
        p_value: Of as many shared or more, exact (hypergeometric).
        p_fewer: Of as few or fewer.
        matched_expected, matched_p: The same as `expected` and `p_value` where sets keep their number of neurons in
            each of `strata` groups by spread of activation.
        strata: Number of these groups.
    """

    figure: ClassVar[str] = "plots.overlap.set_overlap"

    first_name: str
    second_name: str
    n: int
    first: int
    second: int
    shared: Int[np.ndarray, " shared"]
    expected: float
    p_value: float
    p_fewer: float
    matched_expected: float
    matched_p: float
    strata: int

    @property
    def exclusive(self) -> bool:
        """True for two different labels, of which no neuron has both: nothing that chance could explain."""
        labels = {self.first_name, self.second_name}
        return len(labels) == 2 and all(name.startswith("label:") for name in labels)

    @property
    def fold(self) -> float | None:
        """Shared neurons over those expected of uniform sets; None where none can be expected."""
        return len(self.shared) / self.expected if self.expected > 0 else None

    @property
    def distribution(self) -> Float[np.ndarray, " overlap"]:
        """Probability of each number of shared neurons for uniformly drawn sets."""
        return overlap_distribution(self.n, self.first, self.second)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {"kind": "neurons"} | plain(vars(self)) | {"fold": self.fold}

    def sentences(self) -> list[str]:
        """The finding in words."""
        names = f"{self.first_name} ({self.first}) and {self.second_name} ({self.second})"
        if not self.first or not self.second:
            return [f"{names}: one set is empty, so that there is nothing to compare."]
        if self.exclusive:
            return [f"{names} share none by definition: a neuron has one label."]
        fold = "" if self.fold is None else f", {number(self.fold)} times as many"
        sure = (
            "more than"
            if self.p_value <= ALPHA
            else "fewer than"
            if self.p_fewer <= ALPHA
            else "not decidedly more than"
        )
        p = self.p_fewer if sure == "fewer than" else self.p_value
        sentences = [
            f"{names} share {len(self.shared)} of {self.n} neurons, {sure} random sets of their sizes "
            f"({number(self.expected)} expected{fold}; p {p_in_words(p)})."
        ]
        if sure == "more than":
            kept = self.matched_p <= ALPHA
            sentences.append(
                f"Of sets with as many neurons of each activity, {number(self.matched_expected)} would be shared (p "
                f"{p_in_words(self.matched_p)}): activity {'does not explain' if kept else 'may explain'} it."
            )
        return sentences


def overlap(
    network: Network,
    task: Task | None = None,
    first: Any = "label:memorizing",
    second: Any = "label:generalizing",
    *,
    site: str | None = None,
    seed: int | None = None,
    **of_examples: Any,
) -> SetOverlap | ExampleOverlap:
    """Compare the neurons that two sets share, or that two sets of examples use, with chance.

    Two sets of neurons are compared with sets drawn uniformly (an exact hypergeometric p-value, after arXiv 1601.00720)
    and with sets that keep their number of neurons of every activity. Sets of examples, ``examples:NAME``, are compared
    by their most active neurons, see `example_overlap`.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        first: A text as in `interp.selectors`, indices, a mask, or rows of a `NeuronTable`; or ``examples:NAME`` with
            one of `interp.analysis.example_kinds.EXAMPLES`.
        second: The same; both are neurons or both are examples.
        site: Hook name of the neurons; the model's last site if None.
        seed: Of all draws.
        of_examples: Other arguments of `example_overlap`.

    Raises:
        InterventionError: A set cannot be used. ConfigError: one is of neurons and the other of examples.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> result = overlap(planted_mlp(task).model, task, "label:memorizing", "highest:0.2")
        >>> len(result.shared), result.p_value
        (0, 1.0)
    """
    kinds = [isinstance(one, str) and one.startswith(PREFIX) for one in (first, second)]
    if any(kinds):
        if not all(kinds):
            raise ConfigError(
                f"{first!r} and {second!r} are examples and neurons; compare two sets of examples, or two of neurons"
            )
        return example_overlap(network, task, first, second, site=site, seed=seed, **of_examples)
    if of_examples:
        raise ConfigError(f"{', '.join(of_examples)} are of examples:NAME; both sets are neurons")
    subject = subject_of(network, task, site=site, seed=seed)
    chosen = [chosen_neurons(subject, one) for one in (first, second)]
    first_name, second_name = (
        place if name == "given" else name
        for (name, _), place in zip(chosen, ("first", "second"), strict=True)
    )
    return neuron_overlap(subject, chosen[0][1], chosen[1][1], names=(first_name, second_name))


def neuron_overlap(
    subject: Subject,
    first: Int[np.ndarray, " first"],
    second: Int[np.ndarray, " second"],
    *,
    names: tuple[str, str] = ("first", "second"),
) -> SetOverlap:
    """Compare the neurons that two sets of indices share with chance."""
    masks = np.zeros((2, subject.width), bool)
    masks[0, first], masks[1, second] = True, True
    chosen = np.union1d(np.flatnonzero(masks.any(0)), subject.alive)
    spread = whole_of(subject.cached.sampled.activations).double().std(0).cpu().numpy()[chosen]
    order = np.argsort(np.argsort(spread, kind="stable"), kind="stable")
    n, strata = len(chosen), max(1, min(STRATA, len(chosen)))
    shared = np.flatnonzero(masks.all(0))
    sizes = int(masks[0].sum()), int(masks[1].sum())
    matched_p, matched = (
        matched_tail(masks[0, chosen], masks[1, chosen], order * strata // n) if n else (1.0, 0.0)
    )
    return SetOverlap(
        *names,
        n,
        *sizes,
        shared,
        sizes[0] * sizes[1] / n if n else 0.0,
        overlap_tail(n, *sizes, len(shared)),
        _fewer(n, *sizes, len(shared)),
        matched,
        matched_p,
        strata,
    )


def _fewer(n: int, first: int, second: int, shared: int) -> float:
    """P(overlap <= shared): that many of the first lie outside the second, or more."""
    return overlap_tail(n, first, n - second, first - shared)
