"""A small language model trained here, with some sequences repeated until it knows them by heart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.language.gates import Gates, gated
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.sequences import HELD_OUT, TRAINED, Sequences, token_sequences
from interp.language.small import small_language_model
from interp.progress import Report, silent

DUPLICATES = "duplicates"
ONCE = -1
"""Identity of a sequence that is seen once; those that are repeated have theirs from 0 on."""


@dataclass(frozen=True)
class SmallTraining:
    """Size of the network, its language, and its training.

    Attributes:
        vocab, classes, successors: Of the language; see `RandomLanguage`.
        length: Tokens of every sequence.
        duplicates: Sequences that are repeated.
        held_out: Sequences of the same language that are never trained on.
        repeated: Rows of a batch that are repeated sequences, drawn at random.
        batch: Rows of a batch; those that are not repeated are new ones, seen once.
    """

    vocab: int = 200
    classes: int = 2
    successors: int = 4
    length: int = 32
    duplicates: int = 20
    held_out: int = 60
    repeated: int = 4
    batch: int = 32
    steps: int = 500
    lr: float = 5e-3
    layers: int = 4
    d_model: int = 64
    d_mlp: int = 256
    heads: int = 4


@dataclass(frozen=True, eq=False)
class RandomLanguage:
    """A Markov language whose next token depends on the last one and on the class of the one before.

    Attributes:
        kind: The class of each token.
        following: By class and token, those that may follow, the most likely first.
        chance: Of each of them.

    Example:
        >>> language = random_language(vocab=50, classes=2, successors=3, generator=np.random.default_rng(0))
        >>> language.draw(4, 10, np.random.default_rng(1)).shape
        (4, 10)
    """

    kind: Int[np.ndarray, " vocab"]
    following: Int[np.ndarray, "kind vocab successor"]
    chance: Float[np.ndarray, " successor"]

    def draw(self, n: int, length: int, generator: np.random.Generator) -> Int[np.ndarray, "n length"]:
        """Random sequences."""
        ids = generator.integers(len(self.kind), size=(n, length))
        chosen = generator.choice(len(self.chance), size=(n, length), p=self.chance)
        for place in range(2, length):
            context = self.kind[ids[:, place - 2]], ids[:, place - 1]
            ids[:, place] = self.following[(*context, chosen[:, place])]
        return ids


def random_language(
    vocab: int, classes: int, successors: int, generator: np.random.Generator
) -> RandomLanguage:
    """A language with random transitions; the chance of the k-th successor is proportional to 1 / k."""
    following = generator.integers(vocab, size=(classes, vocab, successors))
    weight = 1 / np.arange(1, successors + 1)
    return RandomLanguage(generator.integers(classes, size=vocab), following, weight / weight.sum())


@dataclass(frozen=True, eq=False)
class SmallTrained:
    """A trained network and the sequences that it was trained on or not.

    Attributes:
        network: A Llama of `transformers`.
        model: The same, opened; both share their weights.
        sequences: First those that were repeated, then the held-out ones.
        losses: Of every step.
    """

    network: Any
    model: LanguageModel
    sequences: Sequences
    losses: Float[np.ndarray, " step"]


def train_small_language_model(
    settings: SmallTraining = SmallTraining(),
    seed: int = 0,
    *,
    gates_of: Callable[[np.ndarray], Gates] | None = None,
    report: Report = silent,
) -> SmallTrained:
    """Train a small Llama on a random language in which some sequences come again and again.

    Repeated and held-out sequences are drawn alike, so that only memory tells them apart.

    Args:
        seed: Of the language, the network and the order.
        gates_of: Given the identity of each row of a batch (`ONCE`, or its number among the repeated ones), factors on
            units while it is trained on; see `interp.language.gates`.
        report: Given the steps that are done.

    Example:
        >>> trained = train_small_language_model(SmallTraining(steps=2, layers=1, d_model=16, d_mlp=8))
        >>> len(trained.losses), len(trained.sequences.candidates), len(trained.sequences.unseen)
        (2, 20, 60)
    """
    generator = np.random.default_rng(seed)
    language = random_language(settings.vocab, settings.classes, settings.successors, generator)
    known = language.draw(settings.duplicates + settings.held_out, settings.length, generator)
    network = _network(settings, seed)
    model = open_language_model(network)
    optimizer = torch.optim.AdamW(model.network.requires_grad_(True).parameters(), settings.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=settings.steps + 1)
    losses = np.zeros(settings.steps)
    for step in range(settings.steps):
        ids, identity = _batch(settings, language, known, generator)
        with ExitStack() as stack:
            if gates_of is not None:
                stack.enter_context(gated(model, gates_of(identity)))
            logits = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool))[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses[step] = float(loss.detach())
        report(step + 1)
    model.network.requires_grad_(False)
    split = [TRAINED] * settings.duplicates + [HELD_OUT] * settings.held_out
    group = [DUPLICATES] * settings.duplicates + [None] * settings.held_out
    return SmallTrained(network, model, token_sequences(list(known), group=group, split=split), losses)


def _network(settings: SmallTraining, seed: int) -> Any:
    return small_language_model(
        settings.vocab,
        layers=settings.layers,
        d_model=settings.d_model,
        d_mlp=settings.d_mlp,
        heads=settings.heads,
        context=max(128, settings.length),
        seed=seed,
    )


def _batch(
    settings: SmallTraining, language: RandomLanguage, known: np.ndarray, generator: np.random.Generator
) -> tuple[Int[Tensor, "row token"], Int[np.ndarray, " row"]]:
    """Tokens and identities of a batch: some repeated sequences, and new ones."""
    identity = np.full(settings.batch, ONCE)
    identity[: settings.repeated] = generator.integers(settings.duplicates, size=settings.repeated)
    rows = language.draw(settings.batch, settings.length, generator)
    rows[: settings.repeated] = known[identity[: settings.repeated]]
    return torch.from_numpy(rows), identity
