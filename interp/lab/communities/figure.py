"""Communities over training and their controls; core neurons, bricks and hyperactive neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import Figure, axes, bars, line, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import NEUTRAL, blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.27), (0.36, 0.62), (0.71, 1.0))
ABOVE, BELOW = (0.62, 1.0), (0.0, 0.32)
LOSSES = {"own": "own", "others": "others", "random_own": "own, random", "random_others": "others, random"}
BARS = {
    "ari_before": "before",
    "ari_at": "at half",
    "ari_after": "end",
    "high_after": "shuffled",
    "ari_halves": "halves",
    "ari_every_pair_after": "every pair",
    "ari_rectified": "rectified",
    "ari_components": "components",
    "all_ari": "all neurons",
    "control_ari": "random labels",
}


def communities_figure(result: Any) -> Figure:
    """Six panels; bands are the lowest and highest of the seeds, bars have intervals of 95 %."""
    figure = blank("Populations of neurons" + seeds_in_title(len(result.seeds)), "", "")
    curves = [record.curves for record in result.records]
    _communities(figure, result, curves)
    _core(figure, [one["core"] for one in curves])
    _bricks(figure, result)
    _hyperactive(figure, [one["hyperactive"] for one in curves])
    titles = (
        ("training step", "index or share", [-0.05, 1.05]),
        ("training step", "share", [-0.05, 1.05]),
        ("", "ARI at the end, and controls", [-0.05, 1.05]),
        ("share of neurons kept", "accuracy (share)", [-0.02, 1.05]),
        ("operations, without a brick", "accuracy lost (share)", None),
        ("share of neurons silenced", "accuracy (share)", None),
    )
    for place, (below, left, span) in enumerate(titles):
        y = {"title": {"text": left, "standoff": 4}, "range": span, "domain": ABOVE if place < 3 else BELOW}
        place_panel(figure, place + 1, DOMAINS[place % 3], {"title": {"text": below}}, y)
    figure.update_layout(xaxis3={"tickangle": 50})
    return figure.update_layout(
        legend={"y": -0.02}, margin={"t": 60, "b": 190}, height=860, hovermode="closest"
    )


def _communities(figure: Figure, result: Any, curves: list[Any]) -> None:
    """Agreement over training, links and components, and the controls."""
    steps = curves[0]["steps"]
    over_training = {
        "accuracy": ("held-out accuracy", COLOURS[1]),
        "ari": ("ARI with the final frequencies", COLOURS[0]),
        "ari_high": ("ARI, frequencies shuffled", NEUTRAL),
    }
    for name, (words, colour) in over_training.items():
        _over(figure, steps, [one[name] for one in curves], words, colour, 1)
    _over(figure, steps, [one["linked"] for one in curves], "neurons linked", COLOURS[2], 2)
    courses = [np.mean(one["components"], 0).tolist() for one in curves if one["components"]]
    if courses:
        _over(figure, steps, courses, "components, of their strongest", COLOURS[3], 2)
    known = {name: words for name, words in BARS.items() if result.over(name) is not None}
    values = [OverSeeds.of(result.each(name)) for name in known]
    hover = "%{x}: %{y:.2f}<extra></extra>"
    bars(figure, list(known.values()), values, {"color": COLOURS[0]}, hovertemplate=hover, **axes(3))


def _core(figure: Figure, curves: list[Any]) -> None:
    """Accuracy of four operations by the share of the neurons that is kept."""
    lines = {"core": ("core", COLOURS[0]), "random": ("random neurons", NEUTRAL)}
    lines |= {"others": ("another operation's core", COLOURS[1])}
    for name, (words, colour) in lines.items():
        _over(figure, curves[0]["beta"], [one[name] for one in curves], words, colour, 4, "share kept")


def _bricks(figure: Figure, result: Any) -> None:
    """Accuracy that a brick's own function and the others lose, beside random partitions."""
    names = {f"bricks_operations_{name}": words for name, words in LOSSES.items()}
    known = {name: words for name, words in names.items() if result.over(name) is not None}
    values = [OverSeeds.of(result.each(name)) for name in known]
    hover = "%{x}: %{y:.1%}<extra></extra>"
    bars(figure, list(known.values()), values, {"color": COLOURS[2]}, hovertemplate=hover, **axes(5))


def _hyperactive(figure: Figure, curves: list[Any]) -> None:
    """Accuracy of the ensembles by the share that is silenced, each seed a line, as shares differ between seeds."""
    for colour, kind in zip((COLOURS[0], COLOURS[1]), curves[0], strict=True):
        for name, dash in (("test", None), ("random", "dot")):
            words = f"{kind}, {'hyperactive' if name == 'test' else 'random'} silenced"
            for place, one in enumerate(curves):
                order = np.argsort(one[kind]["silenced"], kind="stable")
                x, y = (np.asarray(one[kind][key])[order] for key in ("silenced", name))
                hover = f"{words}: %{{y:.1%}} at %{{x:.0%}}<extra></extra>"
                settings = {"dash": dash, "width": 1.5, "legendgroup": words, "showlegend": place == 0}
                line(figure, x, y, words, colour, hovertemplate=hover, **settings, **axes(6))


def _over(
    figure: Figure, x: Any, values: Any, words: str, colour: str, panel: int, unit: str = "step"
) -> None:
    hover = f"{words}: %{{y:.2f}} at {unit} %{{x}}<extra></extra>"
    line_over_seeds(figure, x, values, words, colour, hovertemplate=hover, **axes(panel))
