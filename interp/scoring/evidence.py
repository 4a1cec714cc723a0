"""Evidence on the rule and on memory for every neuron at a site, from all examples or from halves of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.measuring.arrays import as_array
from interp.measuring.base_rate import base_rate_of_margins
from interp.measuring.cached_pass import CachedPass
from interp.measuring.effect_sums import EffectSums, Wanted
from interp.measuring.effects import SingleEffects, measure_neurons
from interp.measuring.logits import columns_of
from interp.progress import Report, silent
from interp.threads import shared
from probes import evidence
from probes.evidence import Evidence, Examples
from probes.labels import share_of_all

ALL_TRAINING, WRONG_LABELS = "all training examples", "wrong labels"
AT_ONCE = 8_000_000
"""Activations that one thread works on."""
Columns = tuple[np.ndarray, dict[str, Evidence]]
Tables = tuple[Float[np.ndarray, "neuron true output"], dict[str, Float[np.ndarray, "neuron three"]]]


@dataclass(frozen=True, eq=False)
class Questions:
    """The examples that evidence is taken from.

    Attributes:
        rule: Mask of the examples that show whether neurons serve the rule: held-out ones, if there are any.
        held_out: Whether they are held out.
        memory: By name, training examples beside held-out ones, for `memory_evidence`; empty without either.
        learnt: Whether the rule's examples are answered better than by their commonest class.
    """

    rule: Bool[np.ndarray, " example"]
    held_out: bool
    classes: np.ndarray
    memory: dict[str, Examples]
    learnt: bool

    @cached_property
    def rule_rows(self) -> np.ndarray:
        """The examples of the rule, sorted by class."""
        rows = np.flatnonzero(self.rule)
        return rows[np.argsort(self.classes[rows], kind="stable")]

    def of_sums(self, sums: EffectSums, wanted: Wanted) -> Tables:
        """Sums that the evidence on some neurons is made from, where what follows them is not linear."""
        by_class = sums.tables[_index(wanted.tables, self.rule)]
        present = np.maximum(np.bincount(self.classes[self.rule], minlength=by_class.shape[1]), 1)
        memory = {}
        for name, rows in self.memory.items():
            reference = sums.true if rows.against_true else sums.mean
            weighted = sums.weighted[[w is rows.weights for _, w in wanted.weighted].index(True)]
            table = sums.tables[_index(wanted.tables, rows.held_out)]
            memory[name] = evidence.memory_of_effects(sums.label, reference, weighted, table, rows)
        return (by_class / present[:, None]).astype(np.float32), memory

    def of_neurons(self, rows: Sequence[Tables], seed: int) -> NeuronEvidence:
        """Evidence on all neurons from the sums of some after others."""
        tables = np.concatenate([table for table, _ in rows])
        sizes = np.bincount(self.classes[self.rule], minlength=tables.shape[1])
        rule = evidence.rule_evidence_of_effects(tables, sizes, seed)
        memory = {
            name: evidence.memory_evidence_of(np.concatenate([sums[name] for _, sums in rows]), examples)
            for name, examples in self.memory.items()
        }
        return NeuronEvidence(rule, memory, self)

    def of_columns(self, change: np.ndarray, readout: np.ndarray) -> Columns:
        """Sums and evidence of some neurons that a matrix reads, from change and readout or both negated."""
        rows = self.rule_rows
        sums = evidence.sums_by_class(change[rows], self.classes[rows])
        return sums, {
            name: evidence.memory_evidence(change, readout, examples)
            for name, examples in self.memory.items()
        }

    def of_readout(self, columns: Sequence[Columns], readout: np.ndarray, seed: int) -> NeuronEvidence:
        """Evidence on all neurons from the columns of some neurons after others."""
        sums = np.concatenate([one for one, _ in columns], axis=1)
        rule = evidence.rule_evidence_of_sums(sums, readout, self.classes[self.rule], seed)
        memory = {name: evidence.joined([some[name] for _, some in columns]) for name in self.memory}
        return NeuronEvidence(rule, memory, self)


@dataclass(frozen=True, eq=False)
class NeuronEvidence:
    """Evidence on the rule, and on memory by the examples that it comes from."""

    rule: Evidence
    memory: dict[str, Evidence]
    questions: Questions

    def facts(self, alive: Bool[np.ndarray, " neuron"], periodicity_known: bool) -> dict[str, Any]:
        """Its part of `NeuronFacts`.

        Without held-out examples a rule is told from memory by periodicity alone: where that is not known, nothing is
        evidence for the rule.
        """
        n, rule_p = len(alive), self.rule.p
        if not (self.questions.held_out or periodicity_known):
            rule_p = np.full(n, np.nan)
        decided, shares, by = self._memory(alive)
        return {
            "rule_effect": self.rule.effect,
            "rule_p": rule_p,
            "rule_share": share_of_all(self.rule.effect, alive),
            "memory_effect": decided.effect,
            "memory_p": decided.p,
            "memory_share": shares,
            "memory_by": by,
            "learnt": self.questions.learnt,
        }

    def _memory(self, alive: np.ndarray) -> tuple[Evidence, np.ndarray, np.ndarray]:
        """The evidence that decided for each neuron, its share of the whole, and where it came from."""
        nan = np.full(len(alive), np.nan)
        if not self.memory:
            return Evidence(nan, nan), nan, np.full(len(alive), "", object)
        (name, first), *others = self.memory.items()
        by, shares = np.full(len(alive), name, object), share_of_all(first.effect, alive)
        for name, second in others:
            first, later = evidence.either(first, second)
            by = np.where(later, name, by)
            shares = np.where(later, share_of_all(second.effect, alive), shares)
        by = np.where(np.isnan(first.p), "", by).astype(object)
        return first, shares, by


def questions_of(cached: CachedPass, inside: Bool[Tensor, " example"] | None = None) -> Questions:
    """The examples to take evidence from; memorised and held-out ones only of those `inside`, if given.

    Memory is asked for on all training examples, and where labels are wrong on those alone too, where a neuron must
    add more to the label than to the true class.
    """
    data = cached.data
    leaked = cached.leakage.leaked
    held = data.test & ~leaked
    clean = data.clean & ~data.mislabelled
    rule, held_out = held, bool(held.any())
    if not held_out:
        rule = clean if clean.any() else ~data.mislabelled
    chosen = as_array(inside) if inside is not None else np.ones(len(data), bool)
    trained, wrong, held_array = (as_array(mask) & chosen for mask in (data.train, data.mislabelled, held))
    labels, classes = as_array(data.labels), as_array(data.true_labels)
    memory = {}
    if held_array.any() and trained.any():
        shared = {"held_out": held_array, "n_classes": data.n_classes}
        memory[ALL_TRAINING] = Examples(labels, classes, trained, **shared)
        if wrong.any():
            memory[WRONG_LABELS] = Examples(labels, classes, wrong, **shared, against_true=True)
    inside_rule = as_array(rule) & (chosen if held_out else True)
    learnt = base_rate_of_margins(cached.margins[1], data, leaked).above
    return Questions(inside_rule, held_out, classes, memory, learnt)


def measure_evidence(
    cached: CachedPass, asked: Sequence[Questions], seed: int, report: Report = silent
) -> tuple[SingleEffects, list[NeuronEvidence]]:
    """Effects of every neuron alone, and the evidence from each set of examples, in one pass over the neurons.

    Args:
        seed: Of the permutations.
    """
    if cached.readout is None:
        wanted = _wanted(asked)
        reduce = lambda sums: [questions.of_sums(sums, wanted) for questions in asked]  # noqa: E731
        effects, rows = measure_neurons(cached, wanted, reduce, report)
        columns = list(zip(*rows, strict=True)) or [()] * len(asked)
        return effects, [q.of_neurons(column, seed) for q, column in zip(asked, columns, strict=True)]
    effects, _ = measure_neurons(cached, report=report)
    return effects, linear_evidence(cached, asked, seed)


def _wanted(asked: Sequence[Questions]) -> Wanted:
    """The sums that all questions need, each once."""
    tables: list[Bool[np.ndarray, " example"]] = []
    weighted = []
    for questions in asked:
        for mask in (questions.rule, *(rows.held_out for rows in questions.memory.values())):
            if not any(np.array_equal(mask, other) for other in tables):
                tables.append(mask)
        for rows in questions.memory.values():
            weighted.append((rows.held_out, rows.weights))
    return Wanted(tables, weighted)


def _index(masks: Sequence[np.ndarray], mask: np.ndarray) -> int:
    """The place of an equal mask."""
    return next(i for i, other in enumerate(masks) if np.array_equal(mask, other))


def linear_evidence(cached: CachedPass, asked: Sequence[Questions], seed: int) -> list[NeuronEvidence]:
    """Evidence from each set of examples where what follows the neurons is linear."""
    assert cached.readout is not None
    removed = -as_array(cached.readout)  # both turned round: no copy of the change
    parts: list[list[Columns]] = []
    for some, columns in columns_of(cached.change):
        parts += _of_columns(as_array(columns), removed[some], asked)
    rows = zip(*parts, strict=True) if parts else [()] * len(asked)
    return [
        questions.of_readout(list(row), removed, seed) for questions, row in zip(asked, rows, strict=True)
    ]


def _of_columns(change: np.ndarray, readout: np.ndarray, asked: Sequence[Questions]) -> list[list[Columns]]:
    """Sums and evidence of some neurons after others, for each set of examples, in threads of their own."""
    step = max(1, min(AT_ONCE // len(change), -(-len(readout) // torch.get_num_threads())))
    starts = range(0, len(readout), step)
    results: list[list[Columns]] = [[] for _ in starts]
    for questions in asked:  # worked out once, and not in each thread
        _ = questions.rule_rows
        _ = [(one.trained_rows, one.held_out_rows, one.counts) for one in questions.memory.values()]

    def work(blocks: Iterator[int], _: int) -> None:
        while (i := next(blocks)) < len(starts):
            some = slice(starts[i], starts[i] + step)
            own = np.ascontiguousarray(change[:, some])
            results[i] = [questions.of_columns(own, readout[some]) for questions in asked]

    shared(work)
    return results
