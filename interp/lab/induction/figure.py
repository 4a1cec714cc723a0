"""In-context accuracy over training, while heads of the first layer are held."""

from __future__ import annotations

from typing import Any

from interp.data.splits import SPLITS
from interp.lab.panels import INK, Figure, line_over_seeds, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank
from probes.labels import LABELS

STYLES = {
    "ideal": ("previous-token heads held at the ideal pattern", LABELS["generalizing"].colour, "solid"),
    "baseline": ("nothing held", INK, "solid"),
    "control": ("as many other heads held at uniform attention", SPLITS["all"].colour, "dash"),
    "uniform": (
        "previous-token heads held at uniform attention",
        SPLITS["corrupted_as_true"].colour,
        "solid",
    ),
    "blind": ("no head sees the previous token", LABELS["memorizing"].colour, "solid"),
}


def induction_figure(result: Any) -> Figure:
    """A line for each way of holding heads, with a band over the seeds, and the level of the phase change."""
    title = f"The phase change while first-layer heads are held{seeds_in_title(len(result.seeds))}"
    figure = blank(title, "step (updates)", "in-context accuracy (%)")
    steps = result.records[0].curves["steps"]
    for arm, (name, colour, dash) in STYLES.items():
        values = [record.curves["arms"][arm] for record in result.records]
        hover = f"{name}: %{{y:.1%}} at step %{{x}}<extra></extra>"
        line_over_seeds(figure, steps, values, name, colour, dash=dash, hovertemplate=hover)
    figure.add_hline(y=result.config.level, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(range=[0, steps[-1]])
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.03])
    return figure.update_layout(height=520, hovermode="closest", margin={"b": 110})
