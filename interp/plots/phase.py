"""Phase diagrams: in which phase training ends, against two of its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interp.plots.canvas import NEUTRAL, blank, plotly, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PHASE_COLOURS = {
    "generalisation": "#56B4E9",
    "coexistence": "#0072B2",
    "partial inversion": "#009E73",
    "full inversion": "#F0E442",
    "memorisation": "#D55E00",
    "forgetting": "#CC79A7",
    "confusion": "#999999",
    "failed": "#FFFFFF",
}
"""Okabe and Ito's palette: blue and green where the network generalises."""
AXIS_TITLES = {
    "train_fraction": "training data fraction α",
    "corrupt_fraction": "label corruption fraction ξ",
    "weight_decay": "weight decay",
    "dropout": "dropout probability",
}
CELL = 46
"""Pixels of a cell's side, at least."""


def phase_diagram(
    cells: Sequence[Mapping[str, Any]], *, x: str, y: str, facet: str | None = None, title: str = ""
) -> Figure:
    """A coloured cell for each pair of settings; where seeds end in different phases, the commonest, with its share.

    Args:
        cells: One a combination of settings: its value of `x`, `y` and `facet`, ``phases`` (one a seed) and ``note``, a
            text for hovering.
        x: The setting along the horizontal axis.
        y: The setting along the vertical axis.
        facet: A setting with one panel for each of its values.
        title: Of the figure.
    """
    go = plotly()
    facets = _values(cells, facet) if facet else [None]
    columns, rows = (_values(cells, axis) for axis in (x, y))
    name = AXIS_TITLES.get(x, x)
    figure = blank(title or "Phases", name, AXIS_TITLES.get(y, y))
    titles = [f"{AXIS_TITLES.get(facet, facet)} {shown(value)}" if facet else "" for value in facets]
    if len(facets) > 1:
        figure.set_subplots(
            rows=1, cols=len(facets), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03
        )
    order = list(PHASE_COLOURS)
    for place, value in enumerate(facets, 1):
        own = {(cell[x], cell[y]): cell for cell in cells if not facet or cell[facet] == value}
        where = {"row": 1, "col": place} if len(facets) > 1 else {}
        figure.add_trace(_heat(own, columns, rows, order), **where)
        figure.update_xaxes(title_text=name, type="category", showgrid=False, **where)
        figure.update_yaxes(
            type="category", showgrid=False, title_text=AXIS_TITLES.get(y, y) if place == 1 else "", **where
        )
    for phase in order:
        if any(phase in cell["phases"] for cell in cells):
            marker = {
                "symbol": "square",
                "size": 13,
                "color": PHASE_COLOURS[phase],
                "line": {"width": 1, "color": NEUTRAL},
            }
            figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=phase))
    width = 140 + len(facets) * max(300, CELL * len(columns))
    return figure.update_layout(
        hovermode="closest", width=width, height=200 + max(240, CELL * len(rows)), margin={"b": 110, "t": 80}
    )


def _values(cells: Sequence[Mapping[str, Any]], axis: str) -> list[Any]:
    """The values of a setting in order: numbers by size, text by letters, what is not set last."""
    return sorted(
        {cell[axis] for cell in cells},
        key=lambda v: (v is None, isinstance(v, str), v if v is not None else 0),
    )


def commonest(phases: Sequence[str]) -> tuple[str, float]:
    """The phase that most seeds end in, the earlier in `PHASE_COLOURS` of two as common, and their share.

    Example:
        >>> commonest(["memorisation", "coexistence", "memorisation", "memorisation"])
        ('memorisation', 0.75)
    """
    counts = Counter(phases)
    best = max(PHASE_COLOURS, key=lambda phase: counts[phase])
    return best, counts[best] / len(phases)


def _heat(
    own: Mapping[Any, Mapping[str, Any]], columns: Sequence[Any], rows: Sequence[Any], order: Sequence[str]
) -> Any:
    z: list[list[int | None]] = []
    text: list[list[str]] = []
    notes: list[list[str]] = []
    for row in rows:
        found = [own.get((column, row)) for column in columns]
        best = [commonest(cell["phases"]) if cell else None for cell in found]
        z.append([order.index(one[0]) if one else None for one in best])
        text.append([f"{one[1]:.0%}" if one and one[1] < 1 else "" for one in best])
        notes.append([cell["note"] if cell else "" for cell in found])
    last = len(order)
    scale = [[(i + step) / last, PHASE_COLOURS[phase]] for i, phase in enumerate(order) for step in (0, 1)]
    heat = plotly().Heatmap(
        z=z,
        x=[shown(value) for value in columns],
        y=[shown(value) for value in rows],
        text=text,
        customdata=notes,
    )
    heat.update(texttemplate="%{text}", textfont={"size": 11}, xgap=2, ygap=2, showscale=False)
    return heat.update(
        colorscale=scale,
        zmin=-0.5,
        zmax=last - 0.5,
        hoverongaps=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
