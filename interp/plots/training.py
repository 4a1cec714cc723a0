"""Accuracy, loss and structure over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import (
    HOVER_WIDTH,
    LABEL_COLOURS,
    NEUTRAL,
    SPLIT_COLOURS,
    blank,
    faded,
    plotly,
    rounded,
    words,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
STRUCTURE = {
    "mean_score": ("", "#0072B2", "solid"),
    "embedding_gini": ("embedding Gini", "#E69F00", "dash"),
    "logit_gini": ("logit Gini", "#CC79A7", "dash"),
    "logit_variance_explained": ("logits explained", "#009E73", "dot"),
}
SCORES = {"ipr": "mean IPR", "activation_share": "mean share at one frequency"}
LOSS_COLOURS = {"train": "#CC79A7", "test": "#0072B2", "all": "#009E73"}
CIRCUIT_LOSSES = {
    "restricted_loss": ("restricted loss", "#56B4E9"),
    "excluded_loss": ("excluded loss", "#D55E00"),
}


def training_curve(history: Iterable[Mapping[str, Any]]) -> Figure:
    """Accuracy on every split over training, and the loss on a second, logarithmic axis.

    Args:
        history: Records of ``step``, ``loss`` and ``accuracy`` by split; values may be None.
    """
    go, records = plotly(), list(history)
    figure = blank("Training", "training step (updates)", "accuracy (%)")
    steps = [record["step"] for record in records]
    for split, colour in SPLIT_COLOURS.items():
        values = [record["accuracy"].get(split) for record in records]
        if any(value is not None for value in values):
            shown = True if split in ("train", "test", "corrupted_as_labelled") else "legendonly"
            trace = go.Scatter(x=steps, y=rounded(values), name=words(split), visible=shown)
            trace.update(line={"color": colour, "width": 2.5}, hovertemplate="%{y:.1%}")
            figure.add_trace(trace)
    losses = [record.get("loss") or np.nan for record in records]  # a loss of 0 has no logarithm
    trace = go.Scatter(x=steps, y=rounded(losses), name="loss", yaxis="y2", hovertemplate="%{y:.3g}")
    figure.add_trace(trace.update(line={"color": NEUTRAL, "width": 1.5, "dash": "dot"}))
    known = [loss for loss in losses if np.isfinite(loss)]
    few_decades = not known or max(known) / min(known) < FEW_DECADES
    second = {"overlaying": "y", "side": "right", "showgrid": False, "title": {"text": "loss (log scale)"}}
    ticks = {"type": "log", "tickformat": "~g", "dtick": "D2" if few_decades else 1}
    figure.update_layout(yaxis={"tickformat": ".0%", "range": [-0.02, 1.02]}, yaxis2={**second, **ticks})
    return figure


def trajectory_curves(
    records: Sequence[Mapping[str, Any]], stages: Sequence[Mapping[str, Any]] = ()
) -> Figure:
    """How a network developed: stages, accuracies, neurons by label, structure, losses and the weights' norm.

    Stages are shaded through all panels and named in the first, where touching one gives its reason. A panel that
    nothing is known of is left out.

    Args:
        records: As in `interp.analysis.trajectory.Trajectory`, one a checkpoint.
        stages: Their ``to_dict()``: ``name``, ``begin_interval``, ``end_interval`` and ``reason``.
    """
    panels = {
        "stage": _stage_traces(records, stages),
        "accuracy (%)": _accuracy_traces(records),
        "neurons (count)": _label_traces(records),
        "structure (share)": _structure_traces(records),
        "cross-entropy (nats)": _loss_traces(records),
        "weights (norm)": [_line(records, "weight norm", _series(records, "weight_norm"), NEUTRAL)],
    }
    shown = {name: [trace for trace in traces if trace] for name, traces in panels.items()}
    shown = {name: traces for name, traces in shown.items() if traces}
    x = "training step (as numbered in the files)"
    figure = blank("Over training", x, "")
    if not shown:
        return figure.update_yaxes(title_text="nothing is known")
    heights = [30 + 22 * len(t) if n == "stage" else 200 for n, t in shown.items()]
    figure.set_subplots(
        rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=heights
    )
    for row, (name, traces) in enumerate(shown.items(), 1):
        figure.add_traces(traces, rows=[row] * len(traces), cols=[1] * len(traces))
        figure.update_yaxes(title_text=name, row=row, col=1)
        if name == "accuracy (%)":
            figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.02], row=row, col=1)
        if name.startswith("cross-entropy"):
            figure.update_yaxes(type="log", tickformat="~g", row=row, col=1)
    figure.update_xaxes(title_text="", showticklabels=True)
    figure.update_xaxes(title_text=x, row=len(shown), col=1)
    for stage in stages:
        _shade(figure, stage, records)
    height = sum(heights) + 60 * len(shown)
    figure.update_layout(title_y=1 - TITLE_BELOW / height, legend={"font_size": 11, "traceorder": "normal"})
    return figure.update_layout(height=height)


def _series(records: Sequence[Mapping[str, Any]], name: str, inner: str | None = None) -> list[float | None]:
    values = [record.get(name) for record in records]
    return values if inner is None else [None if value is None else value.get(inner) for value in values]


def _line(
    records: Sequence[Mapping[str, Any]], name: str, values: list[float | None], colour: str, **line: Any
) -> Any:
    """A line over training; None if no value is known."""
    if all(value is None for value in values):
        return None
    steps = [record["step"] for record in records]
    trace = plotly().Scatter(x=steps, y=rounded(values), name=name, mode="lines+markers", marker={"size": 4})
    return trace.update(line={"color": colour, "width": 2, **line}, hovertemplate="%{y:.4g}")


def _accuracy_traces(records: Sequence[Mapping[str, Any]]) -> list[Any]:
    traces = []
    for split, colour in SPLIT_COLOURS.items():
        trace = _line(records, words(split), _series(records, "accuracy", split), colour)
        traces.append(None if trace is None else trace.update(hovertemplate="%{y:.1%}"))
    found = [trace for trace in traces if trace]
    for trace in found if len(found) > 1 else []:
        trace.visible = True if trace.name in ("train", "test", "corrupted as labelled") else "legendonly"
    return found


def _label_traces(records: Sequence[Mapping[str, Any]]) -> list[Any]:
    traces = []
    for label, colour in LABEL_COLOURS.items():
        trace = _line(records, f"{label} neurons", _series(records, "counts", label), colour)
        if trace:
            trace.update(mode="lines", stackgroup="labels", fillcolor=faded(colour, 0.5))
            traces.append(trace.update(hovertemplate="%{y}", line={"width": 0.5}))
    return traces


def _structure_traces(records: Sequence[Mapping[str, Any]]) -> list[Any]:
    traces, score = [], SCORES.get(str(records[-1].get("score")) if records else "")
    for name, (title, colour, dash) in STRUCTURE.items():
        if title or score:
            traces.append(_line(records, title or str(score), _series(records, name), colour, dash=dash))
    return traces


def _loss_traces(records: Sequence[Mapping[str, Any]]) -> list[Any]:
    series = {
        f"{split} loss": (_series(records, "loss", split), colour, "dot")
        for split, colour in LOSS_COLOURS.items()
    }
    series |= {
        title: (_series(records, name), colour, "solid") for name, (title, colour) in CIRCUIT_LOSSES.items()
    }
    return [
        _line(records, title, [value or None for value in values], colour, dash=dash)  # 0 has no logarithm
        for title, (values, colour, dash) in series.items()
    ]


def span_of(stage: Mapping[str, Any], first: int, last: int) -> tuple[int, int]:
    """From which step to which a stage is drawn: of a change between two checkpoints, both.

    Example:
        >>> span_of({"begin_interval": [0, 10], "end_interval": [20, None]}, 0, 20)
        (10, 20)
        >>> span_of({"begin_interval": [10, 20], "end_interval": [10, 20]}, 0, 20)
        (10, 20)
    """
    (before, after), (_, end) = stage["begin_interval"], stage["end_interval"]
    end = last if end is None else end
    begin = after if after is not None and after < end else before
    return (first if begin is None else begin), end


def _stage_traces(records: Sequence[Mapping[str, Any]], stages: Sequence[Mapping[str, Any]]) -> list[Any]:
    traces = []
    for stage in reversed(stages):  # the first one on top
        colour = STAGE_COLOURS.get(stage["name"], NEUTRAL)
        span = list(span_of(stage, records[0]["step"], records[-1]["step"]))
        trace = plotly().Scatter(x=span, y=[stage["name"]] * 2, name=stage["name"], showlegend=False)
        trace.update(mode="lines+markers", line={"color": colour, "width": 10}, marker={"size": 10})
        reason = "<br>".join(wrap(stage["reason"], HOVER_WIDTH))
        traces.append(trace.update(customdata=[reason] * 2, hovertemplate="%{customdata}<extra></extra>"))
    return traces


def _shade(figure: Figure, stage: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """A stage's colour behind all panels."""
    x0, x1 = span_of(stage, records[0]["step"], records[-1]["step"])
    colour = STAGE_COLOURS.get(stage["name"], NEUTRAL)
    line = {"color": faded(colour, 0.5), "width": 1}
    shape = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    figure.add_shape(**shape, x0=x0, x1=x1, name=stage["name"], fillcolor=faded(colour, 0.1), line=line)
