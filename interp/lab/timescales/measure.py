"""Timescales and rhythms of the units of a network of your own."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from interp.errors import ConfigError
from interp.hooks import capture
from interp.models import HookedModel, neuron_site
from interp.scoring.over_time import along_time
from probes.timescales import FEWEST_STEPS, FEWEST_VALUES, time_scores


def activity_timescales(
    model: HookedModel, inputs: Shaped[Tensor, "example ..."], site: str | None = None
) -> dict[str, np.ndarray]:
    """Timescale of each unit's activity, and its rhythm above first-order noise.

    Args:
        model: A network with a site that has an axis of time, see `interp.adopt`.
        inputs: At least so many that examples times steps are `FEWEST_VALUES`.
        site: Hook name; the last site if None.

    Returns:
        ``timescale`` in steps, ``time_ipr``, ``time_frequency`` and ``time_p_value``, ``(neuron,)`` each; nan where
        they cannot be tested. See `probes.timescales`.

    Raises:
        ConfigError: The site has no time, or there are too few steps or examples.

    Example:
        >>> import torch, interp
        >>> from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
        >>> inputs = torch.randn(200, 40, 3, generator=torch.Generator().manual_seed(0))
        >>> network = LeakyRNN(3, 4, 2, torch.Generator().manual_seed(0))
        >>> model = interp.adopt(network, ["tap:hidden"], example=inputs[:4])
        >>> sorted(activity_timescales(model, inputs))
        ['time_frequency', 'time_ipr', 'time_p_value', 'timescale']
    """
    place = neuron_site(model, site)
    captured = capture(model, inputs, place.hook)[place.hook].movedim(place.axis, -1)
    acts = along_time(captured, place.axes_neurons_last)
    if acts is None:
        axes = ", ".join(place.axes) or "not known"
        raise ConfigError(
            f"{place.hook!r} has no axis called time: its axes are {axes}; choose a site in a loop"
        )
    if acts.shape[1] < FEWEST_STEPS or acts.shape[0] * acts.shape[1] < FEWEST_VALUES:
        raise ConfigError(
            f"{acts.shape[0]} examples of {acts.shape[1]} steps are too few for timescales; give {FEWEST_STEPS} steps "
            f"and {FEWEST_VALUES} values or more"
        )
    return time_scores(acts)
