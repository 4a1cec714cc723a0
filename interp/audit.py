"""From a checkpoint to a verdict: what the network learnt, which neurons do it, and how far that is certain."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp import report
from interp.checkpoints import Checkpoint, load_checkpoint, training_history
from interp.data import Task
from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.evaluation import SplitValues, accuracy, margins
from interp.models import HookedModel, neuron_site
from interp.neurons import neuron_arrays
from interp.phase import GOOD, Phase, phase_of
from interp.scoring import NeuronTable, causal_agreement, order_by, score
from interp.sweeps import Removal, SiteState, Sweep, curve, removal, site_state
from interp.verdict import verdict, warnings_of
from probes import null
from probes.agreement import Agreement
from probes.labels import Criteria, Label
from probes.spectrum import Convention, energy

HISTOGRAM_DRAWS = 2_000
TELLING = 4


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport:
    """Everything an audit found; `to_dict` has the JSON contract, `save` writes JSON, Markdown or HTML.

    Attributes:
        checkpoint: Where the network came from.
        dialect: How its file was read.
        step: Training step, if known.
        task: Settings of the task.
        model: Settings of the network.
        accuracy: Before any intervention.
        phase: See `Phase`.
        table: One row a neuron.
        without_memorizing: Removal of all neurons labelled memorizing, with its random control.
        without_generalizing: The same for those labelled generalizing.
        sweeps: Ablation curves: lowest and highest IPR first, each with its random control.
        agreement: Of periodicity with causal effect; None if it cannot be measured.
        key_frequencies: Frequencies of generalizing neurons, ascending.
        null_ipr: A sample of the IPR of random weights.
        spectra: For a few telling neurons: weights in task order and their energies, by neuron number.
        without_others: Removal of the dead and of the inconclusive neurons, by label.
        leakage: For a network that treats (a, b) and (b, a) alike: how many held-out pairs are trained on in the
            other order, and the accuracy on the rest. None for other networks.
        history: Metrics over training, if the series has them.
        warnings: What a reader must know before relying on this.
        verdict: The findings in sentences, most important first.
    """

    checkpoint: str
    dialect: str
    step: int | None
    task: dict[str, Any]
    model: dict[str, Any]
    accuracy: SplitValues
    phase: Phase
    table: NeuronTable
    without_memorizing: Removal
    without_generalizing: Removal
    sweeps: tuple[Sweep, ...]
    agreement: Agreement | None
    key_frequencies: tuple[int, ...]
    null_ipr: np.ndarray
    spectra: dict[int, dict[str, list[np.ndarray]]]
    without_others: dict[str, Removal] = field(default_factory=dict)
    leakage: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()

    def __repr__(self) -> str:
        warnings = [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join((f"AuditReport of {self.checkpoint}", *self.verdict, *warnings))

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: fractions in [0, 1], null where not known."""
        found = self.agreement
        return {
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
            "phase": self.phase.name,
            "phase_by_table": self.phase.by_table,
            "phase_by_corrupted": self.phase.by_corrupted,
            "neurons": self.table.counts(),
            "mean_ipr": _mean(self.table["ipr"]),
            "key_frequencies": list(self.key_frequencies),
            "without_memorizing": self.without_memorizing.to_dict(),
            "without_generalizing": self.without_generalizing.to_dict(),
            **{f"without_{label}": removal.to_dict() for label, removal in self.without_others.items()},
            "leakage": self.leakage,
            "ablation": [_sweep_dict(sweep.thinned()) for sweep in self.sweeps],
            "agreement": {key: getattr(found, key, None) for key in ("auc", "low", "high")},
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
        }

    def flat(self) -> dict[str, float | str | bool | None]:
        """The JSON's single values by dotted name, as `--fail-if` reads them.

        Example:
            ``report.flat()["neurons.memorizing"]``
        """
        found: dict[str, float | str | bool | None] = {}

        def walk(prefix: str, value: Any) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    walk(f"{prefix}.{key}" if prefix else key, inner)
            elif not isinstance(value, list):
                found[prefix] = value

        walk("", self.to_dict())
        return found

    def save(self, path: Path | str) -> Path:
        """Write the report; the suffix decides: ``.json``, ``.md`` or ``.html``.

        Raises:
            ConfigError: The suffix is none of these, or the place cannot be written to.
        """
        return report.save(self, path)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _sweep_dict(sweep: Sweep) -> dict[str, Any]:
    def listed(values: np.ndarray | None) -> list[float] | None:
        return None if values is None else np.round(values, 6).tolist()

    return {
        "order": sweep.order,
        "mode": sweep.mode,
        "fraction": listed(sweep.fraction),
        "accuracy": {split: listed(values) for split, values in sweep.accuracy.items()},
        "random_accuracy": {
            split: None if band is None else {key: listed(values) for key, values in band.items()}
            for split, band in sweep.random.items()
        },
        "random_draws": sweep.n_random,
    }


