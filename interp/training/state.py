"""A training run between two updates: measured, stored, and taken up again to the bit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interp.checkpoints import checkpoint_files, save_checkpoint, training_history, write_history
from interp.checkpoints.files import RESUME, check_step
from interp.checkpoints.tensor_file import save_tensors, tensor_file
from interp.data import Dataset, ModularTask
from interp.errors import CheckpointError, ConfigError, cut
from interp.files import parse_json, write_whole
from interp.measuring.evaluation import evaluate
from interp.models import HookedMLP, SmallTransformer
from interp.models.layers import SeededDropout
from interp.progress import Report
from interp.training.settings import MAY_CHANGE, TrainConfig

Trainable = HookedMLP | SmallTransformer
Until = Callable[[Sequence[dict[str, Any]]], bool]
"""Asked after every measurement, with all of them, whether the run may end."""
MARGINS = ("test", "corrupted_as_labelled", "corrupted_as_true")  # a margin moves before the accuracy


class Batches:
    """Mini-batches, as a function of the seed and the step alone."""

    def __init__(self, data: Dataset, config: TrainConfig) -> None:
        inputs, labels = data.inputs[data.train], data.labels[data.train]
        targets = F.one_hot(labels, data.n_classes).float() if config.loss == "mse" else None
        self.examples = (inputs, labels, targets)
        self.n, self.size, self.seed = len(labels), min(config.batch_size, len(labels)), config.seed
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs, labels and one-hot targets of a step's batch."""
        if not self.size:
            return self.examples
        full, left_over = divmod(self.n, self.size)
        per_epoch = full + (left_over > 1)  # a single example left over is no batch to normalise
        epoch, batch = divmod(step, per_epoch)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(seed_of(self.seed, 0, epoch))
            order = torch.randperm(self.n, generator=generator)
            self.epoch, self.order = epoch, order.to(self.examples[0].device)
        chosen = self.order[batch * self.size : (batch + 1) * self.size]
        inputs, labels, targets = self.examples
        return inputs[chosen], labels[chosen], None if targets is None else targets[chosen]


def seed_of(seed: int, purpose: int, step: int) -> int:
    """An independent seed for each purpose and step, so that nothing random needs to be stored."""
    return int(np.random.SeedSequence((seed, purpose, step)).generate_state(1, np.uint32)[0])


