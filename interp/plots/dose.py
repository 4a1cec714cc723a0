"""Accuracy against the factor that neurons are multiplied by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plots.canvas import NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded, telling_splits, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.measuring.band import Band
    from interp.measuring.doses import Dose

MARKS = {0.0: "removed", 1.0: "unchanged"}


def dose_response(dose: Dose) -> Figure:
    """Accuracy on every split against the factor, with the random control and a line at 0 and at 1.

    Shown at first, with the control, are held-out examples and corrupted ones as labelled (the training set where there
    are none); the others can be switched on in the legend.

    Args:
        dose: From `interp.dose` or `interp.measuring.doses.dose_response`.
    """
    go = plotly()
    title = f"Accuracy with {dose.size} neurons rescaled, {dose.name}"
    figure = blank(title, "factor on the neurons' activations", "accuracy (%)")
    telling, others = telling_splits(dose.accuracy)
    x = rounded(dose.factors)
    for split in telling:
        band = dose.random.get(split)
        if band is not None:
            figure.add_traces(_band_traces(x, band, split, dose.n_random))
    for split in [*telling, *others]:
        y, line = rounded(dose.accuracy[split]), {"color": SPLIT_COLOURS.get(split, NEUTRAL), "width": 2.5}
        trace = go.Scatter(x=x, y=y, name=words(split), mode="lines", legendgroup=split, line=line)
        trace.update(
            visible=True if split in telling else "legendonly", hovertemplate="%{y:.1%} at factor %{x}"
        )
        figure.add_trace(trace)
    low, high = float(dose.factors[0]), float(dose.factors[-1])
    for at, text in MARKS.items():
        if low <= at <= high:
            line = {"color": NEUTRAL, "width": 1, "dash": "dot"}
            figure.add_vline(x=at, line=line, annotation={"text": text, "font": {"size": 11}})
    figure.update_xaxes(range=[low, high] if low < high else None)
    return figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.09])  # room for the words at the lines


def _band_traces(x: list[float | None], band: Band, split: str, n_random: int) -> list[Any]:
    """The interval of the random sets as an area, and their mean as a dashed line."""
    go, colour = plotly(), SPLIT_COLOURS.get(split, NEUTRAL)
    area = go.Scatter(x=[*x, *x[::-1]], y=[*rounded(band.high), *rounded(band.low)[::-1]])
    area.update(name=f"{words(split)}, 95 % of random sets", legendgroup=split, showlegend=False)
    area.update(mode="lines", line={"width": 0}, fill="toself", fillcolor=faded(colour), hoverinfo="skip")
    mean = go.Scatter(x=x, y=rounded(band.mean), name=f"{words(split)}, random", mode="lines")
    mean.update(legendgroup=split, line={"color": colour, "width": 1.5, "dash": "dash"})
    return [area, mean.update(hovertemplate=f"%{{y:.1%}} on average of {n_random} random sets")]
