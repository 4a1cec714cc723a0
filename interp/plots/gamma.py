"""The weight of a norm against how periodic each neuron is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, line, plotly, rounded, say
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.gamma import GammaTransfer


def gamma_against_ipr(transfer: GammaTransfer) -> Figure:
    """The donor's norm weights against IPR, one point a neuron, with the increasing fit that was carried over.

    Args:
        transfer: From `interp.analysis.gamma.gamma_rescale`.
    """
    correlation, ipr, shown = transfer.correlation, transfer.donor_ipr, ""
    if correlation.rho is not None and correlation.low is not None:
        shown = f": rank correlation {correlation.rho:.2f} ({correlation.low:.2f} to {correlation.high:.2f})"
    figure = _blank(shown)
    if not np.isfinite(ipr).any():
        return say(figure, "No neuron has an IPR.")
    points = _points(ipr, transfer.donor_gamma, "neuron", color=NEUTRAL, size=6, opacity=0.7)
    points.hovertemplate += "<extra></extra>"
    rising = np.argsort(ipr, kind="stable")[: np.isfinite(ipr).sum()]
    fit = line(
        rounded(ipr[rising]), transfer.donor_fit[rising], "increasing fit", LABELS["generalizing"].colour
    )
    fit.update(line_width=2.5, hovertemplate="|γ| %{y:.3g} at IPR %{x:.3f}<extra></extra>")
    return figure.add_traces([points, fit])


def gammas_against_ipr(points: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The norm weights of several networks against IPR, one point a neuron.

    Args:
        points: By the name of a network, IPRs and absolute norm weights of its neurons.
    """
    networks = [_points(ipr, gamma, name, size=5, opacity=0.6) for name, (ipr, gamma) in points.items()]
    return _blank("").add_traces(networks)


def _blank(addition: str) -> Figure:
    title = f"Norm weight against periodicity{addition}"
    figure = blank(title, "IPR (1 = one pure frequency)", "norm weight |γ| (no unit)")
    figure.update_xaxes(range=[0, 1.02])
    return figure.update_yaxes(rangemode="tozero").update_layout(hovermode="closest")


def _points(ipr: np.ndarray, gamma: np.ndarray, name: str, **marker: Any) -> Any:
    known = np.flatnonzero(np.isfinite(ipr))
    points = plotly().Scatter(x=rounded(ipr[known]), y=rounded(gamma[known]), mode="markers", name=name)
    points.update(marker=marker, customdata=known.tolist())
    return points.update(hovertemplate="neuron %{customdata}: IPR %{x:.3f}, |γ| %{y:.3g}")
