"""Edits of facts: reliability, generality and locality by the number of edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plots.canvas import blank, line, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.edit_quality import EditReport

MEASURES = {"reliability": "edits", "generality": "paraphrases", "locality": "unrelated examples"}
COLOURS = ("#0072B2", "#E69F00", "#D55E00")
DOMAINS = ((0.0, 0.27), (0.36, 0.63), (0.73, 1.0))


def edit_curves(report: EditReport) -> Figure:
    """Three panels, one line a method."""
    figure = blank("Edits of facts: answers by the number of edits", "", "")
    methods = dict.fromkeys(row.method for row in report.rows)
    for place, (measure, words) in enumerate(MEASURES.items()):
        number = place + 1 if place else ""
        axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
        for colour, method in zip(COLOURS, methods, strict=False):
            known = [row for row in report.of(method) if getattr(row, measure) is not None]
            values = [getattr(row, measure) for row in known]
            hover = f"{method}: {measure} %{{y:.1%}} after %{{x}} edits<extra></extra>"
            look: dict[str, Any] = {"mode": "lines+markers", "hovertemplate": hover, "showlegend": not place}
            edits = [row.edits for row in known]
            figure.add_trace(line(edits, values, method, colour, legendgroup=method, **look, **axes))
        figure.update_layout(
            {
                f"xaxis{number}": {
                    "domain": DOMAINS[place],
                    "anchor": f"y{number}",
                    "title": {"text": "edits (number)"},
                },
                f"yaxis{number}": {
                    "anchor": f"x{number}",
                    "title": {"text": f"{measure} ({words}, share)", "standoff": 4},
                    "range": [-0.03, 1.05],
                },
            }
        )
    if all(row.generality is None for row in report.rows):
        say(figure, "no paraphrases were given")
    return figure.update_layout(hovermode="closest", margin={"b": 110}, legend={"y": -0.35})
