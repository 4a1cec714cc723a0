"""Recognition, recall and order of strings above, injected facts below."""

from __future__ import annotations

from typing import Any

from interp.lab.panels import Figure, axes, line_over_seeds, place_panel, seeds_in_title
from interp.lab.retention.exposures import FEW, MANY
from interp.lab.retention.injection_figure import injection_panels
from interp.plots.canvas import NEUTRAL, blank
from interp.plots.coset_indicators import COLOURS

COLUMNS = ((0.0, 0.26), (0.37, 0.63), (0.74, 1.0))
ABOVE, BELOW = (0.6, 1.0), (0.0, 0.4)
SHARE = {"range": [-0.08, 1.05]}
MEMORY = {"recognised": "recognition", "recalled": "recall"}
CONTROL = {"never_recognition": "recognition, control strings", "never_recalled": "recall, control strings"}
ORDER = {
    "order_in": ("order in context", COLOURS[2]),
    "order_trained": ("order, trained only", COLOURS[3]),
    "order_never": ("order, never trained", NEUTRAL),
}


def retention_figure(result: Any) -> Figure:
    """Three panels on strings above three on facts; bands are the lowest and highest of the seeds."""
    title = "Memory of strings and of facts over time" + seeds_in_title(len(result.seeds))
    figure = blank(title, "", "")
    curves = [record.curves for record in result.records]
    _by_exposures(figure, curves)
    _by_updates(figure, curves)
    _order(figure, curves)
    injection_panels(figure, result, 4, COLUMNS)
    for panel in range(1, 7):
        domain = ABOVE if panel <= 3 else BELOW
        figure.update_layout({f"yaxis{panel if panel > 1 else ''}": {"domain": domain}})
    figure.update_layout(xaxis6_title_text="neurons transplanted")
    return figure.update_layout(
        barmode="group",
        legend={"y": -0.16},
        margin={"t": 60, "b": 190},
        height=900,
        hovermode="closest",
    )


def _by_exposures(figure: Figure, curves: list[Any]) -> None:
    places = list(range(len(curves[0]["exposed"]["exposures"])))
    for place, (name, words) in enumerate(MEMORY.items()):
        hover = f"{words}: %{{y:.2f}}<extra></extra>"
        values = [one["exposed"][name] for one in curves]
        line_over_seeds(figure, places, values, words, COLOURS[place], hovertemplate=hover, **axes(1))
    controls = [one["exposed"]["never_recalled"] for one in curves]
    hover = "recall, control strings: %{y:.2f}<extra></extra>"
    line_over_seeds(
        figure,
        places,
        controls,
        "recall, control strings",
        NEUTRAL,
        hovertemplate=hover,
        dash="dot",
        **axes(1),
    )
    place_panel(
        figure, 1, COLUMNS[0], _exposures(curves), {"title": {"text": "above chance (share)"}} | SHARE
    )


def _by_updates(figure: Figure, curves: list[Any]) -> None:
    longest = max((one["updates"] for one in curves[0]["interfered"].values()), key=len)
    for start, dash in ((MANY, None), (FEW, "dot")):
        for place, (name, words) in enumerate(MEMORY.items()):
            parts = [one["interfered"][str(start)] for one in curves]
            called = f"{words} after {start} exposures"
            hover = f"{called}: %{{y:.2f}}<extra></extra>"
            look = {"hovertemplate": hover, "dash": dash, **axes(2)}
            places, values = list(range(len(parts[0]["updates"]))), [part[name] for part in parts]
            line_over_seeds(figure, places, values, called, COLOURS[place], **look)
    ticks = {"tickvals": list(range(len(longest))), "ticktext": list(map(str, longest))}
    x = {"title": {"text": "updates on new strings"}} | ticks
    place_panel(figure, 2, COLUMNS[1], x, {"title": {"text": "above chance (share)"}} | SHARE)


def _order(figure: Figure, curves: list[Any]) -> None:
    places = list(range(len(curves[0]["exposed"]["exposures"])))
    for name, (words, colour) in ORDER.items():
        hover = f"{words}: %{{y:.2f}}<extra></extra>"
        values = [one["exposed"][name] for one in curves]
        line_over_seeds(figure, places, values, words, colour, hovertemplate=hover, **axes(3))
    y = {"title": {"text": "order answered rightly (share)"}, "range": [0.4, 1.02]}
    place_panel(figure, 3, COLUMNS[2], _exposures(curves), y)


def _exposures(curves: list[Any]) -> dict[str, Any]:
    """Settings of an axis on which numbers of exposures are evenly spaced."""
    shown = curves[0]["exposed"]["exposures"]
    ticks = {"tickvals": list(range(len(shown))), "ticktext": list(map(str, shown))}
    return {"title": {"text": "exposures"}} | ticks
