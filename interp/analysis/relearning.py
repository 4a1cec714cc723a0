"""Relearning of removed memories: in fewer steps than other labels take, if something of them is left."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from interp.analysis.removing import chosen_neurons
from interp.data import Dataset, Task
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.interventions import Edit, edit_from_mode, intervene
from interp.measuring.evaluation import losses, margins
from interp.measuring.traces import wrong_labels_of_class
from interp.models import HookedModel
from interp.output import plain
from interp.progress import progress
from interp.subject import Network, Subject, subject_of
from interp.training import TrainConfig
from interp.training.state import optimizer_for

HALF = 0.5
"""Share of the labels that counts as relearnt."""
MOST_EXAMPLES = 2_000
NOTHING = (
    "Nothing to relearn: no neuron was removed, no label is known to be wrong, or there are only two classes."
)
MEMORISED, NEVER_TRAINED, OTHER_LABEL = "memorised", "never_trained", "other_label"


@dataclass(frozen=True)
class Relearning(Drawable):
    """Steps in which a network without some neurons learns its memorised labels again, and other ones.

    Attributes:
        removed: How many neurons stay out.
        examples: How many are learnt in each run.
        limit: Steps after which a run ends.
        settings: Optimiser, learning rate and loss of all runs.
        curves: For the memorised labels, and for each draw of the two controls, the share in [0, 1] answered after
            each step from 0; a run ends at half. A control is empty where there are no examples for it.
    """

    figure = "plots.ablation.relearning_curves"

    removed: int
    examples: int
    limit: int
    settings: dict[str, Any]
    curves: dict[str, tuple[tuple[float, ...], ...]]

    def steps(self, kind: str) -> float | None:
        """Steps until half of the labels are answered: the median of the draws; None if most draws never get there."""
        reached = [len(curve) - 1 if curve[-1] >= HALF else np.inf for curve in self.curves[kind]]
        middle = float(np.median(reached)) if reached else np.inf
        return middle if np.isfinite(middle) else None

    @property
    def faster(self) -> bool | None:
        """True if the memorised labels take fewer steps than any draw of the controls; None without controls."""
        (own,) = self.curves[MEMORISED]
        controls = [curve for kind in (NEVER_TRAINED, OTHER_LABEL) for curve in self.curves[kind]]
        if not controls or own[-1] < HALF:
            return False if controls else None
        return all(len(curve) > len(own) or curve[-1] < HALF for curve in controls)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        steps = {kind: self.steps(kind) for kind in self.curves}
        values = {"steps": steps.pop(MEMORISED), **steps, "faster": self.faster}
        return plain({**values, **vars(self)})

    def sentence(self) -> str:
        """The finding in words."""
        never, other = self._in_words(NEVER_TRAINED), self._in_words(OTHER_LABEL)
        draws = len(self.curves[OTHER_LABEL])
        verdict = {
            None: "there is nothing to compare with",
            True: f"faster than in each of {draws} draws of both controls, so something of the memories is left",
            False: "not faster than in every draw of the controls, so nothing here shows that memories are left",
        }[self.faster]
        without = "Without these neurons half" if self.removed else "Half"
        return (
            f"{without} of {self.examples} memorised labels are learnt again in {self._in_words(MEMORISED)}; "
            f"never-trained labels take {never}, the same examples with another label {other}: {verdict}."
        )

    def _in_words(self, kind: str) -> str:
        steps = self.steps(kind)
        if not self.curves[kind]:
            return "an unknown number of steps, as no example was held out"
        return f"more than {self.limit} steps" if steps is None else f"{steps:g} steps"


def relearn(
    network: Network,
    task: Task | None = None,
    neurons: Any = "label:memorizing",
    *,
    steps: int = 100,
    lr: float | None = None,
    mode: str = "zero",
    site: str | None = None,
    draws: int = 3,
    seed: int | None = None,
    during: Any = None,
) -> Relearning | None:
    """Fine-tune a network without some neurons on its memorised wrong labels until half of them are answered.

    Beside it, as controls, it learns as many wrong labels of held-out examples that were never trained on (of random
    wrongly labelled training examples of their class), and the same examples with yet another wrong label, under the
    same AdamW without weight decay, on all examples at once, with the loss that the network was trained with
    (cross-entropy where that is not known). The neurons stay out, and dropout is off. Source: arXiv 2505.16831.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task, neurons: As of `interp.remove`.
        steps: At most so many in each run.
        lr: Learning rate; if None that of the training, or 0.01.
        mode: One of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        draws, seed: Draws of each control, and the seed of these.
        during: Steps of it, see `interp.Edit`; all if None.

    Returns:
        None where no neurons are chosen, no label is known to be wrong, or there are fewer than three classes.

    Raises:
        ConfigError: A number is out of range, or training diverged. InterventionError: neurons or mode cannot be used.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import HookedMLP, MLPConfig
        >>> task = ModularTask("add", p=7, corrupt_fraction=0.5, corrupt="wrong")
        >>> result = relearn(HookedMLP(MLPConfig(width=30), vocab=7), task, [0, 1], steps=40, lr=0.05, draws=1)
        >>> result.removed, result.curves["memorised"][0][-1] >= 0.5
        (2, True)
    """
    subject = subject_of(network, task, site=site, seed=seed)
    _, chosen = chosen_neurons(subject, neurons)
    if not len(chosen):
        _settings(subject, steps, lr)
        return None
    drawn: dict[str, Any] = {"seed": subject.seed, "during": during}
    edit = edit_from_mode(subject.model, chosen, mode, site=subject.hook, reference=subject.data, **drawn)
    return relearn_beside(subject, (edit,), len(chosen), steps=steps, lr=lr, draws=draws)


def relearn_beside(
    subject: Subject,
    edits: tuple[Edit, ...] = (),
    removed: int = 0,
    *,
    steps: int = 100,
    lr: float | None = None,
    draws: int = 3,
) -> Relearning | None:
    """As `relearn`, of a network as it is, or with edits that take so many neurons out."""
    config, data = _settings(subject, steps, lr), subject.data
    if not data.mislabelled.any() or data.n_classes < 3:
        return None
    plan = _plan(data, draws, np.random.default_rng(subject.seed))
    curves: dict[str, tuple[tuple[float, ...], ...]] = {MEMORISED: (), NEVER_TRAINED: (), OTHER_LABEL: ()}
    with progress("relearning", len(plan)) as report:
        for done, (kind, rows, labels) in enumerate(plan):
            model = deepcopy(subject.model).train(False)
            curves[kind] += (_learn(model, edits, data.inputs[rows], labels, config),)
            report(done + 1)
    shown = {name: getattr(config, name) for name in ("optimizer", "lr", "loss")}
    return Relearning(removed, len(plan[0][1]), steps, shown, curves)


def _settings(subject: Subject, steps: int, lr: float | None) -> TrainConfig:
    """Settings of all runs: loss and learning rate are the training's own where they are known."""
    if steps < 1:
        raise ConfigError(f"relearning takes at least 1 step, not {steps}")
    trained = subject.source.settings.get("training") or {}
    rate = lr if lr is not None else trained.get("lr", TrainConfig.lr)
    return TrainConfig(steps=steps, lr=rate, loss=subject.loss)


