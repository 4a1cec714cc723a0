"""Pruning over several networks, and how many neurons networks of different widths need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DASHES = {"lowest first": "solid", "highest first": "dash", "random": "dot"}


def pruning_over_seeds(found: Any) -> Figure:
    """Mean accuracy against the share of neurons removed, for each order and split, with 95 % intervals over networks.

    Args:
        found: An `interp.lab.grids.pruning.Pruning`.
    """
    go = plotly()
    many = f", mean of {found.networks} networks with its 95 % interval" if found.networks > 1 else ""
    title = f"Accuracy with neurons removed by IPR{many}"
    figure = blank(title, "neurons removed (% of all)", "accuracy (%)")
    x = list(found.fractions)
    for order, splits in found.accuracy.items():
        for split, values in splits.items():
            colour, name = SPLIT_COLOURS[split], f"{words(split)}, {order}"
            visible = True if split in ("test", "corrupted_as_labelled") else "legendonly"
            shared = {"x": x, "mode": "lines", "legendgroup": name, "visible": visible}
            if found.networks > 1:
                low, high = ([getattr(one, end) for one in values] for end in ("low", "high"))
                edge = {**shared, "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
                figure.add_trace(go.Scatter(y=rounded(low), **edge))
                figure.add_trace(go.Scatter(y=rounded(high), fill="tonexty", fillcolor=faded(colour), **edge))
            line = go.Scatter(y=rounded([one.mean for one in values]), name=name, **shared)
            figure.add_trace(
                line.update(line={"color": colour, "dash": DASHES[order]}, hovertemplate="%{y:.1%}")
            )
    for order, splits in found.paper.items():
        for split, numbers in splits.items():
            marker = {
                "color": SPLIT_COLOURS[split],
                "size": 9,
                "symbol": "circle-open" if order == "lowest first" else "square-open",
            }
            points = go.Scatter(
                x=[float(at) for at in numbers], y=list(numbers.values()), mode="markers", marker=marker
            )
            figure.add_trace(
                points.update(name=f"{words(split)}, {order}, paper", hovertemplate="%{y:.1%} in the paper")
            )
    figure.update_xaxes(tickformat=".0%", range=[0, max(x)])
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.02])
    return figure.update_layout(height=560, margin={"b": 150})


def neurons_needed(
    found: Mapping[int, Any], paper: Mapping[int, float] | None = None, *, level: float = 0.9
) -> Figure:
    """Neurons that networks need against their width, on logarithmic axes.

    Args:
        found: By width, an `interp.lab.over_seeds.OverSeeds`.
        paper: By width, what the paper says.
        level: The test accuracy that is asked for.
    """
    go = plotly()
    figure = blank(
        f"Neurons needed for a test accuracy of {level:.0%}", "width (neurons)", "neurons needed (count)"
    )
    widths, means = list(found), [one.mean for one in found.values()]
    up, down = ([abs(getattr(one, end) - one.mean) for one in found.values()] for end in ("high", "low"))
    error = {"type": "data", "array": rounded(up), "arrayminus": rounded(down), "color": NEUTRAL}
    ours = go.Scatter(
        x=widths, y=rounded(means), error_y=error, mode="lines+markers", name="mean with its 95 % interval"
    )
    figure.add_trace(
        ours.update(marker={"size": 9, "color": SPLIT_COLOURS["test"]}, hovertemplate="%{y:.1f} of %{x}")
    )
    if paper:
        points = go.Scatter(x=list(paper), y=list(paper.values()), mode="markers", name="paper")
        figure.add_trace(
            points.update(
                marker={"size": 11, "symbol": "circle-open", "color": "#D55E00"},
                hovertemplate="%{y} in the paper",
            )
        )
    figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(rangemode="tozero")
