"""Accuracy while neurons are taken out, and before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import (
    LABEL_COLOURS,
    NEUTRAL,
    SPLIT_COLOURS,
    blank,
    faded,
    plotly,
    rounded,
    telling_splits,
    words,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.measuring.band import Band
    from interp.measuring.curves import Curve
    from interp.measuring.evaluation import SplitValues


def ablation_curve(sweep: Curve) -> Figure:
    """Accuracy on every split against the share of neurons removed, with the random control.

    Shown at first, with the control, are the two splits that tell most: held-out examples, and corrupted ones
    as labelled (the training set where there are none); the others can be switched on in the legend.

    Args:
        sweep: From `interp.sweep` or `interp.measuring.curves.measure_curve`.
    """
    go = plotly()
    removed = "removed" if not sweep.mode.startswith("scale") else f"rescaled ({sweep.mode})"
    title, share = f"Accuracy with neurons {removed}, {sweep.order}", f"neurons {removed} (% of all)"
    figure = blank(title, share, "accuracy (%)")
    telling, others = telling_splits(sweep.accuracy)
    x = rounded(sweep.fraction)
    for split in telling:
        band = sweep.random.get(split)
        if band is not None:
            figure.add_traces(_random_traces(x, band, split))
    for split in [*telling, *others]:
        y, line = rounded(sweep.accuracy[split]), {"color": SPLIT_COLOURS.get(split, NEUTRAL), "width": 2.5}
        trace = go.Scatter(x=x, y=y, name=words(split), mode="lines", legendgroup=split, line=line)
        trace.update(customdata=sweep.removed.tolist(), visible=True if split in telling else "legendonly")
        trace.update(hovertemplate="%{y:.1%} with %{customdata} neurons (%{x:.1%}) " + removed)
        figure.add_trace(trace)
    figure.update_xaxes(tickformat=".0%", range=[0, float(sweep.fraction[-1]) or 1])
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.02])
    return figure


def _random_traces(x: list[float | None], band: Band, split: str) -> list[Any]:
    go, colour = plotly(), SPLIT_COLOURS.get(split, NEUTRAL)
    shared = {"x": x, "mode": "lines", "legendgroup": split}
    edge = {**shared, "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    low, high = (
        go.Scatter(y=rounded(getattr(band, key)), name=f"{words(split)}, random {key}", **edge)
        for key in ("low", "high")
    )
    high.update(fill="tonexty", fillcolor=faded(colour))
    limits = list(zip(rounded(band.low), rounded(band.high), strict=True))
    mean = go.Scatter(y=rounded(band.mean), name=f"{words(split)}, random", customdata=limits, **shared)
    interval = "95 % of draws from %{customdata[0]:.1%} to %{customdata[1]:.1%}"
    mean.update(line={"color": colour, "width": 1.5, "dash": "dash"})
    return [low, high, mean.update(hovertemplate=f"%{{y:.1%}} on average, {interval}")]


def accuracy_bars(before: SplitValues, after: Mapping[str, SplitValues]) -> Figure:
    """Accuracy on every split before and after, one group of bars a split.

    Args:
        before: Accuracy of the whole network.
        after: Accuracy by the name of what was done; one that names a label has its colour.
    """
    go = plotly()
    figure = blank("Accuracy before and after removing neurons", "examples", "accuracy (%)")
    states = {"whole network": before, **after}
    splits = [split for split in before if any(values[split] is not None for values in states.values())]
    for name, values in states.items():
        colour = next((c for label, c in LABEL_COLOURS.items() if name.endswith(label)), NEUTRAL)
        figure.add_trace(
            go.Bar(
                x=[words(split).replace(" as ", "<br>as ") for split in splits],
                y=[values[split] for split in splits],
                name=name,
                marker={"color": colour},
                hovertemplate="%{y:.1%}",
            )
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return figure
