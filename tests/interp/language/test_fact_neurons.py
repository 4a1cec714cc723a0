"""Neurons that stored facts, where it is known which: only some of a layer were trained."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import loud

from interp.errors import ConfigError
from interp.language.fact_neurons import FactNeurons, fact_neurons
from interp.language.opening import open_language_model
from interp.language.sequences import Sequences

TRAINED = {0: 3, 1: 11, 2: 7}
"""The neuron of the last layer that each fact may change."""
WIDTH = 32


def probes() -> dict[str, Sequences]:
    return {"verbatim": random_sequences(6, 6, 6), "paraphrase": random_sequences(7, 7, 7, seed=4)}


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    """A network, and one in which three neurons learnt to write other vectors, each for one fact."""
    before = loud("llama")
    after = copy.deepcopy(before)
    weight = after.model.layers[1].mlp.down_proj.weight
    sequences = probes()["verbatim"]
    after.requires_grad_(False)
    weight.requires_grad_(True)
    for _ in range(30):
        for row, neuron in TRAINED.items():
            ids, start = torch.from_numpy(sequences.ids[row]), int(sequences.prompt[row])
            logits = after(ids[None]).logits[0, start - 1 : -1]
            loss = torch.nn.functional.cross_entropy(logits, ids[start:])
            (gradient,) = torch.autograd.grad(loss, weight)
            with torch.no_grad():
                weight[:, neuron] -= gradient[:, neuron]
    return open_language_model(before), open_language_model(after)


@pytest.fixture(scope="module")
def result(pair: tuple[Any, Any]) -> FactNeurons:
    width = len(pair[0].units())
    return fact_neurons(*pair, probes(), np.random.default_rng(0), share=3 / width)


def test_the_trained_neurons_are_the_top_ones_and_carry_all_of_the_jump(result: FactNeurons) -> None:
    assert set(result.top[:3].tolist()) == {WIDTH + one for one in TRAINED.values()}
    assert result.jump["verbatim"] > 0.1
    carried = result.carried["verbatim"]
    assert carried["recovered_all"] == pytest.approx(1, abs=1e-4)
    assert carried["recovered_random"] == pytest.approx(0, abs=1e-4)
    assert carried["undone_random"] == pytest.approx(0, abs=1e-4)
    assert carried["recovered_own"] == pytest.approx(1, abs=0.35)
    assert carried["undone_own"] == pytest.approx(carried["recovered_own"], abs=0.3)
    assert result.agreement is not None
    assert result.agreement > 0.9


def test_each_fact_has_its_own_neuron_first(result: FactNeurons) -> None:
    for row, neuron in TRAINED.items():
        assert WIDTH + neuron in result.sets[row][:2].tolist()
    assert result.to_dict()["sets"] == [one.tolist() for one in result.sets]


def test_numbers_that_do_not_fit_are_refused(pair: tuple[Any, Any]) -> None:
    one = {"verbatim": random_sequences(6)}
    with pytest.raises(ConfigError, match="2 or more"):
        fact_neurons(*pair, one, np.random.default_rng(0))
    uneven = {"verbatim": random_sequences(6, 6), "paraphrase": random_sequences(6, 6, 6)}
    with pytest.raises(ConfigError, match="as many of each"):
        fact_neurons(*pair, uneven, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="share=0"):
        fact_neurons(*pair, probes(), np.random.default_rng(0), share=0.0)
