"""Descriptions of neurons, and how far they hold."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from interp.plots.canvas import NEUTRAL, blank, in_percent, line, plotly, rounded, say
from interp.plots.coset_indicators import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.describing import Descriptions


def descriptions(described: Descriptions) -> Figure:
    """Share of each neuron's held-out exemplars of which its description holds, against that of all held-out inputs.

    Near the dotted diagonal a description says nothing.

    Args:
        described: From `interp.describe`.
    """
    known = described.described
    title = f"Descriptions of {int(known.sum())} of {len(described)} neurons"
    figure = blank(title, "all held-out inputs (share with the property)", "the neuron's exemplars (share)")
    if not known.any():
        return say(figure, "no neuron is described better than by chance")
    figure.add_trace(line([0, 1], [0, 1], "no relation", NEUTRAL, width=1.5, dash="dot", hoverinfo="skip"))
    common = list(described.counts())
    groups = {name: [name] for name in common[: len(COLOURS)]}
    if common[len(COLOURS) :]:
        groups["other descriptions"] = common[len(COLOURS) :]
    texts = described["description"]
    for (name, members), colour in zip(groups.items(), (*COLOURS, NEUTRAL), strict=False):
        rows = [row for row, text in enumerate(texts) if text in members]
        data = [[int(described.neuron[row]), escape(str(texts[row]))] for row in rows]
        hover = (
            "<b>neuron %{customdata[0]}</b><br>%{customdata[1]}<br>"
            "of %{y:.1%} of its exemplars, of %{x:.1%} of all inputs<extra></extra>"
        )
        figure.add_trace(
            plotly().Scatter(
                x=rounded(described["base_rate"][rows]),
                y=rounded(described["agreement"][rows]),
                mode="markers",
                name=escape(name),
                marker={"color": colour, "size": 7, "opacity": 0.75},
                customdata=data,
                hovertemplate=hover,
            )
        )
    figure.update_layout(hovermode="closest")
    return in_percent(figure).update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
