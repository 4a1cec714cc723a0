"""From a model and a task to scores, labels and their causal evidence: where hooked models meet probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from interp import plots
from interp.data import Task
from interp.errors import ConfigError, InterventionError, near_matches
from interp.files import write_whole
from interp.interventions import neuron_indices
from interp.models import HookedModel, NeuronSite, neuron_site
from interp.neurons import NeuronArrays, neuron_arrays, on_grid
from interp.sweeps import (
    Evidence,
    SiteState,
    Sweep,
    curve,
    difference_evidence,
    label_evidence,
    single_effects,
    site_state,
)
from probes import activity, labels, null
from probes.agreement import Agreement, agreement
from probes.features import weight_features
from probes.labels import Criteria, NeuronFacts, label_neurons
from probes.spectrum import Convention

GRID_CHUNK = 256
MIN_DRAWS, DRAWS_PER_NEURON = 20_000, 40


class NeuronTable(labels.NeuronTable):
    """One row a neuron: scores, p-values, label, evidence and causal effects; see `score` for the columns."""

    def plot(self) -> Any:
        """Periodicity against causal effect, coloured by label, as a Plotly figure."""
        return plots.neuron_scatter(self)

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
        ``activation_share`` and ``activation_ipr`` (over the grid of operand pairs). Significance: ``p_value``
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
    columns, null_meta = _periodicity(state, task, place, arrays, convention, seed)
    facts = _facts(state, columns, arrays)
    decided = label_neurons(facts, criteria)
    effects = single_effects(state)
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
    meta = {
        "convention": convention.to_dict(),
        "criteria": criteria.to_dict(),
        "ordering": None if task.ordering is None else task.ordering.name,
        "null": null_meta,
    }
    return NeuronTable(table, place.hook, meta)


def _periodicity(
    state: SiteState,
    task: Task,
    place: NeuronSite,
    arrays: NeuronArrays,
    convention: Convention,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Columns of Fourier scores and their significance, and what the null distribution was."""
    on_grid_scores, profile = _grid_scores(state, task)
    vectors = arrays.vectors if place.input_vectors else (profile, *arrays.vectors)
    columns = weight_features(vectors, convention)
    if not place.input_vectors:
        columns["frequency_share"] = on_grid_scores["activation_share"]
    independent = [vectors[i] for i in arrays.distinct] if place.input_vectors else vectors
    tested = columns if len(independent) == len(vectors) else weight_features(independent, convention)
    lengths = tuple(vector.shape[1] for vector in independent)
    draws = max(MIN_DRAWS, DRAWS_PER_NEURON * place.width)
    random_ipr = null.null_scores(lengths, convention, n_draws=draws, seed=seed)
    significance = {"p_value": tested["p_gtest"], "p_null": null.null_p_values(tested["ipr"], random_ipr)}
    del columns["p_gtest"]
    columns = {"ipr": columns.pop("ipr"), **significance, **columns, **on_grid_scores}
    return columns, {
        "draws": draws,
        "seed": seed,
        "mean": float(random_ipr.mean()),
        "quantile_999": float(null.null_quantile(random_ipr, 0.999)),
        "vector_lengths": list(lengths),
    }


