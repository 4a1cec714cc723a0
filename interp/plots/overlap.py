"""Figures of overlaps: shared neurons beside what chance and activity explain."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, line, rounded
from probes.labels import GENERALIZING, LABELS, MEMORIZING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.example_overlap import ExampleOverlap
    from interp.analysis.overlap import SetOverlap

SHOWN = 1e-4
"""Overlaps that are rarer than this in every curve are left out."""


def set_overlap(result: SetOverlap) -> Figure:
    """The number of neurons that two sets share, on its distribution for random sets of their sizes."""
    chance, shared = result.distribution, len(result.shared)
    last = max(shared, int(np.flatnonzero(chance >= SHOWN)[-1])) + 1
    title = f"{escape(result.first_name)} and {escape(result.second_name)}: {shared} neurons in both"
    figure = blank(title, "neurons in both sets (count)", "probability for random sets")
    hover = "%{x} shared: probability %{y:.3g}<extra></extra>"
    overlaps = list(range(last + 1))
    figure.add_bar(
        x=overlaps,
        y=rounded([*chance, *[0.0] * (last + 1)][: last + 1], 5),
        marker={"color": NEUTRAL},
        name="random sets",
        hovertemplate=hover,
    )
    marks = (
        (shared, "shared", LABELS[MEMORIZING].colour, "solid"),
        (result.matched_expected, "expected of equally active sets", LABELS[GENERALIZING].colour, "dash"),
    )
    for x, name, colour, dash in marks:
        hover = f"{name}: %{{x:.3g}}<extra></extra>"
        trace = line([x, x], [0.0, float(chance.max())], name, colour, dash=dash, hovertemplate=hover)
        figure.add_trace(trace)
    return figure.update_layout(hovermode="closest", bargap=0.1)


def example_overlap(result: ExampleOverlap) -> Figure:
    """Pairs of examples by the number of neurons that they share: both kinds, random sets, and matched draws."""
    figure = blank(
        f"Neurons that two examples share, by {result.by}", "neurons in common (count)", "share of pairs"
    )
    kinds = {
        result.first.name: (result.first.counts / result.first.pairs, LABELS[MEMORIZING].colour, "solid"),
        result.second.name: (
            result.second.counts / result.second.pairs,
            LABELS[GENERALIZING].colour,
            "solid",
        ),
        "random sets": (result.distribution, NEUTRAL, "dot"),
        "neurons keep their rates": (result.matched_distribution, "#333333", "dash"),
    }
    last = 1 + max(int(np.flatnonzero(values >= SHOWN)[-1]) for values, *_ in kinds.values())
    for name, (values, colour, dash) in kinds.items():
        shown = values[: last + 1]
        hover = f"{name}: %{{y:.2%}} of the pairs share %{{x}}<extra></extra>"
        trace = line(
            range(len(shown)), shown, name, colour, dash=dash, mode="lines+markers", hovertemplate=hover
        )
        figure.add_trace(trace)
    return figure.update_layout(hovermode="closest").update_yaxes(tickformat=".0%")
