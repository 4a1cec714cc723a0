"""What neurons read against what they write, beside rotated directions, and the same over training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DOMAINS = ((0.0, 0.27), (0.37, 0.64), (0.74, 1.0))
NEURONS, ROTATED = LABEL_COLOURS["generalizing"], LABEL_COLOURS["memorizing"]
SINGLE, LARGEST = 6.0, 26.0
"""Diameter of the dot of a single neuron, at most, and of the largest dot, in pixels."""


def lens_figure(result: Any) -> Figure:
    """Three panels: frequencies read and written (the first seed), purity of the waves, and the past or single neurons.

    Args:
        result: Of the study `lens`.
    """
    figure = blank(
        "What neurons read, and what they write", "frequency read (cycles)", "frequency written (cycles)"
    )
    curves = [record.curves for record in result.records]
    _frequencies(figure, curves[0])
    _purity(figure, curves)
    past = [one["series"] for one in curves]
    if all(past):
        _past(figure, past)
    else:
        _waves(figure, curves[0])
    for number, domain in enumerate(DOMAINS, 1):
        figure.layout[f"xaxis{number if number > 1 else ''}"].update(domain=domain, anchor=f"y{number}")
        figure.layout[f"yaxis{number if number > 1 else ''}"].update(anchor=f"x{number}")
    return figure.update_layout(
        hovermode="closest", margin={"t": 60, "b": 110}, legend={"font": {"size": 12}}
    )


def _frequencies(figure: Figure, curves: Any) -> None:
    """Dots whose areas count neurons, and the same for a rotated direction in each neuron's place."""
    go, highest = plotly(), curves["highest"]
    line = go.Scatter(
        x=[0, highest + 1], y=[0, highest + 1], mode="lines", hoverinfo="skip", showlegend=False
    )
    figure.add_trace(line.update(line={"color": NEUTRAL, "width": 1, "dash": "dot"}))
    most = max((count for *_, count in curves["cells"]), default=1)
    for key, name, colour in (
        ("cells_rotated", "rotated directions", ROTATED),
        ("cells", "neurons", NEURONS),
    ):
        read, written, counts = (
            (list(x) for x in zip(*curves[key], strict=True)) if curves[key] else ([], [], [])
        )
        dots = go.Scatter(x=rounded(read), y=rounded(written), mode="markers", showlegend=False)
        sizes = min(SINGLE, LARGEST / most**0.5) * np.sqrt(np.asarray(counts, float))
        dots.update(marker={"size": rounded(sizes), "color": faded(colour, 0.75), "line": {"width": 0}})
        dots.update(customdata=counts, name=name)
        figure.add_trace(
            dots.update(
                hovertemplate=f"%{{customdata}} {name}: read %{{x}}, written %{{y}} cycles<extra></extra>"
            )
        )
    figure.layout.xaxis.update(range=[0, highest + 1])
    figure.layout.yaxis.update(range=[0, highest + 1])


def _purity(figure: Figure, curves: list[Any]) -> None:
    """Histograms of the largest share of variance at one frequency, over all seeds."""
    edges = np.asarray(curves[0]["edges"])
    for key, name, colour in (
        ("shares_rotated", "rotated directions", ROTATED),
        ("shares", "neurons", NEURONS),
    ):
        heights = np.mean([one[key] for one in curves], axis=0)
        bars = plotly().Bar(x=rounded((edges[1:] + edges[:-1]) / 2), y=rounded(heights), name=name)
        bars.update(
            width=float(edges[1] - edges[0]), marker={"color": faded(colour, 0.75), "line": {"width": 0}}
        )
        bars.update(
            xaxis="x2", yaxis="y2", hovertemplate=f"%{{y:.1%}} of the {name} at %{{x:.0%}}<extra></extra>"
        )
        figure.add_trace(bars)
    figure.update_layout(
        barmode="overlay",
        xaxis2={"title": {"text": "variance at one frequency (%)"}, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis2={"title": {"text": "share (%)"}, "tickformat": ".0%"},
    )


def _past(figure: Figure, past: list[Any]) -> None:
    """For each seed accuracy, how many neurons write their last frequency, and cosines between checkpoints."""
    go = plotly()
    lines = (
        ("accuracy", "accuracy", SPLIT_COLOURS["corrupted_as_true"], "solid"),
        ("settled", "neurons that write their last frequency", SPLIT_COLOURS["all"], "solid"),
        ("cosine", "cosine with the next checkpoint", NEURONS, "solid"),
        ("others", "cosine with another neuron", ROTATED, "dash"),
    )
    for key, name, colour, dash in lines:
        for place, one in enumerate(past):
            values = one[key]
            line = go.Scatter(
                x=rounded(one["steps"][: len(values)]), y=rounded(values), mode="lines", name=name
            )
            line.update(
                line={"color": colour, "width": 1.6, "dash": dash}, legendgroup=key, showlegend=not place
            )
            line.update(
                xaxis="x3", yaxis="y3", hovertemplate=f"{name}: %{{y:.2f}} at step %{{x}}<extra></extra>"
            )
            figure.add_trace(line)
    figure.update_layout(
        xaxis3={"title": {"text": "step (updates)"}},
        yaxis3={"title": {"text": "share, cosine (0 to 1)"}, "range": [-0.15, 1.05]},
    )


def _waves(figure: Figure, curves: Any) -> None:
    """What the strongest neurons add to each class, by its place in the neuron's wave, and a rotated direction."""
    go, turned = plotly(), curves["wave_rotated"]
    found = [
        (f"neuron {one['neuron']}, frequency {one['frequency']}", one, colour, symbol)
        for one, colour, symbol in zip(
            curves["waves"], (NEURONS, SPLIT_COLOURS["all"]), ("circle", "diamond"), strict=False
        )
    ]
    for name, one, colour, symbol in [*found, ("a rotated direction", turned, ROTATED, "x")]:
        n = len(one["effect"])
        place = np.arange(n) * one["frequency"] % n / n
        order = np.argsort(place, kind="stable")
        dots = go.Scatter(x=rounded(place[order]), y=rounded(np.asarray(one["effect"])[order]), name=name)
        dots.update(
            mode="markers", marker={"color": colour, "size": 4.5, "symbol": symbol}, xaxis="x3", yaxis="y3"
        )
        dots.update(
            customdata=order.tolist(),
            hovertemplate=f"{name}: %{{y:.3g}} for the class at position %{{customdata}}<extra></extra>",
        )
        figure.add_trace(dots)
    figure.update_layout(
        xaxis3={"title": {"text": "class, in its wave (cycles)"}, "range": [-0.02, 1.02]},
        yaxis3={"title": {"text": "effect (logits per unit)"}},
    )
