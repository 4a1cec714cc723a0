"""The two kinds of networks with wrong labels: sums modulo p, and images of digits."""

from __future__ import annotations

import torch
from torch import nn

from interp.data import ModularTask, TableTask
from interp.lab.digits import shuffled_digits
from interp.models import MLPConfig, adopt
from interp.progress import Report, silent
from interp.subject import Subject
from interp.training import TrainConfig, finish, prepare

TRAINED_ON = 0.6
DIGITS, PIXELS, DIGITS_RATE = 10, 64, 5e-3


def modular_network(
    p: int, width: int, steps: int, wrong: float, seed: int, report: Report = silent
) -> Subject:
    """A network of squared sums, trained on a + b modulo p with a share of wrong labels."""
    task = ModularTask("add", p, TRAINED_ON, wrong, corrupt="wrong", seed=seed)
    config = TrainConfig(steps=steps, weight_decay=0.0, save_every=0, log_every=max(steps, 1), seed=seed)
    return Subject(finish(prepare(task, MLPConfig(width=width), config), report).model, task, seed=seed)


def digits_network(width: int, steps: int, wrong: float, seed: int, report: Report = silent) -> Subject:
    """One hidden layer of rectified units, trained on images of digits with a share of wrong labels."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = shuffled_digits(generator)
    trained = torch.arange(len(digits)) < round(TRAINED_ON * len(digits))
    chosen = trained & (torch.rand(len(digits), generator=generator) < wrong)
    shift = torch.randint(1, DIGITS, (len(digits),), generator=generator)
    labels = torch.where(chosen, (digits + shift) % DIGITS, digits)
    layers = nn.Linear(PIXELS, width), nn.Linear(width, DIGITS)
    for layer in layers:
        bound = layer.in_features**-0.5
        for tensor in layer.parameters():
            nn.init.uniform_(tensor, -bound, bound, generator=generator)
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    optimizer = torch.optim.Adam(network.parameters(), DIGITS_RATE)
    for step in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[trained]), labels[trained]).backward()
        optimizer.step()
        report(step + 1)
    task = TableTask.from_arrays(images, labels, true_labels=digits, train=trained, n_classes=DIGITS)
    return Subject(adopt(network.eval(), ["2:input"], example=images[:4]), task, seed=seed)
