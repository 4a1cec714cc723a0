"""Phase diagrams: in which phase training ends, against two of its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interp.measuring.phase import PHASES
from interp.plots.canvas import NEUTRAL, blank, key, plotly, shown, stepped

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FAILED = {"failed": "#FFFFFF"}
AXIS_TITLES = {
    "train_fraction": "training data fraction α",
    "corrupt_fraction": "label corruption fraction ξ",
    "weight_decay": "weight decay",
    "dropout": "dropout probability",
}
CELL = 46
"""Pixels of a cell's side, at least."""


def phase_colours() -> dict[str, str]:
    """The colour of every phase, and of runs that failed."""
    return {name: phase.colour for name, phase in PHASES.items()} | FAILED


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
    """
    facets = _values(cells, facet) if facet else [None]
    columns, rows = (_values(cells, axis) for axis in (x, y))
    x_title, y_title = AXIS_TITLES.get(x, x), AXIS_TITLES.get(y, y)
    figure, several = blank(title or "Phases", x_title, y_title), len(facets) > 1
    if several:
        titles = [f"{AXIS_TITLES.get(facet, facet)} {shown(value)}" if facet else "" for value in facets]
        places = {"subplot_titles": titles, "shared_yaxes": True, "horizontal_spacing": 0.03}
        figure.set_subplots(rows=1, cols=len(facets), **places)
    for place, value in enumerate(facets, 1):
        own = {(cell[x], cell[y]): cell for cell in cells if not facet or cell[facet] == value}
        where = {"row": 1, "col": place} if several else {}
        axis = {"type": "category", "showgrid": False, **where}
        figure.add_trace(_heat(own, columns, rows), **where)
        figure.update_xaxes(title_text=x_title, **axis)
        figure.update_yaxes(title_text=y_title if place == 1 else "", **axis)
    square = {"symbol": "square", "size": 13, "line": {"width": 1, "color": NEUTRAL}}
    ended = {phase for cell in cells for phase in cell["phases"]}
    figure.add_traces([key(name, color=c, **square) for name, c in phase_colours().items() if name in ended])
    width = 140 + len(facets) * max(300, CELL * len(columns))
    height = 200 + max(240, CELL * len(rows))
    return figure.update_layout(hovermode="closest", width=width, height=height, margin={"b": 110, "t": 80})


def _values(cells: Sequence[Mapping[str, Any]], axis: str) -> list[Any]:
    """The values of a setting in order: numbers by size, text by letters, what is not set last."""
    return sorted(
        {cell[axis] for cell in cells},
        key=lambda v: (v is None, isinstance(v, str), v if v is not None else 0),
    )


def commonest(phases: Sequence[str]) -> tuple[str, float]:
    """The phase that most seeds end in, the earlier in `phase_colours` of two as common, and their share.

    Example:
        >>> commonest(["memorisation", "coexistence", "memorisation", "memorisation"])
        ('memorisation', 0.75)
    """
    counts = Counter(phases)
    best = max(phase_colours(), key=lambda phase: counts[phase])
    return best, counts[best] / len(phases)


def _heat(own: Mapping[Any, Mapping[str, Any]], columns: Sequence[Any], rows: Sequence[Any]) -> Any:
    """Cells of the phases' numbers, with the share of seeds where they disagree."""
    order = list(phase_colours())
    z, text, notes = [], [], []
    for row in rows:
        cells = [own.get((column, row)) for column in columns]
        best = [commonest(cell["phases"]) if cell else ("", 1.0) for cell in cells]
        z.append([order.index(phase) if phase else None for phase, _ in best])
        text.append([f"{share:.0%}" if share < 1 else "" for _, share in best])
        notes.append([cell["note"] if cell else "" for cell in cells])
    x, y = ([shown(value) for value in values] for values in (columns, rows))
    heat = plotly().Heatmap(z=z, x=x, y=y, text=text, customdata=notes, xgap=2, ygap=2)
    heat.update(texttemplate="%{text}", textfont={"size": 11}, **stepped(list(phase_colours().values())))
    return heat.update(hoverongaps=False, hovertemplate="%{customdata}<extra></extra>")