def audit(
    checkpoint: Path | str | HookedModel,
    task: Task | None = None,
    *,
    site: str | None = None,
    criteria: Criteria | None = None,
    convention: Convention | None = None,
    n_random: int = 20,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> AuditReport:
    """Measure a network, score and label its neurons, take them out, and say what that shows.

    Args:
        checkpoint: A file, a folder of checkpoints (its last is audited), or a hooked model.
        task: The task; read from the checkpoint if None.
        site: Hook name of the neurons; the model's last site if None.
        criteria: Of the labels.
        convention: Of the Fourier scores.
        n_random: Random draws for every control; at least 20 for a usable interval.
        seed: Of all draws.
        device: Where to compute; ``"auto"`` picks the fastest.

    Raises:
        CheckpointError: The file cannot be read. ConfigError: a model was given without a task.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> found = audit(analytic_mlp("add", p=31), ModularTask("add", p=31))
        >>> found.phase.name, found.table.counts()["memorizing"]
        ('generalisation', 0)
    """
    source = _open(checkpoint, task)
    model, task = source.model.to(resolve_device(device)), source.task
    state = site_state(model, task, site=site)
    table = score(model, task, criteria=criteria, convention=convention, seed=seed, state=state)
    alive = table.neuron[table["label"] != Label.DEAD.value]
    without = {
        label: removal(state, table.where(label=label.value), n_draws=n_random, pool=alive, seed=seed)
        for label in Label
    }
    lowest = curve(state, order_by(table), name="lowest IPR first", n_random=n_random, seed=seed)
    highest = curve(state, order_by(table, descending=True), name="highest IPR first", n_random=0)
    highest = replace(highest, random=lowest.random, n_random=lowest.n_random)
    measured, corrupted = accuracy(model, task), _corrupt_fraction(task)
    leakage = _leakage(state)
    honest = measured if leakage is None else replace(measured, test=leakage["accuracy_without"])
    history = _history_of(source)
    generalised = any((record["accuracy"].get("test") or 0) >= GOOD for record in history)
    lengths = tuple(table.meta["null"]["vector_lengths"])
    found = AuditReport(
        checkpoint=str(source.path or "a model in memory"),
        dialect=source.dialect,
        step=source.step,
        task=_task_dict(task, corrupted),
        model=_model_dict(model, state),
        accuracy=measured,
        phase=phase_of(honest, corrupted, generalised_before=generalised),
        table=table,
        without_memorizing=without[Label.MEMORIZING],
        without_generalizing=without[Label.GENERALIZING],
        sweeps=(lowest, highest),
        agreement=causal_agreement(table, seed=seed),
        key_frequencies=_key_frequencies(table),
        null_ipr=null.null_scores(lengths, convention or Convention(), n_draws=HISTOGRAM_DRAWS, seed=seed),
        spectra=_spectra(model, task, state, table),
        without_others={label.value: without[label] for label in (Label.DEAD, Label.INCONCLUSIVE)},
        leakage=leakage,
        history=history,
    )
    return replace(found, verdict=tuple(verdict(found)), warnings=tuple(warnings_of(found, task)))


def _open(checkpoint: Path | str | HookedModel, task: Task | None) -> Checkpoint:
    if isinstance(checkpoint, (str, Path)):
        opened = load_checkpoint(checkpoint)
        return opened if task is None else replace(opened, task=task)
    if task is None:
        raise ConfigError("a model in memory does not say what it was trained on; pass its task too")
    return Checkpoint(model=checkpoint, task=task, dialect="in memory")


def _leakage(state: SiteState) -> dict[str, Any] | None:
    """How much of the test set a swap-symmetric network has seen in the other order; None for other networks."""
    if not getattr(state.model, "swap_symmetric", False) or not state.data.test.any():
        return None
    leaked = state.data.leaked_by_swapping()
    right = margins(state.logits, state.data.true_labels)[state.data.test & ~leaked] > 0
    return {
        "test_pairs": int(state.data.test.sum()),
        "leaked": int(leaked.sum()),
        "accuracy_without": right.double().mean().item() if len(right) else None,
    }


def _history_of(source: Checkpoint) -> list[dict[str, Any]]:
    """The training curve up to the checkpoint; none for a network that was edited after training."""
    if source.path is None or source.settings.get("edited"):
        return []
    last = source.step
    return [r for r in training_history(source.path) if last is None or r["step"] <= last]


def _corrupt_fraction(task: Task) -> float:
    data = task.dataset
    return float(data.corrupted.sum() / data.train.sum().clamp_min(1))


def _task_dict(task: Task, corrupt_fraction: float) -> dict[str, Any]:
    data = task.dataset
    return {
        "operation": getattr(task, "operation", None),
        "p": getattr(task, "p", None),
        "train_fraction": float(data.train.double().mean()),
        "corrupt_fraction": corrupt_fraction,
        "examples": len(data),
        "seed": getattr(task, "seed", None),
    }


def _model_dict(model: HookedModel, state: SiteState) -> dict[str, Any]:
    settings = model.to_dict() if hasattr(model, "to_dict") else {}
    return {"kind": type(model).__name__, "activation": None, **settings, "width": state.width}


def _key_frequencies(table: NeuronTable) -> tuple[int, ...]:
    frequencies = table.where(label=Label.GENERALIZING.value)["frequency"]
    return tuple(sorted({int(frequency) for frequency in frequencies if frequency > 0}))


def _spectra(
    model: HookedModel, task: Task, state: SiteState, table: NeuronTable
) -> dict[int, dict[str, list[np.ndarray]]]:
    """Weights in task order and their energies, for the strongest neurons of each label."""
    vectors = neuron_arrays(neuron_site(model, state.hook), state.activations, task.ordering).vectors
    chosen: dict[int, dict[str, list[np.ndarray]]] = {}
    for label in Label:
        group = table.where(label=label.value)
        for neuron in group.neuron[np.argsort(-group["strength"], kind="stable")[:TELLING]]:
            weights = [vector[neuron] for vector in vectors]
            chosen[int(neuron)] = {"weights": weights, "energy": [energy(w[None])[0] for w in weights]}
    return chosen
