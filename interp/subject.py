"""The subject of every analysis: a network, the task that it is measured on, and one site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.checkpoints import Checkpoint, training_history
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import Dataset, Task
from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.measuring.base_rate import BaseRate, base_rate_of_margins
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.evaluation import SplitValues, split_means
from interp.measuring.leakage import Leakage
from interp.measuring.phase import GOOD, Phase, phase_of
from interp.models import HookedModel, NeuronSite, neuron_site
from interp.progress import with_progress
from interp.scoring.score import causal_agreement, score_neurons
from interp.scoring.table import NeuronTable
from probes.agreement import Agreement
from probes.labels import Criteria
from probes.spectrum import Convention


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, its task and one site, with what follows from them: computed when it is first asked for, and kept.

    Every analysis takes one, or makes one of a model and a task. It holds and caches; analyses are functions.

    Attributes:
        model: The network; nothing here changes it.
        task: What it is measured on.
        site: Hook name of the neurons; the model's last site if None. With ``@N`` at its end, at position N only.
        convention: Of the Fourier scores.
        criteria: Of the labels.
        seed: Of all draws.
        checkpoint: Where the network came from, if from a file.
        since: An earlier checkpoint of it, or the network as it was then, that the neurons' drift is measured from.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> subject = Subject(analytic_mlp("add", p=31), ModularTask("add", p=31))
        >>> subject.hook, len(subject.table), subject.accuracy.all, subject.phase.name
        ('blocks.0.mlp.hook_post', 200, 1.0, 'generalisation')
    """

    model: HookedModel
    task: Task
    site: str | None = None
    convention: Convention = field(default_factory=Convention)
    criteria: Criteria = field(default_factory=Criteria)
    seed: int = 0
    checkpoint: Checkpoint | None = None
    since: Checkpoint | HookedModel | None = None

    @property
    def source(self) -> Checkpoint:
        """Where the network came from; a record that says so for one in memory."""
        notes = getattr(self.model, "notes", ())
        return self.checkpoint or Checkpoint(self.model, self.task, "in memory", notes=notes)

    @property
    def hook(self) -> str:
        """Full hook name of the site."""
        return self.cached.hook

    @property
    def width(self) -> int:
        """Number of neurons at the site."""
        return self.cached.width

    @property
    def data(self) -> Dataset:
        """The task's examples, on the model's device."""
        return self.cached.data

    @property
    def place(self) -> NeuronSite:
        """The site's weights and readout."""
        return neuron_site(self.model, self.hook)

    @cached_property
    def cached(self) -> CachedPass:
        """The forward pass, cached at the site, with what removing neurons would change there."""
        return self.cached_with("zero")

    def cached_with(self, mode: str, during: Any = None) -> CachedPass:
        """The forward pass with what another intervention would change.

        Args:
            mode: One of `interp.modes.MODES`.
            during: Steps that it is limited to, see `interp.Edit`; all if None.

        Raises:
            InterventionError: There is no such mode, or the site has no such steps.
        """
        return cached_pass(self.model, self.task, site=self.site, mode=mode, seed=self.seed, during=during)

    @cached_property
    def table(self) -> NeuronTable:
        """One row a neuron: scores, significance, label, evidence and effects; see `interp.score`."""
        earlier = self.since
        if earlier is not None and not isinstance(earlier, Checkpoint):
            earlier = Checkpoint(earlier, self.task, "in memory")
        settings = (self.convention, self.criteria, self.seed, self.loss, earlier)
        return score_neurons(self.cached, self.task, *settings)

    @property
    def loss(self) -> str:
        """The loss that the network was trained with, one of `interp.losses.LOSSES`; cross-entropy if nobody knows."""
        trained = self.source.settings.get("training") or {}
        return str(trained.get("loss", "cross_entropy"))

    @cached_property
    def alive(self) -> np.ndarray:
        """Indices of the neurons that are not dead; random controls are drawn from them."""
        return self.table.alive

    @cached_property
    def accuracy(self) -> SplitValues:
        """Accuracy of the unchanged network on every split, in [0, 1]."""
        true, trained = self.cached.margins[1] > 0, self.cached.margins[0] > 0
        return split_means({False: true, True: trained}, self.data)

    @cached_property
    def leakage(self) -> Leakage:
        """The held-out examples that the network has in effect been trained on."""
        return self.cached.leakage

    @cached_property
    def base_rate(self) -> BaseRate:
        """Right answers by class, beside the share of the commonest one, of held-out examples that did not leak."""
        margins, leaked = self.cached.margins[1], self.leakage.leaked
        return base_rate_of_margins(margins, self.data, leaked, self.cached.tolerance)

    @cached_property
    def held_out_accuracy(self) -> float | None:
        """Accuracy on held-out examples that did not leak; None without any."""
        leakage = self.leakage.to_dict()
        return self.accuracy.test if leakage is None else leakage["accuracy_without"]

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The training curve up to the checkpoint; empty for a network that was edited, or that no series holds."""
        source = self.source
        if source.path is None or source.settings.get("edited"):
            return []
        last = source.step
        return [r for r in training_history(source.path) if last is None or r["step"] <= last]

    @property
    def corrupt_fraction(self) -> float:
        """Share of the training examples whose label was redrawn, in [0, 1]."""
        return float(self.data.corrupted.sum() / self.data.train.sum().clamp_min(1))

    @cached_property
    def phase(self) -> Phase:
        """The phase of arXiv 2310.13061, decided by the held-out examples that did not leak.

        None of tasks that are no operation on a group's elements, which its borders were not made for.
        """
        if getattr(self.task, "p", None) is None:
            return Phase(None, None)
        generalised = any((record["accuracy"].get("test") or 0) >= GOOD for record in self.history)
        honest = self.accuracy.changed(test=self.held_out_accuracy)
        above = self.base_rate.above
        return phase_of(honest, self.corrupt_fraction, generalised_before=generalised, above_base_rate=above)

    @cached_property
    def agreement(self) -> Agreement | None:
        """Agreement of periodicity with what the neurons' own removal says; see `causal_agreement`."""
        return causal_agreement(self.table, seed=self.seed)


