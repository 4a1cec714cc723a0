"""Many checkpoints at once: how periodic their neurons are, and how their labels develop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, add_menu, blank, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def ipr_over_checkpoints(
    shares: Sequence[Sequence[float]], names: Sequence[str], means: Sequence[float | None]
) -> Figure:
    """The distribution of IPR in each checkpoint, as colours, with its mean as a line.

    Args:
        shares: For each checkpoint, the share of its neurons in each of several equal bins over [0, 1].
        names: What each is called.
        means: Mean IPR of each; None where it is not known.
    """
    go = plotly()
    figure = blank("IPR over checkpoints", "checkpoint, in order", "IPR (1 = one pure frequency)")
    bins = len(shares[0]) if shares else 1
    centres = (np.arange(bins) + 0.5) / bins
    place = list(range(len(names)))
    heat = go.Heatmap(
        z=np.array(shares).T.round(5).tolist(), x=place, y=rounded(centres), customdata=[list(names)] * bins
    )
    heat.update(colorscale="Cividis", zmin=0, colorbar={"title": {"text": "neurons"}, "tickformat": ".0%"})
    heat.update(hovertemplate="%{customdata}<br>IPR %{y:.3f}: %{z:.1%} of neurons<extra></extra>")
    line = go.Scatter(
        x=place, y=rounded([np.nan if m is None else m for m in means]), name="mean", mode="lines"
    )
    line.update(line={"color": "#FFFFFF", "width": 3}, hoverinfo="skip", showlegend=False)
    inner = go.Scatter(line, line={"color": "#D55E00", "width": 1.5}, showlegend=True)
    figure.add_traces([heat, line, inner])
    return figure.update_layout(hovermode="closest", yaxis={"range": [0, 1]}, xaxis={"tickformat": "d"})


def labels_over_steps(series: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """How many neurons have each label against the training step; a menu picks the series.

    Args:
        series: By name, columns of equal length: ``step``, and one of counts for each label.
    """
    go, owners = plotly(), []
    figure = blank("Labels over training", "training step (updates)", "neurons (count)")
    for owner, columns in enumerate(series.values()):
        for label, colour in LABEL_COLOURS.items():
            trace = go.Scatter(
                x=list(columns["step"]), y=list(columns[label]), name=label, mode="lines+markers"
            )
            trace.update(line={"color": colour, "width": 2}, marker={"size": 5}, hovertemplate="%{y}")
            figure.add_trace(trace)
            owners.append(owner)
    if not series:
        return figure
    figure.update_layout(yaxis={"rangemode": "tozero"}, legend={"font": {"color": NEUTRAL}})
    return add_menu(figure, owners, dict(enumerate(series))) if len(series) > 1 else figure
