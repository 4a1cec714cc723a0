"""Memory of a language model: sequences, neurons by layer, and removals beside random neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from interp.language.methods import METHODS
from interp.language.records import (
    CHOSEN,
    CONTROLS,
    OTHERS,
    SAME_GROUP,
    VERDICTS,
    GroupMemory,
    LanguageReport,
    RemovalPoint,
)
from interp.markup import brief_share
from interp.measuring.band import INTERVAL
from interp.plots.canvas import NEUTRAL, add_menu, band, blank, in_percent, line, plotly, rounded, say
from interp.terminal import printable
from probes.labels import LABELS, MEMORIZING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = dict(zip(VERDICTS, ("#D55E00", "#E69F00", "#0072B2", NEUTRAL), strict=True))
"""Of each verdict."""
PARTS = {
    CHOSEN: ("sequences that chose the neurons", "#D55E00"),
    SAME_GROUP: ("other half of the group", "#E69F00"),
    OTHERS: ("other memorised sequences", "#0072B2"),
    CONTROLS: ("held-out and controls", "#009E73"),
}
"""Title and colour of each part of the sequences."""
METHOD_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#999933", "#882255", "#44AA99")
DEFAULT_SHARE = 0.005
LOGARITHMIC = {"type": "log", "tickvals": [m * 10.0**k for k in range(-3, 12) for m in (1, 2, 5)]}
REMOVED = "#56B4E9"


def memory_scatter(report: LanguageReport) -> Figure:
    """Every sequence by the share of its continuation that is predictable and its accuracy on the rest."""
    x, y = ("share that a reference guesses (%)", "accuracy on the other tokens (%)")
    table = report.memory
    figure = blank("Guessed and recalled", x, y)
    named = "recalled" if "recalled" in table.columns else "accuracy"
    known = "guessed" in table.columns
    for verdict in VERDICTS:
        rows = np.flatnonzero(table["verdict"] == verdict)
        if not len(rows):
            continue
        guessed = table["guessed"][rows] if known else np.zeros(len(rows))
        who = [
            [row, _safe(str(table["group"][row] or "–")), _safe(report.sequences.begins(row))]
            for row in rows.tolist()
        ]
        shown = "sequence %{customdata[0]} (group %{customdata[1]}): %{y:.1%} recalled, %{x:.1%} guessed"
        drawn: dict[str, Any] = {"mode": "markers", "digits": 4, "customdata": who}
        drawn["hovertemplate"] = f"{shown}<br>%{{customdata[2]}}"
        points = line(rounded(guessed), table[named][rows], verdict, COLOURS[verdict], **drawn)
        figure.add_trace(points.update(marker={"size": 9, "opacity": 0.75}))
    figure.update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
    return in_percent(figure.update_layout(hovermode="closest"))


def units_by_layer(group: GroupMemory) -> Figure:
    """Numbers of units in each layer: removed ones, labelled ones, and the highest of every method, as many."""
    scores = group.scores
    count = len(group.removed) or max(1, round(DEFAULT_SHARE * len(scores)))
    chosen: dict[str, tuple[np.ndarray, str]] = {}
    if len(group.removed):
        chosen[f"removed ({len(group.removed)})"] = group.removed, REMOVED
    if scores.label is not None and (labelled := np.flatnonzero(scores.label == MEMORIZING)).size:
        chosen[f"labelled {MEMORIZING} ({len(labelled)})"] = labelled, LABELS[MEMORIZING].colour
    for place, method in enumerate(scores.scores):
        colour = METHOD_COLOURS[place % len(METHOD_COLOURS)]
        chosen[f"top {count} by {_title(method)}"] = scores.top(method, count), colour
    return layer_bars(scores.layer, chosen, scores.kind)


def layer_bars(
    layer: Int[np.ndarray, " unit"], chosen: Mapping[str, tuple[Int[np.ndarray, " chosen"], str]], kind: str
) -> Figure:
    """Numbers of chosen units in each layer; the first two choices are shown, others can be switched on.

    Args:
        layer: Of each unit.
        chosen: By name, units and their colour.
        kind: One of `interp.language.sites.KINDS`.
    """
    figure = blank("Where they are", "layer", f"{kind} in the layer")
    layers = np.arange(int(layer.max()) + 1) if len(layer) else np.arange(0)
    for place, (name, (units, colour)) in enumerate(chosen.items()):
        counts = np.bincount(layer[units], minlength=len(layers))
        bars = plotly().Bar(x=layers.tolist(), y=counts.tolist(), name=name, marker={"color": colour})
        shown = True if place < 2 else "legendonly"
        figure.add_trace(bars.update(visible=shown, hovertemplate="%{y}"))
    return figure.update_layout(barmode="group", bargap=0.2)


def removal_curves(group: GroupMemory) -> Figure:
    """Accuracy and perplexity of every part by the share removed, one method at a time, beside random units."""
    figure = _panels("Taking neurons out", "share taken out")
    owners: list[int] = []
    methods = sorted(group.curves, key=lambda method: method != group.best)
    for owner, method in enumerate(methods):
        points = [group.before, *group.curves[method]]
        traces = _traces(points, [_share(point) for point in points])
        figure.add_traces(traces)
        owners += [owner] * len(traces)
    if not owners:
        return say(figure, "no removal was measured")
    figure.update_xaxes(type="category")
    names = {
        owner: _title(method) + " (best)" * (method == group.best) for owner, method in enumerate(methods)
    }
    return add_menu(figure, owners, names) if len(methods) > 1 else figure


def dose_curves(group: GroupMemory) -> Figure:
    """Accuracy and perplexity of every part by the factor on the removed units' activations."""
    figure = _panels("Rescaling them", "factor on their activations")
    points = sorted(group.doses, key=lambda point: point.factor)
    if not any(point.factor == 1 for point in points):
        points = sorted([*points, _unchanged(group.before)], key=lambda point: point.factor)
    return figure.add_traces(_traces(points, [point.factor for point in points]))


