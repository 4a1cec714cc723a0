"""Reliability, generality and locality of every way to edit, by the number of edits."""

from __future__ import annotations

from typing import Any

from interp.lab.panels import Figure, axes, intervals, line, place_panel
from interp.lab.side_memory.arms import ARMS
from interp.plots.canvas import NEUTRAL, blank

DOMAINS = ((0.0, 0.27), (0.36, 0.63), (0.73, 1.0))
MEASURES = {"reliability": "edits", "generality": "paraphrases", "locality": "unrelated examples"}
LOOKS = {
    "side": ("#0072B2", "solid"),
    "merged": ("#0072B2", "dash"),
    "whole": ("#56B4E9", "solid"),
    "alone": ("#56B4E9", "dash"),
    "free": ("#009E73", "dot"),
    "always": (NEUTRAL, "solid"),
    "random": (NEUTRAL, "dot"),
    "tuned": ("#D55E00", "solid"),
    "every": ("#D55E00", "dash"),
    "l2": ("#E69F00", "dot"),
    "kept": ("#CC79A7", "solid"),
}


def side_memory_figure(result: Any) -> Figure:
    """Three panels; means over the seeds with intervals of 95 %."""
    stops = result.records[0].curves["stops"]
    figure = blank("Edited facts, their paraphrases, and everything else", "", "")
    for panel, (measure, words) in enumerate(MEASURES.items(), 1):
        for arm, (colour, dash) in LOOKS.items():
            values = [result.over(f"{measure}_{arm}_{stop}") for stop in stops]
            hover = f"{ARMS[arm]}: {measure} %{{y:.1%}} after %{{x}} edits<extra></extra>"
            look: dict[str, Any] = {"mode": "lines+markers", "dash": dash, "legendgroup": arm}
            look |= {"error_y": intervals(values, colour), "hovertemplate": hover, "showlegend": panel == 1}
            means = [one.mean for one in values]
            line(figure, list(stops.values()), means, ARMS[arm], colour, **look, **axes(panel))
        y = {"title": {"text": f"{measure} ({words}, share)", "standoff": 4}, "range": [-0.03, 1.05]}
        x = {"title": {"text": "edits (number)"}, "tickvals": list(stops.values())}
        place_panel(figure, panel, DOMAINS[panel - 1], x, y)
    return figure.update_layout(
        legend={"y": -0.62}, margin={"t": 60, "b": 190}, height=540, hovermode="closest"
    )
