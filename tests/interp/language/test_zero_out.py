"""Exact removal from cached layers: against one plain pass a unit, hooks of one's own, and edited weights."""

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import losses_with, loud
from torch.nn.functional import cross_entropy

from interp.language.edits import edited, gates_without, weights_with
from interp.language.opening import open_language_model
from interp.language.zero_out import screened_scores, zero_out

SEQUENCES = random_sequences(9, 4, 7, 6)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "own"])
def test_every_neuron_has_the_rise_of_a_plain_pass_without_it(architecture: str) -> None:
    model = open_language_model(loud(architecture))
    n = len(model.units())
    rises = zero_out(model, SEQUENCES, range(n))
    before = losses_with(model, SEQUENCES, {})
    for unit in range(0, n, 3):
        plain = losses_with(model, SEQUENCES, gates_without(model, [unit])) - before
        assert np.allclose(rises[:, unit], plain, atol=1e-5)
    assert np.abs(rises).max() > 1e-2


def test_heads_have_the_rise_of_edited_weights() -> None:
    model = open_language_model(loud("llama"))
    rises = zero_out(model, SEQUENCES, [3, 0], kind="heads")
    before = losses_with(model, SEQUENCES, {})
    for place, unit in enumerate([3, 0]):
        with edited(model, weights_with(model, gates_without(model, [unit], kind="heads"))):
            after = losses_with(model, SEQUENCES, {})
        assert np.allclose(rises[:, place], after - before, atol=1e-5)


def test_a_hook_that_writes_zeros_gives_the_same() -> None:
    """As `run_with_hooks` of TransformerLens does it: a function of the activation that sets one neuron to 0."""
    model = open_language_model(loud("llama"))
    unit = 37
    site = next(site for site in model.sites if site.hook in model.units().by_site([unit]))
    (own,) = model.units().by_site([unit])[site.hook]

    def loss(row: int) -> float:
        ids = torch.from_numpy(SEQUENCES.ids[row])[None]
        start = int(SEQUENCES.prompt[row])
        logits = model.network(ids).logits[0]
        return float(cross_entropy(logits[start - 1 : -1], ids[0, start:]))

    def zeroed(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[..., own] = 0
        return output

    before = [loss(row) for row in range(len(SEQUENCES))]
    handle = model.hook_dict[site.hook].register_forward_hook(zeroed)
    after = [loss(row) for row in range(len(SEQUENCES))]
    handle.remove()
    assert np.allclose(zero_out(model, SEQUENCES, [unit])[:, 0], np.subtract(after, before), atol=1e-5)


def test_it_does_not_depend_on_how_many_copies_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_language_model(loud("llama"))
    together = zero_out(model, SEQUENCES, range(20, 44))
    monkeypatch.setattr("interp.language.batches.TOKENS", 40)
    done: list[int] = []
    apart = zero_out(model, SEQUENCES, range(20, 44), report=lambda n, note="": done.append(n))
    assert np.allclose(together, apart, atol=1e-5)
    assert done[-1] == 24 * len(SEQUENCES)


def test_units_that_were_not_computed_rank_below_exact_ones_that_raise_the_loss() -> None:
    first = np.array([0.5, -0.4, 0.3, 0.2, -0.1])
    scores = screened_scores(first, np.array([0, 1]), np.array([0.05, 0.02]))
    assert np.argsort(-scores).tolist() == [0, 1, 2, 3, 4]
    assert scores[:2].tolist() == [0.05, 0.02]
    assert scores[4] == -0.1
