"""Several operations on the same residues, learnt by one network, and the examples of one that are to be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.data.operations import operation_table
from interp.data.tables import TableTask
from interp.models import adopt
from interp.progress import Report, silent
from interp.subject import Subject

SKILLS = {"add": "a + b", "subtract": "a - b", "(p - 1) * (a + b)": "-a - b", "a + 0 * b": "a"}
"""Operations, as `interp.data.operation_table` knows them, and as figures show them."""
SITE = "network.out:input"
BETAS = (0.9, 0.98)


class GatedNetwork(nn.Module):
    """One layer of squared sums, as of arXiv 2301.02679, whose neurons each operation multiplies by its own factors.

    Inputs are (a, operation, b); all operations share the neurons and the readout.
    """

    def __init__(self, p: int, n_skills: int, width: int, generator: torch.Generator) -> None:
        super().__init__()

        def drawn(rows: int, spread: float) -> nn.Embedding:
            return nn.Embedding.from_pretrained(
                torch.randn(rows, width, generator=generator) * spread, freeze=False
            )

        self.a, self.b, self.gate = drawn(p, 0.35), drawn(p, 0.35), drawn(n_skills, 1.0)
        self.out = nn.Linear(width, p, bias=False)
        with torch.no_grad():
            self.out.weight.copy_(torch.randn(p, width, generator=generator) * width**-0.5)

    def hidden(self, inputs: Int[Tensor, "example three"]) -> Float[Tensor, "example neuron"]:
        """Activations that the readout reads."""
        a, skill, b = inputs.unbind(1)
        return (self.a(a) + self.b(b)).square() * self.gate(skill)

    def forward(self, inputs: Int[Tensor, "example three"]) -> Float[Tensor, "example residue"]:
        return self.out(self.hidden(inputs))


class _OneSkill(nn.Module):
    """The network as one operation sees it: inputs are pairs."""

    def __init__(self, network: GatedNetwork, skill: int) -> None:
        super().__init__()
        self.network, self.skill = network, skill

    def forward(self, pairs: Tensor) -> Tensor:
        skill = torch.full((len(pairs), 1), self.skill)
        return self.network(torch.cat([pairs[:, :1], skill, pairs[:, 1:]], 1))


@dataclass(frozen=True, eq=False)
class Examples:
    """All pairs of residues under every operation.

    Attributes:
        inputs: (a, operation, b).
        labels: As trained on; a share of the training examples has a wrong one.
        true: By the operation.
        train: Which are trained on.
        forget: Rightly labelled training examples of each operation that may be chosen to be forgotten: half of them.
    """

    p: int
    inputs: Int[Tensor, "example three"]
    labels: Int[Tensor, " example"]
    true: Int[Tensor, " example"]
    train: Bool[Tensor, " example"]
    forget: Bool[Tensor, " example"]

    @property
    def skill(self) -> Int[Tensor, " example"]:
        """The operation of each example, from 0."""
        return self.inputs[:, 1]

    @property
    def wrong(self) -> Bool[Tensor, " example"]:
        """Training examples with a wrong label."""
        return self.train & (self.labels != self.true)

    def rows(self, skill: int, kind: str) -> Int[Tensor, " row"]:
        """Examples of an operation: its ``forget`` half, the ``other`` half of its training examples, ``held_out``."""
        kinds = {
            "forget": self.forget,
            "other": self.train & ~self.forget & ~self.wrong,
            "held_out": ~self.train,
        }
        return (kinds[kind] & (self.skill == skill)).nonzero()[:, 0]


def draw_examples(p: int, train_fraction: float, wrong: float, generator: torch.Generator) -> Examples:
    """Examples of all `SKILLS` modulo p, with a share of them trained on, and a share of those labelled wrongly.

    Example:
        >>> examples = draw_examples(7, 0.8, 0.25, torch.Generator().manual_seed(0))
        >>> len(examples.labels), int(examples.train.sum()), int(examples.wrong.sum())
        (196, 156, 40)
    """
    inputs, true = [], []
    for skill, operation in enumerate(SKILLS):
        table = operation_table(operation.replace("p", str(p)), p)
        pairs, results = (torch.as_tensor(one) for one in table)
        inputs.append(torch.stack([pairs[:, 0], torch.full_like(results, skill), pairs[:, 1]], 1))
        true.append(results)
    each = p * p
    n_train = round(train_fraction * each)
    n_wrong = round(wrong * n_train)
    masks = torch.zeros(3, len(SKILLS) * each, dtype=torch.bool)
    for skill in range(len(SKILLS)):
        order = skill * each + torch.randperm(each, generator=generator)
        masks[0, order[:n_train]] = True
        masks[1, order[:n_wrong]] = True
        masks[2, order[n_wrong : (n_wrong + n_train) // 2]] = True
    labels = torch.cat(true).clone()
    shift = torch.randint(1, p, (int(masks[1].sum()),), generator=generator)
    labels[masks[1]] = (labels[masks[1]] + shift) % p
    return Examples(p, torch.cat(inputs), labels, torch.cat(true), masks[0], masks[2])


def train_network(
    examples: Examples,
    width: int,
    updates: int,
    lr: float,
    decay: float,
    generator: torch.Generator,
    report: Report,
) -> tuple[GatedNetwork, GatedNetwork]:
    """A network that learnt all training examples, and the same one before training."""
    network = GatedNetwork(examples.p, len(SKILLS), width, generator)
    untrained = deepcopy(network)
    fit(
        network,
        lambda _: (examples.train, examples.labels[examples.train]),
        examples,
        updates,
        lr,
        decay,
        report,
    )
    return network, untrained


def fit(
    network: GatedNetwork,
    batch: Callable[[int], tuple[Tensor, Tensor]],
    examples: Examples,
    updates: int,
    lr: float,
    decay: float = 0.0,
    report: Report = silent,
    stop: Callable[[int], bool] | None = None,
) -> int:
    """Train in place by AdamW; `batch` gives an update's rows, or mask, and labels. The number of updates done.

    Args:
        stop: Asked before every update, with the number of those done.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=decay, betas=BETAS)
    for done in range(updates):
        if stop is not None and stop(done):
            return done
        rows, labels = batch(done)
        optimizer.zero_grad()
        cross_entropy(network(examples.inputs[rows]), labels).backward()
        optimizer.step()
        report(done + 1)
    if stop is not None:
        stop(updates)
    return updates


