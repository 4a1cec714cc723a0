"""A demonstration of a network with state: bars with intervals, and a curve beside them."""

from __future__ import annotations

from typing import Any

from interp.lab.hosts.host import Host
from interp.lab.panels import INK, Figure, axes, bars, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import blank
from interp.plots.coset_indicators import COLOURS

LEFT, RIGHT = (0.0, 0.42), (0.56, 1.0)


def host_figure(result: Any, host: Host) -> Figure:
    """Bars of the numbers that the host names, and its curves, where it has some, in a second panel."""
    figure = blank(host.title + seeds_in_title(len(result.seeds)), "condition", host.axis)
    present = {words: over for name, words in host.bars.items() if (over := result.over(name)) is not None}
    hover = f"%{{x}}: {host.axis} %{{y:.3f}}<extra></extra>"
    bars(figure, list(present), list(present.values()), {"color": INK}, hovertemplate=hover)
    if not host.lines:
        return figure
    place_panel(figure, 1, LEFT, {"tickangle": -25})
    x_title, y_title = host.lines
    place_panel(figure, 2, RIGHT, {"title": {"text": x_title}}, {"title": {"text": y_title}})
    curves = [record.curves for record in result.records]
    for place, name in enumerate(curves[0]["lines"]):
        values = [one["lines"][name] for one in curves]
        hover = f"{name}, {x_title} %{{x}}: %{{y:.3f}}<extra></extra>"
        colour = COLOURS[place % len(COLOURS)]
        line_over_seeds(figure, curves[0]["x"], values, name, colour, hovertemplate=hover, **axes(2))
    return figure.update_layout(legend={"y": -0.3}, margin={"b": 130}, height=460, hovermode="closest")
