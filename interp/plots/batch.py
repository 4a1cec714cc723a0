"""Many checkpoints at once: how periodic their neurons are, and how their labels develop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import NEUTRAL, add_menu, blank, line, plotly, rounded
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def ipr_over_checkpoints(
    shares: Sequence[Sequence[float]], names: Sequence[str], means: Sequence[float | None]
) -> Figure:
    """The distribution of IPR in each checkpoint, as colours, with its mean as a line.

    Args:
        shares: For each checkpoint, the share of its neurons in each of several equal bins over [0, 1].
        names: Of the checkpoints.
        means: Mean IPR of each; None where it is not known.
    """
    figure = blank("IPR over checkpoints", "checkpoint, in order", "IPR (1 = one pure frequency)")
    bins, place = len(shares[0]) if shares else 1, list(range(len(names)))
    centres = rounded((np.arange(bins) + 0.5) / bins)
    z = np.array(shares).T.round(5).tolist()
    heat = plotly().Heatmap(z=z, x=place, y=centres, customdata=[list(names)] * bins)
    heat.update(colorscale="Cividis", zmin=0, colorbar={"title": {"text": "neurons"}, "tickformat": ".0%"})
    heat.update(hovertemplate="%{customdata}<br>IPR %{y:.3f}: %{z:.1%} of neurons<extra></extra>")
    outer = line(place, means, "mean", "#FFFFFF", width=3, hoverinfo="skip", showlegend=False)
    inner = line(place, means, "mean", "#D55E00", width=1.5, hoverinfo="skip", showlegend=True)
    figure.add_traces([heat, outer, inner])
    return figure.update_layout(hovermode="closest", yaxis={"range": [0, 1]}, xaxis={"tickformat": "d"})


def labels_over_steps(series: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """Number of neurons with each label against the training step; a menu picks the series.

    Args:
        series: By name, columns of equal length: ``step``, and one of counts for each label.
    """
    figure = blank("Labels over training", "training step (updates)", "neurons (count)")
    for columns in series.values():
        for name, label in LABELS.items():
            shown = {"mode": "lines+markers", "marker": {"size": 5}, "hovertemplate": "%{y}"}
            figure.add_trace(line(columns["step"], columns[name], name, label.colour, **shown))
    if not series:
        return figure
    figure.update_layout(yaxis={"rangemode": "tozero"}, legend={"font": {"color": NEUTRAL}})
    owners = [owner for owner in range(len(series)) for _ in LABELS]
    return add_menu(figure, owners, dict(enumerate(series))) if len(series) > 1 else figure
