"""The network that is looked at: opened, scored, and measured again at once after every change of its neurons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.analysis.ablation import write_edited
from interp.analysis.portrait import Portrait, portraits
from interp.checkpoints import Checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import SPLITS
from interp.errors import ConfigError
from interp.explorer.edits import Change, composed
from interp.hooks import evaluation_mode
from interp.interventions import Edit, bake
from interp.measuring.cached_pass import CachedPass, both_margins
from interp.measuring.curves import split_accuracy
from interp.measuring.evaluation import SplitValues
from interp.modes import Intervention, Patch, Scale, Zero
from interp.scoring.table import NeuronTable
from interp.subject import Subject, open_subject

CACHED = 4
"""So many selections are kept with what they add to the logits; each takes two sets of logits."""
MOST_SAVED = 1000


@dataclass(frozen=True, eq=False)
class Measured:
    """The network after some changes.

    Attributes:
        accuracy: On every split, in [0, 1].
        logits: ``(example, output)``.
        margins: Of the label as trained on and of the true one, ``(2, example)``, in logit units.
    """

    accuracy: SplitValues
    logits: Float[Tensor, "example output"]
    margins: Float[Tensor, "two example"]


@dataclass(eq=False)
class Network:
    """A scored network, with every change of its neurons measured without a new forward pass where that can be.

    Attributes:
        subject: The checkpoint's network, with its cached pass and its table.
    """

    subject: Subject
    _parts: OrderedDict[Any, tuple[Tensor, Tensor]] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(
        cls, path: Path | str, options: OpenOptions | None = None, *, site: str | None = None, seed: int = 0
    ) -> Network:
        """Open a checkpoint, the last one of a folder, and score its neurons.

        Raises:
            CheckpointError: It cannot be read. HookNameError: there are no neurons at the site.
        """
        network = cls(open_subject(path, options, site=site, seed=seed))
        _ = network.table  # before the page is served
        return network

    @property
    def opened(self) -> Checkpoint:
        """Where the network came from."""
        return self.subject.source

    @property
    def state(self) -> CachedPass:
        """The network's forward pass, kept at the neurons."""
        return self.subject.cached

    @property
    def table(self) -> NeuronTable:
        """Scores and labels of the neurons."""
        return self.subject.table

    @property
    def width(self) -> int:
        """How many neurons there are."""
        return self.state.width

    def measure(self, changes: Sequence[Change]) -> Measured:
        """Accuracies, logits and margins after changes one after another.

        Where all that follows the neurons is linear, the logits are two sums, of which only a factor changes while
        the last change's slider moves: they are kept, so that a factor costs one addition of logits. Elsewhere the
        rest of the network runs once.
        """
        cached, data = self.state, self.state.data
        changes = [change for change in changes if not change.changes_nothing]
        if not changes:
            logits = cached.logits
        elif cached.readout is not None:
            *before, last = changes
            rest, own = self._split(tuple(before), last.neurons)
            added = own.mean(0) if last.mode == "mean" else own * last.scale
            logits = rest + added
        else:
            logits = self._run(changes)
        margins = both_margins(logits, data.labels, data.true_labels)
        right = cached.by_group(margins > cached.tolerance)
        shares = split_accuracy(right[None], cached)
        values = {split: None if (found := shares[split]) is None else float(found[0]) for split in SPLITS}
        return Measured(SplitValues(**values), logits, margins)

    def _split(self, before: tuple[Change, ...], neurons: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Logits without some neurons, and what these add to them, both after the changes before."""
        key = (before, neurons)
        with self._lock:
            if key in self._parts:
                self._parts.move_to_end(key)
                return self._parts[key]
            scale, shift = self._coefficients(before)
            chosen = torch.as_tensor(neurons, device=scale.device)
            own = self._added(chosen, scale, shift)
            touched = (scale != 1).nonzero()[:, 0]  # a shift comes with a scale of 0
            logits = self.state.logits + self._added(touched, scale - 1, shift)
            self._parts[key] = logits - own, own
            while len(self._parts) > CACHED:
                self._parts.popitem(last=False)
            return self._parts[key]

    def _added(self, neurons: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """What some neurons would add to the logits, were they ``activations * scale + shift``."""
        assert self.state.readout is not None
        readout = self.state.readout[neurons]
        return self._activations[:, neurons] @ (scale[neurons, None] * readout) + shift[neurons] @ readout

    def _coefficients(self, changes: Sequence[Change]) -> tuple[Tensor, Tensor]:
        """Factor and term of each neuron's activation after some changes."""
        scale, shift = composed(changes, self._means)
        return torch.as_tensor(scale).to(self._activations), torch.as_tensor(shift).to(self._activations)

    @cached_property
    def _means(self) -> np.ndarray:
        """Of the activations over all examples."""
        return self._activations.mean(0).double().cpu().numpy()

    @property
    def _activations(self) -> Tensor:
        """What the changes are made to: one number an example and neuron, or one at each position."""
        return self.state.prefix.activations

    def _run(self, changes: Sequence[Change]) -> Tensor:
        scale, shift = self._coefficients(changes)
        with self._lock, evaluation_mode(self.state.model):
            return self.state.prefix.logits(self._activations * scale + shift)

    def portrait(self, neuron: int) -> Portrait:
        """Everything that is known of one neuron.

        Raises:
            InterventionError: There is no such neuron.
        """
        with self._lock:
            return portraits(self.subject, [neuron])[neuron]

    def edited(self, changes: Sequence[Change]) -> list[Edit]:
        """The changes as edits at the site, for `interp.intervene` and `interp.bake`."""
        edits: list[Edit] = []
        for i, change in enumerate(changes):
            chosen = np.array(change.neurons, dtype=np.int64)
            done: Intervention = Zero()
            if change.mode == "scale":
                done = Scale(change.factor)
            elif change.mode == "mean":
                scale, shift = composed(changes[:i], self._means)
                now = scale[chosen] * self._means[..., chosen] + shift[..., chosen]
                done = Patch(torch.as_tensor(now).to(self._activations))
            edits.append(Edit(self.state.hook, chosen, done))
        return edits

    def save(self, changes: Sequence[Change], folder: Path) -> Path:
        """Write the network with the changes in its weights under a new name in a folder.

        Raises:
            InterventionError: Weights cannot express a change. CheckpointError: no file can hold the network.
            ConfigError: The folder cannot be written to.
        """
        stem = "model" if self.opened.path is None else self.opened.path.stem
        # A name that ends in a number would be a step of the folder's series.
        names = (folder / f"{stem}-{i}-edited.safetensors" for i in range(1, MOST_SAVED))
        free = (path for path in names if not path.exists() and not path.with_suffix(".json").exists())
        what = "; ".join(map(str, changes)) or "nothing changed"
        with self._lock:
            edited, target = bake(self.state.model, *self.edited(changes)), next(free, None)
            if target is None:
                raise ConfigError(f"{str(folder)!r} holds {MOST_SAVED - 1} edited networks of {stem} already")
            write_edited(target, edited, self.opened, f"{what} (in the explorer)")
        return target
