"""One neuron at a time: its weights and activations, with their spectra; a menu chooses the neuron."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import add_menu, blank, plotly, rounded, say

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from probes.labels import NeuronTable

PARTS = {"left": "#0072B2", "right": "#E69F00", "output": "#009E73"}
SPOT, SCALE = "#0072B2", "Cividis"
CELLS, MOST_MAPS = 150_000, 16
"""A figure holds so many cells of activation maps, and so many maps."""
LONGEST = 256
"""Longer sides of a map are cut off here."""
SPOTS, SMALLEST = 300, 0.001


def neuron_weights(spectra: Mapping[int, Mapping[str, Any]], table: NeuronTable) -> Figure:
    """Weights of one neuron along the task's ordering and their energy spectra; a menu chooses the neuron.

    Args:
        spectra: By neuron number, ``weights`` and ``energy``: vectors in the order left, right, output. Neurons
            without vectors are left out.
        table: From `interp.score`, for the menu's labels.
    """
    figure = blank("Weights of a neuron and their spectra", "", "weight (no unit)")
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.2)
    owners: list[int] = []
    for neuron, vectors in spectra.items():
        traces = _vector_traces(vectors)
        figure.add_traces(traces, rows=[1 + (t.type == "bar") for t in traces], cols=[1] * len(traces))
        owners += [neuron] * len(traces)
    if owners:
        add_menu(figure, owners, _names(owners, table))
    else:
        say(figure, "no neuron has weights along the ordering")
    figure.update_layout(barmode="group", height=620, margin_t=90)
    figure.update_xaxes(title_text="position in the ordering", row=1, col=1)
    figure.update_xaxes(title_text="frequency (cycles)", row=2, col=1)
    figure.update_yaxes(title_text="weight (no unit)", row=1, col=1)
    figure.update_yaxes(title_text="energy (% of all)", tickformat=".0%", row=2, col=1)
    return figure


def _names(neurons: Iterable[int], table: NeuronTable) -> dict[int, str]:
    rows = {int(neuron): i for i, neuron in enumerate(table.neuron)}
    return {neuron: f"neuron {neuron}, {table['label'][rows[neuron]]}" for neuron in neurons}


def _vector_traces(vectors: Mapping[str, Sequence[np.ndarray]]) -> list[Any]:
    go, traces, count = plotly(), [], len(vectors["weights"])
    inputs = [f"input {i}" for i in range(1, count)]
    names = {1: ["output"], 2: ["left", "right"], 3: list(PARTS)}.get(count, [*inputs, "output"][:count])
    for name, weights, energy in zip(names, vectors["weights"], vectors["energy"], strict=True):
        shared, colour = {"name": f"{name} weights", "legendgroup": name}, {"color": PARTS.get(name)}
        line, bars = go.Scatter(y=rounded(weights), line=colour, **shared), rounded(energy)
        line.update(mode="lines", hovertemplate="%{y:.3g} at position %{x}")
        bar = go.Bar(x=list(range(1, len(bars) + 1)), y=bars, marker=colour, showlegend=False, **shared)
        traces += [line, bar.update(hovertemplate="%{y:.1%} at frequency %{x}")]
    return traces


def neuron_activations(spectra: Mapping[int, Mapping[str, Any]], table: NeuronTable) -> Figure:
    """Activation of one neuron for every pair of operands, and its two-dimensional spectrum; a menu chooses the neuron.

    A spot of the spectrum is a wave of that many cycles along either operand: on the rising diagonal it is a wave in
    their sum, on the falling one in their difference, on an axis in one operand alone. Its area is its share of the
    variance; spots below 0.1 % are left out.

    Args:
        spectra: By neuron number, ``grid``: activations ``(left, right)`` in the task's order. Neurons without one are
            left out, and those that would make the figure too large.
        table: From `interp.score`, for the menu's labels.
    """
    figure = blank("Activation of a neuron for every pair", "", "")
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.14)
    grids = _affordable({neuron: one["grid"] for neuron, one in spectra.items() if "grid" in one}, table)
    for grid in grids.values():
        figure.add_traces([_map(grid), _spots(grid)], rows=[1, 2], cols=[1, 1])
    if grids:
        add_menu(figure, [neuron for neuron in grids for _ in range(2)], _names(grids, table))
    else:
        say(figure, "no activations over pairs of operands were kept")
    figure.update_layout(height=900, margin_t=90, hovermode="closest", showlegend=False)
    figure.update_xaxes(
        title_text="right operand (position in the ordering)", constrain="domain", row=1, col=1
    )
    figure.update_yaxes(
        title_text="left operand (position)", scaleanchor="x", constrain="domain", row=1, col=1
    )
    figure.update_xaxes(title_text="frequency along the right operand (cycles)", row=2, col=1)
    figure.update_yaxes(title_text="along the left operand (cycles)", row=2, col=1)
    return figure


def _affordable(grids: dict[int, np.ndarray], table: NeuronTable) -> dict[int, np.ndarray]:
    """As many grids as a page can hold, the first ones of each label before the second ones."""
    labels = dict(zip(table.neuron.tolist(), table["label"].tolist(), strict=True))
    seen: dict[str, int] = {}
    rank = {}
    for neuron in grids:
        rank[neuron] = seen[labels[neuron]] = seen.get(labels[neuron], 0) + 1
    cells = max((min(max(grid.shape), LONGEST) ** 2 for grid in grids.values()), default=1)
    kept = sorted(grids, key=rank.__getitem__)[: max(1, min(MOST_MAPS, CELLS // cells))]
    return {neuron: grid for neuron, grid in grids.items() if neuron in kept}


def _map(grid: np.ndarray) -> Any:
    shown = [rounded(row, 3) for row in grid[:LONGEST, :LONGEST]]
    hover = "%{z:.3g} at left %{y}, right %{x}<extra></extra>"
    bar = {"title": {"text": "activation"}, "y": 0.79, "len": 0.45}
    return plotly().Heatmap(z=shown, colorscale=SCALE, colorbar=bar, hovertemplate=hover)


def _spots(grid: np.ndarray) -> Any:
    left, right, share = spectrum_of(grid)
    strongest = np.argsort(-share, kind="stable")[:SPOTS]
    strongest = strongest[share[strongest] >= SMALLEST]
    shares = share[strongest]
    trace = plotly().Scatter(x=right[strongest].tolist(), y=left[strongest].tolist(), mode="markers")
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
