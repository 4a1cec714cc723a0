"""The weight of a norm against how periodic each neuron is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, blank, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.gamma import GammaTransfer


def gamma_against_ipr(found: GammaTransfer) -> Figure:
    """The donor's norm weights against IPR, one point a neuron, with the increasing fit that was carried over.

    Args:
        found: From `interp.gamma.gamma_rescale`.
    """
    go, correlation = plotly(), found.correlation
    title = "Norm weight against periodicity"
    if correlation.rho is not None and correlation.low is not None:
        title += f": rank correlation {correlation.rho:.2f} ({correlation.low:.2f} to {correlation.high:.2f})"
    figure = blank(title, "IPR (1 = one pure frequency)", "norm weight |γ| (no unit)").update_layout(
        hovermode="closest"
    )
    known = np.flatnonzero(np.isfinite(found.donor_ipr))
    if not len(known):
        return say(figure, "No neuron has an IPR.")
    points = go.Scatter(
        x=rounded(found.donor_ipr[known]), y=rounded(found.donor_gamma[known]), mode="markers"
    )
    points.update(
        name="neuron", customdata=known.tolist(), marker={"color": NEUTRAL, "size": 6, "opacity": 0.7}
    )
    points.update(hovertemplate="neuron %{customdata}: IPR %{x:.3f}, |γ| %{y:.3g}<extra></extra>")
    rising = known[np.argsort(found.donor_ipr[known], kind="stable")]
    line = go.Scatter(x=rounded(found.donor_ipr[rising]), y=rounded(found.donor_fit[rising]), mode="lines")
    line.update(name="increasing fit", line={"color": LABEL_COLOURS["generalizing"], "width": 2.5})
    figure.add_traces([points, line.update(hovertemplate="|γ| %{y:.3g} at IPR %{x:.3f}<extra></extra>")])
    figure.update_xaxes(range=[0, 1.02])
    return figure.update_yaxes(rangemode="tozero")


def gammas_against_ipr(points: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The norm weights of several networks against IPR, one point a neuron.

    Args:
        points: By the name of a network, IPRs and absolute norm weights of its neurons.
    """
    go = plotly()
    figure = blank(
        "Norm weight against periodicity", "IPR (1 = one pure frequency)", "norm weight |γ| (no unit)"
    ).update_layout(hovermode="closest")
    for name, (ipr, gamma) in points.items():
        known = np.isfinite(ipr)
        trace = go.Scatter(x=rounded(ipr[known]), y=rounded(gamma[known]), mode="markers", name=name)
        trace.update(marker={"size": 5, "opacity": 0.6}, customdata=np.flatnonzero(known).tolist())
        figure.add_trace(trace.update(hovertemplate="neuron %{customdata}: IPR %{x:.3f}, |γ| %{y:.3g}"))
    figure.update_xaxes(range=[0, 1.02])
    return figure.update_yaxes(rangemode="tozero")
