"""Single neurons over training: when they become periodic, how their phases align, and which frequency wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import NEUTRAL, blank, faded, key, label_marker, line, plotly, rounded, say
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.dynamics import Dynamics
    from probes.parts import Parts

STEP = "training step (as numbered in the files)"
MOST_CELLS, MOST_POINTS = 60_000, 40_000
"""A map holds so many cells, and an animation so many points; beyond, neurons are evenly left out."""
RIVALS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
WINNER = "#0072B2"
LETTER, ROW = 1 / 45, 13
"""A letter's width as a share of the narrowest figure, on a phone, and pixels between rows of names."""
DURATION = 300
"""Milliseconds that an animation shows each checkpoint for."""

MAP_CAPTION = (
    "Each row is a neuron and each column a checkpoint; the brighter, the more of the neuron's variance one {noun} "
    "explains. Neurons that became periodic first are at the bottom, those that are not periodic at the end at the top."
)
ALIGNMENT_CAPTION = (
    "A periodic neuron serves the rule where the phases of its inputs add up to that of its output. R is 1 and the "
    "median 0 if all do; random phases give a median of a quarter of the circle. Where few neurons are periodic, "
    "R is large by chance: the p-value says how likely that is."
)
ANIMATION_CAPTION = (
    "A neuron that finds a {noun} moves right. The button plays the checkpoints, the slider picks one."
)
NO_PHASES = "Phases are not shown: a component of a group has none."
COMPONENT_RACE_CAPTION = (
    "How large each component of the weights of one neuron is. Shown is the neuron that switched its component most "
    "often; of equals, the strongest at the end."
)
RACE_CAPTION = (
    "How large each wave in the weights of one neuron is, and how far the phases of the largest are from the rule's. "
    "Shown is the neuron that switched its frequency most often; of equals, the strongest at the end."
)


