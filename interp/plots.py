"""Figures from results: every function draws what it is given, computes nothing, and returns a Plotly figure.

The arguments are duck-typed, so that this is the bottom layer: whatever has the attributes can be drawn.
Plotly is imported when the first figure is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.evaluation import SplitValues
    from interp.sweeps import Sweep
    from probes.labels import NeuronTable

# Okabe and Ito's palette, which colour-blind readers can tell apart: the rule is blue, memory vermilion.
LABEL_COLOURS = {
    "generalizing": "#0072B2",
    "memorizing": "#D55E00",
    "dead": "#8C8C8C",
    "inconclusive": "#CC79A7",
}
LABEL_SYMBOLS = {"generalizing": "circle", "memorizing": "diamond", "dead": "x", "inconclusive": "square"}
SPLIT_COLOURS = {
    "train": "#CC79A7",
    "clean": "#56B4E9",
    "corrupted_as_labelled": "#D55E00",
    "corrupted_as_true": "#E69F00",
    "test": "#0072B2",
    "all": "#009E73",
}
PARTS = {"left": "#0072B2", "right": "#E69F00", "output": "#009E73"}
NEUTRAL = "#7F7F7F"
GRID = "rgba(127,127,127,0.25)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

MANY_POINTS = 2000
"""More points than these are drawn by WebGL."""
BINS = 100
HOVER_WIDTH = 60
FEW_DECADES = 1e3


def ablation_curve(sweep: Sweep) -> Figure:
    """Accuracy on every split against the share of neurons removed, with the random control.

    Shown at first, with the control, are the two splits that tell most: held-out examples, and corrupted ones
    as labelled (the training set where there are none); the others can be switched on in the legend.

    Args:
        sweep: From `interp.sweep` or `interp.sweeps.curve`.
    """
    go = _plotly()
    removed = "removed" if not sweep.mode.startswith("scale") else f"rescaled ({sweep.mode})"
    title, share = f"Accuracy with neurons {removed}, {sweep.order}", f"neurons {removed} (% of all)"
    figure = _figure(title, share, "accuracy (%)")
    known = [split for split, values in sweep.accuracy.items() if values is not None]
    second = "corrupted_as_labelled" if "corrupted_as_labelled" in known else "train"
    telling = [split for split in ("test", second) if split in known] or known[:1]
    x = _rounded(sweep.fraction)
    for split in telling:
        band = sweep.random.get(split)
        if band is not None:
            figure.add_traces(_random_traces(x, band, split))
    for split in [*telling, *(split for split in known if split not in telling)]:
        y, line = _rounded(sweep.accuracy[split]), {"color": SPLIT_COLOURS.get(split, NEUTRAL), "width": 2.5}
        trace = go.Scatter(x=x, y=y, name=_words(split), mode="lines", legendgroup=split, line=line)
        trace.update(customdata=sweep.removed.tolist(), visible=True if split in telling else "legendonly")
        trace.update(hovertemplate="%{y:.1%} with %{customdata} neurons (%{x:.1%}) " + removed)
        figure.add_trace(trace)
    figure.update_xaxes(tickformat=".0%", range=[0, float(sweep.fraction[-1]) or 1])
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.02])
    return figure


def _random_traces(x: list[float | None], band: Mapping[str, np.ndarray], split: str) -> list[Any]:
    go, colour = _plotly(), SPLIT_COLOURS.get(split, NEUTRAL)
    shared = {"x": x, "mode": "lines", "legendgroup": split}
    edge = {**shared, "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    low, high = (
        go.Scatter(y=_rounded(band[key]), name=f"{_words(split)}, random {key}", **edge)
        for key in ("low", "high")
    )
    high.update(fill="tonexty", fillcolor=_faded(colour))
    limits = list(zip(_rounded(band["low"]), _rounded(band["high"]), strict=True))
    mean = go.Scatter(y=_rounded(band["mean"]), name=f"{_words(split)}, random", customdata=limits, **shared)
    interval = "95 % of draws from %{customdata[0]:.1%} to %{customdata[1]:.1%}"
    mean.update(line={"color": colour, "width": 1.5, "dash": "dash"})
    return [low, high, mean.update(hovertemplate=f"%{{y:.1%}} on average, {interval}")]


def ipr_histogram(table: NeuronTable, null_ipr: np.ndarray) -> Figure:
    """How many neurons have which IPR, by label, with the distribution of random weights as an outline.

    The outline is scaled to the tallest bar, so only its place and width count. Neurons without an IPR (such
    as dead ones) are not drawn; the axis says how many.

    Args:
        table: From `interp.score`; ``meta["null"]["quantile_999"]``, if there, is drawn as a line.
        null_ipr: A sample of the IPR of random weights.
    """
    go = _plotly()
    ipr = np.clip(np.asarray(table["ipr"], float), 0, 1)  # rounding can take a pure wave past 1
    figure = _figure("How periodic the neurons are", _ipr_axis(table), "neurons (count)")
    edges = np.linspace(0, 1, BINS + 1)
    total = np.zeros(BINS)
    for label, colour in LABEL_COLOURS.items():
        counts = np.histogram(ipr[table["label"] == label], edges)[0]
        total += counts
        trace = go.Bar(x=_rounded((edges[1:] + edges[:-1]) / 2), y=counts.tolist(), name=label)
        trace.update(width=1 / BINS, marker={"color": colour, "line": {"width": 0}})
        trace.update(customdata=list(zip(_rounded(edges[:-1]), _rounded(edges[1:]), strict=True)))
        trace.update(hovertemplate="%{y} neurons with IPR %{customdata[0]:.2f} to %{customdata[1]:.2f}")
        figure.add_trace(trace)
    shape = np.histogram(null_ipr, edges)[0]
    if shape.any():
        first, last = np.flatnonzero(shape)[[0, -1]]
        outline = np.repeat(shape[first : last + 1] / shape.max() * max(total.max(), 1), 2)
        trace = go.Scatter(x=_rounded(np.repeat(edges[first : last + 2], 2)), y=_rounded([0, *outline, 0]))
        trace.update(name="random weights (scaled)", mode="lines", hoverinfo="skip")
        figure.add_trace(trace.update(line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}))
    _threshold(figure, dict(table.meta.get("null") or {}).get("quantile_999"))
    figure.update_layout(barmode="stack", bargap=0, legend_traceorder="normal")
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(range=[0, 1.08 * max(total.max(), 1)])
    return figure


def _threshold(figure: Figure, quantile: float | None) -> None:
    if quantile is not None and np.isfinite(quantile):
        text = f"99.9 % of random weights lie below {quantile:.3f}"
        line = {"color": NEUTRAL, "width": 1.5}
        place = {"annotation_position": "top right", "annotation_font_size": 11}
        figure.add_vline(x=float(quantile), line=line, annotation_text=text, **place)


def neuron_scatter(table: NeuronTable) -> Figure:
    """Periodicity of every neuron against what its removal does, coloured by label.

    The effect is how much more margin held-out examples lose than corrupted ones as labelled; where either
    kind is missing, what the neuron adds to the true label.

    Args:
        table: From `interp.score`.
    """
    go = _plotly()
    effect, axis = causal_effect(table)
    figure = _figure("Periodicity against causal effect", _ipr_axis(table), axis)
    trace = go.Scattergl if len(table) > MANY_POINTS else go.Scatter
    for label, colour in LABEL_COLOURS.items():
        chosen = np.flatnonzero(table["label"] == label)
        hover = [table[name][chosen] for name in ("neuron", "frequency", "q_value", "evidence")]
        figure.add_trace(
            trace(
                x=_rounded(table["ipr"][chosen]),
                y=_rounded(effect[chosen]),
                mode="markers",
                name=label,
                marker={"color": colour, "symbol": LABEL_SYMBOLS[label], "size": 7, "opacity": 0.75},
                customdata=[
                    [int(neuron), int(frequency), f"{q:.2g}", "<br>".join(wrap(str(reason), HOVER_WIDTH))]
                    for neuron, frequency, q, reason in zip(*hover, strict=True)
                ],
                hovertemplate=(
                    f"<b>neuron %{{customdata[0]}}</b>, {label}<br>frequency %{{customdata[1]}}, "
                    "q=%{customdata[2]}<br>IPR %{x:.3f}, effect %{y:.3g}<br>%{customdata[3]}<extra></extra>"
                ),
            )
        )
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure


def causal_effect(table: NeuronTable) -> tuple[np.ndarray, str]:
    """The neurons' effects as the figures show them, in logit units, and the axis title that says which."""
    if {"effect_test", "effect_corrupted_as_labelled"} <= set(table):
        effect = table["effect_test"] - table["effect_corrupted_as_labelled"]
        return effect, "effect, held-out − corrupted (logit units)"
    return table["rule_effect"], "effect on the true label (logit units)"


