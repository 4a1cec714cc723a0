"""How many examples reach which memorisation score, how exact the scores are, and what neurons have to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, faded, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = {
    "wrong": ("wrong labels", SPLIT_COLOURS["corrupted_as_labelled"], "solid"),
    "right": ("right labels", SPLIT_COLOURS["test"], "solid"),
    "null": ("wrong labels, subsets shuffled", NEUTRAL, "dash"),
}
LEAST = 0.0002
"""Where the logarithmic axis begins, which has no place for 0; one example of thousands is more."""


def influence_figure(result: Any) -> Figure:
    """Two panels, three where neurons were looked at; bands and bars run from the lowest seed to the highest.

    Args:
        result: Of the study `influence`.
    """
    figure = blank(
        "Examples that are predicted only if trained on", "score of an example (-1 to 1)", "share (%)"
    )
    neurons = all(record.curves["costs"] for record in result.records)
    panels = 3 if neurons else 2
    wide = 1 / panels - 0.065
    places = [((wide + 0.0975) * i, (wide + 0.0975) * i + wide) for i in range(panels)]
    _tails(figure, result)
    figure.update_xaxes(domain=[0, places[0][1]], range=[-0.55, 1.05])
    figure.update_yaxes(
        type="log", range=[np.log10(LEAST), 0.08], tickformat="~%", title="examples that reach it (%)"
    )
    _errors(figure, result, places[1])
    if neurons:
        _costs(figure, result, places[2])
    return figure.update_layout(hovermode="closest", margin={"b": 110})


def _tails(figure: Figure, result: Any) -> None:
    x = result.records[0].curves["thresholds"]
    for kind, (name, colour, dash) in KINDS.items():
        curves = [record.curves["tails"][kind] for record in result.records]
        low, mean, high = _band(curves)
        figure.add_trace(_area(x, np.maximum(low, LEAST / 2), np.maximum(high, LEAST / 2), colour))
        line = plotly().Scatter(x=rounded(x), y=rounded(np.maximum(mean, LEAST / 2)), mode="lines", name=name)
        line.update(line={"color": colour, "width": 2.4, "dash": dash}, customdata=rounded(mean))
        figure.add_trace(line.update(hovertemplate="%{customdata:.2%} score %{x:.2f} or more"))


def _errors(figure: Figure, result: Any, place: tuple[float, float]) -> None:
    go, errors = plotly(), [record.curves["errors"] for record in result.records]
    sizes = np.asarray(errors[0]["networks"], float)
    for name, words, symbol, colour in (
        ("formula", "standard error", "circle", SPLIT_COLOURS["all"]),
        ("spread", "between two estimates", "diamond", SPLIT_COLOURS["corrupted_as_true"]),
    ):
        low, mean, high = _band([one[name] for one in errors])
        points = go.Scatter(
            x=sizes.tolist(), y=rounded(mean), mode="markers", name=words, xaxis="x2", yaxis="y2"
        )
        ends = {
            "array": rounded(np.nan_to_num(high - mean)),
            "arrayminus": rounded(np.nan_to_num(mean - low)),
        }
        points.update(error_y={"type": "data", "symmetric": False, "thickness": 1.2, **ends})
        points.update(marker={"color": colour, "symbol": symbol, "size": 9})
        figure.add_trace(points.update(hovertemplate="%{y:.3f} with %{x} networks"))
        if name == "formula" and np.isfinite(mean).any():
            last = np.flatnonzero(np.isfinite(mean))[-1]
            rule = mean[last] * np.sqrt(sizes[last] / sizes)
            line = go.Scatter(
                x=sizes.tolist(), y=rounded(rule), mode="lines", name="∝ 1/√K", xaxis="x2", yaxis="y2"
            )
            figure.add_trace(line.update(line={"color": NEUTRAL, "dash": "dot"}, hoverinfo="skip"))
    shown = [round(size) for size in sizes]
    figure.update_layout(
        xaxis2={
            "domain": place,
            "anchor": "y2",
            "type": "log",
            "tickvals": shown,
            "title": "networks K (number)",
        },
        yaxis2={"anchor": "x2", "type": "log", "title": "standard error of a score (0 to 1)", "nticks": 6},
    )


def _costs(figure: Figure, result: Any, place: tuple[float, float]) -> None:
    """A box for each kind of neuron, for the memorised examples and for as many random ones."""
    shown = (
        ("memorised", "high-scoring examples", LABEL_COLOURS["memorizing"]),
        ("random", "as many random examples", NEUTRAL),
    )
    for name, words, colour in shown:
        x: list[str] = []
        y: list[float | None] = []
        for record in result.records:
            for kind, costs in record.curves["costs"][name].items():
                x += [f"{kind}"] * len(costs)
                y += rounded(costs, 4)
        box = plotly().Box(x=x, y=y, name=f"cost to {words}", offsetgroup=name, xaxis="x3", yaxis="y3")
        box.update(
            marker={"color": colour, "size": 3, "opacity": 0.6}, line={"width": 1.4}, fillcolor=faded(colour)
        )
        figure.add_trace(box.update(hoverinfo="skip"))
    figure.update_layout(
        boxmode="group",
        xaxis3={"domain": place, "anchor": "y3", "title": "neurons by the audit's label"},
        yaxis3={"anchor": "x3", "title": "margin lost (logits)"},
    )


def _band(curves: Sequence[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lowest seed, the mean and the highest seed of each value; nan where a seed has none."""
    each = np.array(curves, float)
    return each.min(0), each.mean(0), each.max(0)


def _area(x: Sequence[float], low: np.ndarray, high: np.ndarray, colour: str) -> Any:
    area = plotly().Scatter(
        x=rounded([*x, *x[::-1]]), y=rounded([*high, *low[::-1]]), mode="lines", fill="toself"
    )
    return area.update(line={"width": 0}, fillcolor=faded(colour), hoverinfo="skip", showlegend=False)
