"""Correspondences between two finite groups that keep all products."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Int

from probes.finite_group import FiniteGroup, generators, with_products


def isomorphism(group: FiniteGroup, other: FiniteGroup) -> Int[np.ndarray, " element"] | None:
    """The element of the other group that stands for each of the first; None if there is no such correspondence.

    Images of a few generators are tried, the first up to conjugacy, and only those that share what isomorphisms keep:
    the order, the size of the class, and the orders of products of generators.

    Example:
        >>> from probes.finite_group import group_of
        >>> n = np.arange(4)
        >>> cyclic, square = (group_of(t) for t in (np.add.outer(n, n) % 4, n[:, None] ^ n[None]))
        >>> isomorphism(cyclic, square) is None, sorted(isomorphism(cyclic, cyclic).tolist())
        (True, [0, 1, 2, 3])
    """
    if group.fingerprint != other.fingerprint:
        return None
    chosen = _few_generators(group)
    steps = _words(group, chosen)
    keys, other_keys = _kinds(group), _kinds(other)
    alike = [np.flatnonzero((other_keys == keys[generator]).all(1)).tolist() for generator in chosen]
    if alike:  # one of each class
        alike[0] = list({other.classes[element]: element for element in reversed(alike[0])}.values())
    for images in product(*alike):
        if not _products_agree(group, chosen, other, images):
            continue
        image = np.full(len(group), other.identity)
        for elements, parents, by in steps:
            image[elements] = other.table[image[parents], np.array(images)[by]]
        if len(np.unique(image)) == len(group) and all(
            np.array_equal(image[group.table[:, g]], other.table[image, i])
            for g, i in zip(chosen, images, strict=True)
        ):
            return image
    return None


def _kinds(group: FiniteGroup) -> np.ndarray:
    """Numbers of each element that every isomorphism keeps."""
    sizes = np.bincount(group.classes)[group.classes]
    roots = np.bincount(np.diagonal(group.table), minlength=len(group))
    return np.stack([group.orders, sizes, roots], axis=1)


def _few_generators(group: FiniteGroup) -> list[int]:
    """Two elements that generate the group where a fixed search finds such, else as `generators` takes them."""
    rarest = np.lexsort((np.arange(len(group)), np.bincount(group.classes)[group.classes], -group.orders))
    for first in rarest[:4].tolist():
        for second in np.random.default_rng(0).permutation(len(group))[:60].tolist():
            if _generate(group, [first, second]):
                return [first] if _generate(group, [first]) else [first, second]
    return generators(group.table)


def _generate(group: FiniteGroup, chosen: list[int]) -> bool:
    """True if products of these elements are the whole group."""
    return bool(with_products(group.table, np.arange(len(group)) == group.identity, chosen).all())


def _words(group: FiniteGroup, chosen: list[int]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Each element as an earlier one times a generator, by length: elements, earlier ones, places of the generators."""
    known, last, steps = {group.identity}, [group.identity], []
    while last:
        fresh: dict[int, tuple[int, int]] = {}
        for parent, place in product(last, range(len(chosen))):
            element = int(group.table[parent, chosen[place]])
            if element not in known:
                fresh.setdefault(element, (parent, place))
        known |= fresh.keys()
        last = list(fresh)
        if last:
            parents, by = np.array(list(fresh.values())).T
            steps.append((np.array(last), parents, by))
    return steps


def _products_agree(
    group: FiniteGroup, chosen: list[int], other: FiniteGroup, images: tuple[int, ...]
) -> bool:
    """True if a generator times another, and times its inverse, has the order that the images' products have."""

    def orders(one: FiniteGroup, elements: Sequence[int]) -> list[int]:
        pairs = [(elements[i], elements[j]) for i in range(len(elements)) for j in range(i)]
        products = [one.table[a, c] for a, b in pairs for c in (b, one.inverse[b])]
        return one.orders[products].tolist() if products else []

    return orders(group, chosen) == orders(other, images)
