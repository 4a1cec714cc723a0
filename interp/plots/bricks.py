"""Figures of core neurons, bricks and hyperactive neurons."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import NEUTRAL, band, blank, in_percent, line, plotly, rounded
from interp.plots.coset_indicators import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.bricks import Bricks
    from interp.analysis.core_neurons import CoreNeurons
    from interp.analysis.hyperactive import Hyperactive


def core_neurons(result: CoreNeurons) -> Figure:
    """Accuracy of each function with all neurons, its own core, the other cores, and random sets.

    Args:
        result: From `interp.core_neurons`.
    """
    title = f"Core neurons alone ({result.share:.0%} of {result.width:,})"
    figure = blank(title, "examples of", "accuracy on the other half (share)")
    names = [escape(name) for name in result.functions]
    n = len(names)
    low, high = np.quantile(result.random, [0.025, 0.975], axis=0)
    mean = result.random.mean(0)
    error = {
        "type": "data",
        "symmetric": False,
        "array": rounded(high - mean),
        "arrayminus": rounded(mean - low),
    }
    series: list[tuple[str, Any, str, Any]] = [
        ("all neurons", result.whole, NEUTRAL, None),
        ("own core", result.kept.diagonal(), COLOURS[0], None),
    ]
    if n > 1:
        others = (result.kept.sum(0) - result.kept.diagonal()) / (n - 1)
        series.append(("cores of the others", others, COLOURS[2], None))
    series.append(("random sets", mean, COLOURS[1], error))
    for name, values, colour, interval in series:
        hover = f"{name}, %{{x}}: %{{y:.1%}}<extra></extra>"
        figure.add_bar(
            x=names, y=rounded(values), name=name, marker_color=colour, error_y=interval, hovertemplate=hover
        )
    return in_percent(figure).update_layout(barmode="group", hovermode="closest")


def bricks(result: Bricks) -> Figure:
    """Accuracy that every function loses without each brick; a dot marks a brick's own function.

    Args:
        result: From `interp.bricks`.
    """
    figure = blank("Loss of each function without each brick", "examples of", "brick (neurons)")
    names = [escape(name) for name in result.functions]
    size = np.bincount(result.brick[result.brick >= 0])
    rows = [f"{brick} ({n} neurons)" for brick, n in enumerate(size.tolist())]
    values = [rounded(row) for row in result.lost]
    figure.add_trace(
        plotly().Heatmap(
            x=names,
            y=rows,
            z=values,
            zmin=0,
            colorscale="Blues",
            colorbar={"title": {"text": "accuracy lost"}, "tickformat": ".0%"},
            hovertemplate="brick %{y}, %{x}: %{z:.1%} lost<extra></extra>",
        )
    )
    figure.add_trace(
        plotly().Scatter(
            x=[names[own] for own in result.own],
            y=rows,
            mode="markers",
            name="own function, chosen by average precision on the other half",
            marker={"color": COLOURS[1], "size": 9},
            hovertemplate="own function of %{y}: %{x}<extra></extra>",
            showlegend=True,
        )
    )
    return (
        figure.update_layout(hovermode="closest").update_yaxes(type="category").update_xaxes(type="category")
    )


def hyperactive(result: Hyperactive) -> Figure:
    """Accuracy against the share of the neurons that a threshold silences, beside random neurons.

    Args:
        result: From `interp.hyperactive`.
    """
    figure = blank("Silencing hyperactive neurons", "neurons silenced (share)", "accuracy (share)")
    low, high = np.quantile(result.random, [0.025, 0.975], axis=0)
    x = rounded(result.silenced)
    for trace in band(x, rounded(low), rounded(high), "random", COLOURS[1]):
        figure.add_trace(trace)
    curves = {
        "random neurons, test": (result.random.mean(0), COLOURS[1]),
        "hyperactive, calibration": (result.calibration, COLOURS[5]),
        "hyperactive, test": (result.test, COLOURS[0]),
    }
    for name, (values, colour) in curves.items():
        hover = f"{name}: %{{y:.1%}} without %{{x:.1%}} of the neurons<extra></extra>"
        figure.add_trace(line(x, rounded(values), name, colour, hovertemplate=hover))
    chosen = result.chosen
    figure.add_trace(
        plotly().Scatter(
            x=[x[chosen]],
            y=rounded(result.test[[chosen]]),
            mode="markers",
            name="chosen on calibration examples",
            marker={"color": COLOURS[0], "size": 11, "symbol": "diamond"},
            hovertemplate="chosen: %{y:.1%} without %{x:.1%} of the neurons<extra></extra>",
        )
    )
    return in_percent(figure).update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
