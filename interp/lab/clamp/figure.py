"""Accuracy over training, while neurons of each kind are held at zero from several moments on."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.data.splits import SPLITS
from interp.lab.panels import INK, Figure, line_over_seeds, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank, rounded
from probes.labels import LABELS

PANELS = {
    "start": ("held from the start", (0.0, 0.31)),
    "memorised": ("held from memorisation", (0.345, 0.655)),
    "halfway": ("held from halfway on", (0.69, 1.0)),
}
ROWS = {"test": ("test accuracy (%)", (0.54, 1.0)), "corrupted": ("corrupted labels (%)", (0.0, 0.46))}
STYLES = {
    "baseline": ("nothing held", INK, "solid"),
    "memorizing": ("memorizing held", LABELS["memorizing"].colour, "solid"),
    "random": ("as many random ones held", SPLITS["all"].colour, "dash"),
    "generalizing": ("generalizing held (fewer)", LABELS["generalizing"].colour, "dot"),
}


def clamp_figure(result: Any) -> Figure:
    """A column for each moment: accuracy on held-out examples above, on corrupted ones as labelled below."""
    figure = blank(f"Grokking while neurons are held at zero{seeds_in_title(len(result.seeds))}", "step", "")
    steps = rounded(result.records[0].curves["steps"])
    for column, (moment, (words, domain)) in enumerate(PANELS.items()):
        x = "x" if not column else f"x{column + 1}"
        for row, part in enumerate(ROWS):
            for kind, (name, colour, dash) in STYLES.items():
                arm = kind if kind == "baseline" else f"{kind}_{moment}"
                values = [record.curves["arms"][arm][part] for record in result.records]
                look = {"dash": dash, "showlegend": not column and not row}
                look |= {"xaxis": x, "yaxis": f"y{2 if row else ''}"}
                hover = f"{name}: %{{y:.1%}} at step %{{x}}<extra></extra>"
                line_over_seeds(figure, steps, values, name, colour, hovertemplate=hover, **look)
        begin = float(np.mean([record.curves["begin"][moment] for record in result.records]))
        mark = {"x0": begin, "x1": begin, "xref": x, "y0": 0, "y1": 1, "yref": "paper"}
        figure.add_shape(type="line", line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}, **mark)
        label = {"text": "step (updates)"}
        axis = {"domain": domain, "anchor": "y2", "title": label, "range": [0, steps[-1]]}
        figure.update_layout({f"xaxis{column + 1 if column else ''}": axis})
        above = {"x": sum(domain) / 2, "y": 1.0, "xref": "paper", "yref": "paper", "yanchor": "bottom"}
        figure.add_annotation(text=words, showarrow=False, font={"size": 13}, xanchor="center", **above)
    for name, (title, domain) in zip(("yaxis", "yaxis2"), ROWS.values(), strict=True):
        figure.update_layout({name: {"domain": domain, "title": {"text": title}, "range": [-0.03, 1.03]}})
    figure.update_yaxes(tickformat=".0%", anchor="x")
    return figure.update_layout(height=600, hovermode="closest", margin={"b": 100, "t": 75})
