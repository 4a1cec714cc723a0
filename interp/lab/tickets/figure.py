"""When networks with masks generalise, how the mask forms, and what recovers after pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, faded, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AMBER = SPLIT_COLOURS["corrupted_as_true"]
RULE, MEMORY = LABEL_COLOURS["generalizing"], LABEL_COLOURS["memorizing"]
ROWS = {
    "ticket": ("mask of the end", RULE),
    "label": ("generalizing neurons", RULE),
    "any": ("random neurons", NEUTRAL),
    "dense": ("no mask", SPLIT_COLOURS["all"]),
    "l2": ("no mask, L2 matched", SPLIT_COLOURS["all"]),
    "l1": ("no mask, L1 matched", SPLIT_COLOURS["all"]),
    "ticket_gen": ("mask of t_gen", SPLIT_COLOURS["clean"]),
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


def tickets_figure(result: Any) -> Figure:
    """Left, when each network generalises; right, distance from the last mask, and recovery after pruning.

    Args:
        result: Of the study ``tickets``.
    """
    figure = blank("Rewound and retrained: which masks carry the generalisation?", "", "")
    limit = result.config.limit
    for place, arm in enumerate(reversed(ROWS)):
        _arm(figure, result, arm, len(ROWS) - 1 - place, limit)
    _distances(figure, result)
    _recovery(figure, result)
    ticks = {"tickvals": list(range(len(ROWS))), "ticktext": [words for words, _ in ROWS.values()]}
    last = result.config.trained
    held: dict[str, Any] = {"orientation": "h", "yref": "paper", "yanchor": "bottom", "font": {"size": 11}}
    held |= {"x": 1, "xanchor": "right"}
    right = [0.58, 1]
    figure.update_layout(
        height=560,
        margin_t=70,
        hovermode="closest",
        legend={**held, "y": 0.95},
        legend2={**held, "y": 0.36},
        xaxis={"domain": [0, 0.46], "title": "generalises at (step)", "range": [0, 1.04 * limit]},
        yaxis={**ticks, "title": "first weights kept", "range": [len(ROWS) - 0.5, -0.5], "domain": [0, 0.95]},
        xaxis2={
            "domain": right,
            "anchor": "y2",
            "title": "training without a mask (step)",
            "range": [-0.15 * last, 1.02 * last],
        },
        yaxis2={"domain": [0.6, 0.95], "anchor": "x2", "title": "Jaccard distance", "range": [0, 0.7]},
        xaxis3={"domain": right, "anchor": "y3", "title": "pruned at"},
        yaxis3={"domain": [0, 0.35], "anchor": "x3", "title": "accuracy (%)", "range": [0, 104]},
    )
    for axes in (figure.layout.xaxis2, figure.layout.yaxis2, figure.layout.xaxis3, figure.layout.yaxis3):
        axes.title.font.size = 13
    return figure


def _arm(figure: Figure, result: Any, arm: str, place: int, limit: float) -> None:
    """One dot for each seed, open at the limit for those that were given up, and the interval of the mean."""
    words, colour = ROWS[arm]
    times = [record.numbers[f"gen_{arm}"] for record in result.records]
    shifts = np.linspace(-0.2, 0.2, len(times)) if len(times) > 1 else [0.0]
    figure.add_scatter(
        x=rounded([limit if time is None else time for time in times]),
        y=rounded(np.add(place, shifts)),
        mode="markers",
        marker={
            "color": colour,
            "size": 8,
            "symbol": ["circle-open" if time is None else "circle" for time in times],
        },
        showlegend=False,
        customdata=["not by step" if time is None else "at step" for time in times],
        hovertemplate=words + ": %{customdata} %{x}<extra></extra>",
    )
    over = result.over(f"gen_{arm}")
    if over is None or len(times) < 2:
        return
    figure.add_scatter(
        x=rounded([over.low, over.mean, over.high]),
        y=[place] * 3,
        mode="lines+markers",
        line={"color": faded(colour, 0.5), "width": 3},
        marker={"symbol": "line-ns", "size": [6, 14, 6], "line": {"color": colour, "width": 2}},
        showlegend=False,
        hovertemplate=words + ": mean %{x}, with its 95 % interval<extra></extra>",
    )


def _distances(figure: Figure, result: Any) -> None:
    """From the last mask and from the mask a little earlier, one line for each seed, and that of a random mask."""
    earlier = f"to {10 * result.config.every} steps before"
    kinds = {"to_end": ("to the last", RULE), "moved": (earlier, AMBER)}
    steps = result.records[0].curves["distances"]["steps"]
    place: dict[str, Any] = {"xaxis": "x2", "yaxis": "y2"}
    for kind, (words, colour) in kinds.items():
        for i, (seed, record) in enumerate(zip(result.seeds, result.records, strict=True)):
            curve = record.curves["distances"]
            figure.add_scatter(
                x=rounded(curve["steps"]), y=rounded(curve[kind], 3), mode="lines", name=words, legendgroup=kind,
                showlegend=i == 0, line={"color": colour, "width": 1.2}, **place,
                hovertemplate=f"seed {seed}, {words}: %{{y:.2f}} at step %{{x}}<extra></extra>",
            )  # fmt: skip
    for moment, symbol, where in (("mem", "diamond", "bottom left"), ("gen", "circle", "top right")):
        figure.add_scatter(
            x=rounded([record.curves["moments"][moment] for record in result.records]),
            y=rounded([record.numbers[f"distance_{moment}"] for record in result.records], 3),
            mode="markers+text", text=[MOMENTS[moment]], textposition=where, showlegend=False,
            marker={"color": RULE, "size": 8, "symbol": symbol}, **place,
            hovertemplate=f"{MOMENTS[moment]}: step %{{x}}, distance %{{y:.2f}}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=rounded([steps[0], steps[-1]]), y=rounded([result.records[0].numbers["distance_random"]] * 2, 3),
        mode="lines", name="to a random one", line={"color": NEUTRAL, "dash": "dot"}, **place,
        hovertemplate="random mask: %{y:.2f}<extra></extra>",
    )  # fmt: skip


def _recovery(figure: Figure, result: Any) -> None:
    """Bars of accuracy after pruning, with intervals, at those moments that came in every seed."""
    for stage, (words, colour) in STAGES.items():
        found = {moment: result.over(f"{stage}_{moment}") for moment in MOMENTS}
        there = {moment: over for moment, over in found.items() if over is not None}
        high = [100 * (over.high - over.mean) for over in there.values()]
        figure.add_bar(
            x=[MOMENTS[moment] for moment in there], y=rounded([100 * over.mean for over in there.values()], 3),
            error_y={"array": rounded(high, 3), "width": 4}, name=words, marker_color=colour, legend="legend2",
            xaxis="x3", yaxis="y3", hovertemplate=words + ", pruned at %{x}: %{y} %<extra></extra>",
        )  # fmt: skip
