"""The one training loop: seeded, resumable to the bit, and safe to kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from interp.checkpoints import checkpoint_files, save_checkpoint, training_history, write_history
from interp.checkpoints.files import RESUME
from interp.checkpoints.native import read_tensors
from interp.data import Dataset, ModularTask
from interp.devices import resolve_device
from interp.errors import CheckpointError, ConfigError, choose
from interp.evaluation import LOSSES, evaluate
from interp.files import write_whole
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.models.layers import SeededDropout
from interp.progress import Report, progress, silent
from interp.safeguards import deferred_interrupt, flushed_denormals

Network = HookedMLP | SmallTransformer
MAY_CHANGE = ("steps", "save_every", "log_every")
"""Training settings that a resumed run may change: they do not alter any step."""


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    Args:
        steps: Updates.
        lr: Learning rate.
        weight_decay: Decoupled (AdamW), or added to the gradient (SGD).
        optimizer: ``"adamw"`` (betas .9 and .98) or ``"sgd"`` (momentum .9).
        loss: ``"mse"`` against one-hot labels, mean over batch and outputs, or ``"cross_entropy"``.
        batch_size: Examples in a batch, drawn without replacement in every epoch; 0 for the whole training set.
        warmup: Steps over which the learning rate rises linearly.
        save_every: Steps between checkpoints; 0 for the last one only.
        log_every: Steps between measurements.
        seed: Of initial weights, batches and dropout.

    Raises:
        ConfigError: A value is out of range.
    """

    steps: int = 1000
    lr: float = 0.01
    weight_decay: float = 0.0
    optimizer: str = "adamw"
    loss: str = "mse"
    batch_size: int = 0
    warmup: int = 0
    save_every: int = 100
    log_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        choose("optimizer", self.optimizer, ("adamw", "sgd"))
        choose("loss", self.loss, LOSSES)
        for name in ("steps", "weight_decay", "batch_size", "warmup", "save_every", "seed"):
            value = getattr(self, name)
            if not 0 <= value < float("inf") or (name != "weight_decay" and value != int(value)):
                raise ConfigError(f"{name}={value} is no usable number; expected 0 or more")
        if not 0 < self.lr < float("inf") or self.log_every < 1:
            raise ConfigError(f"lr={self.lr} and log_every={self.log_every} must be above 0")


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network and how it got there.

    Attributes:
        model: In evaluation mode.
        history: Records of ``step``, ``loss`` (on the training set) and ``accuracy`` by split.
        step: Updates done; fewer than asked for if the run was interrupted.
        folder: Where the series is; None if it was not saved.
    """

    model: Network
    history: list[dict[str, Any]] = field(repr=False)
    step: int
    folder: Path | None = None


def train(
    task: ModularTask,
    model: MLPConfig | TransformerConfig | Network | None = None,
    config: TrainConfig | None = None,
    *,
    tokens: str | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: torch.device | str = "cpu",
    show_progress: bool = True,
) -> TrainResult:
    """Train a network on a task's training set.

    With `out` a checkpoint series is written there. A run that was killed at any moment can be resumed: the result
    is the same to the bit as without the interruption (same machine and number of threads). Ctrl-C ends the run
    after the current step with a checkpoint.

    Args:
        task: What to train on.
        model: The network's shape, or a network to train further (in place).
        config: How to train.
        tokens: A transformer's prompt, such as ``"a b ="``; ``"a b"`` if None.
        out: Folder for the series.
        resume: Continue the series in `out`; starts anew if there is none.
        device: Where to compute; ``"auto"`` picks the fastest.
        show_progress: Show a bar with train, test and corrupted accuracy.

    Raises:
        ConfigError: `out` holds a series and `resume` is off, or the series was made with other settings.

    Example:
        >>> task = ModularTask("add", p=7, train_fraction=0.8)
        >>> train(task, MLPConfig(width=16), TrainConfig(steps=2), show_progress=False).step
        2
    """
    config = config or TrainConfig()
    folder = None if out is None else Path(out)
    if isinstance(model, TransformerConfig):
        model = new_transformer(model, task, tokens=tokens, seed=config.seed)
    elif tokens is not None:
        raise ConfigError(f"tokens={tokens!r} say how a transformer reads operands; this network is none")
    if not isinstance(model, Network):
        model = HookedMLP(model or MLPConfig(), vocab=task.p, seed=config.seed)
    run = _Run(model.to(resolve_device(device)), task, config, folder)
    if folder is not None and checkpoint_files(folder):
        if not resume:
            raise ConfigError(
                f"{str(folder)!r} already holds checkpoints; add --resume to continue, or choose another folder"
            )
        run.restore()
    with progress("training", config.steps) if show_progress else _no_progress() as report:
        run.go(report)
    if isinstance(model, SmallTransformer):
        model.readout_only = False
    return TrainResult(model.eval(), run.history, run.step, folder)


def new_transformer(
    config: TransformerConfig, task: ModularTask, *, tokens: str | None = None, seed: int = 0
) -> SmallTransformer:
    """An untrained transformer for a task: the paper's two-token encoder, or any other prompt.

    Example:
        >>> str(new_transformer(TransformerConfig(d_model=8), ModularTask(p=7), tokens="a b =").prompt)
        'a b 7'
    """
    prompt = Prompt.parse(tokens or "a b", p=task.p)
    vocab = 1 + max(n if column is None else task.p - 1 + n for column, n in prompt.slots)
    return SmallTransformer(config, vocab, task.p, prompt, seed=seed)


@contextmanager
def _no_progress() -> Iterator[Report]:
    yield silent


class _Run:
    """State of a training run between two steps; all that a later step depends on is in `resume.safetensors`."""

    def __init__(self, model: Network, task: ModularTask, config: TrainConfig, folder: Path | None) -> None:
        self.model, self.task, self.config, self.folder = model, task, config, folder
        self.step, self.history = 0, list[dict[str, Any]]()
        if isinstance(model, SmallTransformer):
            model.readout_only = True  # the rest of the last block changes neither logits nor gradients
        device = next(model.parameters()).device
        self.data = task.dataset.to(device)
        self.batches = _Batches(self.data, config)
        self.dropouts = [m for m in model.modules() if isinstance(m, SeededDropout) and m.rate]
        for dropout in self.dropouts:
            dropout.generator = torch.Generator(device)
        self.optimizer = _optimizer(model, config)
        if model.config.norm == "batch" and int(self.data.train.sum()) < 2:
            raise ConfigError("batch norm needs at least 2 training examples; raise train_fraction")
        if model.config.norm == "batch" and config.batch_size == 1:
            raise ConfigError("batch norm needs batches of at least 2 examples, not batch_size=1")
        self.settings = {"model": model.to_dict(), "task": task.to_dict(), "training": asdict(config)}

    def go(self, report: Report) -> None:
        with flushed_denormals(), deferred_interrupt() as interrupted:
            if not self.history:
                self._measure(report)
                self._save()
            while self.step < self.config.steps and not interrupted():
                self._update()
                last = self.step == self.config.steps or interrupted()
                if last or self.step % self.config.log_every == 0:
                    self._measure(report)
                if last or (self.config.save_every and self.step % self.config.save_every == 0):
                    self._save()

    def _update(self) -> None:
        config = self.config
        for i, dropout in enumerate(self.dropouts):
            dropout.generator.manual_seed(_stream(config.seed, 1 + i, self.step))  # type: ignore[union-attr]
        inputs, labels, targets = self.batches.at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = (
                config.lr * min(1.0, (self.step + 1) / config.warmup) if config.warmup else config.lr
            )
        self.model.train()
        logits = self.model(inputs)
        loss = F.mse_loss(logits, targets) if targets is not None else F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1

    def _measure(self, report: Report) -> None:
        found = evaluate(self.model, self.data, loss=self.config.loss)
        if found.loss.train is None or not np.isfinite(found.loss.train):
            raise ConfigError(
                f"the loss is {found.loss.train} at step {self.step}: training diverged; "
                f"try a learning rate below {self.config.lr}. Checkpoints before this step are kept"
            )
        accuracy = found.accuracy
        self.history.append({"step": self.step, "loss": found.loss.train, "accuracy": accuracy.to_dict()})
        shown = {"train": accuracy.train, "test": accuracy.test, "corrupted": accuracy.corrupted_as_labelled}
        report(
            self.step, "  ".join(f"{name} {value:.3f}" for name, value in shown.items() if value is not None)
        )

    def _save(self) -> None:
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
        copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"step": str(self.step), "settings": json.dumps(self.settings)}
        write_whole(self.folder / RESUME, lambda part: save_file(copies, part, metadata=metadata))

    def restore(self) -> None:
        """Take up the state of the series in the folder.

        Raises:
            ConfigError: The series was made with other settings. CheckpointError: its state cannot be read.
        """
        assert self.folder is not None
        file = self.folder / RESUME
        if not file.exists():
            if checkpoint_files(self.folder)[-1].stem == f"step-{0:08d}":
                return  # killed before its state was first written: starting over is the same
            raise CheckpointError(
                f"{str(file)!r} is missing, so the series in {str(self.folder)!r} cannot be continued; "
                "train into another folder"
            )
        tensors = read_tensors(file)
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
        try:
            step, stored = int(metadata["step"]), json.loads(metadata["settings"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"{str(file)!r} does not hold the state of a training run") from None
        _check_same(stored, self.settings, self.folder)
        if step > self.config.steps:
            raise ConfigError(
                f"the series is at step {step} already, beyond the {self.config.steps} asked for"
            )
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        self.step = step
        self.history = [record for record in training_history(self.folder) if record["step"] <= step]
        for leftover in checkpoint_files(self.folder):
            if int(leftover.stem.removeprefix("step-")) > step:
                leftover.unlink()


def _check_same(stored: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    for part, settings in wanted.items():
        for key, value in settings.items():
            before = stored.get(part, {}).get(key)
            if before != value and not (part == "training" and key in MAY_CHANGE):
                shown = "another split" if key == "split" else f"{key}={before!r}, not {value!r}"
                raise ConfigError(
                    f"the series in {str(folder)!r} was made with {shown}; "
                    "resume with the same settings, or choose another folder"
                )


class _Batches:
    """Training examples of any step, as a function of the seed and the step alone."""

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
            generator = torch.Generator().manual_seed(_stream(self.seed, 0, epoch))
            order = torch.randperm(self.n, generator=generator)
            self.epoch, self.order = epoch, order.to(self.examples[0].device)
        chosen = self.order[batch * self.size : (batch + 1) * self.size]
        inputs, labels, targets = self.examples
        return inputs[chosen], labels[chosen], None if targets is None else targets[chosen]


def _stream(seed: int, purpose: int, step: int) -> int:
    """An independent seed for each purpose and step, so that nothing random needs to be stored."""
    return int(np.random.SeedSequence((seed, purpose, step)).generate_state(1, np.uint32)[0])


def _optimizer(model: Network, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9, weight_decay=config.weight_decay)
    return torch.optim.AdamW(
        parameters, lr=config.lr, betas=(0.9, 0.98), eps=1e-8, weight_decay=config.weight_decay, fused=True
    )
