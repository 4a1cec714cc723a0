"""Accuracy over training, while neurons of each kind are held at zero from several moments on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANELS = {
    "start": ("held from the start", (0.0, 0.31)),
    "memorised": ("held from memorisation", (0.345, 0.655)),
    "halfway": ("held from halfway on", (0.69, 1.0)),
}
ROWS = {"test": ("test accuracy (%)", (0.54, 1.0)), "corrupted": ("corrupted labels (%)", (0.0, 0.46))}
STYLES = {
    "baseline": ("nothing held", "#333333", "solid"),
    "memorizing": ("memorizing held", LABEL_COLOURS["memorizing"], "solid"),
    "random": ("as many random ones held", SPLIT_COLOURS["all"], "dash"),
    "generalizing": ("generalizing held (fewer)", LABEL_COLOURS["generalizing"], "dot"),
}


def clamp_figure(result: Any) -> Figure:
    """A column for each moment: accuracy on held-out examples above, on corrupted ones as labelled below.

    Args:
        result: Of the study `clamp`.
    """
    go, records = plotly(), result.records
    n = len(records)
    over = f" (mean, lowest and highest of {n} seeds)" if n > 1 else ""
    figure = blank(f"Grokking while neurons are held at zero{over}", "step", "")
    steps = rounded(records[0].curves["steps"])
    for column, (moment, (words, domain)) in enumerate(PANELS.items()):
        x = "x" if not column else f"x{column + 1}"
        for row, part in enumerate(ROWS):
            for kind, (name, colour, dash) in STYLES.items():
                arm = kind if kind == "baseline" else f"{kind}_{moment}"
                values = [record.curves["arms"][arm][part] for record in records]
                traces = line_over_seeds(steps, values, name, colour, dash, legend=not column and not row)
                for trace in traces:
                    figure.add_trace(trace.update(xaxis=x, yaxis="y" if not row else "y2"))
        begin = float(np.mean([record.curves["begin"][moment] for record in records]))
        mark = {"x0": begin, "x1": begin, "xref": x, "y0": 0, "y1": 1, "yref": "paper"}
        figure.add_shape(type="line", line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}, **mark)
        axis = go.layout.XAxis(
            domain=domain, anchor="y2", title={"text": "step (updates)"}, range=[0, steps[-1]]
        )
        figure.update_layout({f"xaxis{column + 1 if column else ''}": axis})
        place = {"x": sum(domain) / 2, "y": 1.0, "xref": "paper", "yref": "paper", "xanchor": "center"}
        place |= {"yanchor": "bottom"}
        figure.add_annotation(text=words, showarrow=False, font={"size": 13}, **place)
    for name, (title, domain) in zip(("yaxis", "yaxis2"), ROWS.values(), strict=True):
        figure.update_layout({name: {"domain": domain, "title": {"text": title}, "range": [-0.03, 1.03]}})
    figure.update_yaxes(tickformat=".0%", anchor="x")
    return figure.update_layout(height=600, hovermode="closest", margin={"b": 100, "t": 75})


def line_over_seeds(
    steps: Sequence[float | None],
    values: Sequence[Sequence[float]],
    name: str,
    colour: str,
    dash: str = "solid",
    *,
    legend: bool = True,
) -> list[Any]:
    """A band from the lowest to the highest of the seeds, and their mean.

    Args:
        steps: Where the values are.
        values: One series for each seed.
        name: In the legend.
        colour: Of both.
        dash: Of the line.
        legend: Whether the legend shows it.
    """
    go, found = plotly(), np.asarray(values, float)
    low, high = rounded(found.min(0)), rounded(found.max(0))
    shared = {"mode": "lines", "legendgroup": name}
    band = go.Scatter(x=[*steps, *steps[::-1]], y=[*low, *high[::-1]], fill="toself", **shared)
    band.update(fillcolor=faded(colour, 0.15), line={"width": 0}, hoverinfo="skip", showlegend=False)
    line = go.Scatter(x=list(steps), y=rounded(found.mean(0)), name=name, showlegend=legend, **shared)
    line.update(line={"color": colour, "width": 2, "dash": dash})
    line.update(hovertemplate=f"{name}: %{{y:.1%}} at step %{{x}}<extra></extra>")
    return [band, line] if len(found) > 1 else [line]
