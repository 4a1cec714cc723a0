"""The development of single neurons over a training run as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.dynamics import ALIGNMENT_CAPTION, ANIMATION_CAPTION, MAP_CAPTION, RACE_CAPTION
from interp.report.page import bullets, data_table, figure_block, page

if TYPE_CHECKING:
    from interp.analysis.dynamics import Dynamics


def dynamics_page(found: Dynamics) -> str:
    """What was found, with all figures and the race of one neuron's frequencies.

    Args:
        found: From `interp.dynamics_of`.
    """
    files = [record["file"] for record in found.records if record["file"]]
    span = f"<code>{escape(files[0])}</code> to <code>{escape(files[-1])}</code>; " if files else ""
    header = f"<p>{span}{len(found.steps)} checkpoints, {len(found.development)} neurons.</p>"
    return page("Neurons over training", found.site, header, _sections(found))


def _sections(found: Dynamics) -> Iterator[tuple[str, str, str]]:
    """Id, title and content of each section, in reading order."""
    reasons = [f"{stage.name.capitalize()}: {stage.reason}" for stage in found.stages]
    stages = bullets(reasons or ["No stage of learning is seen between the first and the last checkpoint."])
    yield "found", "What was found", data_table("The neurons", ("what", "value"), found.summary()) + stages
    drawn = {
        "paths": ("When each neuron became periodic", found.plot(), MAP_CAPTION),
        "alignment": ("Phase alignment", found.plot_alignment(), ALIGNMENT_CAPTION),
        "animation": ("Neurons over training", found.animate(), ANIMATION_CAPTION),
    }
    if found.components is not None and len(found.development):
        chosen = _racer(found)
        drawn["race"] = (f"Race of the frequencies in neuron {chosen}", found.race(chosen), RACE_CAPTION)
    for name, (title, figure, caption) in drawn.items():
        yield name, title, figure_block(name, title, figure, caption)


def _racer(found: Dynamics) -> int:
    """The neuron that switched its frequency most often; of several the strongest at the end."""
    keys = (np.nan_to_num(found.columns["strength"][-1]), found.development.switches)
    return int(np.lexsort(keys)[-1])
