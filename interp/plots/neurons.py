"""All neurons of a table at once: how periodic they are, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import HOVER_WIDTH, NEUTRAL, blank, label_marker, line, plotly, rounded, say
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.scoring.table import NeuronTable

MANY_POINTS = 2000
"""More points than these are drawn by WebGL."""
BINS = 100
AXES = {
    "ipr": "IPR (1 = one pure {noun}",
    "activation_share": "share of the activations' variance {within} (1 = all of it",
}
UNKNOWN = "how periodic the neurons are is not known"


def periodicity_column(table: NeuronTable) -> str | None:
    """The column that says how periodic the table's neurons are; None if that is not known of any."""
    column = str(table.meta.get("order", "ipr"))
    known = column in AXES and column in table and np.isfinite(np.asarray(table[column], float)).any()
    return column if known else None


def _axis(table: NeuronTable, column: str) -> str:
    missing = int(np.isnan(np.asarray(table[column], float)).sum())
    unknown = f"; undefined for {missing} of {len(table)}" if missing else ""
    axis = AXES[column].format(noun=table.parts.noun, within=table.parts.within)
    return f"{axis}{unknown})"


def ipr_histogram(table: NeuronTable, null_ipr: np.ndarray) -> Figure:
    """Histogram of the neurons' periodicity, by label.

    Shown is the IPR with the distribution of random weights as an outline, which is scaled to the tallest bar, so that
    only its place and width count; or, for a table that was scored by activations, the share of their variance at one
    frequency. Neurons without a value (such as dead ones) are not drawn; the axis says how many.

    Args:
        table: From `interp.score`; ``meta["order"]`` names the column, and ``meta["null"]["quantile_999"]``, if there,
            is drawn as a line.
        null_ipr: A sample of the IPR of random weights.
    """
    title, column = "How periodic the neurons are", periodicity_column(table)
    if column is None:
        return say(blank(title, "periodicity (none known)", "neurons (count)"), UNKNOWN)
    values = np.clip(np.asarray(table[column], float), 0, 1)  # rounding can take a pure wave past 1
    figure = blank(title, _axis(table, column), "neurons (count)")
    edges = np.linspace(0, 1, BINS + 1)
    limits = list(zip(rounded(edges[:-1]), rounded(edges[1:]), strict=True))
    shared = {"x": rounded((edges[1:] + edges[:-1]) / 2), "width": 1 / BINS, "customdata": limits}
    hover = (
        f"%{{y}} neurons with {table.measure_title(column)} %{{customdata[0]:.2f}} to %{{customdata[1]:.2f}}"
    )
    total = np.zeros(BINS)
    for name, label in LABELS.items():
        counts = np.histogram(values[table["label"] == name], edges)[0]
        total += counts
        bars = plotly().Bar(y=counts.tolist(), name=name, hovertemplate=hover, **shared)
        figure.add_trace(bars.update(marker={"color": label.colour, "line": {"width": 0}}))
    if column == "ipr":
        _null_outline(figure, null_ipr, edges, max(total.max(), 1))
        _threshold(figure, dict(table.meta.get("null") or {}).get("quantile_999"))
    figure.update_layout(barmode="stack", bargap=0, legend_traceorder="normal")
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(range=[0, 1.08 * max(total.max(), 1)])
    return figure


def _null_outline(figure: Figure, null_ipr: np.ndarray, edges: np.ndarray, height: float) -> None:
    shape = np.histogram(null_ipr, edges)[0]
    if shape.any():
        first, last = np.flatnonzero(shape)[[0, -1]]
        outline = np.repeat(shape[first : last + 1] / shape.max() * height, 2)
        x, style = rounded(np.repeat(edges[first : last + 2], 2)), {"width": 1.5, "dash": "dot"}
        name = "random weights (scaled)"
        figure.add_trace(line(x, [0, *outline, 0], name, NEUTRAL, hoverinfo="skip", **style))


def _threshold(figure: Figure, quantile: float | None) -> None:
    if quantile is not None and np.isfinite(quantile):
        text = f"99.9 % of random weights lie below {quantile:.3f}"
        place = {"annotation_position": "top right", "annotation_font_size": 11}
        style = {"color": NEUTRAL, "width": 1.5}
        figure.add_vline(x=float(quantile), line=style, annotation_text=text, **place)


def neuron_scatter(table: NeuronTable, *, reasons: bool = True) -> Figure:
    """Periodicity of every neuron against what its removal does, coloured by label.

    The effect is how much more margin held-out examples lose than corrupted ones as labelled; where either
    kind is missing, what the neuron adds to the true label.

    Args:
        table: From `interp.score`; ``meta["order"]`` names the column of periodicity.
        reasons: Whether touching a point tells why the neuron has its label too.
    """
    effect, axis = causal_effect(table)
    title, column = "Periodicity against causal effect", periodicity_column(table)
    if column is None:
        return say(blank(title, "periodicity (none known)", axis), UNKNOWN)
    figure = blank(title, _axis(table, column), axis)
    marks = table.parts.marks(table["frequency"])
    rows = zip(table.neuron, marks, table["q_value"], table["evidence"], strict=True)
    data = [[int(i), mark, f"{q:.2g}", *(_lines(reason) if reasons else ())] for i, mark, q, reason in rows]

    def hover(label: str) -> str:
        part = table.parts.marked("%{customdata[1]}")
        numbers = f"{part}, q=%{{customdata[2]}}<br>{table.measure_title(column)} %{{x:.3f}}"
        reason = "<br>%{customdata[3]}" if reasons else ""
        return f"<b>neuron %{{customdata[0]}}</b>, {label}<br>{numbers}, effect %{{y:.3g}}{reason}<extra></extra>"

    figure.add_traces(neuron_points(table, table[column], effect, data, hover))
    figure.update_layout(hovermode="closest")
    return figure.update_xaxes(range=[-0.02, 1.02])


def neuron_points(
    table: NeuronTable, x: np.ndarray, y: np.ndarray, data: Sequence[Any], hover: Callable[[str], str]
) -> list[Any]:
    """One trace a label, with a point for each of its neurons.

    Args:
        table: With the labels.
        x: One number a row.
        y: The same.
        data: Of each row, for hovering.
        hover: The hover text of the points with a label.
    """
    scatter, traces = plotly().Scattergl if len(table) > MANY_POINTS else plotly().Scatter, []
    for label in LABELS:
        rows = np.flatnonzero(table["label"] == label)
        points = scatter(x=rounded(x[rows]), y=rounded(y[rows]), mode="markers", name=label)
        points.update(customdata=[data[int(row)] for row in rows], marker=label_marker(label))
        traces.append(points.update(hovertemplate=hover(label)))
    return traces


def _lines(reason: str) -> list[str]:
    """A reason in short lines, as the one entry of a list."""
    return ["<br>".join(wrap(str(reason), HOVER_WIDTH))]


def causal_effect(table: NeuronTable) -> tuple[np.ndarray, str]:
    """The neurons' effects as the figures show them, in logit units, and the axis title that says which."""
    if {"effect_test", "effect_corrupted_as_labelled"} <= set(table):
        effect = table["effect_test"] - table["effect_corrupted_as_labelled"]
        return effect, "effect, held-out − corrupted (logit units)"
    return table["rule_effect"], "effect on the true label (logit units)"
