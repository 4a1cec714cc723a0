"""Scores of activity along time, for sites whose activations have an axis of that name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import Activations
from interp.models import NeuronSite
from probes.timescales import FEWEST_STEPS, time_scores

MOST_NUMBERS = 2**26
"""Of activity, which of more is read at every second example, every third, and so on."""


def along_time(activations: Activations, names: Sequence[str]) -> Float[np.ndarray, "row time neuron"] | None:
    """Activity by row and step; None where there is no axis of time, or only one step of it was computed.

    A row is an example; other axes than time, such as segments, count as more of them.

    Args:
        activations: Neurons last.
        names: Of their axes.
    """
    if "time" not in names or len(activations.shape) != len(names):
        return None
    stride = max(1, -(-int(np.prod(activations.shape)) // MOST_NUMBERS))
    acts = activations[slice(None, None, stride)].movedim(names.index("time"), -2)
    activity: np.ndarray = acts.reshape(-1, *acts.shape[-2:]).cpu().numpy()
    return activity


def time_columns(cached: CachedPass, site: NeuronSite) -> dict[str, np.ndarray]:
    """Columns of `probes.timescales.time_scores`; none where a site has no time, or fewer than `FEWEST_STEPS` steps.

    Positions of a text are no time.
    """
    acts = along_time(cached.prefix.activations, site.axes_neurons_last)
    return {} if acts is None or acts.shape[1] < FEWEST_STEPS else time_scores(acts)
