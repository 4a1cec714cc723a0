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
        times, share = mean_left(result, name)
        if len(times):
            hover = f"{name}: %{{y:.1%}} left after %{{x}} steps<extra></extra>"
            look = {"mode": "markers", "showlegend": False, "hovertemplate": hover, **right}
            figure.add_trace(line(times.tolist(), share, name, colour, **look))
        if depth.decay is not None and len(times):
            slope, life = depth.decay.slope, depth.decay.life
            # of the line itself where it meets 0: where maxima differ, points are of other sequences at each time
            meets = np.isfinite(life)
            level = -slope * life * np.log(10) if meets else share.mean() - slope * np.log(times).mean()
            look = {"dash": "dash", "width": 1, "showlegend": False, "hoverinfo": "skip", **right}
            figure.add_trace(line(times.tolist(), level + slope * np.log(times), name, colour, **look))
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


def mean_left(result: Retention, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times since the maximum and the mean gain over the mean jump there, of the sequences that were fitted."""
    depth = result.depths[name]
    rows = np.flatnonzero(depth.fitted)
    if not len(rows) or not depth.effectivity[rows].mean() > 0:
        return np.zeros(0), np.zeros(0)
    peaks = depth.peak[rows]
    parts: dict[int, list[tuple[float, float]]] = {}
    for row, peak in zip(rows.tolist(), peaks.tolist(), strict=True):
        for column in range(peak + 1, len(result.steps)):
            time = int(result.steps[column] - result.steps[peak])
            gain = float(result.values[name][row, column] - depth.before[row])
            parts.setdefault(time, []).append((gain, float(depth.effectivity[row])))
    times = sorted(parts)
    share = [
        sum(gain for gain, _ in parts[time]) / max(1e-9, sum(jump for _, jump in parts[time]))
        for time in times
    ]
    return np.array(times, dtype=float), np.array(share)