class TrainingRun:
    """State of a training run between two steps; all that a later step depends on is in `resume.safetensors`.

    The model is trained in place, on its own device. Without a folder nothing is saved.

    Raises:
        ConfigError: The batches are too small for the network's norm.
    """

    def __init__(
        self,
        model: Trainable,
        task: ModularTask,
        config: TrainConfig,
        folder: Path | None = None,
        until: Until | None = None,
    ) -> None:
        self.model, self.task, self.config, self.folder, self.until = model, task, config, folder, until
        self.step, self.history = 0, list[dict[str, Any]]()
        self.ended = False
        if isinstance(model, SmallTransformer):
            model.readout_only = True  # the rest of the last block changes neither logits nor gradients
        device = next(model.parameters()).device
        self.data = task.dataset.to(device)
        self.batches = Batches(self.data, config)
        self.dropouts = [m for m in model.modules() if isinstance(m, SeededDropout) and m.rate]
        for dropout in self.dropouts:
            dropout.generator = torch.Generator(device)
        self.optimizer = optimizer_for(list(model.parameters()), config, config.weight_decay)
        if model.config.norm == "batch" and int(self.data.train.sum()) < 2:
            raise ConfigError("batch norm needs at least 2 training examples; raise train_fraction")
        if model.config.norm == "batch" and config.batch_size == 1:
            raise ConfigError("batch norm needs batches of at least 2 examples, not batch_size=1")
        self.settings = {"model": model.to_dict(), "task": task.to_dict(), "training": asdict(config)}

    def begin(self, report: Report) -> None:
        """Measure and store the untrained network; nothing if the run was taken up."""
        if not self.history:
            self.measure(report)
            self.save()
        elif self.until is not None and self.until(self.history):
            self.ended = True
        self.ended = self.ended or self.step >= self.config.steps

    def update(self) -> None:
        """One step."""
        self.seed_dropout()
        inputs, labels, targets = self.batches.at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr_at(self.step)
        self.model.train()
        logits = self.model(inputs)
        loss = F.mse_loss(logits, targets) if targets is not None else F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1

    def seed_dropout(self) -> None:
        """Have every dropout layer draw what belongs to this step."""
        for i, dropout in enumerate(self.dropouts):
            dropout.generator.manual_seed(seed_of(self.config.seed, 1 + i, self.step))  # type: ignore[union-attr]

    def due(self) -> bool:
        """True if this step is one to measure or store at."""
        every = (self.config.log_every, self.config.save_every)
        return self.step >= self.config.steps or any(n and self.step % n == 0 for n in every)

    def measure_and_save(self, report: Report, *, interrupted: bool = False) -> None:
        """Do what is due after a step; at the last one and an interrupted one, both."""
        every, over = self.config, self.step >= self.config.steps
        if over or interrupted or self.step % every.log_every == 0:
            self.measure(report)
            over = over or (self.until is not None and self.until(self.history))
        if over or interrupted or (every.save_every and self.step % every.save_every == 0):
            self.save()
        self.ended = over

    def measure(self, report: Report) -> None:
        """Add a record to the history; a `ConfigError` if the loss is not finite."""
        measured = evaluate(self.model, self.data, loss=self.config.loss)
        loss, accuracy, margin = measured.loss.train, measured.accuracy, measured.margin.to_dict()
        if loss is None or not np.isfinite(loss):
            raise ConfigError(
                f"the loss is {loss} at step {self.step}: training diverged; "
                f"try a learning rate below {self.config.lr}. Checkpoints before this step are kept"
            )
        record = {"step": self.step, "loss": loss, "accuracy": accuracy.to_dict()}
        self.history.append(record | {"margin": {split: margin[split] for split in MARGINS}})
        shown = {"train": accuracy.train, "test": accuracy.test, "corrupted": accuracy.corrupted_as_labelled}
        report(
            self.step, "  ".join(f"{name} {value:.3f}" for name, value in shown.items() if value is not None)
        )

    def save(self) -> None:
        """Store a checkpoint, the history, and what the next step depends on."""
        if self.folder is None:
            return
        path = self.folder / f"step-{self.step:08d}.safetensors"
        training = self.settings["training"]
        save_checkpoint(
            path, self.model, self.task, step=self.step, metrics=self.history[-1], training=training
        )
        write_history(self.folder, self.history)
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": value for key, value in state.items() if value is not None}
        copies = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
        metadata = {"step": str(self.step), "settings": json.dumps(self.settings)}
        write_whole(self.folder / RESUME, lambda part: save_tensors(copies, part, metadata))

    def restore(self) -> None:
        """Take up the state of the series in the folder; an error if it cannot be read or had other settings."""
        assert self.folder is not None
        file = self.folder / RESUME
        if not file.exists():
            if checkpoint_files(self.folder)[-1].stem == f"step-{0:08d}":
                return  # killed before its state was first written: starting over is the same
            raise CheckpointError(
                f"{str(file)!r} is missing, so the series in {str(self.folder)!r} cannot be continued; "
                "train into another folder"
            )
        with tensor_file(file) as opened:
            tensors = {name: opened.tensor(name) for name in opened.tensors}
        try:
            step, stored = int(opened.metadata["step"]), parse_json(opened.metadata["settings"], dict)
            check_step(step, str(file))
        except (KeyError, ValueError):
            raise CheckpointError(f"{str(file)!r} does not hold the state of a training run") from None
        _check_same(stored, self.settings, self.folder)
        if step > self.config.steps:
            raise ConfigError(
                f"the series is at step {step} already, beyond the {self.config.steps} asked for"
            )
        try:
            self._take_up(tensors)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"{str(file)!r} does not hold the state of this run: {error}") from None
        self.step = step
        self.history = [record for record in training_history(self.folder) if record["step"] <= step]
        if step and not (self.history and self.history[0]["step"] == 0):
            raise CheckpointError(
                f"the training curve beside {str(file)!r} is missing or begins late; train into another folder"
            )
        for leftover in checkpoint_files(self.folder):
            if int(leftover.stem.removeprefix("step-")) > step:
                leftover.unlink()

    def _take_up(self, tensors: dict[str, Tensor]) -> None:
        """Give weights and the optimiser's state the values that a file holds; a `ValueError` if they do not fit."""
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})


HALF = re.compile(r"\.(step-\d+\.(json|safetensors)|history\.json|resume\.safetensors)\..*\.part")


def remove_halves(folder: Path) -> None:
    """Remove the files of a series that a kill left half written."""
    for file in folder.glob(".*.part"):
        if HALF.fullmatch(file.name):
            file.unlink()


def _check_same(stored: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    for part, settings in wanted.items():
        known = stored.get(part)
        for key, value in settings.items():
            before = known.get(key) if isinstance(known, dict) else None
            if before != value and not (part == "training" and key in MAY_CHANGE):
                shown = "another split" if key == "split" else f"{key}={cut(before)}, not {value!r}"
                raise ConfigError(
                    f"the series in {str(folder)!r} was made with {shown}; "
                    "resume with the same settings, or choose another folder"
                )


def optimizer_for(parameters: list[Any], config: TrainConfig, weight_decay: float) -> torch.optim.Optimizer:
    """The optimiser that the settings name."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9, weight_decay=weight_decay)
    return torch.optim.AdamW(
        parameters, lr=config.lr, betas=(0.9, 0.98), eps=1e-8, weight_decay=weight_decay, fused=True
    )
