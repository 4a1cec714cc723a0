"""Scores of activity along time, for sites whose activations have an axis of that name."""

from __future__ import annotations

import numpy as np

from interp.measuring.cached_pass import CachedPass
from interp.models import NeuronSite
from probes.timescales import FEWEST_STEPS, time_scores

MOST_NUMBERS = 2**26
"""Of activity, which of more is read at every second example, every third, and so on."""


def time_columns(cached: CachedPass, site: NeuronSite) -> dict[str, np.ndarray]:
    """Columns of `probes.timescales.time_scores`; none where a site has no time, or fewer than `FEWEST_STEPS` steps.

    Positions of a text are no time. Other axes than time, such as segments, count as more examples.
    """
    names = site.axes_neurons_last
    if "time" not in names:
        return {}
    activations, axis = cached.prefix.activations, names.index("time")
    shape = tuple(activations.shape)
    if len(shape) != len(names) or shape[axis] < FEWEST_STEPS:
        return {}
    stride = -(-int(np.prod(shape)) // MOST_NUMBERS)
    acts = activations[slice(None, None, max(1, stride))].movedim(axis, -2)
    return time_scores(acts.reshape(-1, *acts.shape[-2:]).cpu().numpy())