def _ipr_axis(table: NeuronTable) -> str:
    missing = int(np.isnan(np.asarray(table["ipr"], float)).sum())
    unknown = f"; undefined for {missing} of {len(table)}" if missing else ""
    return f"IPR (1 = one pure frequency{unknown})"


def accuracy_bars(before: SplitValues, after: Mapping[str, SplitValues]) -> Figure:
    """Accuracy on every split before and after, one group of bars a split.

    Args:
        before: Accuracy of the whole network.
        after: Accuracy by the name of what was done; one that names a label has its colour.
    """
    go = _plotly()
    figure = _figure("Accuracy before and after removing neurons", "examples", "accuracy (%)")
    states = {"whole network": before, **after}
    splits = [split for split in before if any(values[split] is not None for values in states.values())]
    for name, values in states.items():
        colour = next((c for label, c in LABEL_COLOURS.items() if name.endswith(label)), NEUTRAL)
        figure.add_trace(
            go.Bar(
                x=[_words(split).replace(" as ", "<br>as ") for split in splits],
                y=[values[split] for split in splits],
                name=name,
                marker={"color": colour},
                hovertemplate="%{y:.1%}",
            )
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return figure


def neuron_weights(spectra: Mapping[int, Mapping[str, Sequence[np.ndarray]]], table: NeuronTable) -> Figure:
    """Weights of one neuron along the task's ordering and their energy spectra; a menu chooses the neuron.

    Args:
        spectra: By neuron number, ``weights`` and ``energy``: vectors in the order left, right, output.
        table: From `interp.score`, for the menu's labels.
    """
    figure = _figure("Weights of a neuron and their spectra", "", "weight (no unit)")
    figure.set_subplots(rows=2, cols=1, vertical_spacing=0.2)
    owners: list[int] = []
    for neuron, vectors in spectra.items():
        traces = _vector_traces(vectors)
        figure.add_traces(traces, rows=[1 + (t.type == "bar") for t in traces], cols=[1] * len(traces))
        owners += [neuron] * len(traces)
    for trace, owner in zip(figure.data, owners, strict=True):
        trace.visible = owner == owners[0]
    rows = {int(neuron): i for i, neuron in enumerate(table.neuron)}
    buttons = [
        {
            "label": f"neuron {neuron}, {table['label'][rows[neuron]]}",
            "method": "restyle",
            "args": ["visible", [owner == neuron for owner in owners]],
        }
        for neuron in dict.fromkeys(owners)
    ]
    if buttons:
        place = {"x": 0, "xanchor": "left", "y": 1.04, "yanchor": "bottom"}
        figure.update_layout(updatemenus=[{"buttons": buttons, "font": {"size": 12}, **place}])
    else:
        text = "no neuron has weights along the ordering"
        figure.add_annotation(text=text, xref="paper", yref="paper", showarrow=False)
    figure.update_layout(barmode="group", height=620, margin_t=90)
    figure.update_xaxes(title_text="position in the ordering", row=1, col=1)
    figure.update_xaxes(title_text="frequency (cycles)", row=2, col=1)
    figure.update_yaxes(title_text="weight (no unit)", row=1, col=1)
    figure.update_yaxes(title_text="energy (% of all)", tickformat=".0%", row=2, col=1)
    return figure


def _vector_traces(vectors: Mapping[str, Sequence[np.ndarray]]) -> list[Any]:
    go, traces, count = _plotly(), [], len(vectors["weights"])
    inputs = [f"input {i}" for i in range(1, count)]
    names = {1: ["output"], 2: ["left", "right"], 3: list(PARTS)}.get(count, [*inputs, "output"][:count])
    for name, weights, energy in zip(names, vectors["weights"], vectors["energy"], strict=True):
        shared, colour = {"name": f"{name} weights", "legendgroup": name}, {"color": PARTS.get(name)}
        line, bars = go.Scatter(y=_rounded(weights), line=colour, **shared), _rounded(energy)
        line.update(mode="lines", hovertemplate="%{y:.3g} at position %{x}")
        bar = go.Bar(x=list(range(1, len(bars) + 1)), y=bars, marker=colour, showlegend=False, **shared)
        traces += [line, bar.update(hovertemplate="%{y:.1%} at frequency %{x}")]
    return traces


def training_curve(history: Iterable[Mapping[str, Any]]) -> Figure:
    """Accuracy on every split over training, and the loss on a second, logarithmic axis.

    Args:
        history: Records of ``step``, ``loss`` and ``accuracy`` by split; values may be None.
    """
    go, records = _plotly(), list(history)
    figure = _figure("Training", "training step (updates)", "accuracy (%)")
    steps = [record["step"] for record in records]
    for split, colour in SPLIT_COLOURS.items():
        values = [record["accuracy"].get(split) for record in records]
        if any(value is not None for value in values):
            shown = True if split in ("train", "test", "corrupted_as_labelled") else "legendonly"
            trace = go.Scatter(x=steps, y=_rounded(values), name=_words(split), visible=shown)
            trace.update(line={"color": colour, "width": 2.5}, hovertemplate="%{y:.1%}")
            figure.add_trace(trace)
    losses = [record.get("loss") or np.nan for record in records]  # a loss of 0 has no logarithm
    trace = go.Scatter(x=steps, y=_rounded(losses), name="loss", yaxis="y2", hovertemplate="%{y:.3g}")
    figure.add_trace(trace.update(line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}))
    known = [loss for loss in losses if np.isfinite(loss)]
    few_decades = not known or max(known) / min(known) < FEW_DECADES
    second = {"overlaying": "y", "side": "right", "showgrid": False, "title": {"text": "loss (log scale)"}}
    ticks = {"type": "log", "tickformat": "~g", "dtick": "D2" if few_decades else 1}
    figure.update_layout(yaxis={"tickformat": ".0%", "range": [-0.02, 1.02]}, yaxis2={**second, **ticks})
    return figure


def _plotly() -> Any:
    """Plotly's figure classes; imported here because they take a third of a second."""
    from plotly import graph_objects

    return graph_objects


@lru_cache(maxsize=1)
def _template() -> Any:
    colours = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": NEUTRAL}
    axis = {**colours, "ticks": "outside", "automargin": True, "title": {"standoff": 8}}
    layout = {
        "font": {"family": FONT, "size": 13, "color": "#333333"},
        "title": {"x": 0.02, "y": 0.97, "yref": "container", "yanchor": "top", "font": {"size": 16}},
        "paper_bgcolor": "#FFFFFF",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "hoverlabel": {"align": "left", "namelength": -1},
        "hovermode": "x unified",
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        "height": 460,
    }
    return _plotly().layout.Template(layout=layout)


def _figure(title: str, x: str, y: str) -> Figure:
    figure = _plotly().Figure(layout={"template": _template()})
    return figure.update_layout(title_text=title, xaxis_title_text=x, yaxis_title_text=y)


def _words(split: str) -> str:
    return split.replace("_", " ")


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _rounded(values: Any) -> list[float | None]:
    """Five significant digits, None where there is no finite value: all that a figure can show."""
    numbers = np.asarray(values, float)
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in numbers]
