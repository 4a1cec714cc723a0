"""Injected sequences over checkpoints: log probability by step, and what is left of the jump by log time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.language.injections import COMPOSITION, PARAPHRASE, VERBATIM
from interp.plots.canvas import NEUTRAL, blank, line

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.language.retention_records import Retention

COLOURS = {VERBATIM: "#0072B2", PARAPHRASE: "#D55E00", COMPOSITION: "#009E73"}
CAPTION = (
    "Left: the mean log probability of the continuations, in nats a token, of injected sequences (solid) and of those "
    "that were never injected (dotted). Right: the share of the jump that is left, by the time since the maximum; a "
    "straight line on this axis is forgetting by the logarithm of time. The dashed line is the fit."
)


def retention_curves(result: Retention) -> Figure:
    """Two panels, one line a kind of probe."""
    figure = blank("Retention of injected sequences", "step", "log probability (nats a token)")
    right: dict[str, Any] = {"xaxis": "x2", "yaxis": "y2"}
    for name, depth in result.depths.items():
        colour = COLOURS[name]
        for rows, dash, words in (
            (~result.control, None, name),
            (result.control, "dot", f"{name}, controls"),
        ):
            known = rows & np.isfinite(result.values[name]).all(1)
            if known.any():
                mean = result.values[name][known].mean(0)
                hover = f"{words}: %{{y:.3f}} at step %{{x}}<extra></extra>"
                look: dict[str, Any] = {"dash": dash, "mode": "lines+markers", "hovertemplate": hover}
                figure.add_trace(line(result.steps.tolist(), mean, words, colour, **look))
        times, share = depth.times, depth.share
        if len(times):
            hover = f"{name}: %{{y:.1%}} left after %{{x}} steps<extra></extra>"
            look = {"mode": "markers", "showlegend": False, "hovertemplate": hover, **right}
            figure.add_trace(line(times.tolist(), share, name, colour, **look))
        if depth.decay is not None and len(times):
            level = share.mean() - depth.decay.slope * np.log(times).mean()
            look = {"dash": "dash", "width": 1, "showlegend": False, "hoverinfo": "skip", **right}
            figure.add_trace(
                line(times.tolist(), level + depth.decay.slope * np.log(times), name, colour, **look)
            )
    injected = result.last[(result.last >= 0) & ~result.control]
    for step in sorted(set(injected.tolist()))[:20]:
        mark = {"color": NEUTRAL, "width": 1}
        figure.add_shape(type="line", x0=step, x1=step, y0=0, y1=1, yref="y domain", line=mark)
    figure.update_layout(
        xaxis={"domain": [0, 0.44]},
        xaxis2={
            "domain": [0.56, 1],
            "anchor": "y2",
            "type": "log",
            "title": {"text": "steps since the maximum"},
        },
        yaxis2={"anchor": "x2", "title": {"text": "left of the jump"}, "tickformat": ".0%"},
    )
    return figure.update_layout(hovermode="closest")
