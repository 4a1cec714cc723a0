"""One neuron at a time: its weights and activations, with their spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import blank, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.portrait import Portrait
    from interp.analysis.spectrum import Spectrum
    from probes.parts import Parts

PARTS = {"left": "#0072B2", "right": "#E69F00", "output": "#009E73"}
OTHERS = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
SPOT, SCALE = "#0072B2", "Cividis"
CELLS = 320_000
"""A figure holds so many cells of activation maps: 24 of 113 by 113, in 2 MB."""
LONGEST = 256
"""Longer sides of a map are cut off here."""
SPOTS, SMALLEST = 300, 0.001
LOWER = {"xaxis": "x2", "yaxis": "y2"}
"""The row that spectra are drawn in."""
NAMED = 12
"""So many components have their names at an axis."""
TOP = 60
"""Pixels above the drawing."""


def spectrum_figure(spectrum: Spectrum) -> Figure:
    """Vectors along an ordering, and below them how the variance of each is spread over its parts."""
    figure = _two_rows("Vectors along the ordering and their spectra", "value (no unit)", spectrum)
    traces = spectrum_traces(spectrum)
    return figure.add_traces(traces) if traces else say(figure, "there is no vector along the ordering")


def neuron_weights(portrait: Portrait) -> Figure:
    """Weights of one neuron along the task's ordering, and their energy spectra."""
    figure = _two_rows(
        f"Weights of {_named(portrait)} and their spectra", "weight (no unit)", portrait.spectrum
    )
    traces = spectrum_traces(portrait.spectrum, " weights")
    return figure.add_traces(traces) if traces else say(figure, "it has no weights along the ordering")


def _named(portrait: Portrait) -> str:
    return f"neuron {portrait.neuron} ({portrait.label})"


def _two_rows(title: str, value: str, spectrum: Spectrum) -> Figure:
    figure = blank(title, "", value)
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.2)
    figure.update_layout(barmode="group", height=620, margin_t=TOP)
    place = "position in the ordering" if spectrum.order is None else f"element ({spectrum.order.axis})"
    figure.update_xaxes(title_text=place, row=1, col=1)
    figure.update_xaxes(title_text=spectrum.parts.axis, **named_ticks(spectrum.parts, 1), row=2, col=1)
    figure.update_yaxes(title_text=value, row=1, col=1)
    return figure.update_yaxes(title_text="energy (% of all)", tickformat=".0%", row=2, col=1)


def named_ticks(parts: Parts, first: int) -> dict[str, Any]:
    """An axis of components from a number on, those from 1 with their names if they are few; nothing of frequencies."""
    last = len(parts.components)
    if not parts.known:
        return {}
    span: dict[str, Any] = {"range": [first - 0.5, last + 0.5]}
    if last > NAMED:
        return span
    numbers = list(range(first, last + 1))
    return {**span, "tickvals": numbers, "ticktext": [parts.brief(k) if first else str(k) for k in numbers]}


