"""Neurons that serve one of several groups of examples, and the effect of removing them on each group."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.errors import choose
from interp.lab.contrast.scores import contrast_scores
from interp.lab.sets import chosen_neurons
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import margins


def group_order(
    cached: CachedPass, group: Int[np.ndarray, " example"], which: int, score: str = "contrast"
) -> Int[np.ndarray, " neuron"]:
    """All neurons of a site, those first that serve the examples of one group more than those of the others.

    Args:
        cached: From `cached_pass`, of any network.
        group: The number of each example's group, such as its relation.
        which: A group.
        score: One of those of `contrast_scores`.

    Raises:
        ConfigError: The group, or the rest, has no examples, or the score is unknown.

    Example:
        >>> from interp import ModularTask, analytic_mlp
        >>> from interp.measuring.cached_pass import cached_pass
        >>> cached = cached_pass(analytic_mlp(p=7, width=20), ModularTask(p=7))
        >>> even = cached.data.inputs[:, 0].numpy() % 2
        >>> len(group_order(cached, even, which=0))
        20
    """
    inside = torch.from_numpy(group == which)
    scores = contrast_scores(cached.activations[inside], cached.activations[~inside], cached.readout)
    return chosen_neurons(scores[choose("score", score, tuple(scores))], 1.0)


def group_margins(cached: CachedPass, gone: Int[np.ndarray, " chosen"]) -> Float[np.ndarray, " example"]:
    """Margin of each example's label over the best other one, without some neurons; right if above 0."""
    logits = cached.logits_after(torch.as_tensor(gone, device=cached.logits.device))
    return margins(logits, cached.data.labels).double().cpu().numpy() - cached.tolerance


def group_effect(
    cached: CachedPass, group: Int[np.ndarray, " example"], gone: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "two group"]:
    """Effect of taking neurons out on each group: the accuracy it loses, and the share of examples that it helps.

    An example is helped if its label is further above the others than before. Groups are numbered from 0 on.
    """
    before, after = (group_margins(cached, chosen) for chosen in (gone[:0], gone))
    size = np.bincount(group)
    lost = np.bincount(group, (before > 0).astype(float) - (after > 0))
    return np.stack([lost, np.bincount(group, after > before)]) / size
