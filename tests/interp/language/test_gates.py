"""Factors on units: against edited weights, by row, and their gradients."""

import pytest
import torch
from language_models import ARCHITECTURES, tiny

from interp.language.edits import edited, gates_without, weights_with
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model

IDS = torch.tensor([[3, 1, 4, 1, 5], [2, 7, 1, 8, 2]])


def logits(model: LanguageModel) -> torch.Tensor:
    return model.logits(model.hidden(IDS, torch.ones_like(IDS, dtype=torch.bool)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_gates_equal_edited_weights_and_leave_nothing_behind(architecture: str) -> None:
    model = open_language_model(tiny(architecture))
    before = logits(model)
    gates = gates_without(model, [1, 5, 40]) | gates_without(model, [0, 3], kind="heads", factor=0.5)
    with gated(model, gates):
        gated_logits = logits(model)
    with edited(model, weights_with(model, gates)):
        edited_logits = logits(model)
    assert torch.allclose(gated_logits, edited_logits, atol=1e-5)
    assert float((gated_logits - before).abs().max()) > 1e-3
    assert torch.equal(logits(model), before)


@torch.no_grad()
def test_each_row_may_have_its_own_factors() -> None:
    model = open_language_model(tiny())
    site = model.units().sites[0]
    factors = torch.rand(2, site.n_units, generator=torch.Generator().manual_seed(0))
    with gated(model, {site.hook: factors}):
        together = logits(model)
    for row in range(2):
        with gated(model, {site.hook: factors[row]}):
            assert torch.allclose(together[row], logits(model)[row], atol=1e-6)


@pytest.mark.parametrize("kind", ["neurons", "heads"])
def test_the_gradient_at_one_is_the_slope_of_the_loss(kind: str) -> None:
    model = open_language_model(tiny())
    site = model.units(kind).sites[1]
    factors = torch.ones(site.n_units, requires_grad=True)
    with gated(model, {site.hook: factors}):
        logits(model).square().mean().backward()
    step = 1e-2
    for unit in range(2):
        sides = []
        for sign in (1, -1):
            moved = torch.ones(site.n_units)
            moved[unit] += sign * step
            with torch.no_grad(), gated(model, {site.hook: moved}):
                sides.append(float(logits(model).double().square().mean()))
        assert float(factors.grad[unit]) == pytest.approx(
            (sides[0] - sides[1]) / (2 * step), rel=0.02, abs=1e-4
        )
