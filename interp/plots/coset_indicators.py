"""Neurons that are constant on the cosets of a subgroup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp.plots.canvas import NEUTRAL, blank, in_percent, line, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.coset_indicators import CosetIndicators

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MOST = len(COLOURS)


def coset_indicators(indicators: CosetIndicators) -> Figure:
    """Share of each neuron between the cosets of its best subgroup, against that of random vectors in its component.

    On the dotted diagonal cosets say no more than the component does.

    Args:
        indicators: From `interp.coset_indicators`.
    """
    x_title = "random vectors in the same component (share between the cosets)"
    figure = blank("Neurons that are constant on cosets", x_title, "the neuron (share between the cosets)")
    if indicators.not_testable is not None:
        return say(figure, indicators.not_testable)
    columns = indicators.columns
    figure.add_trace(
        line([0, 1], [0, 1], "as its component gives", NEUTRAL, width=1.5, dash="dot", hoverinfo="skip")
    )
    names = [
        f"{name} ({index} cosets)" for name, index in zip(columns["subgroup"], columns["index"], strict=True)
    ]
    ranked = sorted(dict.fromkeys(names), key=lambda name: -names.count(name))
    groups = {name: [name] for name in ranked[:MOST]}
    if ranked[MOST:]:
        groups["other subgroups"] = ranked[MOST:]
    for (title, members), colour in zip(groups.items(), (*COLOURS, NEUTRAL), strict=False):
        rows = [i for i, name in enumerate(names) if name in members]
        data = [[int(indicators.neuron[i]), int(indicators.component[i]), names[i]] for i in rows]
        hover = (
            "<b>neuron %{customdata[0]}</b>, component %{customdata[1]}<br>"
            "%{customdata[2]}: %{y:.1%}, by component %{x:.1%}<extra></extra>"
        )
        figure.add_trace(
            plotly().Scatter(
                x=rounded(columns["by_component"][rows]),
                y=rounded(columns["share"][rows]),
                mode="markers",
                name=title,
                marker={"color": colour, "size": 7, "opacity": 0.75},
                customdata=data,
                hovertemplate=hover,
            )
        )
    figure.update_layout(hovermode="closest")
    return in_percent(figure).update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
