"""Two sets of a task's examples, one of which can be known from memory only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from interp.data import Dataset
from interp.errors import ConfigError
from interp.lab.sets import Effect
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import margins


@dataclass(frozen=True, eq=False)
class InputSets:
    """Two sets of a task's examples, of which the first can be known from memory only.

    Attributes:
        first: Mislabelled training examples; where there are none, the training set.
        other: Held-out examples.
        split: Which split the first set is.
    """

    first: Bool[Tensor, " example"]
    other: Bool[Tensor, " example"]
    split: str


def input_sets(data: Dataset) -> InputSets:
    """The examples that a network can only remember, and those that it cannot.

    Raises:
        ConfigError: Nobody knows which examples were trained on, or all were.
    """
    if not data.split_known or not data.test.any():
        unknown = "it is not known which examples were trained on"
        missing = "no example is held out" if data.split_known else unknown
        raise ConfigError(
            f"two sets of inputs are needed, trained on and held out, but {missing}; give the split"
        )
    if data.mislabelled.any():
        return InputSets(data.mislabelled, data.test, "corrupted_as_labelled")
    return InputSets(data.train, data.test, "train")


def effect_of(cached: CachedPass, sets: InputSets) -> Effect:
    """The accuracy on both sets, as labelled, without some neurons."""

    def effect(gone: np.ndarray) -> tuple[float, float]:
        logits = cached.logits_after(torch.as_tensor(gone, device=cached.logits.device))
        right = margins(logits, cached.data.labels) > cached.tolerance
        return float(right[sets.first].double().mean()), float(right[sets.other].double().mean())

    return effect
