"""Exact removal of a real model's neurons, screened by first order, against one hooked pass a neuron."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from timing import Contest, Line, Peer, Work, at_least

from interp.hooks import hooked
from interp.language.gradients import first_order
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences, token_sequences
from interp.language.zero_out import zero_out

sys.path.insert(0, str(Path(__file__).parents[1]))
from language_models import real_model

TEXT = (
    "When in the Course of human events, it becomes necessary for one people to dissolve the political bands "
    "which have connected them with another"
)
SCREENED, SOME = 100, 8


def zeroed(unit: int, activations: torch.Tensor) -> torch.Tensor:
    """Activations with one neuron at 0."""
    activations = activations.clone()
    activations[..., unit] = 0
    return activations


@torch.no_grad()
def loss_of(model: LanguageModel, sequences: Sequences) -> float:
    """The log loss of a continuation from a whole pass, as `run_with_hooks` would have it."""
    ids = torch.from_numpy(sequences.ids[0])[None]
    start = int(sequences.prompt[0])
    logits = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))[0, start - 1 : -1]
    return float(torch.nn.functional.cross_entropy(logits.double(), ids[0, start:]))


def chosen_units(model: LanguageModel, sequences: Sequences) -> np.ndarray:
    first = first_order(model, sequences)[0]
    return np.argsort(-np.abs(first), kind="stable")[:SCREENED]


def hooked_passes(model: LanguageModel, sequences: Sequences, chosen: np.ndarray) -> Work:
    """One hooked pass for each of the chosen neurons."""
    units = model.units()

    def run() -> None:
        for unit in chosen.tolist():
            site, own = units.sites[int(units.site_index[unit])], int(units.unit[unit])
            with hooked(model, {site.hook: lambda values, own=own: zeroed(own, values)}):
                loss_of(model, sequences)

    return run


def screening() -> Contest:
    """All neurons by first order, and those of most effect removed one at a time."""
    model = open_language_model(real_model())
    sequences = token_sequences([model.tokenizer(TEXT)["input_ids"]])
    sample = np.random.default_rng(0).choice(chosen_units(model, sequences), SOME, replace=False)
    n = len(model.units())
    hooks = {
        "a hooked pass for each screened": Peer(
            lambda: hooked_passes(model, sequences, sample),
            None,
            SCREENED / SOME,
            f"{SOME} of {SCREENED}, scaled",
        ),
        "a hooked pass for each neuron": Peer(
            lambda: hooked_passes(model, sequences, sample),
            at_least(50),
            n / SOME,
            f"{SOME} of {n:,}, scaled",
        ),
    }
    return Contest(lambda: zero_out(model, sequences, chosen_units(model, sequences)), hooks)


LINES = {
    "screening": Line("neurons of SmolLM2-135M screened, 100 removed exactly", screening),
}
