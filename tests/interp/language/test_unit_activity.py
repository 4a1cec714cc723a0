"""Norms of what units write, against loops over positions."""

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import loud

from interp.hooks import hooked
from interp.language.opening import open_language_model
from interp.language.unit_activity import written_norms

SEQUENCES = random_sequences(9, 4, 7)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("kind", ["neurons", "heads"])
@torch.no_grad()
def test_norms_equal_a_loop(architecture: str, kind: str) -> None:
    model = open_language_model(loud(architecture))
    site = model.units(kind).sites[1]
    weight = site.reader.weight if site.units_first else site.reader.weight.T
    expected = np.zeros(site.n_units)
    for ids, prompt in zip(SEQUENCES.ids, SEQUENCES.prompt, strict=True):
        kept: list[torch.Tensor] = []
        with hooked(model, {site.hook: lambda output, kept=kept: kept.append(output)}):
            model.hidden(torch.from_numpy(ids)[None], torch.ones(1, len(ids), dtype=torch.bool))
        values = kept[0].reshape(len(ids), site.n_units, site.width)[prompt - 1 : -1]
        for unit in range(site.n_units):
            own = weight[unit * site.width : (unit + 1) * site.width]
            norms = [float((place @ own).norm()) for place in values[:, unit]]
            expected[unit] += np.mean(norms) / len(SEQUENCES)
    ours = written_norms(model, SEQUENCES, kind=kind)[model.units(kind).slice_of(1)]
    assert np.allclose(ours, expected, rtol=1e-4, atol=1e-6)
