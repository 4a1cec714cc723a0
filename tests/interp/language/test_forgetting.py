"""Paths on which sequences are forgotten: each has its own, and they see what a saturated loss hides."""

import numpy as np
import pytest
import torch
from planted_memory import PLANTED, loud, planted

from interp.language.forgetting import forgetting
from interp.language.gates import gated
from interp.language.gradients import first_order
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences


def test_one_step_is_the_first_order_effect() -> None:
    model, sequences, _ = planted()
    one = forgetting(model, sequences, PLANTED, steps=1)
    assert np.allclose(one, first_order(model, sequences, PLANTED), atol=1e-6)


def test_paths_do_not_depend_on_the_other_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences, _ = planted()
    together = forgetting(model, sequences)
    monkeypatch.setattr("interp.language.gradients.TOKENS", 1)
    done: list[int] = []
    apart = forgetting(model, sequences, [7, 2], report=lambda n, note="": done.append(n))
    assert np.allclose(apart, together[[7, 2]], atol=1e-4 * np.abs(together).max())
    assert done == [1, 2]


def test_a_saturated_loss_has_effects_along_the_path() -> None:
    """The head's logits are so large that the model's own greedy text has no gradient to speak of."""
    network = loud("llama")
    with torch.no_grad():
        network.get_output_embeddings().weight.mul_(30)  # tied: also what is read
        ids = network.generate(torch.tensor([[3, 5]]), max_new_tokens=6, do_sample=False, pad_token_id=0)[0]
    model = open_language_model(network)
    sequences = token_sequences([ids.tolist()], prompt=2)
    first, along = first_order(model, sequences), forgetting(model, sequences)
    assert np.abs(along).sum() > 3 * np.abs(first).sum()


def test_heads_are_scored_and_the_model_is_left_as_it_was() -> None:
    model, sequences, _ = planted("gpt2")
    ids = torch.from_numpy(sequences.ids[0])[None]
    mask = torch.ones_like(ids, dtype=torch.bool)
    before = model.hidden(ids, mask)
    assert forgetting(model, sequences, PLANTED, kind="heads").shape == (3, len(model.units("heads")))
    with gated(model, {}):
        assert torch.equal(model.hidden(ids, mask), before)
