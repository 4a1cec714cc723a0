"""A subject that is looked at, and measured again at once after every change of its neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.analysis.communities import communities
from interp.analysis.community_records import NeuronCommunities
from interp.analysis.describing import describe
from interp.analysis.portrait import Portrait, portraits
from interp.analysis.removing import write_edited
from interp.data import Dataset
from interp.errors import ConfigError
from interp.explorer.edits import Change, composed
from interp.hooks import evaluation_mode
from interp.interventions import Edit, bake, intervene
from interp.measuring.base_rate import BaseRate, base_rate_of
from interp.measuring.curves import split_accuracy
from interp.measuring.evaluation import SplitValues
from interp.measuring.logits import chosen_columns, whole_of
from interp.measuring.passed import both_margins
from interp.plots import ANSWERS
from interp.subject import Subject

CACHED = 4
"""So many selections are kept with what they add to the logits; each takes two sets of logits."""
MOST_SAVED = 1000
CODES = {name: code for code, name in enumerate(ANSWERS)}


@dataclass(frozen=True, eq=False)
class Measured:
    """The network after some changes.

    Attributes:
        margins: Of the label as trained on and of the true one, in logit units.
    """

    accuracy: SplitValues
    logits: Float[Tensor, "example output"]
    margins: Float[Tensor, "two example"]
    rate: BaseRate


def answer_codes(
    margins: Float[Tensor, "two example"], data: Dataset, tolerance: float = 0.0
) -> Int[np.ndarray, " example"]:
    """The index in `interp.plots.ANSWERS` of each example, by margins of the label as trained on and of the true one.

    A corrupted example whose label was redrawn to the right one counts as answered as labelled.

    Example:
        >>> labels, true = torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1])
        >>> train, corrupted = torch.tensor([True, True, False]), torch.tensor([False, True, False])
        >>> data = Dataset(torch.tensor([[0], [1], [2]]), labels, true, train, corrupted, 2)
        >>> [list(CODES)[i] for i in answer_codes(torch.tensor([[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]]), data)]
        ['trained on, right', 'corrupted, as true', 'held out, wrong']
    """
    as_labelled, as_true = (margins > tolerance).cpu()
    data = data.to("cpu")
    if not data.split_known:
        return torch.where(as_true, CODES["right"], CODES["wrong"]).numpy()
    held_out = torch.where(as_true, CODES["held out, right"], CODES["held out, wrong"])
    clean = torch.where(as_labelled, CODES["trained on, right"], CODES["trained on, wrong"])
    corrupted = torch.where(as_true, CODES["corrupted, as true"], CODES["corrupted, neither"])
    corrupted = torch.where(as_labelled, CODES["corrupted, as labelled"], corrupted)
    return torch.where(data.corrupted, corrupted, torch.where(data.train, clean, held_out)).numpy()


class Session:
    """A subject and its edits; a change is measured without a new forward pass where that can be."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._lock, self._costly = Lock(), Lock()
        self.known_communities: NeuronCommunities | None = None
        self.known_descriptions: list[str] | None = None
        self._parts = lru_cache(CACHED)(self._split)

    def measure(self, changes: Sequence[Change]) -> Measured:
        cached, data = self.subject.cached, self.subject.data
        changes = [change for change in changes if not change.changes_nothing]
        logits = self._logits(changes) if changes else whole_of(cached.logits)
        margins = both_margins(logits, data.labels, data.true_labels)
        counts = cached.by_group(margins > cached.tolerance)[None]
        shares = split_accuracy(counts, cached).items()
        accuracy = SplitValues(**{split: None if one is None else float(one[0]) for split, one in shares})
        rate = base_rate_of(logits, data, self.subject.leakage.leaked, cached.tolerance)
        return Measured(accuracy, logits, margins, rate)

    def _logits(self, changes: Sequence[Change]) -> Tensor:
        # Where all that follows is linear, two sums are kept, of which only a factor changes while a slider moves.
        cached, last = self.subject.cached, changes[-1]
        if cached.readout is not None and last.affine is not None:
            rest, own = self._parts(tuple(changes[:-1]), last.neurons)
            factor, term = last.affine
            logits = rest + own * factor
            return logits + term * cached.readout[list(last.neurons)].sum(0) if term else logits
        scale, shift = self._coefficients(changes)
        if cached.readout is not None:
            return self._changed(scale, shift)
        with self._lock, evaluation_mode(cached.model):
            if cached.in_loop:
                with intervene(cached.model, *self.edited(changes)):
                    return cached.model(cached.data.inputs)
            return cached.prefix.logits(whole_of(cached.prefix.activations) * scale + shift)

    def _split(self, before: tuple[Change, ...], neurons: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Logits without some neurons, and what these add to them, both after the changes before."""
        scale, shift = self._coefficients(before)
        own = self._added(torch.as_tensor(neurons, device=scale.device), scale, shift)
        return self._changed(scale, shift) - own, own

    def _changed(self, scale: Tensor, shift: Tensor) -> Tensor:
        """Logits with all activations times `scale`, plus `shift`; what follows them is linear."""
        touched = ((scale != 1) | (shift != 0)).nonzero()[:, 0]
        return whole_of(self.subject.cached.logits) + self._added(touched, scale - 1, shift)

    def _added(self, neurons: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """The part of the logits that some neurons would add, were they ``activations * scale + shift``."""
        cached = self.subject.cached
        assert cached.readout is not None
        readout, activations = cached.readout[neurons], chosen_columns(cached.prefix.activations, neurons)
        return activations @ (scale[neurons, None] * readout) + shift[neurons] @ readout

    def _coefficients(self, changes: Sequence[Change]) -> tuple[Tensor, Tensor]:
        activations = whole_of(self.subject.cached.prefix.activations)
        _, scale, shift = composed(changes, activations)
        return scale.to(activations), shift.to(activations)

    def portrait(self, neuron: int) -> Portrait:
        """Everything that is known of one neuron; an `InterventionError` if there is no such neuron."""
        with self._lock:
            return portraits(self.subject, [neuron])[neuron]

    def communities(self) -> NeuronCommunities:
        """Communities of the neurons, computed when they are first asked for."""
        with self._costly:
            if self.known_communities is None:
                self.known_communities = communities(self.subject).last
            return self.known_communities

    def descriptions(self) -> list[str]:
        """Each neuron's description in words, computed when the first is asked for.

        Raises:
            ConfigError: There are too few examples.
        """
        with self._costly:
            if self.known_descriptions is None:
                self.known_descriptions = describe(self.subject).texts()
            return self.known_descriptions

    def edited(self, changes: Sequence[Change]) -> list[Edit]:
        interventions, *_ = composed(changes, whole_of(self.subject.cached.prefix.activations))
        return [
            Edit(self.subject.hook, np.array(change.neurons, dtype=np.int64), intervention)
            for change, intervention in zip(changes, interventions, strict=True)
        ]

    def save(self, changes: Sequence[Change], folder: Path) -> Path:
        """Write the network with the changes in its weights under a new name in a folder, or fail as one of the errors
        of `interp.bake` and `interp.analysis.removing.write_edited`.
        """
        source = self.subject.source
        stem = "model" if source.path is None else source.path.stem
        # A name that ends in a number would be a step of the folder's series.
        names = (folder / f"{stem}-{i}-edited.safetensors" for i in range(1, MOST_SAVED))
        free = (path for path in names if not path.exists() and not path.with_suffix(".json").exists())
        description = "; ".join(map(str, changes)) or "nothing changed"
        with self._lock:
            edited, target = bake(self.subject.model, *self.edited(changes)), next(free, None)
            if target is None:
                raise ConfigError(f"{str(folder)!r} holds {MOST_SAVED - 1} edited networks of {stem} already")
            write_edited(target, edited, source, f"{description} (in the explorer)")
        return target
