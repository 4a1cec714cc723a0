"""Accuracy, loss and structure over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.analysis.series_columns import CHANGE_PANEL, SEPARABILITY_PANEL, SERIES_COLUMNS, SHARES_PANEL
from interp.data.splits import SPLITS
from interp.plots.canvas import HOVER_WIDTH, NEUTRAL, SHOWN_AT_FIRST, blank, faded, in_percent, line
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.analysis.trajectory import Trajectory
    from probes.stages import Stage

Records = Sequence[Mapping[str, Any]]

FEW_DECADES = 1e3
TITLE_BELOW = 14
"""Pixels from the upper edge to the title."""
STAGE_COLOURS = {
    "memorisation": "#D55E00",
    "circuit formation": "#009E73",
    "clean-up": "#0072B2",
    "grokking": "#0072B2",
    "learning": "#56B4E9",
    "unlearning": "#E69F00",
}
SCORES = {"ipr": "mean IPR", "activation_share": "mean share at one frequency"}
STRUCTURE = {
    "embedding_gini": ("embedding Gini", "#E69F00", "dash"),
    "logit_gini": ("logit Gini", "#CC79A7", "dash"),
    "logit_variance_explained": ("logits explained", "#009E73", "dot"),
}
CIRCUIT_LOSSES = {
    "restricted_loss": ("restricted loss", "#56B4E9"),
    "excluded_loss": ("excluded loss", "#D55E00"),
}


def training_curve(history: Iterable[Mapping[str, Any]]) -> Figure:
    """Accuracy on every split over training, and the loss on a second, logarithmic axis.

    Args:
        history: Records of ``step``, ``loss`` and ``accuracy`` by split; values may be None.
    """
    records = list(history)
    figure = blank("Training", "training step (updates)", "accuracy (%)")
    steps = [record["step"] for record in records]
    for name, split in SPLITS.items():
        values = [record["accuracy"].get(name) for record in records]
        if any(value is not None for value in values):
            shown = {"visible": True if name in SHOWN_AT_FIRST else "legendonly", "hovertemplate": "%{y:.1%}"}
            figure.add_trace(line(steps, values, split.title, split.colour, width=2.5, mode=None, **shown))
    losses = [record.get("loss") or np.nan for record in records]  # a loss of 0 has no logarithm
    second = {"yaxis": "y2", "hovertemplate": "%{y:.3g}"}
    figure.add_trace(line(steps, losses, "loss", NEUTRAL, width=1.5, dash="dot", mode=None, **second))
    known = [loss for loss in losses if np.isfinite(loss)]
    few_decades = not known or max(known) / min(known) < FEW_DECADES
    axis = {"overlaying": "y", "side": "right", "showgrid": False, "title": {"text": "loss (log scale)"}}
    ticks = {"type": "log", "tickformat": "~g", "dtick": "D2" if few_decades else 1}
    return in_percent(figure).update_layout(yaxis2={**axis, **ticks})


def trajectory_curves(trajectory: Trajectory) -> Figure:
    """The development of a network: stages, accuracies, neurons by label, structure, separability, losses and weights.

    Stages are shaded through all panels and named in the first, where touching one gives its reason. A panel that
    nothing is known of is left out.
    """
    records, stages = trajectory.records, trajectory.stages
    panels = {
        "stage": [_bar(stage, records) for stage in reversed(stages)],  # the first one on top
        "accuracy (%)": _accuracies(records),
        "neurons (count)": _labels(records),
        SHARES_PANEL: _structure(records) + _columns(records, SHARES_PANEL),
        SEPARABILITY_PANEL: _columns(records, SEPARABILITY_PANEL),
        "cross-entropy (nats)": _losses(records),
        CHANGE_PANEL: _columns(records, CHANGE_PANEL),
        "weights (norm)": _curve(records, ("weight_norm",), "weight norm", NEUTRAL),
    }
    shown = {name: traces for name, traces in panels.items() if traces}
    x = "training step (as numbered in the files)"
    figure = blank("Over training", x, "")
    if not shown:
        return figure.update_yaxes(title_text="nothing is known")
    heights = [30 + 22 * len(traces) if name == "stage" else 200 for name, traces in shown.items()]
    panes = {"shared_xaxes": True, "vertical_spacing": 0.03, "row_heights": heights}
    figure.set_subplots(rows=len(shown), cols=1, **panes)
    axes: dict[str, dict[str, Any]] = {
        "accuracy (%)": {"tickformat": ".0%", "range": [-0.02, 1.02]},
        "cross-entropy (nats)": {"type": "log", "tickformat": "~g"},
    }
    for row, (name, traces) in enumerate(shown.items(), 1):
        figure.add_traces(traces, rows=[row] * len(traces), cols=[1] * len(traces))
        figure.update_yaxes(title_text=name, row=row, col=1, **axes.get(name, {}))
    figure.update_xaxes(title_text="", showticklabels=True)
    figure.update_xaxes(title_text=x, row=len(shown), col=1)
    for stage in stages:
        _shade(figure, stage, records)
    height = sum(heights) + 60 * len(shown)
    figure.update_layout(title_y=1 - TITLE_BELOW / height, legend={"font_size": 11, "traceorder": "normal"})
    return figure.update_layout(height=height)


def _curve(
    records: Records, keys: tuple[str, ...], name: str, colour: str, hover: str = "%{y:.4g}", **style: Any
) -> list[Any]:
    """One line over training, of the number at the end of the keys; none if no value is known."""
    values: list[Any] = list(records)
    for entry in keys:
        values = [None if value is None else value.get(entry) for value in values]
    if all(value is None for value in values):
        return []
    if "loss" in keys[0]:
        values = [value or None for value in values]  # 0 has no logarithm
    points = {"mode": "lines+markers", "marker": {"size": 4}, "hovertemplate": hover}
    return [line([record["step"] for record in records], values, name, colour, **points, **style)]


def _accuracies(records: Records) -> list[Any]:
    curves = {
        name: curve
        for name, split in SPLITS.items()
        for curve in _curve(records, ("accuracy", name), split.title, split.colour, "%{y:.1%}")
    }
    for name, curve in curves.items() if len(curves) > 1 else ():
        curve.visible = True if name in SHOWN_AT_FIRST else "legendonly"
    return list(curves.values())


def _labels(records: Records) -> list[Any]:
    return [
        curve.update(mode="lines", stackgroup="labels", fillcolor=faded(label.colour, 0.5))
        for name, label in LABELS.items()
        for curve in _curve(records, ("counts", name), f"{name} neurons", label.colour, "%{y}", width=0.5)
    ]


def _structure(records: Records) -> list[Any]:
    score = SCORES.get(str(records[-1].get("score")) if records else "")
    series = {"mean_score": (score, "#0072B2", "solid")} if score else {}
    return [
        curve
        for name, (title, colour, dash) in (series | STRUCTURE).items()
        for curve in _curve(records, (name,), str(title), colour, dash=dash)
    ]


def _columns(records: Records, panel: str) -> list[Any]:
    return [
        curve
        for name, column in SERIES_COLUMNS.items()
        if column.panel == panel
        for curve in _curve(records, (name,), column.title, column.colour)
    ]


def _losses(records: Records) -> list[Any]:
    splits = {
        ("loss", name): (f"{name} loss", SPLITS[name].colour, "dot") for name in ("train", "test", "all")
    }
    circuit = {(name,): (title, colour, "solid") for name, (title, colour) in CIRCUIT_LOSSES.items()}
    return [
        curve
        for keys, (title, colour, dash) in (splits | circuit).items()
        for curve in _curve(records, keys, title, colour, dash=dash)
    ]


def span_of(stage: Stage, first: int, last: int) -> tuple[int, int]:
    """From which step to which a stage is drawn: of a change between two checkpoints, both.

    Example:
        >>> from probes.stages import Boundary, Stage
        >>> span_of(Stage("", Boundary(0, 10), Boundary(20, None), ""), 0, 20)
        (10, 20)
        >>> span_of(Stage("", Boundary(10, 20), Boundary(10, 20), ""), 0, 20)
        (10, 20)
    """
    before, after = stage.begin.before, stage.begin.after
    end = last if stage.end.after is None else stage.end.after
    begin = after if after is not None and after < end else before
    return (first if begin is None else begin), end


def _bar(stage: Stage, records: Records) -> Any:
    """A stage as a thick line."""
    colour, name = STAGE_COLOURS.get(stage.name, NEUTRAL), stage.name
    span = span_of(stage, records[0]["step"], records[-1]["step"])
    reason = "<br>".join(wrap(stage.reason, HOVER_WIDTH))
    style = {"mode": "lines+markers", "marker": {"size": 10}, "showlegend": False}
    trace = line(span, [0, 0], name, colour, width=10, customdata=[reason] * 2, **style)
    return trace.update(y=[name] * 2, hovertemplate="%{customdata}<extra></extra>")


def _shade(figure: Figure, stage: Stage, records: Records) -> None:
    """A stage's colour behind all panels."""
    x0, x1 = span_of(stage, records[0]["step"], records[-1]["step"])
    colour = STAGE_COLOURS.get(stage.name, NEUTRAL)
    style = {"fillcolor": faded(colour, 0.1), "line": {"color": faded(colour, 0.5), "width": 1}}
    shape = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    figure.add_shape(**shape, x0=x0, x1=x1, name=stage.name, **style)
