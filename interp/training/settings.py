"""Settings of training; nothing here loads PyTorch, so that the command line can list them."""

from __future__ import annotations

from dataclasses import dataclass

from interp.errors import ConfigError, choose
from interp.losses import LOSSES

MAY_CHANGE = ("steps", "save_every", "log_every")  # in a resumed run, as they do not alter any step


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run.

    Args:
        steps: Updates; 0 saves the untrained network.
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
        if self.seed >= 2**63:
            raise ConfigError(f"seed={self.seed} is too large; expected less than 2**63")
        if not 0 < self.lr < float("inf") or self.log_every < 1:
            raise ConfigError(f"lr={self.lr} and log_every={self.log_every} must be above 0")

    def lr_at(self, step: int) -> float:
        """The learning rate of an update, after the warm-up's share of it."""
        return self.lr * min(1.0, (step + 1) / self.warmup) if self.warmup else self.lr
