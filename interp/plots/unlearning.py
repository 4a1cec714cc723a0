"""Accuracy after each way of unlearning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interp.plots.canvas import SPLIT_COLOURS, blank, plotly, rounded, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.unlearning import Unlearning

SHOWN = ("corrupted_as_labelled", "corrupted_as_true", "test")


def unlearning_bars(found: Unlearning) -> Figure:
    """Accuracy on corrupted examples, as labelled and as true, and on held-out ones; one group of bars a method.

    Args:
        found: From `interp.unlearning.compare_unlearning`.
    """
    go = plotly()
    figure = blank("Accuracy after unlearning", "method", "accuracy (%)")
    names = [method.name.replace(" with ", "<br>with ") for method in found.methods]
    for split in SHOWN:
        values = [method.accuracy[split] for method in found.methods]
        if any(value is not None for value in values):
            bar = go.Bar(x=names, y=rounded([float("nan") if v is None else v for v in values]))
            bar.update(name=words(split), marker={"color": SPLIT_COLOURS[split]}, hovertemplate="%{y:.1%}")
            figure.add_trace(bar)
    figure.update_layout(barmode="group", bargap=0.25)
    return figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
