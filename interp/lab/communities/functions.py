"""Networks with several functions: four operations on residues, and ten classes of digits."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.data.tables import TableTask
from interp.lab.digits import shuffled_digits
from interp.lab.forgetting.skills import SITE, SKILLS, Examples, GatedNetwork, draw_examples, train_network
from interp.models import adopt
from interp.progress import silent
from interp.subject import Subject

P, WIDTH, UPDATES = 29, 256, 400
"""Of the operations: modulus, neurons and updates, those of the study of forgetting."""
TRAINED, DIGIT_UPDATES, BATCH = 900, 300, 64
"""Of the digits: images that are trained on, updates and images of one."""


class _Gated(nn.Module):
    """The network of all operations, as a module with one hook point."""

    def __init__(self, network: GatedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


def operations_subject(
    seed: int, width: int = WIDTH, p: int = P, updates: int = UPDATES
) -> tuple[Subject, dict[str, Tensor]]:
    """One network of squared sums that learnt four operations, all its examples, and a mask of each operation's."""
    generator = torch.Generator().manual_seed(seed)
    examples = draw_examples(p, 0.75, 0.0, generator)
    network, _ = train_network(examples, width, updates, 5e-3, 2.0, generator, silent)
    return _subject(network, examples, seed), {
        name: examples.skill == place for place, name in enumerate(SKILLS.values())
    }


def _subject(network: GatedNetwork, examples: Examples, seed: int) -> Subject:
    task = TableTask.from_arrays(
        examples.inputs,
        examples.labels,
        true_labels=examples.true,
        train=examples.train,
        n_classes=examples.p,
    )
    return Subject(adopt(_Gated(network), [SITE], example=examples.inputs[:8]), task, seed=seed)


def digits_subject(seed: int, width: int) -> tuple[Subject, Float[Tensor, "digit pixel"]]:
    """A network of one rectified layer that learnt digits, its held-out images, and the mean image of each class."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = shuffled_digits(generator)
    network = train_digits(images[:TRAINED], digits[:TRAINED], width, 10, generator)
    held = torch.zeros(len(digits) - TRAINED, dtype=torch.bool)
    task = TableTask.from_arrays(images[TRAINED:], digits[TRAINED:], train=held, n_classes=10)
    means = torch.stack([images[:TRAINED][digits[:TRAINED] == digit].mean(0) for digit in range(10)])
    return Subject(adopt(network, ["1:output"], example=images[:4]), task, seed=seed), means


def train_digits(
    images: Float[Tensor, "image pixel"],
    classes: Tensor,
    width: int,
    n_classes: int,
    generator: torch.Generator,
) -> nn.Sequential:
    """A network of one rectified layer that learnt these images."""
    network = nn.Sequential(nn.Linear(images.shape[1], width), nn.ReLU(), nn.Linear(width, n_classes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * width**-0.5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(DIGIT_UPDATES):
        rows = torch.randint(len(classes), (BATCH,), generator=generator)
        optimizer.zero_grad()
        cross_entropy(network(images[rows]), classes[rows]).backward()
        optimizer.step()
    return network
