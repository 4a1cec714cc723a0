"""Frequencies that a network uses: the neurons of each, and what harmonics add to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from interp.plots.canvas import NEUTRAL, blank, line, plotly, say
from interp.plots.neurons import neuron_points
from interp.plots.single import named_ticks
from probes.parts import FREQUENCIES, Parts

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.scoring.table import NeuronTable


def frequency_clusters(
    neuron_frequencies: Mapping[int, int],
    key_frequencies: Collection[int] = (),
    *,
    total: int | None = None,
    parts: Parts = FREQUENCIES,
) -> Figure:
    """Number of neurons that have at least 85 % of their activations' variance at each frequency, or in each component.

    Args:
        neuron_frequencies: The count of each frequency that has any.
        key_frequencies: Those of the logits; the others have another colour.
        total: Number of all neurons.
        parts: What has these numbers.
    """
    of_all, noun = "" if total is None else f" of {total}", parts.noun
    title = f"Neurons with 85 % of their variance {parts.within}"
    figure = blank(title, parts.axis, f"neurons (count{of_all})")
    kinds = ((f"key {noun} of the logits", "#0072B2", True), (f"other {noun}", "#E69F00", False))
    for name, colour, wanted in kinds:
        shown = {f: n for f, n in neuron_frequencies.items() if (f in key_frequencies) == wanted}
        if shown:
            bars = plotly().Bar(x=list(shown), y=list(shown.values()), name=name, marker={"color": colour})
            bars.update(hovertemplate="%{y} neurons at frequency %{x}")
            if parts.known:
                bars.update(customdata=parts.marks(shown), hovertemplate="%{y} neurons in %{customdata}")
            figure.add_trace(bars)
    if not figure.data:
        return say(figure, f"no neuron has 85 % of its variance {parts.within}")
    if parts.known:
        figure.update_xaxes(**named_ticks(parts, 1))
    return figure.update_layout(barmode="stack", bargap=0.15, showlegend=True, legend_traceorder="normal")


def harmonics(table: NeuronTable) -> Figure:
    """Variance of each neuron at its strongest frequency, against that together with its harmonics.

    On the dotted diagonal harmonics add nothing.

    Args:
        table: From `interp.score`, with the columns ``activation_share`` and ``activation_harmonics``.
    """
    x_title, y_title = "variance explained by one frequency (share)", "the same with its harmonics (share)"
    figure = blank("A frequency and its harmonics", x_title, y_title)
    if not {"activation_share", "activation_harmonics"} <= set(table):
        return say(figure, "activations were not scored")
    diagonal = line([0, 1], [0, 1], "harmonics add nothing", NEUTRAL, width=1.5, dash="dot", hoverinfo="skip")
    frequency = table["activation_frequency" if "activation_frequency" in table else "frequency"]
    hover = "<b>neuron %{customdata[0]}</b>, frequency %{customdata[1]}<br>%{x:.1%}, with harmonics %{y:.1%}"
    data = [[int(neuron), int(k)] for neuron, k in zip(table.neuron, frequency, strict=True)]
    x, y = table["activation_share"], table["activation_harmonics"]
    figure.add_traces([diagonal, *neuron_points(table, x, y, data, lambda label: hover)])
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.02])
