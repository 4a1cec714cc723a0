"""From a model and a task to scores, labels and their causal evidence: where hooked models meet probes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from interp.checkpoints import Checkpoint
from interp.data import Dataset, Task
from interp.measuring.arrays import neuron_arrays
from interp.measuring.cached_pass import CachedPass
from interp.measuring.crossfit import not_testable
from interp.measuring.importance import drift, importance
from interp.models import neuron_site
from interp.progress import progress
from interp.scoring.added import added_columns
from interp.scoring.evidence import NeuronEvidence, measure_evidence, questions_of
from interp.scoring.over_time import time_columns
from interp.scoring.periodicity import periodicity
from interp.scoring.selection import default_order
from interp.scoring.table import NeuronTable
from probes.agreement import Agreement, agreement
from probes.labels import DEAD, Criteria, Labelling, NeuronFacts, dead_neurons, label_neurons
from probes.parts import FREQUENCIES, Parts
from probes.spectrum import Convention

ORDERS = {"weights": "ipr", "activations": "activation_share", None: "rule_effect"}
"""For each source of periodicity, the column that neurons are ordered by; IPR where a table gives positions only."""


def score_neurons(
    cached: CachedPass,
    task: Task,
    convention: Convention,
    criteria: Criteria,
    seed: int = 0,
    loss: str = "cross_entropy",
    since: Checkpoint | None = None,
) -> NeuronTable:
    """Score every neuron's periodicity, measure what it does, and label it; `interp.score` of a cached pass.

    Args:
        seed: Of the random-weight null distribution.
        loss: That the network was trained with.
        since: An earlier checkpoint that drift is measured from; it is not measured without one.
    """
    place = neuron_site(cached.model, cached.hook)
    arrays = neuron_arrays(place, cached.activations, task.ordering)
    columns, null_meta = periodicity(cached, task, place, arrays, convention, seed)
    outside = columns.pop("outside", arrays.outside)
    with progress("single-neuron effects", place.width) as report:
        effects, (evidence,) = measure_evidence(cached, [questions_of(cached)], seed, report)
    ordered = (
        task.ordering is not None or getattr(task, "positions", None) is not None or "components" in null_meta
    )
    parts = Parts.of(null_meta)
    decided = decide(columns, arrays.strength, outside, evidence, criteria, ordered=ordered, parts=parts)
    table = {
        "neuron": np.arange(place.width),
        "label": decided.label,
        "evidence": decided.evidence,
        **columns,
        "q_value": decided.q_value,
        "strength": arrays.strength,
        "outside": outside,
        **_evidence(decided),
        **time_columns(cached, place),
        **importance(cached, loss),
        **({} if since is None else {"drift": drift(cached, since.model)}),
    }
    added, unknown = added_columns(cached, task, place.width)
    table |= added
    for prefix, drops in (("effect", effects.margin_drop), ("accuracy_effect", effects.accuracy_drop)):
        table |= {f"{prefix}_{split}": drop for split, drop in drops.items() if drop is not None}
    meta = {
        "convention": convention.to_dict(),
        "criteria": criteria.to_dict(),
        "ordering": None if task.ordering is None else task.ordering.name,
        "null": null_meta,
        "order": _order(table, null_meta["source"]),
        "ordered": ordered,
        "memory_untestable": untestable(cached.data, decided.memory_q),
        "loss": loss,
        "since": since and str(since.path or since.dialect),
        "notes": [*_notes(table, since), *unknown],
    }
    return NeuronTable(table, place.hook, meta)


def _evidence(decided: Labelling) -> dict[str, np.ndarray]:
    """Columns of what the neurons do for the rule and for memory."""
    facts = decided.facts
    return {
        "rule_effect": facts.rule_effect,
        "rule_share": facts.rule_share,
        "rule_p": facts.rule_p,
        "rule_q": decided.rule_q,
        "memory_effect": facts.memory_effect,
        "memory_share": facts.memory_share,
        "memory_p": facts.memory_p,
        "memory_q": decided.memory_q,
        "memory_by": facts.memory_by,
    }


def _order(table: Mapping[str, np.ndarray], source: str | None) -> str:
    """The column that orders the neurons by periodicity, as it is known for them."""
    order = ORDERS[source]
    if order in table and np.isnan(table[order].astype(float)).all():
        order = ORDERS[None]
    return order if order in table else "ipr"


def _notes(table: Mapping[str, np.ndarray], since: Checkpoint | None) -> list[str]:
    """Sentences for the report on what importance is not known, and what drift is measured from."""
    notes = []
    if np.isnan(table["mas"]).all():
        notes.append(
            "Fisher information and slopes are not known: what follows the neurons has no gradients."
        )
    if since is not None:
        notes.append(f"Drift is since {since.path or 'a network in memory'}.")
    return notes


def untestable(data: Dataset, memory_q: Float[np.ndarray, " neuron"]) -> str | None:
    """The reason in words for which no neuron has evidence on memory; None if one has."""
    if not np.isnan(memory_q).all():
        return None
    return (
        not_testable(data)
        or "not testable, because too few training and held-out examples of one class differ"
    )


def decide(
    columns: Mapping[str, np.ndarray],
    strength: np.ndarray,
    outside: np.ndarray,
    evidence: NeuronEvidence,
    criteria: Criteria,
    *,
    ordered: bool,
    parts: Parts = FREQUENCIES,
) -> Labelling:
    """Labels from periodicity and evidence.

    Args:
        columns: Of periodicity, as in a table.
        ordered, parts: See `NeuronFacts`.
    """
    alive = ~dead_neurons(strength, criteria.dead_ratio)
    known = ordered and not np.isnan(columns["p_value"][alive]).all()
    facts = NeuronFacts(
        strength=strength,
        p_value=columns["p_value"],
        share=columns["frequency_share"],
        frequency=columns["frequency"],
        outside=outside,
        ordered=ordered,
        parts=parts,
        **evidence.facts(alive, known),
    )
    return label_neurons(facts, criteria)


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
