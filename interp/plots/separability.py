"""Separability of classes in sets of neurons."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import NEUTRAL, blank, plotly, rounded
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.separated_sets import SeparabilityReport

OTHER = "#56B4E9"


def separability_bars(report: SeparabilityReport) -> Figure:
    """The value of each set as a bar, beside the intervals of permuted classes and of random sets as large.

    Args:
        report: From `interp.separability`.
    """
    figure = blank(
        "Separability of the classes", "set of neurons", "generalised discrimination value (0: none)"
    )
    names = [escape(one.name) for one in report.sets]
    colours = [
        LABELS[name].colour if name in LABELS else OTHER
        for name in (one.name.removeprefix("label:") for one in report.sets)
    ]
    values = rounded([one.value for one in report.sets])
    words = ["logits" if one.size is None else f"{one.size:g} neurons" for one in report.sets]
    hover = "%{x}, %{customdata}: %{y:.4f}<extra></extra>"
    figure.add_bar(
        x=names,
        y=values,
        marker={"color": colours},
        customdata=words,
        name="value",
        hovertemplate=hover,
        width=0.5,
    )
    for name, colour, symbol, bands in (
        ("permuted classes, mean and 95 %", NEUTRAL, "circle", [one.null for one in report.sets]),
        (
            "random sets as large, mean and 95 %",
            "#333333",
            "diamond-open",
            [one.random for one in report.sets],
        ),
    ):
        known = [(x, band) for x, band in zip(names, bands, strict=True) if band is not None]
        if known:
            figure.add_trace(_bands(known, name, colour, symbol))
    return figure.update_layout(hovermode="closest", barmode="overlay").update_xaxes(type="category")


def _bands(known: list[tuple[str, Any]], name: str, colour: str, symbol: str) -> Any:
    above = rounded([band.high - band.mean for _, band in known])
    below = rounded([band.mean - band.low for _, band in known])
    return plotly().Scatter(
        x=[x for x, _ in known],
        y=rounded([band.mean for _, band in known]),
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": colour},
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 9},
        name=name,
        hovertemplate="%{x}: %{y:.4f}<extra>" + name + "</extra>",
    )