def spectrum_traces(spectrum: Spectrum, suffix: str = "") -> list[Any]:
    """A line over position and bars over the parts for each vector, whose name ends in a suffix."""
    go, traces, others = plotly(), [], iter(OTHERS * (1 + len(spectrum.names) // len(OTHERS)))
    for name, vector, energy in zip(spectrum.names, spectrum.vectors, spectrum.energy, strict=True):
        colour = {"color": PARTS.get(name) or next(others)}
        shared, bars = {"name": f"{name}{suffix}", "legendgroup": name}, rounded(energy)
        line = go.Scatter(y=rounded(vector), line=colour, mode="lines", **shared)
        line.update(hovertemplate="%{y:.3g} at position %{x}")
        numbers = list(range(1, len(bars) + 1))
        bar = go.Bar(x=numbers, y=bars, marker=colour, showlegend=False, **LOWER, **shared)
        bar.update(hovertemplate="%{y:.1%} at frequency %{x}")
        if (elements := spectrum.elements(name)) is not None:
            line.update(customdata=elements.tolist(), hovertemplate="%{y:.3g} at element %{customdata}")
            titles = spectrum.parts.marks(numbers)
            bar.update(customdata=titles, hovertemplate="%{y:.1%} in %{customdata}")
        traces += [line, bar]
    return traces


def neuron_activations(portrait: Portrait) -> Figure:
    """Activation of one neuron for every pair of operands in the task's order, and its two-dimensional spectrum.

    A spot of the spectrum is a wave of that many cycles along either operand: on the rising diagonal it is a wave in
    their sum, on the falling one in their difference, on an axis in one operand alone. Its area is its share of the
    variance; spots below 0.1 % are left out. Of a group, a spot is a component of either operand; 0 is the constant.
    """
    figure = blank(f"Activation of {_named(portrait)} for every pair", "", "")
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.14)
    figure.update_layout(height=900, margin_t=TOP, hovermode="closest", showlegend=False)
    parts, order = portrait.spectrum.parts, portrait.spectrum.order
    place = "position" if order is None else order.axis
    right, left = f"right operand ({place})", f"left operand ({place})"
    figure.update_xaxes(title_text=right, constrain="domain", row=1, col=1)
    figure.update_yaxes(title_text=left, scaleanchor="x", constrain="domain", row=1, col=1)
    figure.update_xaxes(title_text=f"right {parts.axis}", **named_ticks(parts, 0), row=2, col=1)
    figure.update_yaxes(title_text=f"left {parts.axis}", **named_ticks(parts, 0), row=2, col=1)
    if portrait.grid is None:
        return say(figure, "no activations over pairs of operands were kept")
    return figure.add_traces(activation_traces(portrait))


def activation_traces(portrait: Portrait) -> list[Any]:
    """A map of activations and the spots of their spectrum; nothing where none were kept."""
    if portrait.grid is None:
        return []
    if portrait.pair_shares is None:
        return [_map(portrait.grid), _spots(*spectrum_of(portrait.grid))]
    left, right = np.indices(portrait.pair_shares.shape).reshape(2, -1)
    spots = _spots(left, right, portrait.pair_shares.ravel())
    titles = [portrait.spectrum.parts.ends(*map(int, pair)) for pair in zip(spots.y, spots.x, strict=True)]
    return [
        _map(portrait.grid),
        spots.update(text=titles, hovertemplate="%{customdata:.1%} %{text}<extra></extra>"),
    ]


def maps_of(portraits: Mapping[int, Portrait]) -> dict[int, Portrait]:
    """The portraits whose activations a page can hold, in the order given; the first of each label go first."""
    grids = {neuron: one.grid for neuron, one in portraits.items() if one.grid is not None}
    seen: Counter[str] = Counter()
    rank = {}
    for neuron in grids:
        seen[portraits[neuron].label] += 1
        rank[neuron] = seen[portraits[neuron].label]
    cells = max((min(max(grid.shape), LONGEST) ** 2 for grid in grids.values()), default=1)
    kept = set(sorted(grids, key=rank.__getitem__)[: max(1, CELLS // cells)])
    return {neuron: portraits[neuron] for neuron in grids if neuron in kept}


def _map(grid: np.ndarray) -> Any:
    """Single precision, which a page holds in half the bytes and without any digit that a colour cannot show."""
    shown = np.ascontiguousarray(grid[:LONGEST, :LONGEST], np.float32)
    hover = "%{z:.3g} at left %{y}, right %{x}<extra></extra>"
    bar = {"title": {"text": "activation"}, "y": 0.79, "len": 0.45, "thickness": 14}
    return plotly().Heatmap(z=shown, colorscale=SCALE, colorbar=bar, hovertemplate=hover)


def _spots(left: np.ndarray, right: np.ndarray, share: np.ndarray) -> Any:
    strongest = np.argsort(-share, kind="stable")[:SPOTS]
    strongest = strongest[share[strongest] >= SMALLEST]
    shares = share[strongest]
    trace = plotly().Scatter(x=right[strongest].tolist(), y=left[strongest].tolist(), mode="markers", **LOWER)
    trace.update(marker={"size": rounded(4 + 30 * np.sqrt(shares), 3), "color": SPOT, "opacity": 0.7})
    trace.update(customdata=rounded(shares, 3))
    return trace.update(hovertemplate="%{customdata:.1%} at left %{y}, right %{x}<extra></extra>")


def spectrum_of(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies along the left (0 or more) and right operand, and each pair's share of the variance.

    A pair of frequencies and its opposite count as one. The shares sum to 1; they are nan for a grid that is constant
    or has holes.

    Example:
        >>> w = 2 * np.pi * np.arange(7) / 7
        >>> left, right, share = spectrum_of(np.cos(2 * w[:, None] - 3 * w))
        >>> best = share.argmax()
        >>> int(left[best]), int(right[best]), round(float(share[best]), 6)
        (2, -3, 1.0)
    """
    n, m = grid.shape
    left, right = np.meshgrid(
        np.arange(n // 2 + 1), np.fft.fftfreq(m, 1 / m).round().astype(int), indexing="ij"
    )
    right = np.where(2 * right == -m, m // 2, right)
    on_edge = 2 * left % n == 0  # the opposite of such a pair is on the same edge
    alone = on_edge & (2 * right % m == 0)  # or is the pair itself
    counted = ~on_edge | (right > 0) | alone
    counted[0, 0] = False
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        power = np.abs(np.fft.rfft2((grid - grid.mean()).T).T) ** 2 * np.where(alone, 1, 2)
        share = power[counted] / power[counted].sum()
    return left[counted], right[counted], share
