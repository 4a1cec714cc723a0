"""The development of single neurons over a training run as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.dynamics import (
    ALIGNMENT_CAPTION,
    ANIMATION_CAPTION,
    COMPONENT_RACE_CAPTION,
    MAP_CAPTION,
    NO_PHASES,
    RACE_CAPTION,
)
from interp.report.page import bullets, data_table, figure_block, page

if TYPE_CHECKING:
    from interp.analysis.dynamics import Dynamics


def dynamics_page(dynamics: Dynamics) -> str:
    """A summary with all figures and the race of one neuron's frequencies or components."""
    files = [record["file"] for record in dynamics.records if record["file"]]
    span = f"<code>{escape(files[0])}</code> to <code>{escape(files[-1])}</code>; " if files else ""
    header = f"<p>{span}{len(dynamics.steps)} checkpoints, {len(dynamics.development)} neurons.</p>"
    return page("Neurons over training", dynamics.site, header, _sections(dynamics))


def _sections(dynamics: Dynamics) -> Iterator[tuple[str, str, str]]:
    reasons = [f"{stage.name.capitalize()}: {stage.reason}" for stage in dynamics.stages]
    stages = bullets(reasons or ["No stage of learning is seen between the first and the last checkpoint."])
    summary = data_table("The neurons", ("what", "value"), dynamics.summary())
    absent = f"<p>{NO_PHASES}</p>" if dynamics.parts.known else ""
    yield "found", "What was found", summary + stages + absent
    parts = dynamics.parts
    drawn = {
        "paths": ("When each neuron became periodic", dynamics.plot(), MAP_CAPTION.format(noun=parts.noun)),
        "alignment": ("Phase alignment", dynamics.plot_alignment(), ALIGNMENT_CAPTION),
        "animation": ("Neurons over training", dynamics.animate(), ANIMATION_CAPTION.format(noun=parts.noun)),
    }
    if parts.known:
        del drawn["alignment"]
    if dynamics.components is not None and len(dynamics.development):
        # The neuron that switched its frequency most often; of several the strongest at the end.
        keys = (np.nan_to_num(dynamics.columns["strength"][-1]), dynamics.development.switches)
        chosen = int(np.lexsort(keys)[-1])
        caption = COMPONENT_RACE_CAPTION if parts.known else RACE_CAPTION
        drawn["race"] = (f"Race of the {parts.plural} in neuron {chosen}", dynamics.race(chosen), caption)
    for name, (title, figure, caption) in drawn.items():
        yield name, title, figure_block(name, title, figure, caption)
