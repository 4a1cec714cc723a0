"""The operation that a network computes, read from its own answers to all pairs of elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import bdtrc
from torch import Tensor

from interp.data import ModularTask
from interp.data.operations import GROUP, OPERATIONS, READ, TABLE, is_prime, own_modulus
from interp.errors import ConfigError
from interp.scoring.compositions import results_of
from interp.scoring.group_names import group_name
from probes.finite_group import FiniteGroup, broken_laws, group_of, identity_of
from probes.isomorphism import isomorphism
from probes.monoid import is_associative, is_quasigroup
from probes.nearest_group import nearest_group

LISTED = 5
CLEARLY = 0.25
"""Share of the answers, above that of the commonest result, from which on they show a rule."""


class NoRule(ConfigError):
    """Answers in which no rule was recognised."""


@dataclass(frozen=True, eq=False)
class ReadTask:
    """A task that was read from answers.

    Attributes:
        task: With a split that nobody knows.
        agreement: The share of the answers that are the task's results, in [0, 1].
        notes: How it was read, in sentences.
    """

    task: ModularTask
    agreement: float
    notes: tuple[str, ...]


def leaves_open(operation: str | None) -> bool:
    """True for a task whose table, or the numbering of whose elements, the network's answers tell."""
    return operation is not None and (operation == READ or operation.startswith(GROUP))


def answers_of(logits: Float[Tensor, "pair output"], p: int) -> Int[np.ndarray, "left right"]:
    """The largest of the first p logits of each pair, pairs in row-major order."""
    return logits[:, :p].argmax(1).reshape(p, p).cpu().numpy().astype(np.int64)


def read_task(answers: Int[np.ndarray, "left right"], stated: str = READ) -> ReadTask:
    """The task that a network's answers show.

    The group that most of them agree with, as `probes.nearest_group.nearest_group` finds it, unless an operation modulo
    n fits them as well. No numbering of a group's elements is assumed. Answers that are a monoid's or a quasigroup's
    table are a task by themselves.

    Args:
        answers: Of every pair of elements, ``(left, right)``.
        stated: ``"read"``, or the group that the user or the settings of the file state, as ``"group:S5"``.

    Raises:
        NoRule: Nothing fits, so that the answers would be right by themselves, whatever they are.
        ConfigError: The network has another number of elements than the stated group.

    Example:
        >>> read = read_task((np.arange(5)[:, None] + np.arange(5)) % 5)
        >>> read.task.operation, read.task.p, read.agreement
        ('add', 5, 1.0)
    """
    n = len(answers)
    wanted = None if stated == READ else group_of(_table(stated, n))
    group = nearest_group(answers)
    candidates = {stated: wanted.table} if wanted is not None else dict(_operations(n))
    if group is not None and (wanted is None or isomorphism(wanted, group) is not None):
        candidates[TABLE] = group.table
    shares = {name: _agreement(answers, table) for name, table in candidates.items()}
    best = max(shares, key=lambda name: shares[name])
    exact = group is not None and np.array_equal(
        group.table, answers
    )  # few answers may show no more than that
    if exact or wanted is not None or _shows(answers, candidates[best]):
        task = _task(best, candidates[best])
        return ReadTask(task, shares[best], tuple(_sentences(answers, candidates[best], best, stated, group)))
    quasigroup = is_quasigroup(answers)
    if not quasigroup and (identity_of(answers) is None or not is_associative(answers)):
        raise NoRule(
            "no rule was recognised in the network's own answers, so nothing says how many are right: "
            f"{_violations(answers)}. Name the task with --task, or give its examples with --table"
        )
    kind = "a quasigroup's" if quasigroup else "a monoid's"
    note = f"the task is the table of the network's own answers, which is {kind} and no group's: {_violations(answers)}"
    return ReadTask(_task(TABLE, answers), 1.0, (note,))


def _table(operation: str, n: int) -> np.ndarray:
    if (order := own_modulus(operation)) not in (None, n):
        raise ConfigError(
            f"the network composes {n} elements, and {operation} has {order}; name its group with --task, or have it "
            "read from the answers with --task read"
        )
    return results_of(operation, n)


def _operations(n: int) -> Iterator[tuple[str, np.ndarray]]:
    for operation in OPERATIONS:
        if operation != "divide" or (n > 2 and is_prime(n)):
            yield operation, results_of(operation, n)


def _agreement(answers: np.ndarray, table: np.ndarray) -> float:
    """The share of the results that are defined which are answered."""
    return float((answers == table)[table >= 0].mean())


def _shows(answers: np.ndarray, table: np.ndarray) -> bool:
    """True for more right answers than constant or random ones, significantly and clearly so."""
    results = table[table >= 0]
    base, share = np.bincount(results).max() / len(results), _agreement(answers, table)
    above = bdtrc(round(share * len(results)) - 1, len(results), base) < 1e-6
    return bool(above and share - base >= CLEARLY * (1 - base))


def _task(operation: str, table: np.ndarray) -> ModularTask:
    results = table if operation == TABLE else None
    return ModularTask(operation, len(table), train_fraction=1.0, split="unknown", results=results)


def _sentences(
    answers: np.ndarray, table: np.ndarray, best: str, stated: str, group: FiniteGroup | None
) -> Iterator[str]:
    n, source = len(answers), "read from the network's own answers"
    right, defined = int((answers == table)[table >= 0].sum()), int((table >= 0).sum())
    share = f"all {defined:,} answers" if right == defined else f"{right:,} of {defined:,} answers"
    if best == TABLE:
        assert group is not None
        name = group_name(group)
        yield (
            f"the task is the composition of {name}, {source}, with its elements numbered as the network numbers them: "
            f"{share} agree with that"
        )
    elif stated == READ:
        yield f"the task is {best} modulo {n}, {source}: {share} agree with that"
    else:
        yield (
            f"the elements of {stated.removeprefix(GROUP)} are numbered as Grokscope numbers them: {share} agree with "
            "that"
        )
        if not _shows(answers, table):
            yield f"the answers show no group that is {stated.removeprefix(GROUP)}, in whatever order its elements are"
    wrong = np.argwhere((answers != table) & (table >= 0))
    if len(wrong) and len(wrong) < len(answers) ** 2 / 2:
        some = ", ".join(
            f"({a}, {b}) -> {answers[a, b]} instead of {table[a, b]}" for a, b in wrong[:LISTED].tolist()
        )
        yield f"{len(wrong):,} of {n * n:,} pairs break it: {some}" + (" …" if len(wrong) > LISTED else "")


def _violations(answers: np.ndarray) -> str:
    """The laws of a group that answers break, with counts, and whether the order of elements matters in them."""
    order = "the order of two elements " + (
        "does not matter" if np.array_equal(answers, answers.T) else "matters"
    )
    return "; ".join([*broken_laws(answers), order])


def pairs_of(p: int) -> ModularTask:
    """A task whose examples are all pairs of p elements in row-major order."""
    return ModularTask("add", p, train_fraction=1.0, split="unknown")
