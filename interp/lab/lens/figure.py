"""Frequencies that neurons read and write, beside those of rotated directions, and the same over training."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.data.splits import SPLITS
from interp.lab.panels import Figure, axes, dots, line, place_panel
from interp.plots.canvas import NEUTRAL, blank, faded, rounded
from probes.labels import LABELS

DOMAINS = ((0.0, 0.27), (0.37, 0.64), (0.74, 1.0))
NEURONS, ROTATED = LABELS["generalizing"].colour, LABELS["memorizing"].colour
KINDS = {"_rotated": ("rotated directions", ROTATED), "": ("neurons", NEURONS)}
SINGLE, LARGEST = 6.0, 26.0  # pixels of a single neuron's dot, at most, and of the largest dot
PAST = {
    "accuracy": ("accuracy", SPLITS["corrupted_as_true"].colour, "solid"),
    "settled": ("neurons that write their last frequency", SPLITS["all"].colour, "solid"),
    "cosine": ("cosine with the next checkpoint", NEURONS, "solid"),
    "others": ("cosine with another neuron", ROTATED, "dash"),
}


def lens_figure(result: Any) -> Figure:
    """Three panels: frequencies read and written (the first seed), their purity, and the past or single neurons."""
    figure = blank(
        "What neurons read, and what they write", "frequency read (cycles)", "frequency written (cycles)"
    )
    curves = [record.curves for record in result.records]
    _frequencies(figure, curves[0])
    _purity(figure, curves)
    if all(past := [one["series"] for one in curves]):
        _past(figure, past)
    else:
        _components(figure, curves[0])
    layout: dict[str, Any] = {"margin": {"t": 60, "b": 110}, "legend": {"font": {"size": 12}}}
    return figure.update_layout(hovermode="closest", barmode="overlay", **layout)


def _frequencies(figure: Figure, curves: Any) -> None:
    """Dots whose areas count neurons, and the same for a rotated direction in each neuron's place."""
    end = curves["highest"] + 1
    line(figure, [0, end], [0, end], "", NEUTRAL, width=1, dash="dot", hoverinfo="skip", showlegend=False)
    most = max((count for *_, count in curves["cells"]), default=1)
    for key, (name, colour) in KINDS.items():
        read, written, counts = np.array(curves[f"cells{key}"], float).reshape(-1, 3).T
        sizes = rounded(min(SINGLE, LARGEST / most**0.5) * np.sqrt(counts))
        marker = {"size": sizes, "color": faded(colour, 0.75), "line": {"width": 0}}
        hover = f"%{{customdata}} {name}: read %{{x}}, written %{{y}} cycles<extra></extra>"
        look = {"customdata": counts.tolist(), "hovertemplate": hover, "showlegend": False}
        dots(figure, rounded(read), rounded(written), marker, name=name, **look)
    place_panel(figure, 1, DOMAINS[0], {"range": [0, end]}, {"range": [0, end]})


def _purity(figure: Figure, curves: list[Any]) -> None:
    edges = np.asarray(curves[0]["edges"])
    for key, (name, colour) in KINDS.items():
        figure.add_bar(
            x=rounded((edges[1:] + edges[:-1]) / 2),
            y=rounded(np.mean([one[f"shares{key}"] for one in curves], axis=0)),
            name=name,
            width=float(edges[1] - edges[0]),
            marker={"color": faded(colour, 0.75), "line": {"width": 0}},
            hovertemplate=f"%{{y:.1%}} of the {name} at %{{x:.0%}}<extra></extra>",
            **axes(2),
        )
    share = {"title": {"text": "variance at one frequency (%)"}, "tickformat": ".0%", "range": [0, 1.02]}
    place_panel(figure, 2, DOMAINS[1], share, {"title": {"text": "share (%)"}, "tickformat": ".0%"})


def _past(figure: Figure, past: list[Any]) -> None:
    for key, (name, colour, dash) in PAST.items():
        for place, one in enumerate(past):
            look = {"width": 1.6, "dash": dash, "legendgroup": key, "showlegend": not place, **axes(3)}
            hover = f"{name}: %{{y:.2f}} at step %{{x}}<extra></extra>"
            steps = one["steps"][: len(one[key])]
            line(figure, steps, one[key], name, colour, hovertemplate=hover, **look)
    share = {"title": {"text": "share, cosine (0 to 1)"}, "range": [-0.15, 1.05]}
    place_panel(figure, 3, DOMAINS[2], {"title": {"text": "step (updates)"}}, share)


def _components(figure: Figure, curves: Any) -> None:
    """The strongest neurons' effect on each class, by its place in the neuron's wave, and a rotated direction's."""
    styles = zip(curves["waves"], (NEURONS, SPLITS["all"].colour), ("circle", "diamond"), strict=False)
    shown = [(f"neuron {one['neuron']}, frequency {one['frequency']}", one, *style) for one, *style in styles]
    for name, one, colour, symbol in [*shown, ("a rotated direction", curves["wave_rotated"], ROTATED, "x")]:
        n = len(one["effect"])
        place = np.arange(n) * one["frequency"] % n / n
        order = np.argsort(place, kind="stable")
        hover = f"{name}: %{{y:.3g}} for the class at position %{{customdata}}<extra></extra>"
        look = {"name": name, "customdata": order.tolist(), "hovertemplate": hover, **axes(3)}
        marker = {"color": colour, "size": 4.5, "symbol": symbol}
        dots(figure, rounded(place[order]), rounded(np.asarray(one["effect"])[order]), marker, **look)
    cycles = {"title": {"text": "class, in its wave (cycles)"}, "range": [-0.02, 1.02]}
    place_panel(figure, 3, DOMAINS[2], cycles, {"title": {"text": "effect (logits per unit)"}})
