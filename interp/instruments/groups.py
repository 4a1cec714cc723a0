"""Neurons that serve one of several groups of examples, and what each group loses without them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.errors import choose
from interp.evaluation import margins
from interp.instruments.scores import contrast_scores
from interp.instruments.sets import chosen_neurons
from interp.sweeps import SiteState


def group_order(
    state: SiteState, group: Int[np.ndarray, " example"], which: int, score: str = "contrast"
) -> Int[np.ndarray, " neuron"]:
    """All neurons of a site, those first that serve the examples of one group more than those of the others.

    Args:
        state: From `site_state`, of any network.
        group: The number of each example's group, such as its relation.
        which: A group.
        score: One of those of `contrast_scores`.

    Raises:
        ConfigError: The group, or the rest, has no examples, or the score is unknown.

    Example:
        >>> from interp import ModularTask, analytic_mlp, site_state
        >>> state = site_state(analytic_mlp(p=7, width=20), ModularTask(p=7))
        >>> even = state.data.inputs[:, 0].numpy() % 2
        >>> len(group_order(state, even, which=0))
        20
    """
    inside = torch.from_numpy(group == which)
    scores = contrast_scores(state.activations[inside], state.activations[~inside], state.readout)
    return chosen_neurons(scores[choose("score", score, tuple(scores))], 1.0)


def group_margins(state: SiteState, gone: Int[np.ndarray, " chosen"]) -> Float[np.ndarray, " example"]:
    """How far each example's label is above the best other one, without some neurons; right if above 0."""
    logits = state.logits_after(torch.as_tensor(gone, device=state.logits.device))
    return margins(logits, state.data.labels).double().cpu().numpy() - state.tolerance


def group_effect(
    state: SiteState, group: Int[np.ndarray, " example"], gone: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "two group"]:
    """What taking neurons out does to each group: the accuracy it loses, and the share of examples that it helps.

    An example is helped if its label is further above the others than before. Groups are numbered from 0 on.
    """
    before, after = (group_margins(state, chosen) for chosen in (gone[:0], gone))
    size = np.bincount(group)
    lost = np.bincount(group, (before > 0).astype(float) - (after > 0))
    return np.stack([lost, np.bincount(group, after > before)]) / size