@torch.no_grad()
def accuracy(network: GatedNetwork, examples: Examples, rows: Tensor, labels: Tensor | None = None) -> float:
    """Share of examples whose answer is the true one, or another label."""
    wanted = examples.true[rows] if labels is None else labels
    return float((network(examples.inputs[rows]).argmax(1) == wanted).double().mean())


def subject_of_skill(network: GatedNetwork, examples: Examples, skill: int, seed: int) -> Subject:
    """The network and one operation's examples, as any analysis takes them."""
    own = examples.skill == skill
    pairs, labels, true = examples.inputs[own][:, [0, 2]], examples.labels[own], examples.true[own]
    operation = list(SKILLS)[skill]
    known: dict[str, Any] = {"task": operation, "p": examples.p} if operation in ("add", "subtract") else {}
    task = TableTask.from_arrays(
        pairs, labels, true_labels=true, train=examples.train[own], n_classes=examples.p, **known
    )
    model = adopt(_OneSkill(network, skill), [SITE], example=task.dataset.inputs[:8])
    return Subject(model, task, seed=seed)


def chance_interval(n: int, classes: int) -> tuple[float, float]:
    """The central 95 % of shares that are right by chance, of n answers.

    Example:
        >>> chance_interval(100, 10)
        (0.05, 0.16)
    """
    from scipy.stats import binom

    low, high = binom.ppf([0.025, 0.975], n, 1 / classes) / n
    return float(np.round(low, 12)), float(np.round(high, 12))
