"""Accuracy on both sets of inputs while neurons are taken out, beside how well each score ranks them."""

from __future__ import annotations

from typing import Any

from interp.data.splits import SPLITS
from interp.lab.contrast.methods import METHODS
from interp.lab.panels import INK, Figure, area, axes, bars, dots, line, place_panel
from interp.plots.canvas import NEUTRAL, blank
from probes.labels import LABELS

RIGHT, UPPER, LOWER = (0.77, 1.0), (0.56, 1.0), (0.0, 0.36)
HEIGHT = 680
"""Places of the panels, and the height of the figure in pixels."""


def contrast_figure(result: Any) -> Figure:
    """Three panels: a line for each seed with its random control, a bar for each score, and one for each method."""
    figure = blank("Neurons of remembered inputs, without Fourier", "neurons taken out (%)", "accuracy (%)")
    for key, split in (("first", result.records[0].curves["split"]), ("other", "test")):
        _lines(figure, result, key, split)
    figure.add_vline(x=result.config.share, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    _bars(figure, result)
    _methods(figure, result)
    share, accuracy = {"tickformat": ".0%", "range": [0, 1]}, {"tickformat": ".0%", "range": [-0.02, 1.04]}
    place_panel(figure, 1, (0.0, 0.52), share, accuracy)
    return figure.update_layout(hovermode="closest", margin={"b": 90}, height=HEIGHT)


def _lines(figure: Figure, result: Any, key: str, split: str) -> None:
    name, colour = SPLITS[split].title, SPLITS[split].colour
    random = f"{name}, random neurons"
    for place, (seed, record) in enumerate(zip(result.seeds, result.records, strict=True)):
        x, curves, first = record.curves["removed"], record.curves[key], place == 0
        area(figure, x, curves["low"], curves["high"], colour, opacity=0.08, legendgroup=name)
        hover = f"seed {seed}: %{{y:.1%}} without a random %{{x:.0%}}"
        shown = {"legendgroup": random, "showlegend": first, "hovertemplate": hover}
        line(figure, x, curves["mean"], random, colour, width=1.2, dash="dash", **shown)
        hover = f"seed {seed}: %{{y:.1%}} without %{{x:.0%}} of the neurons"
        shown = {"legendgroup": name, "showlegend": first, "hovertemplate": hover}
        line(figure, x, curves["line"], name, colour, width=2.2, **shown)


def _bars(figure: Figure, result: Any) -> None:
    """A bar for each score whose neurons can be compared with labels, the study's first at the top."""
    areas = {
        text.removeprefix("AUROC of "): over
        for name, text in reversed(result.study.quantities.items())
        if name.startswith("auroc_") and (over := result.over(name)) is not None
    }
    if not areas:
        return
    colours = [LABELS["generalizing" if "Fourier" in name else "memorizing"].colour for name in areas]
    look = {"orientation": "h", "hovertemplate": "%{y}: %{x:.3f}<extra></extra>", **axes(2)}
    bars(figure, list(areas), list(areas.values()), {"color": colours}, **look)
    domain = list(UPPER)
    chance = {"color": NEUTRAL, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=0.5, x1=0.5, y0=0, y1=1, xref="x2", yref="y2 domain", line=chance)
    title = {"text": "AUROC (.5 is chance)"}
    place_panel(
        figure, 2, RIGHT, {"range": [0, 1.04], "title": title}, {"title": {"text": "score"}, "domain": domain}
    )


def _methods(figure: Figure, result: Any) -> None:
    """A bar of the memory that each method's sets leave on other examples, and a mark for random sets as large."""
    methods = {
        words: numbers
        for name, words in reversed(METHODS.items())
        if (numbers := result.all_over(f"left_{name}", f"left_random_{name}")) is not None
    }
    if not methods:
        return
    look = {"orientation": "h", "hovertemplate": "%{y}: %{x:.1%} left<extra></extra>", **axes(3)}
    left, random = ([numbers[i] for numbers in methods.values()] for i in (0, 1))
    bars(figure, list(methods), left, {"color": SPLITS["corrupted_as_labelled"].colour}, **look)
    mark = {"symbol": "line-ns", "size": 12, "line": {"color": INK, "width": 2}}
    hover = "%{y}, random sets: %{x:.1%} left<extra></extra>"
    shown = {"name": "random sets as large", "hovertemplate": hover, **axes(3)}
    dots(figure, [one.mean for one in random], list(methods), mark, **shown)
    title = {"text": "memory left, cross-fitted"}
    x = {"range": [0, 1.04], "tickformat": ".0%", "title": title}
    place_panel(figure, 3, RIGHT, x, {"title": {"text": "method"}, "domain": list(LOWER)})