def method_tradeoff(group: GroupMemory) -> Figure:
    """Memory that is left against harm to controls, a line through the shares for every method."""
    part = SAME_GROUP if group.crossfitted and SAME_GROUP in group.before.accuracy else CHOSEN
    figure = blank(
        "Methods compared", "perplexity of controls, times that before", f"accuracy, {PARTS[part][0]} (%)"
    )
    before = group.before.nll.get(CONTROLS)
    if before is None:
        return say(figure, "there are no held-out sequences or controls")
    for place, (method, points) in enumerate(group.curves.items()):
        all_points = [_unchanged(group.before), *points]
        harm = [float(np.exp(point.nll[CONTROLS] - before)) for point in all_points]
        left = [point.accuracy[part] for point in all_points]
        colour = METHOD_COLOURS[place % len(METHOD_COLOURS)]
        shares = [_share(point) for point in all_points]
        shown = "%{customdata} taken out: accuracy %{y:.1%}, perplexity of controls × %{x:.3g}"
        drawn: dict[str, Any] = {"mode": "lines+markers", "customdata": shares, "hovertemplate": shown}
        figure.add_trace(line(rounded(harm), left, _title(method), colour, **drawn))
    return in_percent(figure.update_layout(hovermode="closest", xaxis=LOGARITHMIC))


def relearning_lines(group: GroupMemory) -> Figure:
    """Accuracy after each step of learning the removed memories again, beside sequences that were never seen."""
    figure = blank("Learning it again", "training steps", "accuracy (%)")
    relearning = group.relearning or {}
    titles = {"removed": ("what was taken out", "#D55E00"), "unseen": ("never seen", NEUTRAL)}
    for name, curve in relearning.get("accuracy", {}).items():
        title, colour = titles.get(name, (name, NEUTRAL))
        figure.add_trace(
            line(range(len(curve)), curve, title, colour, mode="lines+markers", hovertemplate="%{y:.1%}")
        )
    if relearning.get("level") is not None:
        style = {"color": NEUTRAL, "width": 1, "dash": "dot"}
        figure.add_hline(
            y=relearning["level"], line=style, annotation={"text": "relearnt", "font": {"size": 11}}
        )
    return in_percent(figure)


def _unchanged(before: RemovalPoint) -> RemovalPoint:
    return RemovalPoint(0.0, 0, 1.0, before.accuracy, before.nll, {}, {})


def _share(point: RemovalPoint) -> str:
    return brief_share(point.share)


def _panels(title: str, x: str) -> Figure:
    """Accuracy above perplexity, on one horizontal axis."""
    figure = blank(title, x, "accuracy (%)")
    figure.update_layout(
        height=640,
        yaxis={"domain": [0.54, 1.0], "tickformat": ".0%", "range": [-0.02, 1.02]},
        yaxis2={"domain": [0.0, 0.46], "title": {"text": "perplexity"}, "anchor": "x", **LOGARITHMIC},
        xaxis={"anchor": "y2"},
    )
    return figure


def _traces(points: Sequence[RemovalPoint], x: list[Any]) -> list[Any]:
    """Both panels' lines of every part, with random units where they were drawn."""
    traces: list[Any] = []
    for part, (title, colour) in PARTS.items():
        if part not in points[0].accuracy:
            continue
        shared = {"legendgroup": part}
        for axis, values, random, show in (
            ("y", "accuracy", "random_accuracy", "%{y:.1%}"),
            ("y2", "nll", "random_nll", "%{y:.4g}"),
        ):
            turned = np.exp if axis == "y2" else np.asarray
            measured = turned([getattr(point, values)[part] for point in points])
            ends = [_band(getattr(point, random), getattr(point, values), point, part) for point in points]
            known = [(at, *end) for at, end in zip(x, ends, strict=True) if end is not None]
            if len(known) > 1:
                at, mean, low, high = zip(*known, strict=True)
                drawn = {**shared, "yaxis": axis}
                traces += band(at, turned(low), turned(high), f"{title}, random", colour, **drawn)
                traces.append(
                    line(at, turned(mean), f"{title}, random", colour, width=1.5, dash="dash", showlegend=False,
                         hovertemplate=f"{show} on average ({INTERVAL} of draws in the band)", **drawn)
                )  # fmt: skip
            traces.append(
                line(x, measured, title, colour, width=2.5, mode="lines+markers", showlegend=axis == "y",
                     yaxis=axis, hovertemplate=show, **shared)
            )  # fmt: skip
    return traces


def _band(
    random: Mapping[str, Any], measured: Mapping[str, float], point: RemovalPoint, part: str
) -> tuple[float, float, float] | None:
    """Mean and ends of the random control; a removal of nothing is its own."""
    if not point.n:
        return (measured[part],) * 3
    one = random.get(part)
    return None if one is None else (float(one.mean), float(one.low), float(one.high))


def _title(method: str) -> str:
    return METHODS[method].title if method in METHODS else _safe(method)


def _safe(text: str) -> str:
    """Text from a file as a figure may show it: Plotly takes some tags for its own."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
