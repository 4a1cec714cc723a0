"""A recurrent network that learns to predict words, and the separability of the next word's class in its state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.lab.separability.grammar import NOUN, VOCAB, WORD_CLASS, texts
from interp.progress import Report
from probes.separability import ClassSeparability, class_separability, shuffled

CONTEXT, BATCH, LR = 9, 64, 0.005
EXAMPLES = 1000
DRAWS = 99
ORDERED, SCRAMBLED = "ordered", "scrambled"


class Reader(nn.Module):
    """Embeddings, memory cells (LSTM), and logits of the next word."""

    def __init__(self, units: int, generator: torch.Generator) -> None:
        super().__init__()
        self.embed, self.cells = nn.Embedding(VOCAB, units // 2), nn.LSTM(units // 2, units, batch_first=True)
        self.readout = nn.Linear(units, VOCAB)
        with torch.no_grad():
            for weight in self.parameters():
                nn.init.uniform_(weight, -(units**-0.5), units**-0.5, generator=generator)

    def states(self, words: Int[Tensor, "row place"]) -> Float[Tensor, "row place unit"]:
        """Hidden state after every word."""
        return self.cells(self.embed(words))[0]

    def forward(self, words: Int[Tensor, "row place"]) -> Float[Tensor, "row place word"]:
        return self.readout(self.states(words))


@dataclass(frozen=True)
class Contexts:
    """Nine words, the class of the next, and draws of these classes among the contexts."""

    words: Int[Tensor, "row place"]
    following: Int[np.ndarray, " row"]
    permuted: Int[np.ndarray, "draw row"]

    @classmethod
    def draw(cls, rows: int, generator: np.random.Generator) -> Contexts:
        """So many contexts from texts that no network is trained on."""
        words = texts(rows, CONTEXT + 1, generator)
        following = WORD_CLASS[words[:, -1]]
        return cls(torch.from_numpy(words[:, :-1]), following, shuffled(following, DRAWS, generator))

    def after_nouns(self, generator: np.random.Generator) -> Contexts:
        """Those that end with a noun, after which the next class depends on the words before."""
        kept = WORD_CLASS[self.words[:, -1].numpy()] == NOUN
        following = self.following[kept]
        return Contexts(self.words[torch.from_numpy(kept)], following, shuffled(following, DRAWS, generator))

    def separability(self, network: Reader) -> ClassSeparability:
        """Of the next word's class, in the hidden state after the context."""
        with torch.no_grad():
            states = network.states(self.words)[:, -1].numpy()
        return class_separability(states, self.following, self.permuted)


def scrambled(
    words: Int[np.ndarray, "row place"], generator: np.random.Generator
) -> Int[np.ndarray, "row place"]:
    """Every row's words in a random order: as frequent as before, without any grammar."""
    return generator.permuted(words, axis=1)


def train_reader(
    units: int, updates: int, checks: int, arm: str, contexts: dict[str, Contexts], seed: int, report: Report
) -> tuple[list[int], dict[str, list[ClassSeparability]], float]:
    """Train on texts, ordered or scrambled.

    Args:
        checks: How often separability is measured, evenly spaced from before the first update to the last.
        contexts: What it is measured on, by name.

    Returns:
        Updates at which it was measured; its values there, by name; the last loss in nats a word.
    """
    network = Reader(units, torch.Generator().manual_seed(seed))
    optimiser, generator = torch.optim.Adam(network.parameters(), LR), np.random.default_rng(seed)
    at = sorted({round(updates * i / (checks - 1)) for i in range(checks)})
    values: dict[str, list[ClassSeparability]] = {name: [] for name in contexts}
    loss = torch.tensor(float("nan"))
    for update in range(updates + 1):
        if update in at:
            for name, one in contexts.items():
                values[name].append(one.separability(network))
            report(update, f"{arm} text")
        if update == updates:
            break
        words = texts(BATCH, CONTEXT + 1, generator)
        rows = torch.from_numpy(words if arm == ORDERED else scrambled(words, generator))
        loss = cross_entropy(network(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return at, values, loss.item()
