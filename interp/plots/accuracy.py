"""Accuracy on every split against a setting of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import SPLIT_COLOURS, blank, plotly, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def accuracy_over(names: Sequence[str], values: Mapping[str, Sequence[Any]], *, x: str) -> Figure:
    """One line a split over settings, each with its 95 % interval over seeds.

    Args:
        names: The settings, in order.
        values: By split, a mean with its interval (``mean``, ``low``, ``high``) for each setting; None where unknown.
        x: What the settings are called.
    """
    go = plotly()
    figure = blank("Accuracy by setting", x.replace("_", " "), "accuracy (%)")
    for split, found in values.items():
        known = [(name, one) for name, one in zip(names, found, strict=True) if one is not None]
        if not known:
            continue
        means = [one.mean for _, one in known]
        up, down = [one.high - one.mean for _, one in known], [one.mean - one.low for _, one in known]
        trace = go.Scatter(x=[name for name, _ in known], y=means, name=words(split), mode="lines+markers")
        trace.update(line={"color": SPLIT_COLOURS[split], "width": 2}, hovertemplate="%{y:.1%}")
        if all(len(one.values) > 1 for _, one in known):
            trace.update(error_y={"type": "data", "array": up, "arrayminus": down})
        figure.add_trace(trace)
    figure.update_xaxes(type="category")
    return figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.05])
