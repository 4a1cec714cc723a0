"""Agreement with frequencies, links and modularity, time courses of components, and the controls."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import Figure, axes, bars, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.27), (0.36, 0.6), (0.69, 1.0))
BARS = {
    "ari_before": "before",
    "ari_at": "at half",
    "ari_after": "end",
    "high_after": "shuffled",
    "ari_halves": "halves",
    "ari_every_pair_after": "every pair",
    "ari_rectified": "rectified",
    "ari_components": "components",
    "all_ari": "all neurons",
    "control_ari": "random labels",
}


def communities_figure(result: Any) -> Figure:
    """Three panels; bands are the lowest and highest of the seeds, bars have intervals of 95 %."""
    figure = blank("Populations of neurons" + seeds_in_title(len(result.seeds)), "", "")
    curves = [record.curves for record in result.records]
    steps = curves[0]["steps"]
    over_training = {
        "accuracy": ("held-out accuracy", COLOURS[1]),
        "ari": ("ARI with the final frequencies", COLOURS[0]),
        "ari_high": ("ARI, frequencies shuffled", NEUTRAL),
    }
    for name, (words, colour) in over_training.items():
        _over(figure, steps, [one[name] for one in curves], words, colour, 1)
    _over(figure, steps, [one["linked"] for one in curves], "neurons linked", COLOURS[2], 2)
    courses = [np.mean(one["components"], 0).tolist() for one in curves]
    _over(figure, steps, courses, "components, of their strongest", COLOURS[3], 2)
    known = {name: words for name, words in BARS.items() if result.over(name) is not None}
    values = [OverSeeds.of(result.each(name)) for name in known]
    hover = "%{x}: %{y:.2f}<extra></extra>"
    bars(figure, list(known.values()), values, {"color": COLOURS[0]}, hovertemplate=hover, **axes(3))
    titles = (
        ("training step", "index or share"),
        ("training step", "share"),
        ("", "ARI at the end, and controls"),
    )
    for panel, ((below, left), domain) in enumerate(zip(titles, DOMAINS, strict=True), 1):
        y = {"title": {"text": left, "standoff": 4}, "range": [-0.05, 1.05]}
        place_panel(figure, panel, domain, {"title": {"text": below}}, y)
    figure.update_layout(xaxis3={"tickangle": 55})
    return figure.update_layout(
        legend={"y": -0.42}, margin={"t": 60, "b": 150}, height=500, hovermode="closest"
    )


def _over(figure: Figure, steps: Any, values: Any, words: str, colour: str, panel: int) -> None:
    hover = f"{words}: %{{y:.2f}} at step %{{x}}<extra></extra>"
    line_over_seeds(figure, steps, values, words, colour, hovertemplate=hover, **axes(panel))
