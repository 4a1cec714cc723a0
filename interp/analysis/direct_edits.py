"""Edits of facts in the weights themselves, one after another: what a side memory is compared with."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.analysis.edit_fitting import STANDARD, EditSettings, Penalty, answers, fit_change
from interp.analysis.value_layers import value_layer
from interp.models import HookedModel


def tuned_in_turn(
    model: HookedModel,
    inputs: Tensor,
    targets: Int[Tensor, " edit"],
    *,
    site: str | None = None,
    settings: EditSettings = STANDARD,
    l2: float = 0.0,
    kept: Tensor | None = None,
    rehearse: bool = False,
) -> Iterator[Float[Tensor, "neuron output"]]:
    """Changes of the layer that reads a site by fine-tuning, after each edit; the network stays as it is.

    Args:
        settings: Their `steps`, `lr` and `enough`; the others are of side memories.
        l2: Weight of the squared length of the change, as a share of that of the layer's weights.
        kept: Examples whose present answers are learnt with every edit.
        rehearse: Learn all edits so far with every edit; else the new one alone.
    """
    layer = value_layer(model, site)
    change = torch.zeros_like(layer.weight)
    beside = None if kept is None else (kept, answers(model, kept))
    penalty = None if not l2 else _length(layer.weight, l2)
    for n in range(len(inputs)):
        rows = slice(0 if rehearse else n, n + 1)
        change = fit_change(
            model,
            layer,
            change,
            inputs[rows],
            targets[rows],
            settings,
            penalty=penalty,
            everywhere=True,
            kept=beside,
        )
        yield change


def _length(weight: Tensor, l2: float) -> Penalty:
    size = weight.square().sum()

    def penalty(change: Tensor, scores: Tensor) -> tuple[Tensor, bool]:
        return l2 * change.square().sum() / size, True

    return penalty
