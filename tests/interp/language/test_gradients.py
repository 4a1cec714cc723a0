"""First-order effects against finite differences, and the completeness of integrated gradients."""

import numpy as np
import pytest
import torch
from language_models import random_sequences
from planted_memory import losses_with, loud

from interp.language.edits import gates_without
from interp.language.gradients import first_order, integrated, tokens_with_gradient
from interp.language.opening import open_language_model

SEQUENCES = random_sequences(9, 4, 7, 7, 5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("kind", ["neurons", "heads"])
def test_first_order_effects_equal_finite_differences(architecture: str, kind: str) -> None:
    model = open_language_model(loud(architecture))
    effects = first_order(model, SEQUENCES, kind=kind)
    assert effects.shape == (len(SEQUENCES), len(model.units(kind)))
    step = 0.02
    for unit in {0, len(model.units(kind)) // 2, len(model.units(kind)) - 1}:
        up, down = (
            losses_with(model, SEQUENCES, gates_without(model, [unit], kind=kind, factor=1 + sign * step))
            for sign in (1, -1)
        )
        assert np.allclose(effects[:, unit], (down - up) / (2 * step), atol=2e-3 * np.abs(effects).max())


def test_rows_are_taken_in_their_order_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_language_model(loud("llama"))
    together = first_order(model, SEQUENCES)
    monkeypatch.setattr("interp.language.gradients.TOKENS", 1)
    done: list[int] = []
    apart = first_order(model, SEQUENCES, [3, 0], report=lambda n, note="": done.append(n))
    assert np.allclose(apart, together[[3, 0]], atol=1e-6)
    assert done == [1, 2]


@pytest.mark.parametrize("kind", ["neurons", "heads"])
def test_integrated_gradients_of_a_layer_sum_to_the_rise_without_it(kind: str) -> None:
    model = open_language_model(loud("llama"))
    scores = integrated(model, SEQUENCES, kind=kind, steps=64)
    units = model.units(kind)
    before = losses_with(model, SEQUENCES, {}).mean()
    for place, site in enumerate(units.sites):
        rise = losses_with(model, SEQUENCES, {site.hook: torch.zeros(site.n_units)}).mean() - before
        assert scores[units.slice_of(place)].sum() == pytest.approx(rise, abs=2e-3)


def test_integrated_gradients_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_language_model(loud("llama"))
    together = integrated(model, SEQUENCES, steps=4)
    monkeypatch.setattr("interp.language.gradients.TOKENS", 1)
    assert np.allclose(integrated(model, SEQUENCES, steps=4), together, atol=1e-6)


def test_a_backward_pass_has_fewer_tokens_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_language_model(loud("llama"))
    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.001")
    assert tokens_with_gradient(model, 9) < 256
    assert tokens_with_gradient(model, 5000) == 5000  # a sequence is never cut
