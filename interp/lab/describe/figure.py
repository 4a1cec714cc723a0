"""Planted neurons described rightly by noise, controls, accuracy without the neurons of a cue, and lobes."""

from __future__ import annotations

from typing import Any

from interp.lab.describe.facets import NETWORKS
from interp.lab.describe.planted import SETTINGS
from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import Figure, axes, bars, dots, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.2), (0.27, 0.47), (0.54, 0.76), (0.83, 1.0))
SHARES = {
    "trained_right_95": "trained, rightly",
    "trained_chance_95": "of other neurons",
    "renamed_right_95": "renamed, own classes",
    "renamed_class_95": "renamed, residues",
    "random_class_95": "random, residues",
    "shuffled_described": "shuffled, any",
}
CUES = {"cue": "bright, one digit", "dim": "dim, one digit", "halves": "dim, half of them"}
LINES = {
    "before": "whole network",
    "after": "without neurons of the cue",
    "control": "without random ones",
    "class": "without ones of digits",
}


def describe_figure(result: Any) -> Figure:
    """Four panels; bands are the lowest and highest of the seeds, bars have intervals of 95 %."""
    figure = blank("Descriptions of neurons" + seeds_in_title(len(result.seeds)), "", "")
    curves = [record.curves for record in result.records]
    for (name, (words, _, _)), colour in zip(SETTINGS.items(), COLOURS, strict=False):
        values = [one["right"][name] for one in curves]
        hover = f"{words}: %{{y:.1%}} at noise %{{x}}<extra></extra>"
        line_over_seeds(figure, curves[0]["noise"], values, words, colour, hovertemplate=hover, **axes(1))
    shares = [OverSeeds.of(result.each(name)) for name in SHARES]
    hover = "%{x}: %{y:.1%}<extra></extra>"
    bars(figure, [*SHARES.values()], shares, {"color": COLOURS[0]}, hovertemplate=hover, **axes(2))
    for (line, words), colour in zip(LINES.items(), (NEUTRAL, *COLOURS[3:6]), strict=True):
        known = {
            words_of_cue: over
            for name, words_of_cue in CUES.items()
            if (over := result.over(f"{name}_random_{line}")) is not None
        }
        hover = f"{words}: %{{y:.1%}}<extra></extra>"
        look = {"hovertemplate": hover, "showlegend": True, "name": words, **axes(3)}
        bars(figure, [*known], [*known.values()], {"color": colour}, **look)
    for (name, words), symbol in zip(NETWORKS.items(), ("circle", "cross", "x"), strict=True):
        each = [one["facets"]["lobes"][name] for one in curves]
        x, y = ([value for one in each for value in one[key]] for key in ("frequency", "lobes"))
        hover = f"{words}: %{{y}} lobes at frequency %{{x}}<extra></extra>"
        marker = {"color": COLOURS[1], "symbol": symbol, "size": 6, "opacity": 0.5}
        dots(figure, x, y, marker, name=f"lobes, {words}", hovertemplate=hover, **axes(4))
    titles = (
        ("noise on the weights", "described rightly (share)"),
        ("", "described so (share)"),
        ("", "accuracy, cue at random"),
        ("frequency", "lobes over the answer"),
    )
    for panel, ((below, left), domain) in enumerate(zip(titles, DOMAINS, strict=True), 1):
        scale = {"range": [0, 1.03]} if panel < 4 else {}
        place_panel(
            figure,
            panel,
            domain,
            {"title": {"text": below}},
            {"title": {"text": left, "standoff": 4}} | scale,
        )
    return figure.update_layout(
        barmode="group", legend={"y": -0.5}, margin={"t": 60, "b": 170}, height=640, hovermode="closest"
    )
