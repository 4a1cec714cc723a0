"""One value for every pair of operands: margins, logits, or which answers are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, key, plotly, rounded, stepped

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DIVERGING = [[0.0, "#D55E00"], [0.25, "#F0B27A"], [0.5, "#F2F2F2"], [0.75, "#7FB3D5"], [1.0, "#0072B2"]]
"""Vermilion below 0, blue above: colours that colour-blind readers can tell apart."""
ANSWERS = {
    "held out, wrong": "#C9CED4",
    "held out, right": "#0072B2",
    "trained on, wrong": "#8C8C8C",
    "trained on, right": "#56B4E9",
    "corrupted, neither": "#5C4B51",
    "corrupted, as labelled": "#D55E00",
    "corrupted, as true": "#F0E442",
    "wrong": "#C9CED4",
    "right": "#0072B2",
}
"""Kinds of answers in the order of their codes from 0, with their colours; the last two are of an unknown split."""
PERCENTILE = 99


def pair_map(
    values: np.ndarray,
    left: Sequence[int] | np.ndarray,
    right: Sequence[int] | np.ndarray,
    *,
    title: str,
    unit: str = "logit units",
    limit: float | None = None,
    place: str = "position",
) -> Figure:
    """One number for every pair of operands as colours around 0: blue above, vermilion below.

    Args:
        values: ``(left, right)``; nan where there is none.
        left: The left operand of each row, in the order shown.
        right: The right operand of each column.
        title: Of the numbers.
        unit: Theirs.
        limit: Numbers this far from 0 have the full colour; the 99th percentile of all if None.
        place: What stands along the axes.
    """
    figure = _pairs(title, place)
    limit = limit or far_from_zero(values)
    heat = plotly().Heatmap(z=compact(values), colorscale=DIVERGING, zmin=-limit, zmax=limit)
    bar = {"title": {"text": unit, "side": "bottom"}, "thickness": 12, "orientation": "h", "y": 0}
    heat.update(customdata=_operands(left, right), colorbar={**bar, "yref": "container", "yanchor": "bottom"})
    hover = "left %{customdata[0]}, right %{customdata[1]}<br>%{z:.3g} " + unit + "<extra></extra>"
    return figure.add_trace(heat.update(hovertemplate=hover))


def answer_map(
    codes: np.ndarray,
    left: Sequence[int] | np.ndarray,
    right: Sequence[int] | np.ndarray,
    *,
    title: str,
    place: str = "position",
) -> Figure:
    """Pairs that are answered rightly and wrongly, and those trained on, held out or corrupted.

    Args:
        codes: Index in `ANSWERS` for each pair, ``(left, right)``; nan where there is no such example.
        left: The left operand of each row, in the order shown.
        right: The right operand of each column.
        place: What stands along the axes.
    """
    figure, names = _pairs(title, place), list(ANSWERS)
    heat = plotly().Heatmap(z=compact(codes), **stepped(list(ANSWERS.values())))
    heat.update(customdata=_operands(left, right), text=answer_names(codes))
    hover = "left %{customdata[0]}, right %{customdata[1]}<br>%{text}<extra></extra>"
    figure.add_trace(heat.update(hovertemplate=hover))
    known = sorted({int(code) for code in np.unique(codes[np.isfinite(codes)])})
    square = {"symbol": "square", "size": 11, "line": {"color": NEUTRAL, "width": 1}}
    figure.add_traces([key(names[code], color=ANSWERS[names[code]], **square) for code in known])
    return figure.update_layout(legend={"itemclick": False, "itemdoubleclick": False})


def answer_names(codes: np.ndarray) -> list[list[str]]:
    """Each code in words, for the hover text."""
    names = np.array([*ANSWERS, ""])
    return names[np.where(np.isfinite(codes), codes, len(ANSWERS)).astype(int)].tolist()


def answer_bars(counts: Sequence[int] | np.ndarray) -> Figure:
    """Number of examples with each answer.

    Args:
        counts: By index in `ANSWERS`.
    """
    figure = blank("Answers", "answer", "examples (count)")
    shown = [(name, int(n), ANSWERS[name]) for name, n in zip(ANSWERS, counts, strict=True) if n]
    names, heights, colours = zip(*shown, strict=True) if shown else ((), (), ())
    bar = plotly().Bar(x=list(names), y=list(heights), marker={"color": list(colours)}, showlegend=False)
    return figure.add_trace(bar.update(hovertemplate="%{y} examples<extra></extra>"))


def compact(values: np.ndarray) -> np.ndarray:
    """Numbers as a figure takes them: half the bytes, more digits than a colour can show."""
    return np.ascontiguousarray(values, dtype=np.float32)


def far_from_zero(values: np.ndarray) -> float:
    """Distance from 0 within which nearly all the numbers lie; 1 if there are none."""
    known = np.abs(values[np.isfinite(values)])
    return float(np.percentile(known, PERCENTILE)) or 1.0 if len(known) else 1.0


def margin_histogram(margins: np.ndarray, kinds: np.ndarray, colours: dict[str, str]) -> Figure:
    """Distance of the right logit from all others, over the examples of each kind.

    Args:
        margins: One an example, in logit units.
        kinds: Kind of each example.
        colours: Of each kind, in the order shown.
    """
    figure = blank("Margins of the examples", "margin (logit units)", "examples (count)")
    edges = np.histogram_bin_edges(margins, 60)
    for kind, colour in colours.items():
        counts = np.histogram(margins[kinds == kind], edges)[0]
        bar = plotly().Bar(x=rounded((edges[1:] + edges[:-1]) / 2), y=counts.tolist(), name=kind)
        bar.update(marker={"color": colour, "line": {"width": 0}})
        figure.add_trace(bar.update(hovertemplate="%{y} with a margin near %{x:.3g}"))
    return figure.update_layout(barmode="stack", bargap=0)


def _pairs(title: str, place: str) -> Figure:
    figure = blank(title, f"right operand ({place})", f"left operand ({place})")
    figure.update_xaxes(constrain="domain", showgrid=False)
    figure.update_yaxes(scaleanchor="x", constrain="domain", showgrid=False)
    return figure.update_layout(hovermode="closest", height=540)


def _operands(left: Sequence[int] | np.ndarray, right: Sequence[int] | np.ndarray) -> Any:
    return np.stack(np.meshgrid(left, right, indexing="ij"), axis=-1).astype(np.int32)
