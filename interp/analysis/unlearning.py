"""Ways to make a network forget its corrupted labels, side by side: removing neurons, and training it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from interp.analysis.forgetting import ForgettingCheck
from interp.analysis.forgetting_check import check_forgetting
from interp.analysis.removing import ablate_checkpoint, edited_file
from interp.checkpoints import Checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.hooks import device_of
from interp.measuring.evaluation import SplitValues
from interp.measuring.removals import Removal
from interp.models import HookedMLP, HookedModel, MLPConfig
from interp.output import plain
from interp.progress import with_progress
from interp.subject import open_subject, subject_of
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
        return plain(vars(self))


@dataclass(frozen=True, eq=False, repr=False)
class Unlearning(Drawable):
    """Several ways to forget corrupted labels, measured on the same data.

    Attributes:
        checkpoint: The network's file.
        width: How many neurons the site has.
        methods: First the network as it was, then one row a way.
        removal: Removing the memorizing neurons beside random sets of the same size.
        saved: Where the network without its memorizing neurons was written; None if it was not.
        forgetting: By method, if memories are gone; empty if that was not asked for, None where there were none.
    """

    figure = "plots.ablation.unlearning_bars"

    checkpoint: str
    width: int
    methods: tuple[Method, ...]
    removal: Removal
    saved: Path | None = None
    forgetting: Mapping[str, ForgettingCheck | None] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Method:
        methods = {method.name: method for method in self.methods}
        if name not in methods:
            raise KeyError(f"no method {name!r}; there are {', '.join(methods)}")
        return methods[name]

    def __repr__(self) -> str:
        return f"Unlearning({self.checkpoint}: {', '.join(method.name for method in self.methods)})"

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))


@with_progress("unlearning")
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
    show_progress: bool | None = None,
    check: bool = False,
) -> Unlearning:
    """Remove a network's memorizing neurons, and compare with training it again so that it never keeps them.

    Weight decay and BatchNorm are the ways of arXiv 2310.13061; both start from the network's own initial weights, on
    its own examples and with its other settings. The removal's time includes opening, scoring and the random control.

    Args:
        checkpoint: A file, or a folder (its last checkpoint); left unchanged.
        options, save, overwrite, site, n_random, device: As in `ablate_checkpoint`.
        retrain: Compare with training again: of a native checkpoint of an MLP, on corrupted labels.
        steps: Training steps (updates, of whatever batch size); as many as the checkpoint had if None.
        weight_decay, batch_size: Of the networks retrained with weight decay and with BatchNorm.
        seed: Of the random sets and scores; training has the checkpoint's own.
        show_progress: See `interp.show_progress`.
        check: Ask of every way if the memories are gone, see `interp.check_forgetting`.

    Raises:
        CheckpointError: The file cannot be read, or no file can hold the edited network. ConfigError: it cannot be
            trained again, the weight decay is too large, or the file to save exists. KeyboardInterrupt: Ctrl-C.

    Example:
        ``compare_unlearning("runs/r0", save="unlearnt.safetensors")["as trained"].accuracy``
    """
    begun = perf_counter()
    subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
    opened = subject.source
    task, plans = _plans(opened, steps, weight_decay, batch_size) if retrain else (None, {})
    saved = None if save is None else edited_file(save, opened, overwrite)
    removal = ablate_checkpoint(subject, save=save, overwrite=overwrite, n_random=n_random)
    seconds, alive, width = perf_counter() - begun, len(subject.alive), subject.width
    place = device_of(subject.model)
    checks = {REMOVED: check_forgetting(subject)} if check else {}
    kept = subject if check else None
    del subject  # holds the activations of all examples, which training again does not need
    rows = [Method(AS_TRAINED, removal.before, alive)]
    rows.append(Method(REMOVED, removal.after, alive - removal.removed, seconds))
    for name, (shape, config) in plans.items():
        assert task is not None
        model, seconds = _trained_again(task, shape, config, place)
        again = subject_of(model, opened.task, site=site, seed=seed)
        rows.append(Method(name, again.accuracy, len(again.alive), seconds, config.steps))
        if kept is not None:
            checks[name] = check_forgetting(kept, after=again)
    return Unlearning(str(opened.path or checkpoint), width, tuple(rows), removal, saved, checks)


def _trained_again(
    task: ModularTask, shape: MLPConfig, config: TrainConfig, place: torch.device
) -> tuple[HookedModel, float]:
    """A network that is trained from the start, and the seconds that it took; Ctrl-C ends everything."""
    begun = perf_counter()
    result = train(task, shape, config, device=place)
    if result.step < config.steps:
        raise KeyboardInterrupt
    return result.model, perf_counter() - begun


def compare_checkpoints(
    checkpoint: Path | str,
    after: Path | str,
    *,
    options: OpenOptions | None = None,
    site: str | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> ForgettingCheck | None:
    """Ask if a network has forgotten its wrong labels after unlearning of any kind; see `interp.check_forgetting`.

    Args:
        checkpoint, after: Files, or folders, of the network before and after; both are opened with the same options,
            and measured on the examples of the first.
        options, site, seed, device: As of `compare_unlearning`.

    Raises:
        CheckpointError: A file cannot be read. ConfigError: the networks have other classes. HookNameError: they have
            no common site.

    Example:
        ``compare_checkpoints("before.pt", "after.pt", options=OpenOptions(table="data.csv")).verdict``
    """
    before, now = (open_subject(one, options, device=device, seed=seed) for one in (checkpoint, after))
    return check_forgetting(before, after=now, site=site)


def _plans(
    opened: Checkpoint, steps: int | None, weight_decay: float, batch_size: int
) -> tuple[ModularTask, dict[str, tuple[MLPConfig, TrainConfig]]]:
    """Task, and by method shape and settings of training again; an error if it is not possible."""
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
    return task, {
        DECAYED: (model.config, replace(own, weight_decay=weight_decay)),
        NORMED: (replace(model.config, norm="batch"), replace(own, batch_size=batch_size)),
    }
