"""Result of an audit, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interp.analysis.circuit import Circuit
from interp.analysis.coset_indicators import CosetIndicators
from interp.analysis.populations import JUDGED_BY
from interp.analysis.portrait import Portrait
from interp.analysis.relearning import Relearning
from interp.analysis.trajectory import Trajectory
from interp.drawing import present
from interp.measuring.base_rate import BaseRate
from interp.measuring.crossfit import CrossFit
from interp.measuring.curves import Curve
from interp.measuring.evaluation import SplitValues
from interp.measuring.memory_set import MemorySet
from interp.measuring.phase import Phase
from interp.measuring.removals import Removal
from interp.output import framed, leaves, plain, versions
from interp.scoring.table import NeuronTable
from probes.agreement import Agreement
from probes.labels import MEMORIZING


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport:
    """Result of an audit; `to_dict` has the JSON contract, `save` writes JSON, Markdown or HTML.

    Attributes:
        checkpoint: Where the network came from.
        dialect: How its file was read.
        step: Training step, if known.
        task: Settings of the task.
        model: Settings of the network.
        accuracy: Before any intervention.
        phase: See `Phase`.
        base_rate: Right answers by class, beside the share of the commonest one.
        table: One row a neuron.
        removals: Removal of all neurons with each label, by label, with its random control.
        crossfits: Of labels by label: their neurons chosen on one half of the examples and measured on the other.
        curves: Ablation curves: lowest and highest IPR first, each with its random control.
        agreement: Of periodicity with causal effect; None if it cannot be measured.
        key_frequencies: Frequencies of generalizing neurons, ascending; None where the task has components.
        components: Of a group those with neurons in them, most neurons first: ``size``, ``dimension``, ``name`` and
            ``neurons``, the number of those that are periodic, significantly and by most of their variance. None of
            other tasks.
        cosets: Of a group, neurons that are constant on cosets of a subgroup; None of other tasks.
        null_ipr: A sample of the IPR of random weights.
        portraits: Of the most telling neurons, by number: all that is known of each; see `interp.portrait`.
        leakage: How many held-out examples are trained on too, as they are or (for a network that treats (a, b) and
            (b, a) alike) in the other order, and the accuracy on the rest. None without held-out examples.
        circuit: How the network computes an operation; None for other tasks.
        trajectory: For a folder of checkpoints, how everything developed; see `trajectory_of`.
        history: Metrics over training, if the series has them.
        relearning: Of the removed memories; None if it was not asked for, or is not possible. See `interp.relearn`.
        memory_set: Neurons that together hold the memories; None where there is no memory to look for.
        no_memory: The reason in words for which there is none.
        notes: How the file was read, where it does not say that itself.
        stored: Accuracies that the file records of itself, by split.
        warnings: What a reader must know before relying on this.
        verdict: The findings in sentences, most important first.
        command: The command line that made the report, as it was typed; None if it was made from Python.
    """

    checkpoint: str
    dialect: str
    step: int | None
    task: dict[str, Any]
    model: dict[str, Any]
    accuracy: SplitValues
    phase: Phase
    base_rate: BaseRate
    table: NeuronTable
    removals: dict[str, Removal]
    curves: tuple[Curve, ...]
    agreement: Agreement | None
    key_frequencies: tuple[int, ...] | None
    null_ipr: np.ndarray
    portraits: dict[int, Portrait]
    crossfits: dict[str, CrossFit] = field(default_factory=dict)
    leakage: dict[str, Any] | None = None
    circuit: Circuit | None = None
    trajectory: Trajectory | None = None
    notes: tuple[str, ...] = ()
    stored: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    command: str | None = None
    relearning: Relearning | None = None
    memory_set: MemorySet | None = None
    no_memory: str | None = None
    components: tuple[dict[str, Any], ...] | None = None
    cosets: CosetIndicators | None = None

    def __repr__(self) -> str:
        warnings = [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join((f"AuditReport of {self.checkpoint}", *self.verdict, *warnings))

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: fractions in [0, 1], null where not known; see ``grokscope validate --schema audit``."""
        values = {
            "checkpoint": self.checkpoint,
            "dialect": self.dialect,
            "step": self.step,
            "task": self.task,
            "model": self.model,
            "convention": {**self.table.meta["convention"], "ordering": self.table.meta["ordering"]},
            "criteria": self.table.meta["criteria"],
            "null": self.table.meta["null"],
            "site": self.table.site_name,
            "accuracy": self.accuracy.to_dict(),
            "base_rate": self.base_rate.to_dict(),
            "phase": self.phase.name,
            "phase_by_table": self.phase.by_table,
            "phase_by_corrupted": self.phase.by_corrupted,
            "neurons": self.table.counts(),
            "mean_ipr": _mean(self.table["ipr"]),
            "key_frequencies": plain(self.key_frequencies),
            "components": plain(self.components),
            "coset_indicators": None if self.cosets is None else self.cosets.to_dict(),
            **{f"without_{label}": self._without(label) for label in self.removals},
            "memory_set": plain(self.memory_set),
            "no_memory": self.no_memory,
            "leakage": self.leakage,
            "circuit": None if self.circuit is None else self.circuit.to_dict(),
            "trajectory": None if self.trajectory is None else self.trajectory.to_dict(),
            "reading": list(self.notes),
            "stored_accuracy": self.stored,
            "ablation": [curve.thinned().to_dict() for curve in self.curves],
            "agreement": {key: getattr(self.agreement, key, None) for key in ("auc", "low", "high")},
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
            "made_by": {"command": self.command, "versions": versions()},
        }
        return framed("audit", values)

    def _without(self, label: str) -> dict[str, Any]:
        checked = {"crossfit": plain(self.crossfits.get(label))} if label in JUDGED_BY else {}
        relearnt = {"relearn": plain(self.relearning)} if label == MEMORIZING else {}
        return self.removals[label].to_dict() | checked | relearnt

    def _repr_html_(self) -> str:
        """Verdict, accuracies and warnings, for notebooks."""
        return str(present("report.html.summary_html", self))

    def flat(self) -> dict[str, float | str | bool | None]:
        """The JSON's single values by dotted name, as `--fail-if` reads them.

        Example:
            ``report.flat()["neurons.memorizing"]``
        """
        return dict(leaves(self.to_dict()))

    def save(self, path: Path | str) -> Path:
        """Write the report; the suffix decides: ``.json``, ``.md`` or ``.html``.

        Raises:
            ConfigError: The suffix is none of these, or the place cannot be written to.
        """
        return Path(present("report.saving.save", self, path))


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
