"""Separability of the classes in the activations of sets of neurons, beside permuted classes and random sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.analysis.removing import chosen_neurons
from interp.analysis.separated_sets import OTHER_EXAMPLES, SAME_EXAMPLES, SeparabilityReport, SeparatedSet
from interp.data import Dataset, Task
from interp.edits import neuron_indices
from interp.errors import ConfigError
from interp.measuring.band import Band
from interp.measuring.crossfit import halves
from interp.measuring.removals import random_sets
from interp.progress import progress
from interp.scoring.halves import labels_on
from interp.subject import Network, Subject, subject_of
from probes.labels import BOTH, GENERALIZING, MEMORIZING
from probes.separability import ClassSeparability, class_separability, permuted_operands, shuffled

MOST_EXAMPLES = 5_000
"""Of one half; the distances between them take 400 MB."""
ALL, LOGITS = "all", "logits"
ACTIVE = (GENERALIZING, MEMORIZING, BOTH)
"""Labels whose neurons are measured without being asked for."""
SHUFFLED = "classes dealt anew among the examples"
RENAMED = "operands renamed at random, both alike"
Sets = dict[str, list[np.ndarray]]
"""Of each name the neurons that are measured on each part of the examples."""


def separability(
    network: Network,
    task: Task | None = None,
    neurons: Any = None,
    *,
    classes: Any = None,
    examples: int = 1000,
    draws: int = 199,
    n_random: int = 19,
    site: str | None = None,
    seed: int | None = None,
) -> SeparabilityReport:
    """Measure how far the classes lie apart in the activations of sets of neurons, and in the logits.

    The measure is the generalised discrimination value (arXiv 1811.01753), see
    `probes.separability.discrimination_value`: 0 for none, about -1 for classes that are points. It is beside that of
    permuted classes, and of random sets of as many neurons that are not dead. Sets that labels choose are chosen on one
    half of the examples and measured on the other, and the other way round; other texts choose on all examples.
    Where every pair of operands is an example, the null renames the operands, as pairs that share one are alike in a
    network that was never trained; elsewhere classes are dealt anew, which assumes that examples are exchangeable.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        neurons: None: all neurons, and those of each label in `ACTIVE`; a text as in `interp.selectors`, indices or a
            mask; or several of these, as a dictionary by name or a list.
        classes: A whole number for each example; the true labels if None.
        examples: Of each half, at most; drawn at random where there are more.
        draws: Of the null; p-values are no smaller than 1 / (draws + 1).
        n_random: Random sets for each set.
        site: Hook name of the neurons; the model's last site if None.
        seed: Of all draws.

    Raises:
        ConfigError: A number is out of range, or classes are none of these examples. InterventionError, HookNameError:
            there are no such neurons.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> report = separability(planted_mlp(task).model, task, draws=19, n_random=9)
        >>> report["generalizing"].value < -0.1 < report["memorizing"].value
        True
    """
    _check(examples, draws, n_random)
    subject = subject_of(network, task, site=site, seed=seed)
    data = subject.data.to("cpu")
    number, table = _classes(data, classes)
    masks, chosen_on = _parts(subject)
    sets = _chosen(subject, neurons, masks, chosen_on)
    parts = [_sample(mask, examples, subject.seed) for mask in masks]
    measure = _Measure(subject, number, table, parts, draws)
    results = measure.joined(sets, n_random)
    if neurons is None:
        results.append(_joined(LOGITS, [], measure.values(None), []))
    null, sizes = SHUFFLED if table is None else RENAMED, tuple(map(len, parts))
    return SeparabilityReport(
        tuple(results), sizes, len(np.unique(number)), null, chosen_on, subject.hook, draws, n_random
    )


def _check(examples: int, draws: int, n_random: int) -> None:
    """Refuse numbers that are out of range."""
    for name, value, least in (("examples", examples, 4), ("draws", draws, 1), ("n_random", n_random, 0)):
        if not least <= value <= (MOST_EXAMPLES if name == "examples" else 100_000):
            raise ConfigError(
                f"{name}={value} is out of range; expected {least} or more (examples: at most 5,000)"
            )


def _classes(
    data: Dataset, classes: Any
) -> tuple[Int[np.ndarray, " example"], Int[np.ndarray, "p p"] | None]:
    """Numbers of the examples' classes from 0, and their table where every pair of operands is an example."""
    own = data.true_labels.numpy() if classes is None else np.asarray(classes)
    if own.shape != (len(data),) or own.dtype.kind not in "iub":
        raise ConfigError(
            f"classes of shape {own.shape} and type {own.dtype} for {len(data)} examples; give a whole number for each"
        )
    kinds, number = np.unique(own, return_inverse=True)
    if len(kinds) < 2:
        raise ConfigError(f"every example is of class {kinds[0]}; separability needs two classes or more")
    pairs = data.inputs.numpy()
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        return number, None
    p = int(pairs.max()) + 1
    if len(pairs) != p * p or len(np.unique(pairs @ [p, 1])) != p * p or pairs.min() < 0:
        return number, None
    table = np.empty((p, p), dtype=np.int64)
    table[pairs[:, 0], pairs[:, 1]] = number
    return number, table


def _parts(subject: Subject) -> tuple[list[Tensor], str]:
    """Masks of the examples: two halves where neurons can be chosen on one and measured on the other, else all."""
    data = subject.data
    if data.split_known and data.test.any() and data.train.any():
        return halves(data, repeats=1, seed=subject.seed, symmetric=subject.leakage.symmetric), OTHER_EXAMPLES
    return [torch.ones(len(data), dtype=torch.bool)], SAME_EXAMPLES


