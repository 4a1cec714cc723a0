"""The group in a task's operation, and the operands and results on which neurons are read by its components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np

from interp.data import Ordering, Task
from interp.data.operations import TABLE, operation_table
from interp.markup import percentage
from interp.measuring.arrays import weight_vectors
from interp.models import NeuronSite
from probes.composition import LARGEST, Composition, composition_of
from probes.finite_group import NoGroup

OUTSIDE = "outside"
"""The class of the elements that are not read."""
LISTED = 8
"""Classes in a sentence."""


def task_composition(task: Task) -> Composition | None:
    """The group in the operation of a task that has no ordering, and on which elements it acts.

    None where an ordering is known, nothing gives a result for all pairs of p operands, or there is no such group:
    `no_composition` then says why.

    Example:
        >>> from interp.data import ModularTask
        >>> whole = task_composition(ModularTask("multiply", 35))
        >>> len(whole.components.group), len(whole.output)
        (24, 35)
    """
    result = _result(task)
    return None if isinstance(result, str) else result


def no_composition(task: Task) -> str | None:
    """The reason in words for which the operation of a task without an ordering has no components; None if it has.

    Example:
        >>> from interp.data import ModularTask
        >>> no_composition(ModularTask("multiply", 6))
        'the largest group in it has 2 of its 6 elements'
    """
    result = _result(task)
    return result if isinstance(result, str) and result else None


def no_order_sentence(task: Task) -> str:
    """A warning about a task with neither an ordering nor components, with the reason for which it has none.

    Example:
        >>> from interp.data import ModularTask
        >>> no_order_sentence(ModularTask("multiply", 6))[:99]
        'No group ordering is known for this operation, nor a group that its components could be of (the lar'
    """
    reason = no_composition(task)
    without = "" if reason is None else f", nor a group that its components could be of ({reason})"
    return (
        f"No group ordering is known for this operation{without}: periodicity was read in the natural order of the "
        "tokens, so a network that solves the task may look aperiodic, and labels rest on evidence alone."
    )


def outside_sentences(null: Mapping[str, Any]) -> Iterator[str]:
    """A warning about weights that were not read, of a table whose ``meta["null"]`` has a share of them.

    Example:
        >>> outside = {"name": OUTSIDE, "elements": 6, "share": 0.25}
        >>> list(outside_sentences({"notes": ["Six elements were not analysed."], "classes": [outside]}))
        ['Six elements were not analysed. 25.0 % of all weights are there.']
    """
    for row in null.get("classes", ()):
        if row["name"] == OUTSIDE:
            yield f"{null['notes'][0]} {percentage(row['share'])} of all weights are there."


def answer_table(task: Task) -> np.ndarray:
    """The result of each pair of operands by the task's rule, ``(left, right)``; -1 where there is none.

    Example:
        >>> from interp.data import ModularTask
        >>> answer_table(ModularTask("multiply", 3)).tolist()
        [[0, 0, 0], [0, 1, 2], [0, 2, 1]]
    """
    p, data = getattr(task, "p", 0), task.dataset
    table, operation = np.full((p, p), -1), getattr(task, "operation", None)
    a, b = data.inputs.cpu().numpy().T
    if operation not in (None, TABLE):
        return results_of(operation, p)
    if max(a.max(initial=0), b.max(initial=0)) < p:
        table[a, b] = data.true_labels.cpu().numpy()
    return table


def results_of(operation: str, p: int) -> np.ndarray:
    """The results of an operation by its name, ``(left, right)``; -1 where there is none.

    Example:
        >>> results_of("divide", 3).tolist()
        [[-1, 0, 0], [-1, 1, 2], [-1, 2, 1]]
    """
    table = np.full((p, p), -1)
    pairs, results = operation_table(operation, p)
    table[pairs[:, 0], pairs[:, 1]] = results
    return table


def _result(task: Task) -> Composition | str:
    p = getattr(task, "p", None)
    if task.ordering is not None or not isinstance(p, int) or p <= 0:
        return ""
    if p > LARGEST:
        return f"it has {p:,} elements; those of at most {LARGEST:,} are analysed"
    if task.dataset.inputs.shape[1:] != (2,) or task.dataset.inputs.is_floating_point():
        return ""
    table = answer_table(task)
    if (table < 0).any() or table.max() >= p:
        return f"{int((table < 0).sum()):,} of its {p * p:,} pairs have no result from 0 to {p - 1}"
    return _composition(table.tobytes(), p)


@lru_cache(maxsize=8)
def _composition(table: bytes, n: int) -> Composition | str:
    try:
        return composition_of(np.frombuffer(table, np.int64).reshape(n, n))
    except NoGroup as error:
        return str(error)


def reading_order(composition: Composition) -> Ordering:
    """The operands and results that stand for each element, as weights are read.

    Example:
        >>> from interp.data import ModularTask
        >>> reading_order(task_composition(ModularTask("group:S3"))).left.tolist()
        [0, 1, 2, 3, 4, 5]
    """
    return Ordering(composition.left, composition.right, composition.output, "by components")


def class_shares(site: NeuronSite, composition: Composition, p: int) -> list[dict[str, str | int | float]]:
    """The share of all neurons' squared weights at the elements of each class that the group keeps, the largest first.

    Returns:
        ``name``, ``elements`` and ``share`` in [0, 1] of each; the last is of the elements that are not read, if any.
        Empty if the group keeps one class, which is all p elements.
    """
    raw, vectors = weight_vectors(site, reading_order(composition))
    firsts, orbit = np.unique(composition.orbits, return_inverse=True)
    sizes, rest = np.bincount(orbit), p - len(orbit)
    if len(firsts) == 1 and not rest:
        return []
    squares = sum(np.square(vector, dtype=np.float64).sum(0) for vector in vectors)
    total = sum(np.square(vector, dtype=np.float64).sum() for vector in raw)
    shares = np.bincount(orbit, squares) / (total if total > 0 else 1)
    rows: list[dict[str, str | int | float]] = [
        {"name": name, "elements": int(size), "share": float(share)}
        for name, size, share in zip(_class_names(composition, p), sizes, shares, strict=True)
    ]
    rows.sort(key=lambda row: -row["elements"])  # type: ignore[operator]
    if rest and total > 0:
        rows.append({"name": OUTSIDE, "elements": rest, "share": max(0.0, 1 - float(shares.sum()))})
    return rows


def class_sentence(classes: Sequence[Mapping[str, Any]]) -> str:
    """The shares of `class_shares` in words, of many classes the first `LISTED`; empty without any.

    Example:
        >>> units = {"name": "class gcd 1", "elements": 4, "share": 0.9}
        >>> class_sentence([units, {"name": "class gcd 5", "elements": 1, "share": 0.1}])
        'Shares of all weights: class gcd 1 (4 elements) 90.0 %, class gcd 5 (1) 10.0 %.'
    """
    texts = [f"{row['name']} ({row['elements']}) {percentage(row['share'])}" for row in classes[:LISTED]]
    if rest := classes[LISTED:]:
        texts.append(f"{len(rest)} other classes {percentage(sum(row['share'] for row in rest))}")
    return f"Shares of all weights: {', '.join(texts).replace(')', ' elements)', 1)}." if texts else ""


def _class_names(composition: Composition, p: int) -> list[str]:
    """Names of classes by their first elements: by the greatest common divisor with p where that tells them apart."""
    firsts = np.unique(composition.orbits).tolist()
    if len(firsts) == 1:
        return ["the largest group"]
    divisors = [gcd(element, p) for element in composition.output.tolist()]
    alike = dict(zip(composition.orbits.tolist(), divisors, strict=True))
    if len(set(zip(composition.orbits.tolist(), divisors, strict=True))) == len(set(divisors)) == len(firsts):
        return [f"class gcd {alike[first]}" for first in firsts]
    return [f"class of {first}" for first in firsts]
