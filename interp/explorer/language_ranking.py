"""Orders in which the explorer of a language model takes neurons out."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn.functional import cross_entropy

from interp.language.batches import batches_of
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.language.token_scores import blocks_of_logits

RANDOM = "random"
GRADIENT = "gradient"
METHODS = {GRADIENT: "gradient × activation", RANDOM: "random neurons, as a control"}
"""Orders by name, with their titles."""


def ranking(
    model: LanguageModel, sequences: Sequences, method: str, kind: str, seed: int = 0
) -> Int[np.ndarray, " unit"]:
    """All units, those that a method takes out first at the front."""
    if method == RANDOM:
        return np.random.default_rng(seed).permutation(len(model.units(kind)))
    return np.argsort(-gradient(model, sequences, kind), kind="stable")


def gradient(model: LanguageModel, sequences: Sequences, kind: str) -> Float[np.ndarray, " unit"]:
    """First-order rise of the log loss of continuations if a unit is taken out, a mean over sequences."""
    sites = model.units(kind).sites
    total = np.zeros(len(model.units(kind)))
    for batch in batches_of(model, sequences):
        factors = {
            site.hook: torch.ones(site.n_units, requires_grad=True, device=model.device) for site in sites
        }
        with gated(model, factors):
            hidden = model.hidden(batch.ids, batch.mask)
            for place, row in enumerate(batch.rows):
                start = int(batch.start[place])
                columns = torch.arange(
                    start + int(sequences.prompt[row]) - 1, start + int(sequences.lengths[row]) - 1
                )
                blocks = blocks_of_logits(model, hidden[place, columns], batch.ids[place, columns + 1])
                losses = [cross_entropy(model.logits(part), true, reduction="sum") for part, true in blocks]
                loss = torch.stack(losses).sum()
                slopes = torch.autograd.grad(loss / len(columns), list(factors.values()), retain_graph=True)
                total -= torch.cat(slopes).double().cpu().numpy()
    return total / len(sequences)