def _chosen(subject: Subject, neurons: Any, masks: list[Tensor], chosen_on: str) -> Sets:
    """The sets by name; those of a label chosen on the examples that they are not measured on, where possible."""
    several: Mapping[str, Any]
    if neurons is None:
        present = [label for label in ACTIVE if len(subject.table.where(label=label))]
        several = {ALL: np.arange(subject.width)} | {label: f"label:{label}" for label in present}
    elif isinstance(neurons, Mapping):
        if not neurons:
            raise ConfigError(
                "neurons names no set; give one or more, or None for all neurons and each label"
            )
        several = neurons
    elif isinstance(neurons, list | tuple) and any(
        not isinstance(one, int | np.integer | bool) for one in neurons
    ):
        several = {one if isinstance(one, str) else f"set {i}": one for i, one in enumerate(neurons)}
    else:
        several = {neurons if isinstance(neurons, str) else "given": neurons}
    labels = None
    sets: Sets = {}
    for name, chosen in several.items():
        if isinstance(chosen, str) and chosen.startswith("label:") and chosen_on == OTHER_EXAMPLES:
            chosen_neurons(subject, chosen)  # a label that there is none of is an error
            labels = labels or labels_on(subject.cached, subject.table, masks, subject.seed)[::-1]
            sets[name] = [np.flatnonzero(one == chosen.removeprefix("label:")) for one in labels]
        elif isinstance(chosen, str):
            sets[name] = [chosen_neurons(subject, chosen)[1]] * len(masks)
        else:
            sets[name] = [neuron_indices(chosen, subject.width)] * len(masks)
    return sets


def _sample(mask: Tensor, examples: int, seed: int) -> Int[np.ndarray, " row"]:
    rows = np.flatnonzero(mask.cpu().numpy())
    few = np.random.default_rng(seed).choice(rows, min(examples, len(rows)), replace=False)
    return np.sort(few)


class _Measure:
    """Activations, classes and permuted classes of each part of the examples."""

    def __init__(
        self, subject: Subject, number: Any, table: Any, parts: list[np.ndarray], draws: int
    ) -> None:
        self.subject, self.parts = subject, parts
        cached = subject.cached
        rows = [torch.as_tensor(part, device=cached.data.labels.device) for part in parts]
        self.activations = [cached.activations[some].float().cpu().numpy() for some in rows]
        self.logits = [cached.logits[some].float().cpu().numpy() for some in rows]
        self.classes = [number[part] for part in parts]
        self.permuted = []
        pairs = subject.data.inputs.cpu().numpy()
        for part in parts:  # of one seed, so that operands have the same new names in both halves
            generator = np.random.default_rng(subject.seed)
            self.permuted.append(
                shuffled(number[part], draws, generator)
                if table is None
                else permuted_operands(table, pairs[part], draws, generator)
            )

    def joined(self, sets: Sets, n_random: int) -> list[SeparatedSet]:
        """Each set beside random ones."""
        results: list[SeparatedSet] = []
        with progress("separability", (n_random + 1) * len(sets)) as report:
            for name, chosen in sets.items():
                values = self.values(chosen)
                report((n_random + 1) * len(results) + 1, name)
                random, controlled = self.random(chosen, n_random)
                results.append(_joined(name, chosen, values, random if controlled else []))
                report((n_random + 1) * len(results), name)
        return results

    def values(self, chosen: list[np.ndarray] | None) -> list[ClassSeparability]:
        """Of each part: of its neurons, or of the logits if None."""
        acts = self.logits if chosen is None else self._of(chosen)
        return [class_separability(*one) for one in zip(acts, self.classes, self.permuted, strict=True)]

    def random(self, chosen: list[np.ndarray], n_random: int) -> tuple[list[float], bool]:
        """Values of random sets as large, means over the parts, and whether these can differ from the set."""
        subject = self.subject
        drawn = [
            random_sets(len(one), subject.width, n_random, subject.alive, subject.seed) for one in chosen
        ]
        draws = zip(*(sets for sets, _ in drawn), strict=True)
        values = [self._unpermuted(list(sets)) for sets in draws if all(map(len, sets))]
        return values, all(fair for _, fair in drawn)

    def _unpermuted(self, chosen: list[np.ndarray]) -> float:
        each = [class_separability(*one).value for one in zip(self._of(chosen), self.classes, strict=True)]
        return float(np.mean(each))

    def _of(self, chosen: list[np.ndarray]) -> list[np.ndarray]:
        return [acts[:, one] for acts, one in zip(self.activations, chosen, strict=True)]


def _joined(
    name: str, chosen: list[np.ndarray], values: list[ClassSeparability], random: list[float]
) -> SeparatedSet:
    """Means over the parts of the examples, draw by draw."""
    value = float(np.mean([one.value for one in values]))
    null = np.mean([one.draws for one in values], axis=0)
    random = [one for one in random if np.isfinite(one)]
    known = np.isfinite(value)
    p_value = (1 + int((null <= value).sum())) / (1 + len(null)) if known else None
    beside = (1 + sum(one <= value for one in random)) / (1 + len(random)) if known and random else None
    return SeparatedSet(
        name=name,
        sizes=tuple(len(one) for one in chosen),
        silent=tuple(one.n_silent for one in values),
        value=value if known else None,
        null=Band.of(list(null)) if known else None,
        p_value=p_value,
        random=Band.of(random),
        random_p_value=beside,
    )
