"""How near samples come to memorised images, what samples are worth, and every set of neurons that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.plots.canvas import LABEL_COLOURS, NEUTRAL, SPLIT_COLOURS, blank, plotly, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANELS = ((0.0, 0.26), (0.36, 0.62), (0.73, 1.0))
NETWORKS = {
    "without": ("without", "trained without duplicates", LABEL_COLOURS["generalizing"]),
    "with": ("with", "trained with duplicates", LABEL_COLOURS["memorizing"]),
    "pruned": ("pruned", "with duplicates, neurons taken out", SPLIT_COLOURS["all"]),
    "random": ("random", "with duplicates, random neurons taken out", NEUTRAL),
}
NETWORK = "network"
BARS = {"near": "", "rest": "2"}


def diffusion_figure(result: Any) -> Figure:
    """Three panels: two with a bar for each network, its interval and a point for each seed; and the sets tried.

    Args:
        result: Of the study `diffusion`.
    """
    title = "Images memorised by a diffusion model, and neurons taken out"
    figure = blank(title, NETWORK, "nearest 1 % of samples (distance)")
    for key, axis in BARS.items():
        _bars(figure, result, key, axis)
    _candidates(figure, result)
    figure.layout.xaxis.update(domain=PANELS[0])
    figure.layout.yaxis.update(rangemode="tozero")
    return figure.update_layout(
        hovermode="closest",
        margin={"b": 110},
        bargap=0.3,
        xaxis2={"domain": PANELS[1], "anchor": "y2", "title": {"text": NETWORK}},
        yaxis2={"anchor": "x2", "rangemode": "tozero", "title": {"text": "others (Fréchet distance)"}},
        xaxis3={
            "domain": PANELS[2],
            "anchor": "y3",
            "type": "log",
            "tickvals": [0.5, 1, 2, 5, 10, 20],
            "title": {"text": "others (Fréchet distance)"},
        },
        yaxis3={
            "anchor": "x3",
            "rangemode": "tozero",
            "title": {"text": "nearest 1 % of samples (distance)"},
        },
    )


def _bars(figure: Figure, result: Any, key: str, axis: str) -> None:
    found = [result.over(f"{key}_{name}") for name in NETWORKS]
    names, told, colours = zip(*NETWORKS.values(), strict=True)
    place = {"xaxis": f"x{axis}", "yaxis": f"y{axis}", "showlegend": False}
    half = [h or 0.0 for h in rounded([one.high - one.mean for one in found])]
    bars = plotly().Bar(x=names, y=rounded([one.mean for one in found]), customdata=told, **place)
    bars.update(marker={"color": colours, "opacity": 0.75})
    bars.update(error_y={"type": "data", "array": half, "color": "#333333", "thickness": 1.2})
    bars.update(hovertemplate="%{customdata}: %{y:.3g}<extra></extra>")
    figure.add_trace(bars)
    for place_of, seed in enumerate(result.seeds):
        points = plotly().Scatter(x=names, y=rounded([one.values[place_of] for one in found]), mode="markers")
        points.update(marker={"color": "#333333", "size": 5, "symbol": "circle-open"}, **place)
        points.update(hovertemplate=f"seed {seed}: %{{y:.3g}}<extra></extra>")
        figure.add_trace(points)


def _candidates(figure: Figure, result: Any) -> None:
    """Every set that was tried; those that trade best; and the one chosen, each on the noise it was chosen on."""
    kinds: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "sets of neurons tried": ([], {"color": NEUTRAL, "size": 4, "opacity": 0.45}),
        "best trade": ([], {"color": LABEL_COLOURS["inconclusive"], "size": 6, "symbol": "square"}),
        "taken out": ([], {"color": SPLIT_COLOURS["all"], "size": 12, "symbol": "star"}),
    }
    for seed, record in zip(result.seeds, result.records, strict=True):
        curves = record.curves
        for one in curves["candidates"]:
            kind = "best trade" if one["best"] else "sets of neurons tried"
            kinds[kind][0].append((seed, one))
        kinds["taken out"][0].append((seed, curves["chosen"]))
    for name, (points, marker) in kinds.items():
        x, y = ([-one[key] for _, one in points] for key in ("other", "first"))
        told = [f"seed {seed}: {one['size']} neurons by {one['score']}" for seed, one in points]
        trace = plotly().Scatter(x=rounded(x, 4), y=rounded(y, 4), mode="markers", name=name, text=told)
        trace.update(marker=marker, xaxis="x3", yaxis="y3")
        trace.update(hovertemplate="%{text}: distance %{y:.3g}, Fréchet %{x:.3g}<extra></extra>")
        figure.add_trace(trace)
