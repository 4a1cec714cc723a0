"""Fine-tuning on random labels, what of a skill can be read afterwards, and how fast it is learnt again."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.lab.forgetting.skills import Examples, GatedNetwork, accuracy, chance_interval, fit
from probes.ridge_probe import ridge_probe

WINDOW = 5
"""Updates over which the accuracy must be at chance on average."""
SHARES = (0.5, 0.9)
RELEARNT = {
    "true": "true labels, after forgetting",
    "shifted": "the same examples with another rule's labels",
    "never": "never-trained labels",
    "scratch": "true labels, from scratch",
}


@dataclass(frozen=True, eq=False)
class Forgotten:
    """A copy that was fine-tuned on random labels.

    Attributes:
        updates: Until the forget set was at chance.
        at_chance: Whether it came so far.
        curves: Accuracy after each update, from 0, of the forget set, other training examples and held-out ones.
    """

    network: GatedNetwork
    updates: int
    at_chance: bool
    curves: dict[str, list[float]] = field(default_factory=dict)


def forget(
    network: GatedNetwork, examples: Examples, skill: int, most: int, lr: float, generator: torch.Generator
) -> Forgotten:
    """Fine-tune a copy on random labels of an operation's forget set, drawn anew in every update, until at chance.

    After arXiv 2409.02228. Chance: the mean of the last updates is within the central 95 % of guesses.
    """
    changed, rows = deepcopy(network), examples.rows(skill, "forget")
    high = chance_interval(len(rows), examples.p)[1]
    curves: dict[str, list[float]] = {"forget": [], "other": [], "held_out": []}

    def at_chance(_: int) -> bool:
        for kind, curve in curves.items():
            curve.append(accuracy(changed, examples, examples.rows(skill, kind)))
        last = curves["forget"][-WINDOW:]
        return len(last) == WINDOW and float(np.mean(last)) <= high

    def batch(_: int) -> tuple[Tensor, Tensor]:
        return rows, torch.randint(examples.p, (len(rows),), generator=generator)

    done = fit(changed, batch, examples, most, lr, stop=at_chance)
    return Forgotten(changed, done, float(np.mean(curves["forget"][-WINDOW:])) <= high, curves)


def fine_tuned(
    network: GatedNetwork, examples: Examples, skill: int, updates: int, lr: float
) -> GatedNetwork:
    """A copy that was fine-tuned as long on the true labels of the same examples."""
    changed, rows = deepcopy(network), examples.rows(skill, "forget")
    fit(changed, lambda _: (rows, examples.true[rows]), examples, updates, lr)
    return changed


def generalisation(before: float, after: float, chance: float) -> float:
    """Share of the accuracy above chance that was lost.

    Example:
        >>> generalisation(0.9, 0.5, 0.1)
        0.5
    """
    return round((before - after) / (before - chance), 12)


def probed(
    network: GatedNetwork, examples: Examples, skill: int, generator: np.random.Generator | None = None
) -> float:
    """Accuracy on the forget set of a linear probe of hidden states, fitted to the other half of the training examples.

    Args:
        generator: Of the control with labels dealt anew; None: they are the true ones.
    """
    other, asked = (examples.rows(skill, kind) for kind in ("other", "forget"))
    with torch.no_grad():
        fitted, tested = (network.hidden(examples.inputs[rows]).double().numpy() for rows in (other, asked))
    labels = examples.true[other].numpy()
    if generator is not None:
        labels = generator.permutation(labels)
    scores = ridge_probe(fitted, labels, tested, examples.p)
    return float((scores.argmax(1) == examples.true[asked].numpy()).mean())


@torch.no_grad()
def predictors(network: GatedNetwork, examples: Examples, skill: int) -> dict[str, float]:
    """Mean probability of the true answer, and spread of hidden states, of an operation's held-out examples.

    ``variance``: summed over neurons, as a share of the mean squared length.
    """
    rows = examples.rows(skill, "held_out")
    hidden = network.hidden(examples.inputs[rows])
    right = network(examples.inputs[rows]).softmax(1).gather(1, examples.true[rows][:, None])
    variance = hidden.var(0, correction=0).sum() / hidden.square().sum(1).mean()
    return {"confidence": float(right.mean()), "variance": float(variance)}


@dataclass(frozen=True, eq=False)
class Relearnt:
    """Accuracy after each update, from 0, on the part that is trained on and on the rest of the forget set."""

    part: list[float]
    rest: list[float]

    def updates(self, share: float, kind: str = "part") -> int:
        """Updates until a share is answered; the number of all where it never is.

        Example:
            >>> Relearnt([0.1, 0.5, 0.9], [0.0, 0.1, 0.2]).updates(0.9), Relearnt([0.1], [0.0]).updates(0.5)
            (2, 0)
        """
        curve = getattr(self, kind)
        return next((update for update, value in enumerate(curve) if value >= share), len(curve) - 1)


def relearn(
    forgotten: GatedNetwork,
    untrained: GatedNetwork,
    examples: Examples,
    skill: int,
    most: int,
    lr: float,
    generator: torch.Generator,
) -> dict[str, Relearnt]:
    """Fine-tuning on half of the forget set, measured on both halves, beside its controls; see `RELEARNT`.

    ``shifted``: each true label plus a constant, a rule as simple as the forgotten one. ``never``: random labels of
    held-out examples, as many. ``scratch``: a network that never learnt anything.
    """
    rows = examples.rows(skill, "forget")
    rows = rows[torch.randperm(len(rows), generator=generator)]
    part, rest = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    shift = int(torch.randint(1, examples.p, (1,), generator=generator))
    held_out = examples.rows(skill, "held_out")
    unseen = held_out[torch.randperm(len(held_out), generator=generator)][: len(part)]
    drawn = torch.randint(examples.p, (len(unseen),), generator=generator)
    shifted = (examples.true + shift) % examples.p
    plan = {
        "true": (forgotten, part, examples.true[part], rest, examples.true[rest]),
        "shifted": (forgotten, part, shifted[part], rest, shifted[rest]),
        "never": (forgotten, unseen, drawn, rest, examples.true[rest]),
        "scratch": (untrained, part, examples.true[part], rest, examples.true[rest]),
    }
    return {name: _relearnt(*one, examples, most, lr) for name, one in plan.items()}


def _relearnt(
    start: GatedNetwork,
    part: Int[Tensor, " row"],
    labels: Int[Tensor, " row"],
    rest: Int[Tensor, " other"],
    rest_labels: Int[Tensor, " other"],
    examples: Examples,
    most: int,
    lr: float,
) -> Relearnt:
    network, curves = deepcopy(start), Relearnt([], [])

    def learnt(_: int) -> bool:
        curves.part.append(accuracy(network, examples, part, labels))
        curves.rest.append(accuracy(network, examples, rest, rest_labels))
        return min(curves.part[-1], curves.rest[-1]) >= SHARES[-1]

    fit(network, lambda _: (part, labels), examples, most, lr, stop=learnt)
    return curves
