"""A small language model: trained on a language and its questions, then exposed to strings, then to new ones."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.lab.retention.strings import LENGTH, VOCAB, draw_strings, random_questions
from interp.language.small import small_language_model
from interp.language.small_training import RandomLanguage
from interp.progress import Report

BATCH, ALONE = 24, 16
"""Strings of an update that are followed by a question, and questions without a string."""
NEW = 32
"""New strings of an interfering update."""
ALONE_WEIGHT, DECAY = 0.3, 0.01


@dataclass(frozen=True)
class Size:
    """Size of the network, and its training before any string is exposed."""

    updates: int
    lr: float = 5e-3
    layers: int = 2
    d_model: int = 64
    d_mlp: int = 256
    heads: int = 4


def token_losses(network: Any, ids: Int[np.ndarray, "row token"]) -> Float[Tensor, "row place"]:
    """Log loss of every token but the first, in nats, given those before it.

    Example:
        >>> from interp.language.small import small_language_model
        >>> token_losses(small_language_model(), np.ones((2, 5), int)).shape
        torch.Size([2, 4])
    """
    rows = torch.from_numpy(ids)
    hidden = network.base_model(input_ids=rows, use_cache=False).last_hidden_state
    return cross_entropy(network.lm_head(hidden[:, :-1]).transpose(1, 2), rows[:, 1:], reduction="none")


def pretrained(
    size: Size, language: RandomLanguage, seed: int, generator: np.random.Generator, report: Report
) -> Any:
    """A Llama of `transformers` that knows the language, and that a question lists segments in their order.

    Half of what it reads are strings with a question about them, and half questions about strings that it does not see.
    """
    network = small_language_model(
        VOCAB + 1,
        layers=size.layers,
        d_model=size.d_model,
        d_mlp=size.d_mlp,
        heads=size.heads,
        context=2 * LENGTH,
        seed=seed,
    ).requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), size.lr, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, size.lr, total_steps=size.updates + 1)
    for update in range(1, size.updates + 1):
        seen = random_questions(draw_strings(language, BATCH, generator), generator, context=True)
        alone = random_questions(draw_strings(language, ALONE, generator), generator, context=False)
        loss = token_losses(network, seen).mean() + ALONE_WEIGHT * token_losses(network, alone).mean()
        _step(optimiser, loss)
        schedule.step()
        report(update, f"loss {loss.item():.2f}")
    return network


class Learner:
    """A network with the optimiser that it is trained by after its first training; its moments begin at 0.

    Attributes:
        network: The network, whose weights change.
    """

    def __init__(self, network: Any, lr: float) -> None:
        self.network = network
        self._optimiser = torch.optim.AdamW(network.parameters(), lr, weight_decay=DECAY)

    def expose(self, ids: Int[np.ndarray, "row token"]) -> None:
        """Change the weights by one update on the mean log loss of some rows."""
        _step(self._optimiser, token_losses(self.network, ids).mean())

    def state(self) -> Any:
        """Weights and moments as they are now, to come back to."""
        return copy.deepcopy((self.network.state_dict(), self._optimiser.state_dict()))

    def restore(self, state: Any) -> None:
        """Come back to an earlier state."""
        self.network.load_state_dict(state[0])
        self._optimiser.load_state_dict(
            copy.deepcopy(state[1])
        )  # which would be shared, and changed in place


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
