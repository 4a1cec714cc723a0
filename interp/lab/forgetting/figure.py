"""Forgetting of the sum, relearning, the probe, and the arms of the refresh step."""

from __future__ import annotations

from typing import Any

from interp.lab.forgetting.refresh import ARMS
from interp.lab.forgetting.unlearning import RELEARNT
from interp.lab.over_seeds import OverSeeds
from interp.lab.panels import Figure, axes, bars, line_over_seeds, place_panel, seeds_in_title
from interp.plots.canvas import blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.22), (0.29, 0.51), (0.58, 0.76), (0.83, 1.0))
SETS = {"forget": "forget set", "other": "other training examples", "held_out": "held-out examples"}
PROBES = {"before": "before", "after": "after", "untrained": "untrained", "shuffled": "dealt anew"}


def forgetting_figure(result: Any) -> Figure:
    """Four panels; bands are the lowest and highest of the seeds, bars have intervals of 95 %."""
    figure = blank("Is a forgotten skill gone" + seeds_in_title(len(result.seeds)), "", "")
    curves = [record.curves["curves"][0] for record in result.records]
    for place, (name, words) in enumerate(SETS.items()):
        _lines(figure, [one["forgetting"][name] for one in curves], words, COLOURS[place], 1)
    for place, (name, words) in enumerate(RELEARNT.items()):
        colour = COLOURS[(place + len(SETS)) % len(COLOURS)]
        _lines(figure, [one["relearning"][name]["part"] for one in curves], words, colour, 2)
    groups = (PROBES, "probe", COLOURS[0]), (ARMS, "digits", COLOURS[1])
    for panel, (names, prefix, colour) in enumerate(groups, 3):
        values = [OverSeeds.of(result.each(f"{prefix}_{name}")) for name in names]
        short = [words.replace(" and replay", "").replace("replay, ", "") for words in names.values()]
        bars(
            figure,
            short,
            values,
            {"color": colour},
            hovertemplate="%{x}: %{y:.1%}<extra></extra>",
            **axes(panel),
        )
    titles = (
        ("updates on random labels", "accuracy (share)"),
        ("updates of relearning", "share relearnt"),
        ("probe of the forget set", "share read"),
        ("digits, refresh step", "average accuracy"),
    )
    for panel, ((below, left), domain) in enumerate(zip(titles, DOMAINS, strict=True), 1):
        y = {"title": {"text": left, "standoff": 4}, "range": [0, 1.03]}
        place_panel(figure, panel, domain, {"title": {"text": below}}, y)
    return figure.update_layout(
        legend={"y": -0.45}, margin={"t": 60, "b": 150}, height=500, hovermode="closest"
    )


def _lines(figure: Figure, values: list[list[float]], words: str, colour: str, panel: int) -> None:
    """A line over the seeds; a run that ended sooner stays at its last value."""
    longest = max(map(len, values))
    full = [[*one, *[one[-1]] * (longest - len(one))] for one in values]
    hover = f"{words}: %{{y:.1%}} after %{{x}} updates<extra></extra>"
    line_over_seeds(figure, list(range(longest)), full, words, colour, hovertemplate=hover, **axes(panel))
