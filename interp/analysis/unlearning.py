"""Ways to make a network forget its corrupted labels, side by side: removing neurons, and training it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from interp.analysis.ablation import ablate_checkpoint, edited_file
from interp.checkpoints import Checkpoint
from interp.checkpoints.open import OpenOptions
from interp.data import ModularTask
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.hooks import device_of
from interp.measuring.controls import Removal
from interp.measuring.evaluation import SplitValues, accuracy
from interp.models import HookedMLP, MLPConfig
from interp.subject import open_subject, score
from interp.training import TrainConfig, train

AS_TRAINED, REMOVED = "as trained", "memorizing neurons removed"
DECAYED, NORMED = "retrained with weight decay", "retrained with batch norm"


@dataclass(frozen=True)
class Method:
    """A network after one way of unlearning.

    Attributes:
        name: The way, in words.
        accuracy: On every split, in [0, 1].
        alive: How many neurons are not dead, and not removed.
        seconds: What it took, on the clock; None for the network as it was.
        steps: Training steps done for it.
    """

    name: str
    accuracy: SplitValues
    alive: int
    seconds: float | None = None
    steps: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return vars(self) | {"accuracy": self.accuracy.to_dict()}


@dataclass(frozen=True, eq=False, repr=False)
class Unlearning(Drawable):
    """Several ways to forget corrupted labels, measured on the same data.

    Attributes:
        checkpoint: The network's file.
        width: How many neurons the site has.
        methods: First the network as it was, then one row a way.
        removal: Removing the memorizing neurons beside random sets of the same size.
        saved: Where the network without its memorizing neurons was written; None if it was not.
    """

    figure = "plots.ablation.unlearning_bars"

    checkpoint: str
    width: int
    methods: tuple[Method, ...]
    removal: Removal
    saved: Path | None = None

    def __getitem__(self, name: str) -> Method:
        methods = {method.name: method for method in self.methods}
        if name not in methods:
            raise KeyError(f"no method {name!r}; there are {', '.join(methods)}")
        return methods[name]

    def __repr__(self) -> str:
        return f"Unlearning({self.checkpoint}: {', '.join(method.name for method in self.methods)})"

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "checkpoint": self.checkpoint,
            "width": self.width,
            "methods": [method.to_dict() for method in self.methods],
            "removal": self.removal.to_dict(),
            "saved": None if self.saved is None else str(self.saved),
        }


def compare_unlearning(
    checkpoint: Path | str,
    *,
    options: OpenOptions | None = None,
    save: Path | str | None = None,
    overwrite: bool = False,
    retrain: bool = True,
    steps: int | None = None,
    weight_decay: float = 15.0,
    batch_size: int = 64,
    site: str | None = None,
    n_random: int = 20,
    seed: int = 0,
    device: torch.device | str = "cpu",
    show_progress: bool = True,
) -> Unlearning:
    """Remove a network's memorizing neurons, and compare with training it again so that it never keeps them.

    Weight decay and BatchNorm are the ways that arXiv 2310.13061 studies; both start from the network's own initial
    weights, on its own examples and with its own other settings. Time is on the clock of this machine: for the
    removal it includes opening, scoring and the random control.

    Args:
        checkpoint: A file, or a folder (its last checkpoint); left unchanged.
        options: What the checkpoint does not say of itself.
        save: Where to write the network without its memorizing neurons, as in `ablate_checkpoint`.
        overwrite: Replace files that are there already; never the checkpoint itself.
        retrain: Compare with training again: of a native checkpoint of an MLP, on corrupted labels.
        steps: Training steps (updates, of whatever batch size); as many as the checkpoint had if None.
        weight_decay: Of the network retrained with it.
        batch_size: Of the network retrained with BatchNorm; as large as the training set, at most.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets of the same size.
        seed: Of the random sets and scores; training has the checkpoint's own.
        device: Where to compute.
        show_progress: Show a bar while training.

    Raises:
        CheckpointError: The file cannot be read, or no file can hold the edited network. ConfigError: the checkpoint
            cannot be trained again, the weight decay is too large, or the file to save exists. InterventionError: the
            edit cannot be saved. KeyboardInterrupt: Ctrl-C while training again.

    Example:
        ``compare_unlearning("runs/r0", save="unlearnt.safetensors")["as trained"].accuracy``
    """
    begun = perf_counter()
    subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
    opened = subject.source
    plans = _plans(opened, steps, weight_decay, batch_size) if retrain else {}
    saved = None if save is None else edited_file(save, opened, overwrite)
    removal = ablate_checkpoint(subject, save=save, overwrite=overwrite, n_random=n_random)
    seconds, alive, width = perf_counter() - begun, len(subject.alive), subject.width
    place = device_of(subject.model)
    del subject  # holds the activations of all examples, which training again does not need
    rows = [
        Method(AS_TRAINED, removal.before, alive),
        Method(REMOVED, removal.after, alive - removal.removed, seconds),
    ]
    for name, run in plans.items():
        begun = perf_counter()
        again, done = run(place, show_progress)
        seconds = perf_counter() - begun
        alive = len(score(again, opened.task, site=site, seed=seed).alive)
        rows.append(Method(name, accuracy(again, opened.task), alive, seconds, done))
    return Unlearning(str(opened.path or checkpoint), width, tuple(rows), removal, saved)


def _plans(
    opened: Checkpoint, steps: int | None, weight_decay: float, batch_size: int
) -> dict[str, Callable[[torch.device, bool], tuple[HookedMLP, int]]]:
    """What trains the network again, by method; an error if nothing can."""
    model, task, training = opened.model, opened.task, opened.settings.get("training")
    if not isinstance(model, HookedMLP) or not isinstance(task, ModularTask) or not training:
        raise ConfigError(
            f"{str(opened.path)!r} cannot be trained again: that takes an MLP from grokscope train, with its task "
            "and training settings in the JSON beside it; leave out the comparison"
        )
    if not task.dataset.mislabelled.any():
        raise ConfigError(
            f"{str(opened.path)!r} was trained without corrupted labels, so there is nothing to unlearn; "
            "leave out the comparison, or train with --corrupt"
        )
    try:
        own = TrainConfig(**training)
    except TypeError as error:
        raise ConfigError(
            f"the training settings of {str(opened.path)!r} are not understood: {error}"
        ) from None
    if own.lr * weight_decay >= 1:
        raise ConfigError(
            f"weight decay {weight_decay:g} at a learning rate of {own.lr:g} turns weights round in every step; "
            f"expected less than {1 / own.lr:g}"
        )
    count = steps if steps is not None else own.steps if opened.step is None else opened.step
    own = replace(own, steps=count, save_every=0, log_every=max(1, count // 10))
    normed = replace(model.config, norm="batch")
    return {
        DECAYED: _trainer(task, model.config, replace(own, weight_decay=weight_decay)),
        NORMED: _trainer(task, normed, replace(own, batch_size=batch_size)),
    }


def _trainer(
    task: ModularTask, shape: MLPConfig, config: TrainConfig
) -> Callable[[torch.device, bool], tuple[HookedMLP, int]]:
    def run(device: torch.device, show_progress: bool) -> tuple[HookedMLP, int]:
        result = train(task, shape, config, device=device, show_progress=show_progress)
        assert isinstance(result.model, HookedMLP)
        if result.step < config.steps:
            raise KeyboardInterrupt
        return result.model, result.step

    return run
