"""Timescales of units, accuracy by delay without some of them, and time constants by bits of parity."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.panels import Figure, axes, dots, line, line_over_seeds, place_panel, seeds_in_title
from interp.lab.timescales.ablation import LINES
from interp.lab.timescales.parity import CURRICULA
from interp.plots.canvas import NEUTRAL, blank, rounded
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.27), (0.37, 0.64), (0.74, 1.0))
LOG = {"type": "log", "dtick": 1}


def timescales_figure(result: Any) -> Figure:
    """Three panels; bands are the lowest and highest of the seeds."""
    title = "Time constants and the delays that they serve" + seeds_in_title(len(result.seeds))
    figure = blank(title, "", "")
    curves = [record.curves for record in result.records]
    _units(figure, curves)
    for place, (name, words) in enumerate(LINES.items()):
        values = [one["accuracy"][name] for one in curves]
        hover = f"{words}: %{{y:.1%}} after %{{x}} steps<extra></extra>"
        line_over_seeds(
            figure, curves[0]["delays"], values, words, COLOURS[place], hovertemplate=hover, **axes(2)
        )
    for place, (curriculum, words) in enumerate(CURRICULA.items()):
        values = [one["parity"][curriculum]["tau"] for one in curves]
        colour = COLOURS[(len(LINES) + place) % len(COLOURS)]
        hover = f"{words}: %{{y:.2f}} steps at %{{x}} bits<extra></extra>"
        look = {"hovertemplate": hover, **axes(3)}
        line_over_seeds(figure, curves[0]["bits"], values, f"parity, {words}", colour, **look)
    accuracy = {"title": {"text": "accuracy"}, "range": [0, 1.03]}
    place_panel(figure, 2, DOMAINS[1], {"title": {"text": "delay (steps)"}}, accuracy)
    bits = {"title": {"text": "bits of parity"}, "dtick": 1}
    place_panel(figure, 3, DOMAINS[2], bits, {"title": {"text": "mean time constant (steps)"}})
    return figure.update_layout(
        legend={"y": -0.3}, margin={"t": 60, "b": 130}, height=470, hovermode="closest"
    )


def _units(figure: Figure, curves: list[Any]) -> None:
    """A dot for each unit whose timescale is known."""
    tau = np.concatenate([one["tau"] for one in curves])
    activity = np.concatenate([np.array(one["activity"], float) for one in curves])
    known = ~np.isnan(activity)
    ends = [1.0, float(max(tau.max(), activity[known].max(initial=1.0)))]
    line(figure, ends, ends, "", NEUTRAL, width=1, dash="dot", hoverinfo="skip", showlegend=False)
    hover = "time constant %{x}, activity %{y} steps<extra></extra>"
    marker = {"size": 5, "color": COLOURS[0], "opacity": 0.6}
    dots(figure, rounded(tau[known]), rounded(activity[known]), marker, hovertemplate=hover, showlegend=False)
    place_panel(
        figure,
        1,
        DOMAINS[0],
        {"title": {"text": "time constant (steps)"}} | LOG,
        {"title": {"text": "timescale of activity (steps)"}} | LOG,
    )
