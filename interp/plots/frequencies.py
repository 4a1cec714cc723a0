"""Which frequencies a network uses: how many neurons each has, and what their harmonics add."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, LABEL_SYMBOLS, NEUTRAL, blank, plotly, rounded, say
from interp.plots.neurons import MANY_POINTS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.scoring.table import NeuronTable

KEY, OTHER = "#0072B2", "#E69F00"


def frequency_clusters(
    neuron_frequencies: Mapping[int, int], key_frequencies: Collection[int] = (), *, total: int | None = None
) -> Figure:
    """How many neurons have at least 85 % of their activations' variance at each frequency.

    Args:
        neuron_frequencies: The count of each frequency that has any.
        key_frequencies: Those of the logits; the others have another colour.
        total: How many neurons there are.
    """
    go = plotly()
    of_all = "" if total is None else f" of {total}"
    title = "Neurons with 85 % of their variance at one frequency"
    figure = blank(title, "frequency (cycles)", f"neurons (count{of_all})")
    kinds = (("key frequency of the logits", KEY, True), ("other frequency", OTHER, False))
    for name, colour, wanted in kinds:
        shown = {f: n for f, n in neuron_frequencies.items() if (f in key_frequencies) == wanted}
        if shown:
            trace = go.Bar(x=list(shown), y=list(shown.values()), name=name, marker={"color": colour})
            figure.add_trace(trace.update(hovertemplate="%{y} neurons at frequency %{x}"))
    if not figure.data:
        return say(figure, "no neuron has 85 % of its variance at one frequency")
    return figure.update_layout(barmode="stack", bargap=0.15, showlegend=True, legend_traceorder="normal")


def harmonics(table: NeuronTable) -> Figure:
    """What each neuron's strongest frequency explains of it, against what it does together with its harmonics.

    On the dotted diagonal harmonics add nothing.

    Args:
        table: From `interp.score`, with the columns ``activation_share`` and ``activation_harmonics``.
    """
    go = plotly()
    y = "the same with its harmonics (share)"
    figure = blank("A frequency and its harmonics", "variance explained by one frequency (share)", y)
    if not {"activation_share", "activation_harmonics"} <= set(table):
        return say(figure, "activations were not scored")
    diagonal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="harmonics add nothing", hoverinfo="skip")
    figure.add_trace(diagonal.update(line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}))
    trace = go.Scattergl if len(table) > MANY_POINTS else go.Scatter
    for label, colour in LABEL_COLOURS.items():
        chosen = np.flatnonzero(table["label"] == label)
        points = trace(
            x=rounded(table["activation_share"][chosen]), y=rounded(table["activation_harmonics"][chosen])
        )
        points.update(name=label, mode="markers")
        points.update(marker={"color": colour, "symbol": LABEL_SYMBOLS[label], "size": 7, "opacity": 0.75})
        points.update(customdata=[[int(n), int(f)] for n, f in _numbers(table, chosen)])
        hover = (
            "<b>neuron %{customdata[0]}</b>, frequency %{customdata[1]}<br>%{x:.1%}, with harmonics %{y:.1%}"
        )
        figure.add_trace(points.update(hovertemplate=hover))
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.02])


def _numbers(table: NeuronTable, chosen: np.ndarray) -> zip[tuple[int, int]]:
    column = "activation_frequency" if "activation_frequency" in table else "frequency"
    return zip(table.neuron[chosen], table[column][chosen], strict=True)
