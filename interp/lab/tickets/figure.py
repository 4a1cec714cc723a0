"""Steps at which networks with masks generalise, how the mask forms, and what recovers after pruning."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.data.splits import SPLITS
from interp.lab.panels import Figure, axes, bars, dots, line
from interp.plots.canvas import NEUTRAL, blank, faded, rounded
from probes.labels import LABELS

RULE, MEMORY = LABELS["generalizing"].colour, LABELS["memorizing"].colour
ROWS = {
    "ticket": ("mask of the end", RULE),
    "label": ("generalizing neurons", RULE),
    "any": ("random neurons", NEUTRAL),
    "dense": ("no mask", SPLITS["all"].colour),
    "l2": ("no mask, L2 matched", SPLITS["all"].colour),
    "l1": ("no mask, L1 matched", SPLITS["all"].colour),
    "ticket_gen": ("mask of t_gen", SPLITS["clean"].colour),
    "ticket_mem": ("mask of t_mem", MEMORY),
    "snip": ("SNIP", NEUTRAL),
    "random": ("random weights", NEUTRAL),
}
STAGES = {
    "pruned": ("at once", NEUTRAL),
    "retrained": ("trained on", RULE),
    "regrown": ("regrown, trained on", MEMORY),
}
MOMENTS = {"mem": "t_mem", "gen": "t_gen", "end": "end"}
DISTANCES = {
    "to_end": ("to the last", RULE),
    "moved": ("to {} steps before", SPLITS["corrupted_as_true"].colour),
}


def tickets_figure(result: Any) -> Figure:
    """Left, when each network generalises; right, distance from the last mask, and recovery after pruning."""
    figure = blank("Rewound and retrained: which masks carry the generalisation?", "", "")
    limit, last = result.config.limit, result.config.trained
    for place, arm in reversed(list(enumerate(ROWS))):
        _arm(figure, result, arm, place, limit)
    _distances(figure, result)
    _recovery(figure, result)
    ticks = {"tickvals": list(range(len(ROWS))), "ticktext": [words for words, _ in ROWS.values()]}
    legend: dict[str, Any] = {"orientation": "h", "yref": "paper", "yanchor": "bottom", "font": {"size": 11}}
    legend |= {"x": 1, "xanchor": "right"}
    right = {"domain": [0.58, 1]}
    training = {"title": "training without a mask (step)", "range": [-0.15 * last, 1.02 * last]}
    figure.update_layout(
        height=560,
        margin_t=70,
        hovermode="closest",
        legend=legend | {"y": 0.95},
        legend2=legend | {"y": 0.36},
        xaxis={"domain": [0, 0.46], "title": "generalises at (step)", "range": [0, 1.04 * limit]},
        yaxis={**ticks, "title": "first weights kept", "range": [len(ROWS) - 0.5, -0.5], "domain": [0, 0.95]},
        xaxis2=right | {"anchor": "y2"} | training,
        yaxis2={"domain": [0.6, 0.95], "anchor": "x2", "title": "Jaccard distance", "range": [0, 0.7]},
        xaxis3=right | {"anchor": "y3", "title": "pruned at"},
        yaxis3={"domain": [0, 0.35], "anchor": "x3", "title": "accuracy (%)", "range": [0, 1.04]},
    )
    figure.layout.yaxis3.tickformat = ".0%"
    for axis in ("xaxis2", "yaxis2", "xaxis3", "yaxis3"):
        figure.layout[axis].title.font.size = 13
    return figure


def _arm(figure: Figure, result: Any, arm: str, place: int, limit: float) -> None:
    """One dot for each seed, open at the limit for those that were given up, and the interval of the mean."""
    words, colour = ROWS[arm]
    times = result.each(f"gen_{arm}")
    steps = rounded([limit if time is None else time for time in times])
    shifts = np.linspace(-0.2, 0.2, len(times)) if len(times) > 1 else [0.0]
    symbols = ["circle-open" if time is None else "circle" for time in times]
    hover: dict[str, Any] = {"customdata": ["not by step" if time is None else "at step" for time in times]}
    hover |= {"hovertemplate": words + ": %{customdata} %{x}<extra></extra>"}
    marker = {"color": colour, "size": 8, "symbol": symbols}
    dots(figure, steps, rounded(np.add(place, shifts)), marker, showlegend=False, **hover)
    over = result.over(f"gen_{arm}")
    if over is not None and len(times) > 1:
        marker = {"symbol": "line-ns", "size": [6, 14, 6], "line": {"color": colour, "width": 2}}
        hover = {"hovertemplate": words + ": mean %{x}, with its 95 % interval<extra></extra>"}
        look = {"mode": "lines+markers", "marker": marker, "showlegend": False, "width": 3}
        line(
            figure, [over.low, over.mean, over.high], [place] * 3, words, faded(colour, 0.5), **look, **hover
        )


def _distances(figure: Figure, result: Any) -> None:
    """From the last mask and from the mask a little earlier, one line for each seed, and that of a random mask."""
    for kind, (words, colour) in DISTANCES.items():
        name = words.format(10 * result.config.every)
        for i, (seed, record) in enumerate(zip(result.seeds, result.records, strict=True)):
            curve = record.curves["distances"]
            hover = f"seed {seed}, {name}: %{{y:.2f}} at step %{{x}}<extra></extra>"
            look = {"legendgroup": kind, "showlegend": i == 0, "width": 1.2, "hovertemplate": hover}
            line(figure, curve["steps"], curve[kind], name, colour, **look, **axes(2))
    for moment, symbol, where in (("mem", "diamond", "bottom left"), ("gen", "circle", "top right")):
        steps = rounded([record.curves["moments"][moment] for record in result.records])
        hover = f"{MOMENTS[moment]}: step %{{x}}, distance %{{y:.2f}}<extra></extra>"
        text = {"mode": "markers+text", "text": [MOMENTS[moment]], "textposition": where}
        look = text | {"showlegend": False, "hovertemplate": hover, **axes(2)}
        marker = {"color": RULE, "size": 8, "symbol": symbol}
        dots(figure, steps, rounded(result.each(f"distance_{moment}"), 3), marker, **look)
    first = result.records[0]
    steps, random = first.curves["distances"]["steps"], first.numbers["distance_random"]
    look = {"dash": "dot", "hovertemplate": "random mask: %{y:.2f}<extra></extra>", **axes(2)}
    line(figure, [steps[0], steps[-1]], [random] * 2, "to a random one", NEUTRAL, **look)


def _recovery(figure: Figure, result: Any) -> None:
    """Bars of accuracy after pruning, with intervals, at those moments that came in every seed."""
    for stage, (words, colour) in STAGES.items():
        values = {name: result.over(f"{stage}_{moment}") for moment, name in MOMENTS.items()}
        known = {name: over for name, over in values.items() if over is not None}
        look = {"name": words, "showlegend": True, "legend": "legend2", **axes(3)}
        hover = words + ", pruned at %{x}: %{y:.1%}<extra></extra>"
        bars(figure, list(known), list(known.values()), {"color": colour}, hovertemplate=hover, **look)
