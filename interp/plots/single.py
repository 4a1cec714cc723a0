"""One neuron at a time: its weights and activations, with their spectra; of several, a menu chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import add_menu, blank, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
TOP, TOP_WITH_MENU = 60, 120
"""Pixels above the drawing."""


def spectrum_figure(spectrum: Any) -> Figure:
    """Vectors along an ordering, and below them how the variance of each is spread over frequencies.

    Args:
        spectrum: As `interp.analysis.portrait.Spectrum`: names, vectors and their energies.
    """
    figure = _two_rows("Vectors along the ordering and their spectra", "value (no unit)")
    traces = _vector_traces(spectrum, "")
    if not traces:
        return say(figure, "there is no vector along the ordering")
    return figure.add_traces(traces)


def portrait_figure(portrait: Any) -> Any:
    """The weights of one neuron with their spectra."""
    return neuron_weights({portrait.neuron: portrait})


def neuron_weights(portraits: Mapping[int, Any]) -> Figure:
    """Weights of one neuron along the task's ordering and their energy spectra; a menu chooses among several neurons.

    Args:
        portraits: By neuron number, as `interp.analysis.portrait.Portrait`: its label and spectrum. Neurons without
            weights along the ordering are left out.
    """
    figure = _two_rows("Weights of a neuron and their spectra", "weight (no unit)")
    traces = {neuron: weight_traces(portrait) for neuron, portrait in portraits.items()}
    return _for_each(figure, traces, portraits, "no neuron has weights along the ordering")


def weight_traces(portrait: Any) -> list[Any]:
    """Traces of `neuron_weights` for one neuron: for each vector, a line over position and bars over frequency."""
    return _vector_traces(portrait.spectrum, " weights")


def _two_rows(title: str, value: str) -> Figure:
    figure = blank(title, "", value)
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.2)
    figure.update_layout(barmode="group", height=620, margin_t=TOP)
    figure.update_xaxes(title_text="position in the ordering", row=1, col=1)
    figure.update_xaxes(title_text="frequency (cycles)", row=2, col=1)
    figure.update_yaxes(title_text=value, row=1, col=1)
    return figure.update_yaxes(title_text="energy (% of all)", tickformat=".0%", row=2, col=1)


def _for_each(
    figure: Figure, traces: Mapping[int, list[Any]], portraits: Mapping[int, Any], nothing: str
) -> Figure:
    """A menu of the neurons if several have traces, their name if there is one, a sentence if there is none."""
    owners = [neuron for neuron, drawn in traces.items() for _ in drawn]
    if not owners:
        return say(figure, nothing)
    figure.add_traces([trace for drawn in traces.values() for trace in drawn])
    names = {neuron: f"neuron {neuron}, {portraits[neuron].label}" for neuron in owners}
    if len(names) > 1:
        return add_menu(figure, owners, names).update_layout(margin_t=TOP_WITH_MENU)
    named = f"neuron {owners[0]} ({portraits[owners[0]].label})"
    return figure.update_layout(title_text=figure.layout.title.text.replace("a neuron", named))


def _vector_traces(spectrum: Any, suffix: str) -> list[Any]:
    go, traces, others = plotly(), [], iter(OTHERS * (1 + len(spectrum.names) // len(OTHERS)))
    for name, vector, energy in zip(spectrum.names, spectrum.vectors, spectrum.energy, strict=True):
        colour = {"color": PARTS.get(name) or next(others)}
        shared, bars = {"name": f"{name}{suffix}", "legendgroup": name}, rounded(energy)
        line = go.Scatter(y=rounded(vector), line=colour, mode="lines", **shared)
        line.update(hovertemplate="%{y:.3g} at position %{x}")
        frequencies = list(range(1, len(bars) + 1))
        bar = go.Bar(x=frequencies, y=bars, marker=colour, showlegend=False, **LOWER, **shared)
        traces += [line, bar.update(hovertemplate="%{y:.1%} at frequency %{x}")]
    return traces


def neuron_activations(portraits: Mapping[int, Any]) -> Figure:
    """Activation of one neuron for every pair of operands, and its two-dimensional spectrum; a menu chooses the neuron.

    A spot of the spectrum is a wave of that many cycles along either operand: on the rising diagonal it is a wave in
    their sum, on the falling one in their difference, on an axis in one operand alone. Its area is its share of the
    variance; spots below 0.1 % are left out.

    Args:
        portraits: By neuron number, as `interp.analysis.portrait.Portrait`: its label and grid, activations
            ``(left, right)`` in the task's order. Neurons without a grid are left out, and those that would make the
            figure too large: the first ones of each label stay.
    """
    figure = blank("Activation of a neuron for every pair", "", "")
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.14)
    figure.update_layout(height=900, margin_t=TOP, hovermode="closest", showlegend=False)
    right, left = "right operand (position)", "left operand (position)"
    figure.update_xaxes(title_text=right, constrain="domain", row=1, col=1)
    figure.update_yaxes(title_text=left, scaleanchor="x", constrain="domain", row=1, col=1)
    figure.update_xaxes(title_text="right frequency (cycles)", row=2, col=1)
    figure.update_yaxes(title_text="left frequency (cycles)", row=2, col=1)
    traces = {neuron: activation_traces(portraits[neuron]) for neuron in with_maps(portraits)}
    return _for_each(figure, traces, portraits, "no activations over pairs of operands were kept")


def activation_traces(portrait: Any) -> list[Any]:
    """Traces of `neuron_activations` for one neuron: its map and the spots of its spectrum."""
    return [_map(portrait.grid), _spots(portrait.grid)]


def with_maps(portraits: Mapping[int, Any]) -> list[int]:
    """The neurons whose maps a page can hold, in the order given; the first of each label before the second ones."""
    grids = {neuron: one.grid for neuron, one in portraits.items() if one.grid is not None}
    seen: dict[str, int] = {}
    rank = {}
    for neuron in grids:
        label = portraits[neuron].label
        rank[neuron] = seen[label] = seen.get(label, 0) + 1
    cells = max((min(max(grid.shape), LONGEST) ** 2 for grid in grids.values()), default=1)
    kept = set(sorted(grids, key=rank.__getitem__)[: max(1, CELLS // cells)])
    return [neuron for neuron in grids if neuron in kept]


def _map(grid: np.ndarray) -> Any:
    """Single precision, which a page holds in half the bytes and without any digit that a colour cannot show."""
    shown = np.ascontiguousarray(grid[:LONGEST, :LONGEST], np.float32)
    hover = "%{z:.3g} at left %{y}, right %{x}<extra></extra>"
    bar = {"title": {"text": "activation"}, "y": 0.79, "len": 0.45, "thickness": 14}
    return plotly().Heatmap(z=shown, colorscale=SCALE, colorbar=bar, hovertemplate=hover)


def _spots(grid: np.ndarray) -> Any:
    left, right, share = spectrum_of(grid)
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
    frequency = [np.fft.fftfreq(size, 1 / size).round().astype(int) for size in (n, m)]
    frequency = [np.where(2 * f == -size, size // 2, f) for f, size in zip(frequency, (n, m), strict=True)]
    left, right = np.meshgrid(*frequency, indexing="ij")
    with np.errstate(invalid="ignore", divide="ignore"):
        power = np.abs(np.fft.fft2(grid - grid.mean())) ** 2
        power[0, 0] = 0
        share = power / power.sum()
    on_edge = 2 * left % n == 0  # the opposite of such a pair is on the same edge
    alone = on_edge & (2 * right % m == 0)  # or is the pair itself
    counted = np.where(on_edge, (right > 0) | alone, left > 0)
    counted[0, 0] = False
    share = np.where(alone, share, 2 * share)
    return left[counted], right[counted], share[counted]
