"""From a model and a task to scores, labels and their causal evidence: where hooked models meet probes."""

from __future__ import annotations

import numpy as np
import torch

from interp.data import Task
from interp.measuring.arrays import NeuronArrays, neuron_arrays
from interp.measuring.cached_pass import CachedPass
from interp.measuring.effects import Evidence, Question, difference_evidence, measure_neurons
from interp.measuring.leakage import Leakage
from interp.models import neuron_site
from interp.progress import PATIENCE, progress
from interp.scoring.periodicity import periodicity
from interp.scoring.selection import default_order
from interp.scoring.table import NeuronTable
from probes.agreement import Agreement, agreement
from probes.labels import DEAD, Criteria, NeuronFacts, label_neurons
from probes.spectrum import Convention

ORDERS = {"weights": "ipr", "activations": "activation_share", None: "rule_effect"}
"""For each source of periodicity, the column that neurons are ordered by; IPR where a table gives positions only."""


def score_neurons(
    cached: CachedPass, task: Task, convention: Convention, criteria: Criteria, seed: int = 0
) -> NeuronTable:
    """Score every neuron's periodicity, measure what it does, and label it; `interp.score` of a cached pass.

    Args:
        seed: Of the random-weight null distribution.
    """
    place = neuron_site(cached.model, cached.hook)
    arrays = neuron_arrays(place, cached.activations, task.ordering)
    columns, null_meta = periodicity(cached, task, place, arrays, convention, seed)
    asked = _questions(cached)
    with progress("single-neuron effects", place.width, after=PATIENCE) as report:
        effects, evidence = measure_neurons(cached, list(asked.values()), report)
    facts = _facts(columns, arrays, dict(zip(asked, evidence, strict=True)))
    decided = label_neurons(facts, criteria)
    table = {
        "neuron": np.arange(place.width),
        "label": decided.label,
        "evidence": decided.evidence,
        **columns,
        "q_value": decided.q_value,
        "strength": arrays.strength,
        "outside": arrays.outside,
        "rule_effect": facts.rule_effect,
        "rule_q": decided.rule_q,
        "memory_effect": facts.memory_effect,
        "memory_q": decided.memory_q,
    }
    for prefix, drops in (("effect", effects.margin_drop), ("accuracy_effect", effects.accuracy_drop)):
        table |= {f"{prefix}_{split}": drop for split, drop in drops.items() if drop is not None}
    order = ORDERS[null_meta["source"]]
    if order in table and np.isnan(table[order].astype(float)).all():
        order = ORDERS[None]
    meta = {
        "convention": convention.to_dict(),
        "criteria": criteria.to_dict(),
        "ordering": None if task.ordering is None else task.ordering.name,
        "null": null_meta,
        "order": order if order in table else "ipr",
    }
    return NeuronTable(table, place.hook, meta)


def _facts(
    columns: dict[str, np.ndarray], arrays: NeuronArrays, evidence: dict[str, Evidence]
) -> NeuronFacts:
    """The measurements that labels are decided from."""
    unknown = np.full(len(arrays.strength), np.nan)
    memory = evidence.get("memory")
    if "trained" in evidence:
        memory = difference_evidence(evidence["trained"], evidence["rule"])
    return NeuronFacts(
        strength=arrays.strength,
        p_value=columns["p_value"],
        share=columns["frequency_share"],
        frequency=columns["frequency"],
        outside=arrays.outside,
        rule_effect=evidence["rule"].effect,
        rule_p=evidence["rule"].p,
        memory_effect=memory.effect if memory else unknown,
        memory_p=memory.p if memory else unknown,
    )


def _questions(cached: CachedPass) -> dict[str, Question]:
    """The labels to test every neuron against: those of the rule, and those of memory.

    The rule shows in held-out examples, if any are really held out. Memory shows in mislabelled examples. Without any
    it shows in training examples that are served better than held-out ones; with neither nothing can tell.
    """
    data = cached.data
    held_out = data.test & ~Leakage(data, cached.logits).leaked
    clean = data.clean & ~data.mislabelled
    everything = torch.ones_like(clean)
    rule = next(mask for mask in (held_out, clean, everything) if mask.any())
    asked = {"rule": Question(rule, data.true_labels)}
    if data.mislabelled.any():
        asked["memory"] = Question(data.mislabelled, data.labels, data.true_labels)
    elif held_out.any() and clean.any():
        asked["trained"] = Question(clean, data.true_labels)
    return asked


def causal_agreement(table: NeuronTable, *, n_boot: int = 1000, seed: int = 0) -> Agreement | None:
    """Agreement of periodicity with causal effect: does it tell neurons of the rule from those of memory?

    A neuron's causal class is what its own removal says: with corrupted labels, whether held-out examples lose
    more margin than the corrupted ones as labelled; without, whether it significantly serves the rule. Dead
    neurons are left out.

    Returns:
        Area under the ROC curve of the table's measure of periodicity with its bootstrap interval; None if all neurons
        are of one class, or periodicity is not known.
    """
    alive = table.where(table["label"] != DEAD)
    if {"effect_test", "effect_corrupted_as_labelled"} <= set(table):
        serves_rule = alive["effect_test"] > alive["effect_corrupted_as_labelled"]
    else:
        serves_rule = alive["rule_q"] <= table.meta["criteria"]["alpha"]
    order = default_order(table)
    if order == "rule_effect":
        return None
    result = agreement(alive[order], serves_rule, n_boot=n_boot, seed=seed)
    return None if result.auc is None else result
