"""Methods against forgetting: what is left after all tasks, penalties by strength, and neurons that are protected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interp.lab.continual.arms import penalties
from interp.lab.continual.table import WORDS, methods_of, of_method
from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import (
    Figure,
    axes,
    bars,
    dots,
    intervals,
    line_over_seeds,
    place_panel,
)
from interp.plots.canvas import NEUTRAL, blank, rounded
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.21, 0.48), (0.5, 0.69), (0.77, 1.0))


def continual_figure(result: Any) -> Figure:
    """Three panels; bars and dots have 95 % intervals, bands are the lowest and highest of the seeds."""
    n = len(result.seeds)
    seeds = f" (95 % intervals, and lowest and highest, of {n} seeds)" if n > 1 else ""
    figure = blank(f"{result.config.tasks} tasks of permuted digits, one after another{seeds}", "", "")
    names = methods_of(result, "permuted")
    _methods(figure, result, names)
    _strengths(figure, result)
    _protected(figure, result, names)
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.15},
        margin={"t": 60, "b": 130, "l": 20},
        height=760,
        hovermode="closest",
    )


def _methods(figure: Figure, result: Any, names: list[str]) -> None:
    """Average accuracy as bars, forgetting as dots."""
    shown = _known(result, "permuted_average", names)
    words = [WORDS[name] for name in shown]
    colours = {"color": [NEUTRAL if name == "naive" else COLOURS[0] for name in shown], "opacity": 0.75}
    hover = "%{y}: average accuracy %{x:.3f}<extra></extra>"
    bars(figure, words, list(shown.values()), colours, orientation="h", hovertemplate=hover)
    forgetting = [of_method(result, "permuted_forgetting", name) for name in shown]
    figure.add_scatter(
        x=rounded([one.mean for one in forgetting if one is not None]),
        y=words,
        mode="markers",
        name="forgetting",
        marker={"color": COLOURS[1], "size": 7},
        error_x=intervals([one for one in forgetting if one is not None], COLOURS[1]),
        hovertemplate="%{y}: forgetting %{x:.3f}<extra></extra>",
    )
    labels = {"title": {"text": "method"}, "tickfont": {"size": 11}}
    x = {"title": {"text": "average accuracy (bars),<br>forgetting (dots)"}, "range": [-0.1, 1.02]}
    place_panel(figure, 1, DOMAINS[0], x, labels)


def _strengths(figure: Figure, result: Any) -> None:
    """Average accuracy by strength of every penalty; runs that diverged are crosses at 0."""
    for place, (arm, strengths) in enumerate(penalties("permuted").items()):
        colour = COLOURS[{"l2": 2, "ewc": 3, "mas": 4}[arm.partition("_")[0]]]
        dash = "dot" if arm.endswith("_shuffled") else "solid"
        values = np.array(
            [
                [np.nan if v is None else v for v in result.each(f"permuted_average_{arm}_{s:g}")]
                for s in strengths
            ]
        )
        whole = ~np.isnan(values).any(1)
        x = np.array(strengths)
        hover = f"{WORDS[arm]}: %{{y:.3f}} at strength %{{x}}<extra></extra>"
        look = {"dash": dash, "hovertemplate": hover, **axes(3)}
        line_over_seeds(figure, x[whole], values[whole].T.tolist(), WORDS[arm], colour, **look)
        broken = x[~whole]
        if len(broken):
            dots(
                figure,
                rounded(broken),
                [0.02 * place] * len(broken),
                {"color": colour, "symbol": "x", "size": 7},
                hovertemplate=f"{WORDS[arm]}: diverged in a seed at strength %{{x}}<extra></extra>",
                showlegend=False,
                **axes(3),
            )
    x_axis = {
        "title": {"text": "strength of a penalty<br>(log scale; crosses: diverged)"},
        "type": "log",
        "dtick": 1,
    }
    place_panel(
        figure, 3, DOMAINS[2], x_axis, {"title": {"text": "average accuracy (share)"}, "range": [-0.03, 1.02]}
    )


def _protected(figure: Figure, result: Any, names: list[str]) -> None:
    """Rank correlation of importance for the first task and later movement."""
    shown = _known(result, "protects_fisher", names)
    figure.add_scatter(
        x=rounded([one.mean for one in shown.values()]),
        y=[WORDS[name] for name in shown],
        mode="markers",
        marker={"color": [NEUTRAL if name == "naive" else COLOURS[5] for name in shown], "size": 7},
        error_x=intervals(list(shown.values())),
        showlegend=False,
        hovertemplate="%{y}: rank correlation %{x:.2f}<extra></extra>",
        **axes(2),
    )
    x = {"title": {"text": "importance and movement<br>of neurons (rank correlation)"}, "range": [-0.4, 1.05]}
    place_panel(figure, 2, DOMAINS[1], x, {"title": {"text": " "}, "showticklabels": False})


def _known(result: Any, prefix: str, names: Sequence[str]) -> dict[str, OverSeeds]:
    """A number of the methods that have it in every seed, the last first."""
    values = {name: of_method(result, prefix, name) for name in reversed(names)}
    return {name: over for name, over in values.items() if over is not None}
