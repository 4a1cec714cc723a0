"""Sets of neurons beside their controls, and the class of the next word over training."""

from __future__ import annotations

from typing import Any

from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import Figure, axes, bars, dots, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank, rounded
from interp.plots.coset_indicators import COLOURS
from probes.labels import GENERALIZING, LABELS, MEMORIZING

DOMAINS = ((0.0, 0.4), (0.52, 1.0))
SETS = {"all": COLOURS[5], GENERALIZING: LABELS[GENERALIZING].colour, MEMORIZING: LABELS[MEMORIZING].colour}
SETS |= {"logits": "#000000"}
LINES = {
    ("every", "ordered"): ("every context, text", COLOURS[0], "solid"),
    ("every", "scrambled"): ("every context, random order", COLOURS[0], "dot"),
    ("noun", "ordered"): ("after a noun, text", COLOURS[1], "solid"),
    ("noun", "scrambled"): ("after a noun, random order", COLOURS[1], "dot"),
}


def separability_figure(result: Any) -> Figure:
    """Two panels; bars have intervals of 95 %, bands are the lowest and highest of the seeds."""
    figure = blank("Separability of classes" + seeds_in_title(len(result.seeds)), "", "")
    known = [name for name in SETS if None not in result.each(f"value_{name}")]
    values = [OverSeeds.of(result.each(f"value_{name}")) for name in known]
    colours = {"color": [SETS[name] for name in known]}
    bars(figure, known, values, colours, hovertemplate="%{x}: %{y:.4f}<extra></extra>", **axes(1))
    for prefix, words, symbol in (
        ("permuted", "operands renamed", "circle"),
        ("random", "random sets as large", "diamond"),
    ):
        shown = [name for name in known if None not in result.each(f"{prefix}_{name}")]
        means = [OverSeeds.of(result.each(f"{prefix}_{name}")).mean for name in shown]
        marker = {"size": 9, "symbol": symbol, "color": NEUTRAL, "line": {"width": 1, "color": "#333333"}}
        hover = f"%{{x}}, {words}: %{{y:.4f}}<extra></extra>"
        dots(figure, shown, rounded(means), marker, name=words, hovertemplate=hover, **axes(1))
    at = result.records[0].curves["at"]
    for (context, arm), (words, colour, dash) in LINES.items():
        each = [record.curves["words"][arm][context] for record in result.records]
        hover = f"{words}: %{{y:.3f}} after %{{x}} updates<extra></extra>"
        line_over_seeds(figure, at, each, words, colour, dash=dash, hovertemplate=hover, **axes(2))
    value = {"title": {"text": "discrimination value (0: none)", "standoff": 4}}
    place_panel(figure, 1, DOMAINS[0], {"title": {"text": "class a + b, by set"}}, value)
    place_panel(figure, 2, DOMAINS[1], {"title": {"text": "updates on words"}}, value)
    return figure.update_layout(
        legend={"y": -0.35}, margin={"t": 60, "b": 140}, height=470, hovermode="closest"
    )
