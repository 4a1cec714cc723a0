"""A network of two inputs whose hidden neurons are known to serve one operation each."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from interp.data.tables import TableTask
from interp.models import adopt
from interp.subject import Subject

VALUES, OPERATIONS = 6, 3


class PartedNetwork(nn.Module):
    """Given (operation, value), answers ``value + operation`` modulo `VALUES`.

    Of each operation `VALUES` neurons are active for one value each, under this operation alone, and write the answer.
    `idle` neurons are active a little for every input, and write nothing; the neurons are in a mixed order.
    """

    def __init__(self, idle: int = 12, seed: int = 0) -> None:
        super().__init__()
        generator = np.random.default_rng(seed)
        serving = OPERATIONS * VALUES
        self.part = np.concatenate([np.repeat(np.arange(OPERATIONS), VALUES), np.full(idle, -1)])
        order = generator.permutation(serving + idle)
        self.part = self.part[order]
        table = np.zeros((OPERATIONS, VALUES, serving + idle))
        write = np.zeros((serving + idle, VALUES))
        for operation in range(OPERATIONS):
            for value in range(VALUES):
                neuron = operation * VALUES + value
                table[operation, value, operation * VALUES : (operation + 1) * VALUES] = 0.5
                table[operation, value, neuron] = 3.0
                write[neuron, (value + operation) % VALUES] = 1.0
        table[:, :, serving:] = 0.1 + 0.1 * generator.random((OPERATIONS, VALUES, idle))
        self.register_buffer("table", torch.as_tensor(table[:, :, order]).float())
        self.out = nn.Linear(serving + idle, VALUES, bias=False)
        self.act = nn.ReLU()
        with torch.no_grad():
            self.out.weight.copy_(torch.as_tensor(write[order].T))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the answers."""
        return self.out(self.act(self.table[inputs[:, 0], inputs[:, 1]]))  # type: ignore[index]


def parted_subject(copies: int = 4, seed: int = 0) -> tuple[Subject, np.ndarray]:
    """The network with all inputs, each as often as `copies` with another irrelevant number, and each neuron's part."""
    network = PartedNetwork(seed=seed)
    inputs = torch.cartesian_prod(torch.arange(OPERATIONS), torch.arange(VALUES), torch.arange(copies))
    answers = (inputs[:, 0] + inputs[:, 1]) % VALUES
    task = TableTask.from_arrays(
        inputs, answers, train=torch.zeros(len(inputs), dtype=torch.bool), n_classes=VALUES
    )
    return Subject(adopt(network, ["act:output"], example=inputs[:4]), task, seed=seed), network.part
