"""Memory with and without the gated neurons under each scheme of training, and scores judged against them."""

from __future__ import annotations

from typing import Any

from interp.lab.memory_sinks.training import OPEN, REPEATS, SCHEMES
from interp.lab.panels import INK, Figure, axes, bars, place_panel
from interp.language.methods import METHODS
from interp.plots.canvas import NEUTRAL, blank
from probes.labels import LABELS

LEFT, RIGHT = (0.0, 0.44), (0.72, 1.0)
CASES = {"whole": "all neurons", "without": "without the pool", "random": "without other neurons"}
HEIGHT = 460


def sinks_figure(result: Any) -> Figure:
    """Two panels: log loss of repeated and held-out sequences, and the area under the curve of every score."""
    figure = blank("Memory in gated neurons", "neurons that are on", "log loss (nats a token)")
    _losses(figure, result)
    _areas(figure, result)
    area = {"range": [0, 1.04], "title": {"text": "AUROC for the pool (.5 is chance)"}}
    place_panel(figure, 1, LEFT, {"tickangle": -25})
    place_panel(figure, 2, RIGHT, area, {"title": {"text": "score"}})
    return figure.update_layout(
        barmode="group", height=HEIGHT, hovermode="closest", legend={"y": -0.3}, margin={"b": 130}
    )


def _losses(figure: Figure, result: Any) -> None:
    for part, words, label in (
        ("repeated", "repeated sequences", "memorizing"),
        ("held_out", "held-out sequences", "generalizing"),
    ):
        names = [f"{scheme}: {words}" for scheme in SCHEMES for words in CASES.values()]
        values = [result.over(f"{scheme}_nll_{part}_{case}") for scheme in SCHEMES for case in CASES]
        colour = {"color": LABELS[label].colour}
        hover = f"{words}, %{{x}}: %{{y:.2f}} nats<extra></extra>"
        bars(figure, names, values, colour, name=words, showlegend=True, hovertemplate=hover)


def _areas(figure: Figure, result: Any) -> None:
    for scheme, colour in ((OPEN, NEUTRAL), (REPEATS, LABELS["memorizing"].colour)):
        areas = {
            method.title: over
            for name, method in reversed(METHODS.items())
            if f"{scheme}_auc_{name}" in result.records[0].numbers
            and (over := result.over(f"{scheme}_auc_{name}")) is not None
        }
        hover = f"%{{y}}, {SCHEMES[scheme]}: %{{x:.3f}}<extra></extra>"
        look = {"orientation": "h", "name": SCHEMES[scheme], "showlegend": True, "hovertemplate": hover}
        bars(figure, list(areas), list(areas.values()), {"color": colour}, **look, **axes(2))
    chance = {"color": INK, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=0.5, x1=0.5, y0=0, y1=1, xref="x2", yref="y2 domain", line=chance)
