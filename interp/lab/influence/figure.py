"""Share of examples that reach each memorisation score, errors of the scores, and the neurons behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interp.data.splits import SPLITS
from interp.lab.panels import Figure, area, axes, dots, line, place_panel
from interp.plots.canvas import NEUTRAL, blank, faded, rounded
from probes.labels import LABELS

KINDS = {
    "wrong": ("wrong labels", SPLITS["corrupted_as_labelled"].colour, "solid"),
    "right": ("right labels", SPLITS["test"].colour, "solid"),
    "null": ("wrong labels, subsets shuffled", NEUTRAL, "dash"),
}
ERRORS = {
    "formula": ("standard error", {"symbol": "circle", "color": SPLITS["all"].colour}),
    "spread": ("between two estimates", {"symbol": "diamond", "color": SPLITS["corrupted_as_true"].colour}),
}
COSTS = {
    "memorised": ("high-scoring examples", LABELS["memorizing"].colour),
    "random": ("as many random examples", NEUTRAL),
}
LEAST = 0.0002  # the logarithmic axis has no place for 0; one example of thousands is more


def influence_figure(result: Any) -> Figure:
    """Two panels, three where neurons were looked at; bands and bars run from the lowest seed to the highest."""
    title = "Examples that are predicted only if trained on"
    figure = blank(title, "score of an example (-1 to 1)", "examples that reach it (%)")
    neurons = all(record.curves["costs"] for record in result.records)
    panels = 3 if neurons else 2
    wide = 1 / panels - 0.065
    places = [((wide + 0.0975) * i, (wide + 0.0975) * i + wide) for i in range(panels)]
    _tails(figure, result)
    share = {"type": "log", "range": [np.log10(LEAST), 0.08], "tickformat": "~%"}
    place_panel(figure, 1, places[0], {"range": [-0.55, 1.05]}, share)
    _errors(figure, result, places[1])
    if neurons:
        _costs(figure, result, places[2])
    return figure.update_layout(hovermode="closest", margin={"b": 110})


def _tails(figure: Figure, result: Any) -> None:
    x = result.records[0].curves["thresholds"]
    for kind, (name, colour, dash) in KINDS.items():
        low, mean, high = _band([record.curves["tails"][kind] for record in result.records])
        area(figure, x, np.maximum(low, LEAST / 2), np.maximum(high, LEAST / 2), colour)
        hover = {"customdata": rounded(mean), "hovertemplate": "%{customdata:.2%} score %{x:.2f} or more"}
        line(figure, x, np.maximum(mean, LEAST / 2), name, colour, dash=dash, width=2.4, **hover)


def _errors(figure: Figure, result: Any, place: tuple[float, float]) -> None:
    errors = [record.curves["errors"] for record in result.records]
    sizes = np.asarray(errors[0]["networks"], float)
    for name, (words, marker) in ERRORS.items():
        low, mean, high = _band([one[name] for one in errors])
        above, below = (rounded(np.nan_to_num(gap)) for gap in (high - mean, mean - low))
        ends = {"type": "data", "symmetric": False, "thickness": 1.2, "array": above, "arrayminus": below}
        look = {"error_y": ends, "hovertemplate": "%{y:.3f} with %{x} networks", **axes(2)}
        dots(figure, sizes.tolist(), rounded(mean), marker | {"size": 9}, name=words, **look)
        known = np.flatnonzero(np.isfinite(mean))
        if name == "formula" and len(known):
            rule = mean[known[-1]] * np.sqrt(sizes[known[-1]] / sizes)
            line(figure, sizes, rule, "∝ 1/√K", NEUTRAL, dash="dot", hoverinfo="skip", **axes(2))
    networks = {"type": "log", "tickvals": sizes.round().tolist(), "title": {"text": "networks K (number)"}}
    title = {"text": "standard error of a score (0 to 1)"}
    place_panel(figure, 2, place, networks, {"type": "log", "title": title, "nticks": 6})


def _costs(figure: Figure, result: Any, place: tuple[float, float]) -> None:
    """A box for each kind of neuron, for the memorised examples and for as many random ones."""
    for name, (words, colour) in COSTS.items():
        kinds = [
            (kind, costs) for record in result.records for kind, costs in record.curves["costs"][name].items()
        ]
        figure.add_box(
            x=[kind for kind, costs in kinds for _ in costs],
            y=rounded([cost for _, costs in kinds for cost in costs], 4),
            name=f"cost to {words}",
            offsetgroup=name,
            marker={"color": colour, "size": 3, "opacity": 0.6},
            line={"width": 1.4},
            fillcolor=faded(colour),
            hoverinfo="skip",
            **axes(3),
        )
    labels = {"title": {"text": "neurons by the audit's label"}}
    place_panel(figure, 3, place, labels, {"title": {"text": "margin lost (logits)"}})
    figure.update_layout(boxmode="group")


def _band(curves: Sequence[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lowest seed, the mean and the highest seed of each value; nan where a seed has none."""
    each = np.array(curves, float)
    return each.min(0), each.mean(0), each.max(0)