def neuron_paths_map(dynamics: Dynamics) -> Figure:
    """Each neuron's frequency share at each checkpoint, as colours; touching a cell gives the frequency."""
    steps, order = dynamics.steps.tolist(), dynamics.order()
    share, frequency = dynamics.columns["frequency_share"], dynamics.columns["frequency"]
    shown = _thinned(order, MOST_CELLS // max(len(steps), 1))
    some = f" ({len(shown)} of {len(order)} are shown)" if len(shown) < len(order) else ""
    figure = blank("When each neuron became periodic", STEP, f"neuron, earliest at the bottom{some}")
    if not np.isfinite(share).any():
        return say(figure, "how periodic the neurons are is not known")
    hover = [[[int(i), mark] for mark in dynamics.parts.marks(frequency[:, i])] for i in shown]
    z = [rounded(share[:, i], 3) for i in shown]
    heat = plotly().Heatmap(x=steps, z=z, zmin=0, zmax=1, customdata=hover)
    heat.update(colorscale="Cividis", colorbar={"title": {"text": "share"}, "tickformat": ".0%"})
    place = dynamics.parts.place("%{customdata[1]}")
    text = f"neuron %{{customdata[0]}}, step %{{x}}<br>%{{z:.1%}} of it {place}"
    figure.add_trace(heat.update(hovertemplate=f"{text}<extra></extra>"))
    figure.update_layout(hovermode="closest", height=560, yaxis={"showticklabels": False, "ticks": ""})
    return _ends(figure, dynamics, "#FFFFFF")


def _thinned(items: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the items, evenly spaced."""
    most = max(most, 1)
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).round().astype(int)]


def _ends(figure: Figure, dynamics: Dynamics, colour: str) -> Figure:
    """A line at the step by which each stage is over, with its name above; of those at one step, all names.

    Names that would overlap stand one above the other.
    """
    names: dict[int, list[str]] = {}
    for stage in dynamics.stages:
        if stage.end.after is not None:
            names.setdefault(stage.end.after, []).append(stage.name)
    rows: list[float] = []  # where the last name of each row ends
    for step, ended in sorted(names.items()):
        text = f"end of {', '.join(ended)}"
        half = LETTER * len(text) * float(dynamics.steps[-1] - dynamics.steps[0]) / 2
        row = next((i for i, taken in enumerate(rows) if taken <= step - half), len(rows))
        rows[row : row + 1] = [step + half]
        line = {"color": colour, "width": 1.5, "dash": "dot"}
        place = {"annotation_position": "top", "annotation_font_size": 10, "annotation_yshift": ROW * row}
        figure.add_vline(x=step, line=line, annotation_text=text, **place)
    return figure.update_layout(margin_t=50 + ROW * max(len(rows) - 1, 0))


def alignment_curve(dynamics: Dynamics) -> Figure:
    """Alignment of the periodic neurons' phases with the rule over training: R, and the median absolute residual."""
    steps, alignment = dynamics.steps.tolist(), dynamics.alignment.to_dict()
    figure = blank("Phase alignment of the periodic neurons", STEP, "resultant length R (1 = all the same)")
    if all(value is None for value in alignment["resultant"]):
        return say(figure, "no periodic neuron has phases of its own")
    rows = zip(*(alignment[name] for name in ("n", "direction", "p_value")), strict=True)
    hover = [[n, *(f"{v:.2g}" if v is not None else "–" for v in rest)] for n, *rest in rows]
    points = {"mode": "lines+markers", "marker": {"size": 5}, "customdata": hover, "width": 2.5}
    first = line(steps, alignment["resultant"], "R", WINNER, **points)
    text = "%{y:.3f} of %{customdata[0]} neurons, direction %{customdata[1]} rad, Rayleigh p=%{customdata[2]}"
    points = {
        "mode": "lines+markers",
        "marker": {"size": 5, "symbol": "diamond"},
        "dash": "dash",
        "yaxis": "y2",
    }
    second = line(steps, alignment["median"], "median |residual|", "#D55E00", **points)
    ends, flat = (steps[0], steps[-1]), {"width": 1, "dash": "dot", "hoverinfo": "skip", "yaxis": "y2"}
    random = line(ends, [np.pi / 2] * 2, "median of random phases", NEUTRAL, digits=17, **flat)
    second.hovertemplate = "%{y:.3f} rad"
    figure.add_traces([first.update(hovertemplate=text), second, random])
    axis = {"overlaying": "y", "side": "right", "showgrid": False, "range": [0, np.pi * 1.02]}
    ticks = {"tickvals": [k * np.pi / 4 for k in range(5)], "ticktext": ["0", "π/4", "π/2", "3π/4", "π"]}
    axis["title"] = {"text": "median |left + right − output| (rad)"}
    figure.update_layout(yaxis={"range": [0, 1.02]}, yaxis2={**axis, **ticks})
    return _ends(figure, dynamics, NEUTRAL)


def animated_scatter(dynamics: Dynamics, y_name: str, y_title: str) -> Figure:
    """All neurons at one checkpoint after another, coloured by label; a button plays them, a slider picks one.

    Args:
        dynamics: Of which the IPR is drawn along the horizontal axis.
        y_name: The column along the vertical axis.
        y_title: Its title, with its unit.
    """
    steps, labels = dynamics.steps.tolist(), dynamics.columns["label"]
    x, y = dynamics.columns["ipr"], dynamics.columns[y_name]
    kept = _thinned(np.arange(x.shape[1]), MOST_POINTS // max(len(steps), 1))
    some = f" ({len(kept)} of {x.shape[1]})" if len(kept) < x.shape[1] else ""
    figure = blank(f"Neurons over training{some}", f"IPR (1 = one pure {dynamics.parts.noun})", y_title)
    if not (np.isfinite(x) & np.isfinite(y)).any():
        return say(figure, "the neurons' values are not known")
    clouds = [_cloud(x[i, kept], y[i, kept], labels[i, kept], kept) for i in range(len(steps))]
    figure.add_trace(clouds[0])  # it has all colours, so its legend is made of empty traces
    figure.add_traces([key(label, **label_marker(label) | {"size": 8, "opacity": None}) for label in LABELS])
    figure.frames = [
        plotly().Frame(data=[cloud], name=str(step), traces=[0])
        for step, cloud in zip(steps, clouds, strict=True)
    ]
    legend = {"itemclick": False, "itemdoubleclick": False}
    figure.update_layout(hovermode="closest", height=620, legend=legend)
    figure.update_xaxes(range=_span(x[:, kept]), domain=[0, 1])
    figure.update_yaxes(range=_span(y[:, kept]), domain=[0.3, 1])
    return _controls(figure, steps)


def _cloud(x: np.ndarray, y: np.ndarray, labels: np.ndarray, neurons: np.ndarray) -> Any:
    """The neurons of one checkpoint; their ids let an animation follow each."""
    trace = plotly().Scatter(x=rounded(x, 4), y=rounded(y, 4), mode="markers", showlegend=False)
    colours, symbols = ([getattr(LABELS[str(label)], of) for label in labels] for of in ("colour", "symbol"))
    trace.update(marker={"color": colours, "symbol": symbols, "size": 7, "opacity": 0.75})
    hover = [f"neuron {i}, {label}" for i, label in zip(neurons, labels, strict=True)]
    trace.update(ids=[str(i) for i in neurons], text=hover)
    return trace.update(hovertemplate="<b>%{text}</b><br>%{x:.4g}, %{y:.4g}<extra></extra>")


def _span(values: np.ndarray) -> list[float]:
    """A range that holds all values, with some room."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.5
    return [low - room, high + room]


def _controls(figure: Figure, steps: Sequence[int]) -> Figure:
    """A button that plays the frames and one that stops them, above a slider that picks one; nothing starts alone."""
    timing = {"frame": {"duration": DURATION, "redraw": False}, "transition": {"duration": DURATION // 2}}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    buttons = [
        {"label": "Play", "method": "animate", "args": [None, {**timing, "fromcurrent": True}]},
        {"label": "Pause", "method": "animate", "args": [[None], stop]},
    ]
    places = [{"label": str(step), "method": "animate", "args": [[str(step)], stop]} for step in steps]
    slider = {"active": 0, "steps": places, "x": 0.14, "len": 0.86, "y": 0.16, "yanchor": "top"}
    slider |= {"currentvalue": {"prefix": "step "}, "pad": {"t": 0, "b": 0}}
    menu = {"type": "buttons", "buttons": buttons, "showactive": False, "direction": "down"}
    menu |= {"x": 0, "xanchor": "left", "y": 0.16, "yanchor": "top", "pad": {"t": 0}}
    return figure.update_layout(updatemenus=[menu], sliders=[slider])


def frequency_race(dynamics: Dynamics, neuron: int) -> Figure:
    """Amplitudes of the waves in one neuron's weights over training, and the phase residuals of the largest.

    In front is the frequency of the last checkpoint at which the neuron was periodic; the main one at the end if it
    never was.
    """
    assert dynamics.components is not None
    steps = dynamics.steps.tolist()
    amplitude, residual = (values[:, neuron] for values in dynamics.components)
    when = np.flatnonzero(dynamics.development.periodic[:, neuron])
    winner = int(dynamics.columns["frequency"][when[-1] if len(when) else -1, neuron])
    winner = winner if 1 <= winner <= amplitude.shape[1] else int(amplitude[-1].argmax()) + 1
    figure = blank(
        f"Neuron {neuron}: race of the {dynamics.parts.plural}", "", "amplitude (units of the weights)"
    )
    phases = np.isfinite(residual[:, winner - 1]).any()
    if phases:
        panes = {"shared_xaxes": True, "vertical_spacing": 0.06, "row_heights": [0.65, 0.35]}
        figure.set_subplots(rows=2, cols=1, **panes)
    strongest = np.argsort(-amplitude.max(0), kind="stable") + 1
    rivals = [int(k) for k in strongest if k != winner][: len(RIVALS)]
    others = [int(k) for k in strongest if k != winner and k not in rivals]
    parts = dynamics.parts
    traces = [_faint(steps, amplitude, others, parts)] if others else []
    racing = [(k, colour, 1.8) for k, colour in zip(rivals, RIVALS, strict=False)] + [(winner, WINNER, 3.5)]
    traces += [_wave(steps, amplitude, parts, *one) for one in racing]
    figure.add_traces(traces, **({"rows": [1] * len(traces), "cols": [1] * len(traces)} if phases else {}))
    if phases:
        for one in racing:
            figure.add_trace(_phases(steps, residual, *one), row=2, col=1)
        ticks = {"tickvals": [-np.pi, 0, np.pi], "ticktext": ["−π", "0", "π"], "range": [-3.4, 3.4]}
        figure.update_yaxes(title_text="residual (rad)", **ticks, row=2, col=1)
        figure.update_yaxes(title_text="amplitude (units of the weights)", row=1, col=1)
    figure.update_xaxes(title_text=STEP, row=2 if phases else None, col=1 if phases else None)
    return figure.update_layout(height=620 if phases else 460, hovermode="closest")


def _wave(
    steps: Sequence[int], amplitude: np.ndarray, parts: Parts, number: int, colour: str, width: float
) -> Any:
    name = parts.title(number)
    points = {
        "mode": "lines+markers",
        "marker": {"size": 4},
        "legendgroup": name,
        "digits": 4,
        "width": width,
    }
    trace = line(steps, amplitude[:, number - 1], name, colour, **points)
    return trace.update(hovertemplate=f"{name}{parts.cycles}, step %{{x}}: %{{y:.4g}}<extra></extra>")


def _faint(steps: Sequence[int], amplitude: np.ndarray, numbers: Sequence[int], parts: Parts) -> Any:
    """All other amplitudes as one trace, with gaps between them."""
    x = [step for _ in numbers for step in (*steps, None)]
    y = [value for k in numbers for value in (*amplitude[:, k - 1], None)]
    names = [k for k in parts.marks(numbers) for _ in range(len(steps) + 1)]
    style = {"width": 1, "digits": 3, "customdata": names}
    trace = line(x, y, f"other {parts.plural}", faded(NEUTRAL, 0.45), **style)
    return trace.update(
        hovertemplate=f"{parts.marked('%{customdata}')}, step %{{x}}: %{{y:.3g}}<extra></extra>"
    )


def _phases(steps: Sequence[int], residual: np.ndarray, frequency: int, colour: str, width: float) -> Any:
    y, name = rounded(residual[:, frequency - 1], 4), f"phases at frequency {frequency}"
    trace = plotly().Scatter(x=list(steps), y=y, name=name, mode="markers", showlegend=False)
    trace.update(marker={"color": colour, "size": 2 + 1.5 * width}, legendgroup=f"frequency {frequency}")
    text = f"frequency {frequency}: left + right − output = %{{y:.3f}} rad at step %{{x}}<extra></extra>"
    return trace.update(hovertemplate=text)
