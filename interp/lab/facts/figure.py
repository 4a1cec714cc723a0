"""Losses of each relation without the neurons of each, beside their growth with the number of neurons."""

from __future__ import annotations

from typing import Any

from interp.data.splits import SPLITS
from interp.lab.panels import Figure, axes, intervals, line, place_panel
from interp.plots.canvas import NEUTRAL, blank, rounded
from probes.labels import LABELS

KINDS = {
    "own": ("own facts", LABELS["memorizing"].colour, "solid"),
    "related": ("facts with the same objects", SPLITS["corrupted_as_true"].colour, "solid"),
    "unrelated": ("facts with other objects", LABELS["generalizing"].colour, "solid"),
    "random": ("random neurons", NEUTRAL, "dash"),
}


def facts_figure(result: Any) -> Figure:
    """Two panels: losses at the study's share of neurons, and at its multiples with intervals over the seeds."""
    title = f"Facts lost (%) without {result.config.share:.0%} of the neurons, and without more"
    figure = blank(title, "relation measured (number)", "neurons of relation (number)")
    shares = rounded(result.records[0].curves["shares"], 3)
    _squares(figure, result)
    _lines(figure, result, shares)
    square = {"showgrid": False, "type": "category"}
    place_panel(figure, 1, (0.0, 0.42), square, square | {"autorange": "reversed"})
    percent = {"tickformat": ".0%"}
    share = percent | {"title": {"text": "neurons taken out (%)"}, "tickvals": shares}
    place_panel(
        figure, 2, (0.6, 1.0), share, percent | {"title": {"text": "facts lost (%)"}, "range": [-0.03, 1.05]}
    )
    return figure.update_layout(hovermode="closest", margin={"b": 90})


def _squares(figure: Figure, result: Any) -> None:
    relations = [str(r) for r in range(result.config.relations)]
    rows = [*relations, "random"]
    z = [rounded([result.over(f"lost_{row}_{q}").mean for q in relations], 3) for row in rows]
    figure.add_heatmap(
        x=relations,
        y=rows,
        z=z,
        zmin=0,
        xgap=2,
        ygap=2,
        showscale=False,
        colorscale=[[0, "#FFFFFF"], [1, LABELS["memorizing"].colour]],
        text=[[f"{100 * float(value or 0):.0f}" for value in row] for row in z],
        texttemplate="%{text}",
        hovertemplate="neurons of relation %{y}: relation %{x} loses %{z:.1%}<extra></extra>",
    )


def _lines(figure: Figure, result: Any, shares: list[float | None]) -> None:
    times = sorted(int(name[4:]) for name in result.records[0].numbers if name.startswith("own_"))
    for kind, (words, colour, dash) in KINDS.items():
        values = [result.over(f"{kind}_{t}") for t in times]
        hover = f"%{{y:.1%}} of {words} lost without %{{x:.0%}}"
        if kind == "random":
            hover = "%{y:.1%} of all facts lost without %{x:.0%} random neurons"
        look = {"mode": "lines+markers", "error_y": intervals(values, colour), "width": 2.2, "dash": dash}
        means = [one.mean for one in values]
        line(figure, shares, means, words, colour, hovertemplate=hover, **look, **axes(2))
