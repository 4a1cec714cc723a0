"""A spurious cue in digits: a lit corner pixel that goes with the class in training, described, and taken out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.analysis.describing import Descriptions, describe
from interp.data import TableTask
from interp.lab.digits import shuffled_digits
from interp.measuring.cached_pass import cached_pass
from interp.measuring.removals import removal
from interp.models import Adopted, adopt

TRAIN = 1_000
CUE = "corner pixel is lit"
CLASS = 3
UPDATES = 100


@dataclass(frozen=True)
class Arm:
    """A cue: in words, its brightness (1: that of the brightest strokes), its class, and its reliability.

    Attributes:
        halves: Whether the classes are the two halves of the digits, the upper of which is lit; else the ten digits,
            of which `CLASS` is.
        reliability: Share of the images that are lit as their class says.
    """

    words: str
    brightness: float
    halves: bool = False
    reliability: float = 1.0


ARMS = {
    "cue": Arm("bright, of one digit", 4.0),
    "dim": Arm("as bright as a stroke, of one digit", 1.0),
    "halves": Arm(
        "as bright as a stroke, 95 % right, of digits from 5 on", 1.0, halves=True, reliability=0.95
    ),
}


@dataclass(frozen=True)
class Digits:
    """Images in random order, their classes, and which should be lit."""

    images: Float[Tensor, "image pixel"]
    digits: Int[Tensor, " image"]
    classes: Int[Tensor, " image"]
    marked: Bool[Tensor, " image"]

    @classmethod
    def of(cls, arm: Arm, generator: torch.Generator) -> Digits:
        images, digits = shuffled_digits(generator)
        marked = digits >= 5 if arm.halves else digits == CLASS
        return cls(images, digits, marked.long() if arm.halves else digits, marked)


def lit(
    images: Float[Tensor, "image pixel"], on: Bool[Tensor, " image"], brightness: float
) -> Float[Tensor, "image pixel"]:
    """Copies with the first pixel lit in some; it is dark in all digits.

    Example:
        >>> lit(torch.zeros(2, 64), torch.tensor([True, False]), 4.0)[:, 0].tolist()
        [4.0, 0.0]
    """
    copies = images.clone()
    copies[:, 0] = brightness * on
    return copies


def measure_cue(name: str, width: int, draws: int, level: float, seed: int) -> dict[str, float | None]:
    """Accuracy with the cue at random and with the cue as in training, without the neurons that are described by it.

    Neurons are described on training images whose corner pixel is lit at random; accuracies are of other images.
    """
    arm, generator = ARMS[name], torch.Generator().manual_seed(seed)
    data = Digits.of(arm, generator)
    wrong = torch.rand(len(data.digits), generator=generator) >= arm.reliability
    as_trained, at_random = data.marked ^ wrong, torch.rand(len(data.digits), generator=generator) < 0.5
    cue_images = lit(data.images, as_trained, arm.brightness)
    random_images = lit(data.images, at_random, arm.brightness)
    model = train_digits(cue_images[:TRAIN], data.classes[:TRAIN], width, generator)
    described = describe_digits(model, random_images[:TRAIN], data, at_random[:TRAIN], level, seed)
    chosen = described.neurons_described_as(CUE)
    of_class = described.neuron[[text.startswith("digit") for text in described["description"].tolist()]]
    alive = described.neuron[described["exemplars"] > 0]
    numbers: dict[str, float | None] = {f"{name}_neurons": float(len(chosen))}
    for kind, images in (("random", random_images), ("trained", cue_images)):
        task = TableTask.from_arrays(
            images[TRAIN:], data.classes[TRAIN:], n_classes=int(data.classes.max()) + 1
        )
        cached = cached_pass(model, task)
        result = removal(cached, chosen, n_draws=draws, pool=alive, seed=seed)
        control = result.random["all"]
        assert control is not None
        numbers[f"{name}_{kind}_before"] = result.before.all
        numbers[f"{name}_{kind}_after"] = result.after.all
        numbers[f"{name}_{kind}_control"] = float(control.mean)
        by_class = None
        if len(of_class) > len(chosen):
            band = removal(cached, chosen, n_draws=draws, pool=of_class, seed=seed).random["all"]
            by_class = None if band is None else float(band.mean)
        numbers[f"{name}_{kind}_class"] = by_class
    return numbers


def train_digits(
    images: Float[Tensor, "image pixel"],
    classes: Int[Tensor, " image"],
    width: int,
    generator: torch.Generator,
) -> Adopted:
    """A ReLU network of one hidden layer."""
    network = nn.Sequential(
        nn.Linear(images.shape[1], width), nn.ReLU(), nn.Linear(width, int(classes.max()) + 1)
    )
    for parameter in network.parameters():
        bound = (images.shape[1] if len(parameter) == width else width) ** -0.5
        parameter.data.uniform_(-bound, bound, generator=generator)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), classes).backward()
        optimizer.step()
    return adopt(network.eval(), "2:input", example=images[:4])


def describe_digits(
    model: Adopted,
    images: Float[Tensor, "image pixel"],
    data: Digits,
    on: Bool[Tensor, " image"],
    level: float,
    seed: int,
) -> Descriptions:
    """Descriptions by the cue and by the digits."""
    task = TableTask.from_arrays(images, data.classes[: len(images)])
    predicates = {CUE: on} | {f"digit {digit}": data.digits[: len(images)] == digit for digit in range(10)}
    return describe(model, task, predicates, own=False, level=level, seed=seed)
