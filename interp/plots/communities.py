"""Communities of neurons: their affinities, and agreement with frequencies over training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, line, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.community_records import Communities, NeuronCommunities

MOST_CELLS = 160
"""Neurons that the map shows; of more, so many evenly spaced."""
LEFT, RIGHT = (0.0, 0.44), (0.6, 1.0)
COLOURS = {"ari": "#0072B2", "modularity": "#D55E00", "accuracy": "#009E73"}


def communities_figure(result: Communities) -> Figure:
    """Affinities at the last checkpoint, neurons in order of their community; agreement and modularity over training.

    Of a single network, the sizes of its communities in place of the latter.
    """
    series = len(result.networks) > 1
    left = LEFT if result.last.connected else (0.0, 0.01)
    figure = blank("Neurons that are active together", "neuron, by community", "neuron, by community")
    figure.update_layout(hovermode="closest", height=520, xaxis_domain=left, margin_b=110)
    if result.last.connected:
        _map(figure, result.last)
    elif not series:
        return say(figure, "no pair of neurons is active together beyond chance")
    below = "training step (as numbered in the files)" if series else "community, by size"
    right = RIGHT if result.last.connected else (0.0, 1.0)
    figure.update_layout(
        xaxis2={"domain": right, "anchor": "y2", "title_text": below},
        yaxis2={"anchor": "x2", "title_text": "index or share" if series else "neurons"},
    )
    if series:
        _over_training(figure, result)
    else:
        _sizes(figure, result.last)
    return figure


def order_of(network: NeuronCommunities) -> np.ndarray:
    """Neurons that are in a community, by its number, then by the affinity that they have there."""
    members = np.flatnonzero(network.community >= 0)
    return members[np.lexsort((-network.affinity.sum(1)[members], network.community[members]))]


def _map(figure: Figure, network: NeuronCommunities) -> None:
    order = order_of(network)
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(MOST_CELLS, len(order))).round().astype(int))]
    cells = network.affinity[np.ix_(shown, shown)]
    hover = [
        f"neuron {i}, community {network.community[i]}"
        + (f", frequency {network.frequency[i]}" if network.frequency[i] >= 0 else "")
        for i in shown
    ]
    heat: Any = plotly().Heatmap(z=[rounded(row, 2) for row in cells], zmin=0, zmax=1, colorscale="Cividis")
    heat.update(customdata=[[[one, other] for other in hover] for one in hover] if len(hover) <= 60 else None)
    words = "%{customdata[0]}<br>%{customdata[1]}" if len(hover) <= 60 else "rows %{y} and %{x}"
    heat.update(hovertemplate=f"{words}<br>affinity %{{z}}<extra></extra>")
    heat.update(colorbar={"title": {"text": "affinity"}, "x": 0.45, "thickness": 12})
    figure.add_trace(heat)
    few = f" ({len(shown)} of {len(order)} shown)" if len(shown) < len(order) else ""
    plain = {"showticklabels": False, "ticks": ""}
    figure.update_layout(xaxis=plain, yaxis=plain | {"autorange": "reversed"})
    figure.update_xaxes(title_text=f"neuron, by community{few}", selector={"anchor": "y"})


def _over_training(figure: Figure, result: Communities) -> None:
    steps = [one.step for one in result.networks]
    place = {"xaxis": "x2", "yaxis": "y2"}
    ari = [np.nan if one is None else one.ari for one in result.final]
    high = [np.nan if one is None else one.null_high for one in result.final]
    q = [np.nan if one.modularity is None else one.modularity for one in result.networks]
    dealt = [float(one.dealt.mean()) if len(one.dealt) else np.nan for one in result.networks]
    accuracy = [np.nan if one.accuracy is None else one.accuracy for one in result.networks]
    lines = (
        (accuracy, "held-out accuracy", COLOURS["accuracy"], "dot"),
        (ari, "ARI with the final frequencies", COLOURS["ari"], None),
        (high, "ARI, shuffled (95 % of draws are below)", NEUTRAL, "dot"),
        (q, "modularity Q", COLOURS["modularity"], None),
        (dealt, "Q, affinities dealt anew", COLOURS["modularity"], "dot"),
    )
    for values, name, colour, dash in lines:
        hover = f"{name}: %{{y:.2f}} at step %{{x}}<extra></extra>"
        style = {"mode": "lines+markers", "dash": dash, "hovertemplate": hover}
        figure.add_trace(line(steps, values, name, colour, **style, **place))
    figure.update_layout(yaxis2_range=[-0.08, 1.04])


def _sizes(figure: Figure, network: NeuronCommunities) -> None:
    sizes = np.bincount(network.community[network.community >= 0], minlength=network.count)
    figure.add_bar(
        x=list(range(network.count)), y=sizes.tolist(), xaxis="x2", yaxis="y2", showlegend=False,
        marker={"color": COLOURS["ari"]}, hovertemplate="community %{x}: %{y} neurons<extra></extra>",
    )  # fmt: skip
