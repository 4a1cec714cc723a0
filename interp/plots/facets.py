"""Facets of neurons: profiles with their lobes, prototypes, or how many neurons have how many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, line, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.facet_records import Facets, NeuronFacets

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def facets(result: Facets) -> Figure:
    """Of up to six neurons the profiles and their lobes; of one with clusters its prototypes; else a count.

    Args:
        result: From `interp.facets`.
    """
    if result.kind == "lobes" and len(result.neurons) <= len(COLOURS):
        return _profiles(result)
    if len(result.neurons) == 1 and result.neurons[0].prototypes is not None:
        return _prototypes(result.neurons[0])
    return _counts(result)


def _profiles(result: Facets) -> Figure:
    figure = blank(
        "Lobes of neurons",
        f"position of the {result.along} (in the task's order)",
        "mean activation (share of its range)",
    )
    for one, colour in zip(result.neurons, COLOURS, strict=False):
        assert one.profile is not None
        low, span = one.profile.min(), max(float(np.ptp(one.profile)), 1e-300)
        count = "not decided" if one.count is None else f"{one.count} lobes"
        y = (one.profile - low) / span
        name = f"neuron {one.neuron}: {count}"
        hover = f"neuron {one.neuron}, position %{{x}}: %{{y:.2f}}<extra></extra>"
        figure.add_trace(line(range(len(y)), y, name, colour, mode="lines+markers", hovertemplate=hover))
        if one.count is not None:
            heights = np.interp(one.peaks, np.arange(len(y) + 1), np.append(y, y[0]))
            marker = {"color": colour, "symbol": "triangle-down", "size": 11}
            hover = f"neuron {one.neuron}: peak at %{{x:.1f}}<extra></extra>"
            look = {"mode": "markers", "marker": marker, "showlegend": False, "hovertemplate": hover}
            figure.add_trace(line(rounded(one.peaks, 4), heights + 0.04, name, colour, **look))
    return figure.update_layout(hovermode="closest")


def _prototypes(one: NeuronFacets) -> Figure:
    assert one.prototypes is not None
    figure = blank(
        f"Prototypes of the facets of neuron {one.neuron}", "feature (index)", "facet (number of inputs)"
    )
    flat = one.prototypes.reshape(len(one.prototypes), -1)
    names = [f"{number} ({len(facet)})" for number, facet in enumerate(one.members, 1)]
    hover = "facet %{y}, feature %{x}: %{z:.3g}<extra></extra>"
    figure.add_trace(
        plotly().Heatmap(z=[rounded(row) for row in flat], y=names, colorscale="Greys", hovertemplate=hover)
    )
    return figure.update_layout(hovermode="closest").update_yaxes(type="category", autorange="reversed")


def _counts(result: Facets) -> Figure:
    figure = blank("Facets of neurons", f"facets ({result.kind})", "neurons")
    counts = result.counts
    known = sorted({count for count in counts if count is not None})
    names = [*map(str, known), *["not decided"] * (None in counts)]
    heights = [*(counts.count(k) for k in known), *[counts.count(None)] * (None in counts)]
    colours = [COLOURS[0]] * len(known) + [NEUTRAL]
    hover = "%{y} neurons with %{x}<extra></extra>"
    figure.add_bar(
        x=names, y=heights, marker={"color": colours[: len(names)]}, showlegend=False, hovertemplate=hover
    )
    return figure.update_layout(hovermode="closest").update_xaxes(type="category")
