"""Mini-batches, as a function of the seed and the step alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interp.data import Dataset
from interp.training.settings import TrainConfig


class Batches:
    """Training examples of any step."""

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
