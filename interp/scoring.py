"""From a model and a task to scores, labels and their causal evidence: where hooked models meet probes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp import plots
from interp.data import Task
from interp.errors import ConfigError
from interp.files import write_whole
from interp.interventions import neuron_indices
from interp.leakage import Leakage
from interp.markup import html_table, number
from interp.models import HookedModel, neuron_site
from interp.neurons import NeuronArrays, neuron_arrays
from interp.patterns import periodicity
from interp.progress import progress
from interp.selection import default_order, order_by
from interp.sweeps import (
    Evidence,
    Question,
    SiteState,
    Sweep,
    curve,
    difference_evidence,
    measure_neurons,
    site_state,
)
from probes import labels
from probes.agreement import Agreement, agreement
from probes.labels import Criteria, NeuronFacts, label_neurons
from probes.spectrum import Convention

PATIENCE = 2.0
ORDERS = {"weights": "ipr", "activations": "activation_share", None: "rule_effect"}
"""For each source of periodicity, the column that neurons are ordered by; IPR where a table gives positions only."""


EFFECTS = ("held-out effect", "corrupted effect")
PERIODICITY = {"activation_share": "share at one frequency"}
IN_NOTEBOOKS = 10
"""So many neurons are shown of a table that a cell of a notebook ends with."""


class NeuronTable(labels.NeuronTable):
    """One row a neuron: scores, p-values, label, evidence and causal effects; see `score` for the columns."""

    def plot(self) -> Any:
        """Periodicity against causal effect, coloured by label, as a Plotly figure."""
        return plots.neuron_scatter(self)

    def measure(self) -> str:
        """The column that says how periodic the neurons are: the one that they are ordered by, or IPR."""
        column = str(self.meta.get("order", "ipr"))
        return column if column in PERIODICITY and column in self else "ipr"

    def strongest_header(self) -> tuple[str, ...]:
        """Titles of the columns of `strongest`."""
        return "neuron", "label", PERIODICITY.get(self.measure(), "IPR"), "frequency", *EFFECTS, "evidence"

    def strongest(self, most: int) -> Iterator[tuple[str, ...]]:
        """The strongest neurons, one row each, as people read them."""
        strength, measure = np.nan_to_num(np.asarray(self["strength"], float), nan=-np.inf), self.measure()
        for row in np.argsort(-strength, kind="stable")[:most]:
            values = {name: self[name][row] for name in self}
            yield (
                str(values["neuron"]),
                str(values["label"]),
                number(values[measure]),
                number(values["frequency"] or None, 6),  # 0 is no frequency
                number(values.get("effect_test")),
                number(values.get("effect_corrupted_as_labelled")),
                str(values["evidence"]),
            )

    def _repr_html_(self) -> str:
        """How many neurons have each label, and a table of the strongest, for notebooks."""
        if not {"label", "strength", "evidence", "frequency", self.measure()} <= set(self):
            return f"<pre>{escape(repr(self))}</pre>"
        counts = dict(self.counts())
        shown = min(IN_NOTEBOOKS, counts["total"])
        caption = f"The {shown} strongest of {counts.pop('total')} neurons at {self.site_name}"
        labelled = ", ".join(f"{count} {label}" for label, count in counts.items())
        rows = self.strongest(IN_NOTEBOOKS)
        return f"<p>{escape(labelled)}</p>\n{html_table(caption, self.strongest_header(), rows, inline=True)}"

    def save(self, path: Path | str) -> Path:
        """Write all columns to a ``.parquet`` or ``.csv`` file, whole or not at all.

        Parquet keeps site, convention, criteria and null distribution in its metadata, under ``grokscope``.

        Raises:
            ConfigError: The suffix is neither, or the place cannot be written to.
        """
        import pyarrow
        from pyarrow import csv, parquet

        made = {"site": self.site_name, **self.meta}

        writers = {".parquet": parquet.write_table, ".csv": csv.write_csv}
        path = Path(path)
        if path.suffix not in writers:
            raise ConfigError(
                f"cannot write neurons to {str(path)!r}; expected a name ending in .parquet or .csv"
            )
        rows = pyarrow.table({name: pyarrow.array(column) for name, column in self.columns.items()})
        rows = rows.replace_schema_metadata({"grokscope": json.dumps(made)})
        return write_whole(path, lambda part: writers[path.suffix](rows, part))


def score(
    model: HookedModel,
    task: Task,
    *,
    site: str | None = None,
    convention: Convention | None = None,
    criteria: Criteria | None = None,
    seed: int = 0,
    state: SiteState | None = None,
) -> NeuronTable:
    """Score every neuron's periodicity in the task's ordering, measure what it does, and label it.

    Args:
        model: A hooked model.
        task: A task; without a known ordering, periodicity is read in the natural order of the tokens.
        site: Hook name of the neurons; the model's last site if None.
        convention: Of the Fourier scores.
        criteria: Of the labels.
        seed: Of the random-weight null distribution.
        state: From `site_state` with mode ``"zero"``, if it is at hand.

    Returns:
        A table with one row a neuron. Scores: ``ipr`` and those of `probes.features.weight_features`,
        and those of `interp.patterns.activation_scores` over the grid of operand pairs. Significance: ``p_value``
        (Fisher's g-test), ``p_null`` (IPR against random weights), ``q_value``. Causal: ``rule_effect``,
        ``memory_effect`` (logit units) with ``rule_q`` and ``memory_q``, ``effect_<split>`` (mean margin lost
        without the neuron) and ``accuracy_effect_<split>``. Decision: ``label`` and ``evidence``.

    Raises:
        HookNameError: There are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> table = score(analytic_mlp("add", p=31, width=60), ModularTask("add", p=31))
        >>> table.counts()["generalizing"]
        60
    """
    convention, criteria = convention or Convention(), criteria or Criteria()
    state = state or site_state(model, task, site=site)
    place = neuron_site(model, state.hook)
    arrays = neuron_arrays(place, state.activations, task.ordering)
    columns, null_meta = periodicity(state, task, place, arrays, convention, seed)
    asked = _questions(state)
    with progress("single-neuron effects", place.width, after=PATIENCE) as report:
        effects, found = measure_neurons(state, list(asked.values()), report)
    facts = _facts(columns, arrays, dict(zip(asked, found, strict=True)))
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


def _facts(columns: dict[str, np.ndarray], arrays: NeuronArrays, found: dict[str, Evidence]) -> NeuronFacts:
    """What labels are decided from."""
    unknown = np.full(len(arrays.strength), np.nan)
    memory = found.get("memory")
    if "trained" in found:
        memory = difference_evidence(found["trained"], found["rule"])
    return NeuronFacts(
        strength=arrays.strength,
        p_value=columns["p_value"],
        share=columns["frequency_share"],
        frequency=columns["frequency"],
        outside=arrays.outside,
        rule_effect=found["rule"].effect,
        rule_p=found["rule"].p,
        memory_effect=memory.effect if memory else unknown,
        memory_p=memory.p if memory else unknown,
    )


def _questions(state: SiteState) -> dict[str, Question]:
    """What to ask of every neuron: whether it serves the rule, and whether it serves memory.

    The rule shows in held-out examples, if any are really held out. Memory shows in mislabelled examples. Without any
    it shows in training examples that are served better than held-out ones; with neither nothing can tell.
    """
    data = state.data
    held_out = data.test & ~Leakage(data, state.logits).leaked
    clean = data.clean & ~data.mislabelled
    everything = torch.ones_like(clean)
    rule = next(mask for mask in (held_out, clean, everything) if mask.any())
    asked = {"rule": Question(rule, data.true_labels)}
    if data.mislabelled.any():
        asked["memory"] = Question(data.mislabelled, data.labels, data.true_labels)
    elif held_out.any() and clean.any():
        asked["trained"] = Question(clean, data.true_labels)
    return asked


def causal_agreement(table: labels.NeuronTable, *, n_boot: int = 1000, seed: int = 0) -> Agreement | None:
    """How well periodicity alone tells neurons that serve the rule from those that serve memory.

    A neuron's causal class is what its own removal says: with corrupted labels, whether held-out examples lose
    more margin than the corrupted ones as labelled; without, whether it significantly serves the rule. Dead
    neurons are left out.

    Returns:
        Area under the ROC curve of the table's measure of periodicity with its bootstrap interval; None if all neurons
        are of one class, or periodicity is not known.
    """
    alive = table.where(table["label"] != labels.Label.DEAD.value)
    if {"effect_test", "effect_corrupted_as_labelled"} <= set(table):
        serves_rule = alive["effect_test"] > alive["effect_corrupted_as_labelled"]
    else:
        serves_rule = alive["rule_q"] <= table.meta["criteria"]["alpha"]
    order = default_order(table)
    if order == "rule_effect":
        return None
    result = agreement(alive[order], serves_rule, n_boot=n_boot, seed=seed)
    return None if result.auc is None else result


def sweep(
    model: HookedModel,
    task: Task,
    order: Any = None,
    *,
    descending: bool = False,
    mode: str = "zero",
    site: str | None = None,
    n_random: int = 20,
    seed: int = 0,
    table: labels.NeuronTable | None = None,
) -> Sweep:
    """Accuracy on every split while neurons are removed or rescaled one after another.

    Args:
        model: A hooked model.
        task: A task.
        order: A column of `score`'s table (its measure of periodicity if None), ``"random"``, or neurons in the
            order wanted.
        descending: Highest score first instead of lowest.
        mode: ``"zero"``, ``"mean"``, ``"resample"`` or ``"scale=FACTOR"``.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random orders for the control.
        seed: Of the random orders and resampling.
        table: `score`'s table, if it is at hand.

    Returns:
        The curve with its random control; `.plot()` draws it.

    Raises:
        ConfigError: The order is unknown. InterventionError: the neurons or mode cannot be used.
    """
    state = site_state(model, task, site=site, mode=mode, seed=seed)
    if isinstance(order, str) and order == "random":
        name, chosen = "random", np.random.default_rng(seed).permutation(state.width)
    elif order is None or isinstance(order, str):
        table = score(model, task, site=site) if table is None else table
        order = order or default_order(table)
        name, chosen = (
            f"{order} {'descending' if descending else 'ascending'}",
            order_by(table, order, descending=descending),
        )
    else:
        name, chosen = "given", neuron_indices(order, state.width)
    return curve(state, chosen, name=name, n_random=n_random, seed=seed)
