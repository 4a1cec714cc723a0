"""Recall of planted neurons by each method, and what is left of the planted sequences without its neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.panels import INK, Figure, axes, bars, dots, line, place_panel
from interp.language.methods import METHODS
from interp.plots.canvas import NEUTRAL, blank
from probes.labels import LABELS

LEFT, MIDDLE, RIGHT = (0.0, 0.26), (0.42, 0.66), (0.78, 1.0)
HEIGHT = 460


def plant_figure(result: Any) -> Figure:
    """Three panels: recall at the planted number, recall at any number, accuracy without the highest neurons."""
    figure = blank("Neurons of a planted sequence", "recall at the planted number (%)", "method")
    names = [name for name in result.config.names if result.over(f"recall_{name}") is not None]
    _recall(figure, result, names)
    _by_size(figure, result, names)
    _left(figure, result, names)
    share = {"range": [0, 1.04], "tickformat": ".0%"}
    place_panel(figure, 1, LEFT, share)
    size = {"type": "log", "title": {"text": "neurons, highest first"}}
    place_panel(
        figure,
        2,
        MIDDLE,
        size,
        {"range": [-0.02, 1.04], "tickformat": ".0%", "title": {"text": "recall (%)"}},
    )
    left = {**share, "title": {"text": "accuracy left without them (%)"}}
    place_panel(figure, 3, RIGHT, left, {"showticklabels": False, "title": {"text": "method"}})
    return figure.update_layout(hovermode="closest", height=HEIGHT, legend={"y": -0.25}, margin={"b": 110})


def _recall(figure: Figure, result: Any, names: list[str]) -> None:
    titles = [METHODS[name].title for name in reversed(names)]
    values = [result.over(f"recall_{name}") for name in reversed(names)]
    look = {"orientation": "h", "hovertemplate": "%{y}: %{x:.1%}<extra></extra>"}
    bars(figure, titles, values, {"color": LABELS["memorizing"].colour}, **look)
    chance = result.records[0].numbers["recall_random"]
    figure.add_vline(x=chance, line={"color": INK, "width": 1, "dash": "dot"})


def _by_size(figure: Figure, result: Any, names: list[str]) -> None:
    """Mean recall at any number of neurons, a line for each method, and chance."""
    sizes = np.array(result.records[0].curves["sizes"])
    for place, name in enumerate(names):
        each = np.array([record.curves["recall"][name] for record in result.records])
        title = METHODS[name].title
        hover = f"{title}: %{{y:.1%}} among %{{x}}<extra></extra>"
        line(
            figure, sizes, each.mean(0), title, COLOURS[place % len(COLOURS)], hovertemplate=hover, **axes(2)
        )
    chance = sizes / result.records[0].curves["n_units"]
    line(figure, sizes, chance, "chance", INK, dash="dot", hoverinfo="skip", **axes(2))
    n, mark = result.records[0].curves["n"], {"color": NEUTRAL, "width": 1}
    figure.add_shape(type="line", x0=n, x1=n, y0=0, y1=1, xref="x2", yref="y2 domain", line=mark)


def _left(figure: Figure, result: Any, names: list[str]) -> None:
    titles = [METHODS[name].title for name in reversed(names)]
    look = {"orientation": "h", "hovertemplate": "%{y}: %{x:.1%} left<extra></extra>", **axes(3)}
    values = [result.over(f"left_{name}") for name in reversed(names)]
    bars(figure, titles, values, {"color": LABELS["memorizing"].colour}, **look)
    for key, symbol, words in (
        ("left_others_", "diamond-open", "other half of the sequences"),
        ("left_random_", "line-ns-open", "without random neurons"),
    ):
        numbers = result.all_over(*(f"{key}{name}" for name in reversed(names)))
        if numbers is None:
            continue
        means = [one.mean for one in numbers]
        marker = {"symbol": symbol, "size": 10, "color": INK, "line": {"width": 2}}
        hover = f"{words}, %{{y}}: %{{x:.1%}}<extra></extra>"
        dots(figure, means, titles, marker, name=words, hovertemplate=hover, **axes(3))


COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