def _plan(data: Dataset, draws: int, generator: np.random.Generator) -> list[tuple[str, Tensor, Tensor]]:
    """Each run's kind, examples and labels; as many examples in all."""
    wrong, held_out = (mask.nonzero()[:, 0] for mask in (data.mislabelled, data.test))
    count = min(len(wrong), len(held_out) or len(wrong), MOST_EXAMPLES)
    rows = _sample(wrong, count, generator)
    plan = [(MEMORISED, rows, data.labels[rows])]
    for _ in range(draws):
        if len(held_out):
            unseen = _sample(held_out, count, generator)
            plan.append((NEVER_TRAINED, unseen, wrong_labels_of_class(data, unseen, generator)))
        plan.append((OTHER_LABEL, rows, _another_wrong_label(data, rows, generator)))
    return plan


def _learn(
    model: HookedModel,
    edits: tuple[Edit, ...],
    inputs: Shaped[Tensor, "example ..."],
    labels: Int[Tensor, " example"],
    config: TrainConfig,
) -> tuple[float, ...]:
    """Share of the labels answered after each step, until it is half; trains the model in place."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, curve = optimizer_for(parameters, config, 0.0), list[float]()
    with intervene(model, *edits) if edits else nullcontext(), torch.enable_grad():
        for step in range(config.steps + 1):
            logits = model(inputs)
            loss = losses(logits, labels, loss=config.loss).mean()
            if not loss.isfinite():
                raise ConfigError(
                    f"relearning diverged at step {step}; try a learning rate below {config.lr:g}"
                )
            curve.append(float((margins(logits.detach(), labels) > 0).double().mean()))
            if curve[-1] >= HALF or step == config.steps:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return tuple(curve)


def _sample(rows: Int[Tensor, " row"], count: int, generator: np.random.Generator) -> Int[Tensor, " chosen"]:
    chosen = generator.choice(len(rows), count, replace=False)
    return rows[torch.as_tensor(chosen, device=rows.device)]


def _another_wrong_label(
    data: Dataset, rows: Int[Tensor, " row"], generator: np.random.Generator
) -> Int[Tensor, " row"]:
    """Labels drawn uniformly over the classes that are neither true nor trained on."""
    true, own = (labels[rows].cpu().numpy() for labels in (data.true_labels, data.labels))
    low, high = np.minimum(true, own), np.maximum(true, own)
    drawn = generator.integers(0, data.n_classes - 2, len(rows))
    drawn += drawn >= low
    drawn += drawn >= high
    return torch.as_tensor(drawn, device=rows.device)
