"""The algorithm of a network that composes the elements of a group, by components of its logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.measuring.arrays import as_array
from interp.measuring.cached_pass import CachedPass
from probes.component_logits import Block, LogitComponents, excluded_losses, logit_components
from probes.composition import Composition
from probes.isotypic import Components
from probes.null import benjamini_hochberg
from probes.progress_measures import key_frequencies

BLOCK = 4_000_000
"""Logits that are read at a time."""
EXCLUDED = 40_000_000
"""Logits that excluded losses are measured on at the most, all components together."""


@dataclass(frozen=True)
class ComponentPart:
    """Measures of one component of the logits.

    Attributes:
        number: From 1, as in the column ``frequency`` of a neuron table.
        size: Its real dimensions.
        share: Share of the logits' variance along its character of a b c⁻¹, in [0, 1]; nan of constant logits.
        p_value: Of the share, one-sided, against the outputs assigned to elements at random; nan of groups of fewer
            than 5 elements.
        q_value: Its false-discovery rate over the components.
        key: True if its share is at least a tenth of the largest one.
        restricted_loss: Cross-entropy on all pairs if the logits keep this component of the product alone; None of
            one that is not key.
        excluded_loss: Cross-entropy on training pairs if they lose this one alone; None as before.
    """

    number: int
    size: int
    share: float
    p_value: float
    q_value: float
    key: bool
    restricted_loss: float | None
    excluded_loss: float | None


@dataclass(frozen=True, eq=False)
class ComponentLosses:
    """Measures of all components of the logits.

    Attributes:
        logits: By component.
        keys: Numbers of the key components.
        parts: One for each component.
        restricted: Loss on all pairs with the key components of the product alone.
        excluded: Loss on training pairs without any of them.
        excluded_pairs: Pairs that excluded losses were measured on, evenly spaced among the training pairs; all pairs
            count as such where the split is not known.
        by_rule: Share of held-out pairs, or of all where none is known to be, that are answered rightly.
    """

    logits: LogitComponents
    keys: tuple[int, ...]
    parts: tuple[ComponentPart, ...]
    restricted: float
    excluded: float
    excluded_pairs: int
    by_rule: float


def component_losses(cached: CachedPass, composition: Composition, seed: int = 0) -> ComponentLosses:
    """Measure the logits by components: of all pairs, in blocks.

    Args:
        cached: Of a dataset that holds all pairs of elements once.
        composition: Of a group with one element for each label.
        seed: Of the orders that p-values are from.
    """
    components, data = composition.components, cached.data
    n = len(components.group)
    every = torch.arange(len(data), device=data.inputs.device)
    logits = logit_components(lambda: _blocks(cached, every, composition.output), components)
    keys = key_frequencies(np.sqrt(np.nan_to_num(logits.shares)))
    trained = data.train if data.split_known and data.train.any() else torch.ones_like(data.train)
    chosen = _spaced(every[trained], EXCLUDED // (n * (len(keys) + 1)))
    removed = [logits.along_product(numbers) for numbers in (keys, *([key] for key in keys))]
    excluded = excluded_losses(_blocks(cached, chosen, composition.output), removed)
    p = logits.p_values(seed)
    alone = {key: (logits.restricted_loss([key]), float(excluded[1 + i])) for i, key in enumerate(keys)}
    columns = (components.sizes[1:], logits.shares, p, benjamini_hochberg(p))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    parts = tuple(
        ComponentPart(k, size, share, one, q, k in alone, *alone.get(k, (None, None)))
        for k, (size, share, one, q) in enumerate(rows, 1)
    )
    judged = _blocks(cached, every[~trained] if not trained.all() else every, composition.output)
    right = np.concatenate([block.argmax(1) == answers for answers, block in judged])
    losses = logits.restricted_loss(keys), float(excluded[0])
    return ComponentLosses(logits, keys, parts, *losses, len(chosen), float(right.mean()))


def input_energies(
    matrices: Sequence[Float[np.ndarray, "element feature"]], components: Components
) -> Float[np.ndarray, " component"]:
    """The squared norm of the part of all matrices that lies in each component but the constant."""
    squares = sum(np.square(components.basis.T @ matrix.astype(np.float64)).sum(1) for matrix in matrices)
    energies: np.ndarray = np.add.reduceat(squares, components.starts[:-1])[1:]
    return energies


def _blocks(cached: CachedPass, rows: Tensor, output: Int[np.ndarray, " element"]) -> Iterator[Block]:
    """Answers and logits of these examples by element, some at a time."""
    element, labels = np.argsort(output), torch.as_tensor(output, device=rows.device)
    for some in rows.split(max(1, BLOCK // cached.logits.shape[1])):
        yield element[as_array(cached.data.true_labels[some])], as_array(cached.logits[some][:, labels])


def _spaced(rows: Tensor, most: int) -> Tensor:
    """At most so many rows, evenly spaced."""
    return rows if len(rows) <= most else rows[torch.linspace(0, len(rows) - 1, max(most, 1)).long()]
