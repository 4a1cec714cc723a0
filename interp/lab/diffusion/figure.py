"""Distance of samples from memorised images, quality of the others, and every set of neurons that was tried."""

from __future__ import annotations

from typing import Any

from interp.data.splits import SPLITS
from interp.lab.panels import INK, Figure, axes, bars, dots, place_panel
from interp.plots.canvas import NEUTRAL, blank, rounded
from probes.labels import LABELS

NETWORKS = {
    "without": ("trained without duplicates", LABELS["generalizing"].colour),
    "with": ("trained with duplicates", LABELS["memorizing"].colour),
    "pruned": ("with duplicates, neurons taken out", SPLITS["all"].colour),
    "random": ("with duplicates, random neurons taken out", NEUTRAL),
}
NEAR, REST = "nearest 1 % of samples (distance)", "others (Fréchet distance)"
TRIED, BEST, CHOSEN = "sets of neurons tried", "best trade", "taken out"
MARKERS = {
    TRIED: {"color": NEUTRAL, "size": 4, "opacity": 0.45},
    BEST: {"color": LABELS["inconclusive"].colour, "size": 6, "symbol": "square"},
    CHOSEN: {"color": SPLITS["all"].colour, "size": 12, "symbol": "star"},
}


def diffusion_figure(result: Any) -> Figure:
    """Three panels: two with a bar for each network, its interval and a point for each seed; and the sets tried."""
    figure = blank("Images memorised by a diffusion model, and neurons taken out", "network", NEAR)
    for panel, key in enumerate(("near", "rest"), 1):
        _bars(figure, result, key, panel)
    _candidates(figure, result)
    zero = {"rangemode": "tozero"}
    place_panel(figure, 1, (0.0, 0.26), {}, zero)
    place_panel(figure, 2, (0.36, 0.62), {"title": {"text": "network"}}, zero | {"title": {"text": REST}})
    ticks = {"type": "log", "tickvals": [0.5, 1, 2, 5, 10, 20], "title": {"text": REST}}
    place_panel(figure, 3, (0.73, 1.0), ticks, zero | {"title": {"text": NEAR}})
    return figure.update_layout(hovermode="closest", margin={"b": 110}, bargap=0.3)


def _bars(figure: Figure, result: Any, key: str, panel: int) -> None:
    values, names = [result.over(f"{key}_{name}") for name in NETWORKS], list(NETWORKS)
    words, colours = zip(*NETWORKS.values(), strict=True)
    hover = {"customdata": words, "hovertemplate": "%{customdata}: %{y:.3g}<extra></extra>"}
    bars(figure, names, values, {"color": colours, "opacity": 0.75}, **hover, **axes(panel))
    marker = {"color": INK, "size": 5, "symbol": "circle-open"}
    for place, seed in enumerate(result.seeds):
        each = rounded([one.values[place] for one in values])
        hover = {"hovertemplate": f"seed {seed}: %{{y:.3g}}<extra></extra>"}
        dots(figure, names, each, marker, showlegend=False, **hover, **axes(panel))


def _candidates(figure: Figure, result: Any) -> None:
    """Every set that was tried; those that trade best; and the one chosen, each on the noise it was chosen on."""
    kinds: dict[str, list[tuple[int, Any]]] = {name: [] for name in MARKERS}
    for seed, record in zip(result.seeds, result.records, strict=True):
        for one in record.curves["candidates"]:
            kinds[BEST if one["best"] else TRIED].append((seed, one))
        kinds[CHOSEN].append((seed, record.curves["chosen"]))
    for name, points in kinds.items():
        x, y = (rounded([-one[key] for _, one in points], 4) for key in ("other", "first"))
        words = [f"seed {seed}: {one['size']} neurons by {one['score']}" for seed, one in points]
        hover = "%{text}: distance %{y:.3g}, Fréchet %{x:.3g}<extra></extra>"
        dots(figure, x, y, MARKERS[name], name=name, text=words, hovertemplate=hover, **axes(3))
