"""What is lost of each relation without the neurons of each, beside how it grows with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SQUARES = (0.0, 0.42)
LINES = (0.6, 1.0)
KINDS = {
    "own": ("own facts", LABEL_COLOURS["memorizing"], "solid"),
    "related": ("facts with the same objects", SPLIT_COLOURS["corrupted_as_true"], "solid"),
    "unrelated": ("facts with other objects", LABEL_COLOURS["generalizing"], "solid"),
    "random": ("random neurons", NEUTRAL, "dash"),
}


def facts_figure(result: Any) -> Figure:
    """Two panels: losses at the study's share of neurons, and at its multiples with intervals over the seeds.

    Args:
        result: Of the study `facts`.
    """
    title = f"Facts lost (%) without {result.config.share:.0%} of the neurons, and without more"
    figure = blank(title, "relation measured (number)", "neurons of relation (number)")
    _squares(figure, result)
    _lines(figure, result)
    figure.layout.xaxis.update(domain=SQUARES, showgrid=False, type="category")
    figure.layout.yaxis.update(autorange="reversed", showgrid=False, type="category")
    figure.update_layout(
        hovermode="closest",
        margin={"b": 90},
        xaxis2={
            "domain": LINES,
            "anchor": "y2",
            "title": {"text": "neurons taken out (%)"},
            "tickformat": ".0%",
        },
        yaxis2={
            "anchor": "x2",
            "title": {"text": "facts lost (%)"},
            "tickformat": ".0%",
            "range": [-0.03, 1.05],
        },
    )
    figure.layout.xaxis2.update(tickvals=rounded(result.records[0].curves["shares"], 3))
    return figure


def _squares(figure: Figure, result: Any) -> None:
    """The mean over the seeds of what each relation loses, with a last row for random neurons."""
    relations = [str(r) for r in range(result.config.relations)]
    rows = [*relations, "random"]
    z = [rounded([result.over(f"lost_{row}_{q}").mean for q in relations], 3) for row in rows]
    heat = plotly().Heatmap(x=relations, y=rows, z=z, zmin=0, xgap=2, ygap=2, showscale=False)
    heat.update(colorscale=[[0, "#FFFFFF"], [1, LABEL_COLOURS["memorizing"]]])
    heat.update(
        text=[[f"{100 * float(value or 0):.0f}" for value in row] for row in z], texttemplate="%{text}"
    )
    heat.update(hovertemplate="neurons of relation %{y}: relation %{x} loses %{z:.1%}<extra></extra>")
    figure.add_trace(heat)


def _lines(figure: Figure, result: Any) -> None:
    x = rounded(result.records[0].curves["shares"], 3)
    times = sorted(
        int(name.removeprefix("own_")) for name in result.records[0].numbers if name.startswith("own_")
    )
    for kind, (words, colour, dash) in KINDS.items():
        found = [result.over(f"{kind}_{t}") for t in times]
        half = [h or 0.0 for h in rounded([f.high - f.mean for f in found])]
        line = plotly().Scatter(x=x, y=rounded([f.mean for f in found]), name=words, mode="lines+markers")
        line.update(xaxis="x2", yaxis="y2", line={"color": colour, "width": 2.2, "dash": dash})
        line.update(error_y={"type": "data", "array": half, "color": colour, "thickness": 1.2})
        line.update(
            hovertemplate=f"%{{y:.1%}} of {words} lost without %{{x:.0%}}"
            if kind != "random"
            else "%{y:.1%} of all facts lost without %{x:.0%} random neurons"
        )
        figure.add_trace(line)
