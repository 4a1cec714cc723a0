"""The coefficient of an attention mixture, found where nothing states it."""

from __future__ import annotations

from functools import lru_cache, partial

import pytest
import torch

from interp.checkpoints.builders import build_transformer
from interp.checkpoints.mixture import fit_mixture, rough_mixture
from interp.data import ModularTask
from interp.models import SmallTransformer, TransformerConfig
from interp.training import TrainConfig, train

P = 7
TASK = ModularTask("add", p=P, train_fraction=1.0)


@lru_cache
def trained(coefficient: float) -> SmallTransformer:
    """A network that learnt the task with a coefficient."""
    shape = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=32, attn_coeff=coefficient, causal=False)
    config = TrainConfig(steps=300, lr=0.01, weight_decay=0.1, loss="cross_entropy")
    return train(TASK, shape, config, show_progress=False).model


def with_coefficient(model: SmallTransformer, value: float) -> SmallTransformer:
    weights = model.state_dict()
    config = TransformerConfig(**{**vars(model.config), "attn_coeff": value})
    return build_transformer(config, model.prompt, P, weights)


@pytest.mark.parametrize("coefficient", [0.0, 0.35, 1.0])
def test_the_coefficient_of_training_is_found(coefficient: float) -> None:
    build = partial(with_coefficient, trained(coefficient))
    mixture = fit_mixture(build, TASK.dataset)
    assert mixture.low <= coefficient <= mixture.high or abs(mixture.value - coefficient) < 0.05
    assert mixture.value == pytest.approx(coefficient, abs=0.1)
    assert rough_mixture(build, TASK.dataset) == pytest.approx(coefficient, abs=0.11)
    assert mixture.low <= mixture.best <= mixture.high
    assert f"from {mixture.low:.3g} to {mixture.high:.3g}" in str(mixture)


def test_the_interval_ends_where_the_loss_is_a_tenth_larger() -> None:
    model = trained(0.35)
    mixture = fit_mixture(partial(with_coefficient, model), TASK.dataset)
    for edge in (mixture.low, mixture.high):
        if 0 < edge < 1:
            logits = with_coefficient(model, edge)(TASK.dataset.inputs).double()
            loss = torch.nn.functional.cross_entropy(logits, TASK.dataset.labels).item()
            assert loss == pytest.approx(1.1 * mixture.loss, rel=0.05)