Network = Subject | Checkpoint | HookedModel
"""What an analysis can be given: a subject, an opened checkpoint, or a hooked model with its task."""


def subject_of(network: Network, task: Task | None = None, **settings: Any) -> Subject:
    """The subject that is meant by a network and what is said of it.

    Args:
        network: A `Subject`, returned as it is unless something else is asked of it; a checkpoint, or a hooked model.
        task: The task; a checkpoint's own if None.
        settings: Other attributes of `Subject`; None leaves one as it is.

    Raises:
        ConfigError: A model was given without its task.
    """
    given: Mapping[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if isinstance(network, Subject):
        changed = dict(given) if task is None else {**given, "task": task}
        same = all(getattr(network, name) == value for name, value in changed.items())
        return network if same else replace(network, **changed)
    if isinstance(network, Checkpoint):
        return Subject(network.model, task or network.task, checkpoint=network, **given)
    if task is None:
        raise ConfigError("a model in memory does not say what it was trained on; pass its task too")
    return Subject(network, task, **given)


@with_progress("opening")
def open_subject(
    path: Path | str,
    options: OpenOptions | None = None,
    *,
    device: torch.device | str = "cpu",
    **settings: Any,
) -> Subject:
    """Open a checkpoint as the subject of an analysis.

    Args:
        path: A file, or a folder (its last checkpoint).
        options: What the checkpoint does not say of itself.
        device: Where to compute; ``"auto"`` picks the fastest.
        settings: Other attributes of `Subject`; None leaves one as it is.

    Raises:
        CheckpointError: It cannot be read. ConfigError: an option or the device cannot be used.
    """
    return subject_of(on_device(load_checkpoint(path, options), device), **settings)


def on_device(opened: Checkpoint, device: torch.device | str) -> Checkpoint:
    """A checkpoint with its network where it shall be computed."""
    return replace(opened, model=opened.model.to(resolve_device(device)))


def score(
    network: Network,
    task: Task | None = None,
    *,
    site: str | None = None,
    convention: Convention | None = None,
    criteria: Criteria | None = None,
    seed: int | None = None,
    since: Checkpoint | HookedModel | None = None,
) -> NeuronTable:
    """Score every neuron's periodicity in the task's ordering, measure what it does, and label it.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        task: A task; without a known ordering, periodicity is read in the natural order of the tokens.
        site: Hook name of the neurons; the model's last site if None.
        convention: Of the Fourier scores.
        criteria: Of the labels.
        seed: Of the random-weight null distribution.
        since: An earlier checkpoint of the same network, opened or as a hooked model, that the column ``drift`` is
            measured from; there is none without it.

    Returns:
        A table with one row a neuron; `probes.columns` says what each column holds.

    Raises:
        HookNameError: There are no neurons at the site. ConfigError: `since` is a network of another shape.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> table = score(analytic_mlp("add", p=31, width=60), ModularTask("add", p=31))
        >>> table.counts()["generalizing"]
        60
    """
    settings = {"site": site, "convention": convention, "criteria": criteria, "seed": seed, "since": since}
    return subject_of(network, task, **settings).table
