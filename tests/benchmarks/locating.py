"""Exact removal of a real model's neurons, screened by first order, against one hooked pass a neuron.

python tests/benchmarks/locating.py [--hooked 100]
"""

from __future__ import annotations

import argparse
import resource
from time import perf_counter

import numpy as np
import torch
from language_models import real_model
from scipy.stats import spearmanr

from interp.hooks import hooked
from interp.language.gradients import first_order
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences, token_sequences
from interp.language.zero_out import zero_out

TEXT = (
    "When in the Course of human events, it becomes necessary for one people to dissolve the political bands "
    "which have connected them with another"
)
SCREENED = 500


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


def main() -> None:
    """Print seconds, their ratio and the rank correlation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hooked", type=int, default=100, help="neurons of the sample")
    size = parser.parse_args().hooked
    model = open_language_model(real_model())
    sequences = token_sequences([model.tokenizer(TEXT)["input_ids"]])
    units = model.units()
    loss_of(model, sequences)
    start = perf_counter()
    first = first_order(model, sequences)[0]
    chosen = np.argsort(-np.abs(first), kind="stable")[:SCREENED]
    rises = zero_out(model, sequences, chosen)[0]
    screened = perf_counter() - start
    sample = np.random.default_rng(0).choice(SCREENED, size, replace=False)
    before, plain = loss_of(model, sequences), []
    start = perf_counter()
    for unit in chosen[sample].tolist():
        site = units.sites[int(units.site_index[unit])]
        own = int(units.unit[unit])
        with hooked(model, {site.hook: lambda values, own=own: zeroed(own, values)}):
            plain.append(loss_of(model, sequences) - before)
    one = (perf_counter() - start) / size
    print(
        f"{len(sequences.ids[0])} tokens: {len(units):,} neurons screened and {SCREENED} removed in {screened:.1f} s; "
        f"one hooked pass a neuron takes {one:.3f} s, {len(units) * one:.0f} s for all: "
        f"{len(units) * one / screened:.0f} times as long, {SCREENED * one / screened:.1f} times for the {SCREENED}"
    )
    print(
        f"Spearman correlation of both on {size} of the screened: {spearmanr(rises[sample], plain).statistic:.5f}, "
        f"largest difference {np.abs(rises[sample] - plain).max():.1e} nats; of first order and exact on all "
        f"{SCREENED}: {spearmanr(first[chosen], rises).statistic:.3f}"
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
