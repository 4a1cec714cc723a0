"""False matches, unions, and the overlap of memorised examples beside each explanation."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.lab.overlap.subspace import RATIOS
from interp.lab.overlap.theory import PATTERNS, UNITS
from interp.lab.panels import Figure, axes, bars, line, place_panel
from interp.plots.canvas import NEUTRAL, blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.2), (0.28, 0.46), (0.55, 0.74), (0.81, 1.0))
CURVES = {"fixed": "20 units active", "growing": "2 % active"}
UNION = {
    "exact": ("union, exact", "lines", "solid"),
    "simulated": ("union, simulated", "markers", None),
    "approximate": ("1 - (1 - P)^M", "lines", "dash"),
}
SHORT = {"uniform": "random sets", "matched": "rates kept", "clean": "clean", "never": "never trained"}


def overlap_figure(result: Any) -> Figure:
    """Four panels; bars are means over the seeds with intervals of 95 %."""
    figure = blank("Overlap of sets of active neurons", "", "")
    first = result.records[0].curves
    for place, (name, words) in enumerate(CURVES.items()):
        hover = f"{words}, %{{x}} units: 10^%{{y:.1f}}<extra></extra>"
        line(figure, UNITS, first["false_match"][name], words, COLOURS[place], hovertemplate=hover, **axes(1))
    for place, (name, (words, mode, dash)) in enumerate(UNION.items(), len(CURVES)):
        each = np.mean([record.curves["union"][name] for record in result.records], axis=0)
        hover = f"{words} of %{{x}} patterns: %{{y:.2%}}<extra></extra>"
        line(
            figure,
            PATTERNS,
            each,
            words,
            COLOURS[place],
            mode=mode,
            dash=dash,
            hovertemplate=hover,
            **axes(2),
        )
    for panel, network in ((3, "modular"), (4, "digits")):
        for by, colour in (("attribution", COLOURS[0]), ("activation", COLOURS[1])):
            values = [OverSeeds.of(result.each(f"{network}_{by}_{ratio}")) for ratio in RATIOS]
            hover = f"by {by}, over %{{x}}: %{{y:.2f}}<extra></extra>"
            more = {"name": f"by {by}", "showlegend": panel == 3, "legendgroup": by, "hovertemplate": hover}
            bars(figure, list(SHORT.values()), values, {"color": colour}, **more, **axes(panel))
        one = {"color": NEUTRAL, "dash": "dot"}
        figure.add_scatter(
            x=[*SHORT.values()], y=[1.0] * len(SHORT), mode="lines", line=one, showlegend=False, hoverinfo="skip",
            **axes(panel),
        )  # fmt: skip
    titles = (
        ("units", "log10 P(false match)"),
        ("patterns in the union", "P(match)"),
        ("sums modulo p", "overlap of memorised (ratio)"),
        ("digits", "ratio (1 = as many)"),
    )
    for panel, ((below, left), domain) in enumerate(zip(titles, DOMAINS, strict=True), 1):
        place_panel(
            figure, panel, domain, {"title": {"text": below}}, {"title": {"text": left, "standoff": 4}}
        )
    return figure.update_layout(
        legend={"y": -0.45}, margin={"t": 60, "b": 150}, height=500, hovermode="closest", barmode="group"
    )
