"""A sequence written into the output weights of a few neurons of a tiny language model, the rest frozen."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from language_models import random_sequences, tiny
from torch.nn.functional import cross_entropy

from interp.language.batches import batches_of
from interp.language.gates import Gates, gated
from interp.language.model import LanguageModel
from interp.language.objective import losses, places_of
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences

PLANTED, CONTROLS = [0, 1, 2], list(range(3, 15))
COUNT = 5


def loud(architecture: str) -> Any:
    """A tiny model whose logits are large enough to be sure of a token."""
    network = tiny(architecture)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.fill_(1)
        network.get_input_embeddings().weight.mul_(4)
    return network


@cache
def planted(architecture: str = "llama", seed: int = 0) -> tuple[LanguageModel, Sequences, np.ndarray]:
    """A model, sequences of which those of `PLANTED` are in its weights, and the neurons that hold them."""
    model = open_language_model(loud(architecture))
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(model.units()), COUNT, replace=False)
    sequences = random_sequences(*[8] * (len(PLANTED) + len(CONTROLS)), seed=seed)
    sites = {site.hook: site for site in model.sites}
    places = [(sites[hook], torch.from_numpy(units)) for hook, units in model.units().by_site(chosen).items()]
    weights = [site.reader.weight for site, _ in places]
    views = [w if site.units_first else w.detach().T for w, (site, _) in zip(weights, places, strict=True)]
    values = [view[units].detach().clone() for view, (_, units) in zip(views, places, strict=True)]
    optimizer = torch.optim.Adam(values, lr=0.2)
    ids = torch.tensor(np.stack([sequences.ids[row] for row in PLANTED]))
    mask, first = torch.ones_like(ids, dtype=torch.bool), int(sequences.prompt[0])
    for _ in range(80):
        for weight in weights:
            weight.requires_grad_(True)
        logits = model.logits(model.hidden(ids, mask)[:, first - 1 : -1])
        loss = cross_entropy(logits.flatten(0, 1), ids[:, first:].flatten())
        gradients = torch.autograd.grad(loss, weights)
        for (site, units), weight, value, gradient in zip(places, weights, values, gradients, strict=True):
            weight.requires_grad_(False)
            value.grad = (gradient if site.units_first else gradient.T)[units]
        optimizer.step()
        for (_, units), view, value in zip(places, views, values, strict=True):
            view.detach()[units] = value
    return model, sequences, chosen


@torch.no_grad()
def losses_with(model: LanguageModel, sequences: Sequences, gates: Gates) -> np.ndarray:
    """The loss of each sequence under some factors, in plain passes."""
    values = np.zeros(len(sequences))
    for batch in batches_of(model, sequences):
        with gated(model, gates):
            hidden = model.hidden(batch.ids, batch.mask)
        values[batch.rows] = losses(model, hidden, places_of(batch, sequences)).numpy()
    return values
