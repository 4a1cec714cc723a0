"""Components of logits over all pairs of a group's elements: `probes.progress_measures` for any group.

Logits come in blocks of pairs, so that those of all pairs and classes are never held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probes.isotypic import Components
from probes.permutation import permuted_traces
from probes.progress_measures import cross_entropy

Block = tuple[Int[np.ndarray, " pair"], Float[np.ndarray, "pair class"]]
"""Products of some pairs, and the logits of each for every element."""
Blocks = Callable[[], Iterable[Block]]
"""Blocks of all pairs, each pair once, from the beginning each time it is called."""


@dataclass(frozen=True, eq=False)
class LogitComponents:
    """Logits by the components of a group.

    Attributes:
        components: Of the group.
        means: Mean logits over the pairs of each product, ``(product, class)``.
        shares: Of each component but the constant, the share in [0, 1] of the logits' variance along its character of
            a b c⁻¹; the variance is as in `probes.progress_measures.sum_variance_explained`. nan where there is none.
        signs: 1 where the logits follow the character, -1 where they are lowest at the right answer.
    """

    components: Components
    means: Float[np.ndarray, "product class"]
    shares: Float[np.ndarray, " component"]
    signs: Float[np.ndarray, " component"]

    def along_product(self, numbers: Sequence[int]) -> Float[np.ndarray, "product class"]:
        """The part of the logits that lies in these components of the product, numbered from 1, for each class.

        Example:
            >>> from probes.finite_group import group_of
            >>> from probes.isotypic import components_of
            >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
            >>> right = 4.0 * np.eye(5)[table.ravel()]
            >>> logits = logit_components(lambda: [(table.ravel(), right)], components_of(group_of(table)))
            >>> logits.along_product([1]).round(3)[0].tolist()
            [1.6, 0.494, -1.294, -1.294, 0.494]
        """
        part = np.zeros_like(self.means)
        for number in numbers:
            basis = self.components.basis[:, slice(*self.components.starts[number : number + 2])]
            part += basis @ (basis.T @ self.means)
        return part

    def restricted_loss(self, numbers: Sequence[int]) -> float:
        """Cross-entropy on all pairs, in nats, if the logits keep only these components of the product.

        Each class keeps its mean (arXiv 2301.05217, with components for frequencies).

        Example:
            >>> from probes.finite_group import group_of
            >>> from probes.isotypic import components_of
            >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
            >>> right = 4.0 * np.eye(5)[table.ravel()]
            >>> logits = logit_components(lambda: [(table.ravel(), right)], components_of(group_of(table)))
            >>> [round(logits.restricted_loss(numbers), 3) for numbers in ([], [1], [1, 2])]
            [1.609, 0.573, 0.071]
        """
        kept = self.means.mean(0) + self.along_product(numbers)
        return float(cross_entropy(kept, np.arange(len(kept))).mean())

    def p_values(self, seed: int = 0) -> Float[np.ndarray, " component"]:
        """p-values of each share, against the classes in random orders; nan of groups of fewer than 5 elements.

        The null is that the network's outputs are assigned to elements at random.

        Example:
            >>> from probes.finite_group import group_of
            >>> from probes.isotypic import components_of
            >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
            >>> right = 4.0 * np.eye(5)[table.ravel()]
            >>> logits = logit_components(lambda: [(table.ravel(), right)], components_of(group_of(table)))
            >>> logits.p_values().round(3).tolist()   # 1 of 120 orders
            [0.008, 0.008]
        """
        group = self.components.group
        quotients = group.table[:, group.inverse]
        centred = self.means - self.means.mean(1, keepdims=True) - self.means.mean(0) + self.means.mean()
        tables = [centred.T @ character[quotients] for character in self.components.characters[1:]]
        return permuted_traces(np.stack(tables), None, seed)[1] if tables else np.zeros(0)


def logit_components(blocks: Blocks, components: Components) -> LogitComponents:
    """The mean logits by product, and how much of the variance each component's character explains.

    A network that composes by matrices of a representation has logits of its character at a b c⁻¹, as one that adds
    has cos w(a + b - c) (arXiv 2302.03025).

    Args:
        blocks: Logits of all pairs; gone through twice.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
        >>> right = 4.0 * np.eye(5)[table.ravel()]
        >>> logits = logit_components(lambda: [(table.ravel(), right)], components_of(group_of(table)))
        >>> logits.shares.round(6).tolist()   # right answers alone have all components
        [0.5, 0.5]
    """
    group, n = components.group, len(components.group)
    sums, counts = np.zeros((n, n)), np.zeros(n)
    for products, logits in blocks():
        order = np.argsort(products, kind="stable")
        present, starts = np.unique(products[order], return_index=True)
        sums[present] += np.add.reduceat(logits[order].astype(np.float64), starts, axis=0)
        counts += np.bincount(products, minlength=n)
    means = sums / counts[:, None]
    by_class, total = means.mean(0) - means.mean(), 0.0
    for _, logits in blocks():
        centred = logits.astype(np.float64)
        size = np.abs(centred).max(initial=0.0)
        centred -= centred.mean(1, keepdims=True) + by_class
        if np.abs(centred).max(initial=0.0) > 8 * np.finfo(logits.dtype).eps * size:
            total += float(np.square(centred).sum())
    characters = components.characters[1:]
    quotients = group.table[:, group.inverse]
    centred = means - means.mean(1, keepdims=True) - by_class
    with np.errstate(invalid="ignore", divide="ignore"):
        along = np.stack([(centred * one[quotients]).sum() for one in characters] or [0.0])[: len(characters)]
        shares = np.minimum(n * np.square(along) / components.sizes[1:] / total, 1)
    return LogitComponents(components, means, shares, np.sign(along))


def excluded_losses(
    blocks: Iterable[Block],
    parts: Sequence[Float[np.ndarray, "product class"]],
) -> Float[np.ndarray, " part"]:
    """Cross-entropy, in nats, of some pairs if their logits lose each of these parts, mean over the pairs.

    Args:
        blocks: Products and logits of the pairs.
        parts: From `LogitComponents.along_product`.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
        >>> right = 4.0 * np.eye(5)[table.ravel()]
        >>> logits = logit_components(lambda: [(table.ravel(), right)], components_of(group_of(table)))
        >>> parts = [logits.along_product(numbers) for numbers in ([], [1], [1, 2])]
        >>> excluded_losses([(table.ravel(), right)], parts).round(3).tolist()
        [0.071, 0.573, 1.609]
    """
    sums, pairs = np.zeros(len(parts)), 0
    for products, logits in blocks:
        pairs += len(products)
        for i, part in enumerate(parts):
            sums[i] += cross_entropy(logits.astype(np.float64) - part[products], products).sum()
    return sums / pairs if pairs else np.full(len(parts), np.nan)