def _grid_scores(state: SiteState, task: Task) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of the activations over the grid of pairs, and their mean along each sum of positions.

    The profile stands in for weights where a neuron has none of its own over the tokens.
    """
    parts = []
    for activations in state.activations.split(GRID_CHUNK, dim=1):
        grid = on_grid(activations, task)
        n = grid.shape[1]
        if np.isnan(grid).any():
            unknown = np.full(len(grid), np.nan)
            parts.append((unknown, unknown, np.zeros((len(grid), n))))
            continue
        share, _ = activity.explained_by_one_frequency(grid)
        sums = np.add.outer(np.arange(n), np.arange(n)).ravel() % n
        profile = np.stack([np.bincount(sums, weights=row) / n for row in grid.reshape(len(grid), -1)])
        parts.append((share, activity.grid_ipr(grid), profile))
    share, ipr, profile = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"activation_share": share, "activation_ipr": ipr}, profile


def _facts(state: SiteState, columns: dict[str, np.ndarray], arrays: NeuronArrays) -> NeuronFacts:
    """What labels are decided from, with the causal evidence measured on the examples that can tell."""
    rule, memory = _evidence(state)
    unknown = np.full(state.width, np.nan)
    return NeuronFacts(
        strength=arrays.strength,
        p_value=columns["p_value"],
        share=columns["frequency_share"],
        frequency=columns["frequency"],
        outside=arrays.outside,
        rule_effect=rule.effect if rule else unknown,
        rule_p=rule.p if rule else unknown,
        memory_effect=memory.effect if memory else unknown,
        memory_p=memory.p if memory else unknown,
    )


def _evidence(state: SiteState) -> tuple[Evidence | None, Evidence | None]:
    """Evidence for the rule, from held-out examples; and for memory.

    Memory shows in mislabelled examples. Without any it shows in training examples that are served better
    than held-out ones; with neither nothing can tell, and no neuron is called memorising.
    """
    data = state.data
    clean, held_out = data.clean & ~data.mislabelled, data.test
    if getattr(state.model, "swap_symmetric", False):
        held_out = held_out & ~data.leaked_by_swapping()
    rule = label_evidence(state, held_out if held_out.any() else clean, data.true_labels)
    if data.mislabelled.any():
        return rule, label_evidence(state, data.mislabelled, data.labels, excluded=data.true_labels)
    trained = label_evidence(state, clean, data.true_labels)
    if rule is None or trained is None or not held_out.any():
        return rule, None
    return rule, difference_evidence(trained, rule)


def causal_agreement(table: labels.NeuronTable, *, n_boot: int = 1000, seed: int = 0) -> Agreement | None:
    """How well periodicity alone tells neurons that serve the rule from those that serve memory.

    A neuron's causal class is what its own removal says: with corrupted labels, whether held-out examples lose
    more margin than the corrupted ones as labelled; without, whether it significantly serves the rule. Dead
    neurons are left out.

    Returns:
        Area under the ROC curve of ``ipr`` with its bootstrap interval; None if all neurons are of one class.
    """
    alive = table.where(table["label"] != labels.Label.DEAD.value)
    if {"effect_test", "effect_corrupted_as_labelled"} <= set(table):
        serves_rule = alive["effect_test"] > alive["effect_corrupted_as_labelled"]
    else:
        serves_rule = alive["rule_q"] <= table.meta["criteria"]["alpha"]
    result = agreement(alive["ipr"], serves_rule, n_boot=n_boot, seed=seed)
    return None if result.auc is None else result


def order_by(table: labels.NeuronTable, column: str = "ipr", *, descending: bool = False) -> np.ndarray:
    """Neurons sorted by a column; those without a value (dead ones) count as the lowest.

    Raises:
        ConfigError: The table has no such numeric column.
    """
    numeric = [name for name in table if table[name].dtype.kind in "fiu"]
    if column not in numeric:
        raise ConfigError(f"cannot order neurons by {column!r}; {near_matches(column, numeric)}")
    values = table[column].astype(float)
    ascending = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")
    return table.neuron[ascending[::-1] if descending else ascending]


def sweep(
    model: HookedModel,
    task: Task,
    order: Any = "ipr",
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
        order: A column of `score`'s table, ``"random"``, or neurons in the order wanted.
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
    elif isinstance(order, str):
        table = score(model, task, site=site) if table is None else table
        name, chosen = (
            f"{order} {'descending' if descending else 'ascending'}",
            order_by(table, order, descending=descending),
        )
    else:
        name, chosen = "given", neuron_indices(order, state.width)
    return curve(state, chosen, name=name, n_random=n_random, seed=seed)


def select_neurons(table: labels.NeuronTable, text: str) -> np.ndarray:
    """Neurons from a short text, as on the command line.

    Args:
        table: From `score`.
        text: ``label:NAME``, ``lowest:SHARE`` or ``highest:SHARE`` (share of all neurons by IPR, in [0, 1]), or
            ``@FILE`` (a JSON list, or numbers between spaces, commas or new lines).

    Raises:
        InterventionError: The text or the file names no neurons.

    Example:
        >>> table = labels.NeuronTable({"neuron": np.arange(4), "ipr": np.array([0.4, 0.1, 0.3, 0.2])}, "site")
        >>> select_neurons(table, "lowest:0.5").tolist()
        [1, 3]
    """
    kind, _, rest = text.partition(":")
    if text.startswith("@"):
        return neuron_indices(_read_indices(Path(text[1:])), len(table))
    if kind == "label" and rest in list(labels.Label):
        return table.where(label=rest).neuron
    if kind in ("lowest", "highest"):
        try:
            share = float(rest)
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:
            return order_by(table, descending=kind == "highest")[: round(share * len(table))]
    raise InterventionError(
        f"cannot select neurons by {text!r}; expected label:{'|'.join(labels.Label)}, lowest:SHARE or highest:SHARE "
        "with a share from 0 to 1, or @FILE with indices"
    )


def _read_indices(path: Path) -> list[int]:
    try:
        text = path.read_text(encoding="utf-8")
        return (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [int(x) for x in text.replace(",", " ").split()]
        )
    except OSError as error:
        raise InterventionError(f"cannot read the neurons in {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise InterventionError(f"{str(path)!r} holds no list of neuron indices: {error}") from None
