"""Accuracy on both sets of inputs while neurons are taken out, beside how well each score finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LINES = (0.0, 0.52)
BARS = (0.77, 1.0)
PREFIX = "auroc_"


def contrast_figure(result: Any) -> Figure:
    """Two panels: a line for each seed with its random control, and a bar for each score with its interval.

    Args:
        result: Of the study `contrast`.
    """
    figure = blank("Neurons of remembered inputs, without Fourier", "neurons taken out (%)", "accuracy (%)")
    split = result.records[0].curves["split"]
    shown = {"first": split, "other": "test"}
    for key, name in shown.items():
        colour = SPLIT_COLOURS[name]
        for place, (seed, record) in enumerate(zip(result.seeds, result.records, strict=True)):
            figure.add_traces(_seed(record.curves, key, words(name), colour, seed, legend=not place))
    figure.add_vline(x=result.config.share, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    _bars(figure, result)
    figure.layout.xaxis.update(domain=LINES, tickformat=".0%", range=[0, 1])
    figure.layout.yaxis.update(tickformat=".0%", range=[-0.02, 1.04])
    return figure.update_layout(hovermode="closest", margin={"b": 90})


def _seed(
    curves: Mapping[str, Any], key: str, split: str, colour: str, seed: int, *, legend: bool
) -> list[Any]:
    """One seed: the interval of its random orders, their mean, and the accuracy in the study's order."""
    go, x, found = plotly(), rounded(curves["removed"]), curves[key]
    area = go.Scatter(x=[*x, *x[::-1]], y=[*rounded(found["high"]), *rounded(found["low"])[::-1]])
    area.update(mode="lines", line={"width": 0}, fill="toself", fillcolor=faded(colour, 0.08))
    area.update(hoverinfo="skip", showlegend=False, legendgroup=split)
    random = go.Scatter(x=x, y=rounded(found["mean"]), mode="lines", legendgroup=f"{split}, random")
    random.update(line={"color": colour, "width": 1.2, "dash": "dash"}, showlegend=legend)
    random.update(
        name=f"{split}, random neurons",
        hovertemplate=f"seed {seed}: %{{y:.1%}} without a random %{{x:.0%}}",
    )
    line = go.Scatter(x=x, y=rounded(found["line"]), mode="lines", legendgroup=split, name=split)
    line.update(line={"color": colour, "width": 2.2}, showlegend=legend)
    line.update(hovertemplate=f"seed {seed}: %{{y:.1%}} without %{{x:.0%}} of the neurons")
    return [area, random, line]


def _bars(figure: Figure, result: Any) -> None:
    """A bar for each score whose neurons can be compared with labels, the study's first at the top."""
    found = {
        text.removeprefix("AUROC of "): result.over(name)
        for name, text in result.study.quantities.items()
        if name.startswith(PREFIX)
    }
    found = {text: area for text, area in reversed(found.items()) if area is not None}
    if not found:
        return
    names, areas = list(found), list(found.values())
    uses_fourier = ["Fourier" in name for name in names]
    colours = [LABEL_COLOURS["generalizing" if own else "memorizing"] for own in uses_fourier]
    bars = plotly().Bar(x=rounded([area.mean for area in areas]), y=names, orientation="h")
    bars.update(xaxis="x2", yaxis="y2", marker={"color": colours}, showlegend=False)
    bars.update(hovertemplate="%{y}: %{x:.3f}<extra></extra>")
    half = rounded([area.high - area.mean for area in areas])
    bars.update(
        error_x={"type": "data", "array": [h or 0.0 for h in half], "color": "#333333", "thickness": 1.2}
    )
    figure.add_trace(bars)
    chance = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=0.5, x1=0.5, y0=0, y1=1, xref="x2", yref="y2 domain", line=chance)
    figure.update_layout(
        xaxis2={
            "domain": BARS,
            "anchor": "y2",
            "range": [0, 1.04],
            "title": {"text": "AUROC (.5 is chance)"},
        },
        yaxis2={"anchor": "x2", "title": {"text": "score"}},
    )
