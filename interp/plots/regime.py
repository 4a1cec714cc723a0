"""The change of a network since its start: alignments beside those of unrelated networks, and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp.analysis.regimes import ALIGNMENTS, QUANTITIES
from interp.plots.canvas import NEUTRAL, blank, line, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.regimes import Regime

COLOURS = dict(
    zip(QUANTITIES, ("#000000", "#E69F00", "#56B4E9", "#0072B2", "#CC79A7", "#D55E00"), strict=True)
)
SHARES = ("sign_similarity", *ALIGNMENTS)


def regime_figure(regime: Regime) -> Figure:
    """Alignments with the start and sign similarity: bars of one later network, or lines over a series.

    Args:
        regime: From `interp.regime`.
    """
    return _over_steps(regime) if len(regime.changes) > 1 else _of_one(regime)


def _of_one(regime: Regime) -> Figure:
    change = regime.last
    title = f"Change since the start (weights moved by {_shown(change.relative_change)} of their norm)"
    figure = blank(title, "compared with the start", "share or alignment (1: unchanged)")
    names = [QUANTITIES[name] for name in SHARES]
    figure.add_bar(
        x=names,
        y=rounded([getattr(change, name) for name in SHARES]),
        marker={"color": [COLOURS[name] for name in SHARES]},
        name="since the start",
        width=0.5,
        hovertemplate="%{x}: %{y:.3f}<extra></extra>",
    )
    bands = {QUANTITIES[name]: band for name in ALIGNMENTS if (band := regime.band(name)) is not None}
    if bands:
        above, below = (
            rounded([end * (getattr(band, side) - band.mean) for band in bands.values()])
            for end, side in ((1, "high"), (-1, "low"))
        )
        figure.add_trace(
            plotly().Scatter(
                x=list(bands),
                y=rounded([band.mean for band in bands.values()]),
                error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
                mode="markers",
                marker={"color": NEUTRAL, "symbol": "diamond", "size": 9},
                name="unrelated networks, mean and 95 %",
                hovertemplate="%{x}: %{y:.3f}<extra>unrelated networks</extra>",
            )
        )
    return figure.update_layout(hovermode="closest", yaxis_range=[0, 1.05])


def _over_steps(regime: Regime) -> Figure:
    known = all(change.step is not None for change in regime.changes)
    steps = [change.step if known else i for i, change in enumerate(regime.changes)]
    x = "training step (as numbered in the files)" if known else "checkpoint (number)"
    figure = blank("Change since the first checkpoint", x, "share or alignment (1: unchanged)")
    for name in SHARES:
        values = [getattr(change, name) for change in regime.changes]
        if any(value is not None for value in values):
            hover = "%{y:.3f}"
            figure.add_trace(line(steps, values, QUANTITIES[name], COLOURS[name], hovertemplate=hover))
    second = {"yaxis": "y2", "dash": "dot", "hovertemplate": "%{y:.3g}"}
    values = [change.relative_change for change in regime.changes]
    name = "relative_change"
    figure.add_trace(line(steps, values, QUANTITIES[name], COLOURS[name], **second))
    for name in ALIGNMENTS:
        if (band := regime.band(name)) is not None and name.endswith("centred"):
            style = {"color": COLOURS[name], "dash": "dot", "width": 1}
            figure.add_hline(y=rounded([band.mean])[0], line=style)
    axis = {"overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero"}
    axis |= {"title": {"text": "relative weight change (1: as large as the weights were)"}}
    return figure.update_layout(yaxis_range=[0, 1.05], yaxis2=axis)


def _shown(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.3g}"
