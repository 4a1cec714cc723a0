"""Panels on injected facts: log probability over training, what is left of the jump, and where it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interp.lab.panels import Figure, axes, bars, line_over_seeds, place_panel
from interp.lab.retention.injected_training import (
    ARMS,
    BATCHES,
    NEVER,
)
from interp.language.injections import PARAPHRASE, VERBATIM
from interp.plots.canvas import NEUTRAL
from interp.plots.coset_indicators import COLOURS

ARM_COLOURS = {arm: COLOURS[place] for place, arm in enumerate(ARMS)} | {NEVER: NEUTRAL}
LOG = {"type": "log", "dtick": 1}
BARS = {
    "recovered_all": "all neurons",
    "recovered_own": "its own",
    "recovered_others": "other facts'",
    "recovered_random": "random",
}


def injection_panels(figure: Figure, result: Any, first: int, domains: Sequence[Sequence[float]]) -> None:
    """Add three panels to a figure: training with small batches, retention by log time, and transplanted neurons.

    Args:
        first: Number of the first of the three panels.
        domains: Their parts of the width.
    """
    curves = [record.curves for record in result.records]
    _training(figure, curves, first, domains[0])
    _retained(figure, curves, first + 1, domains[1])
    _stored(figure, result, first + 2, domains[2])


def _training(figure: Figure, curves: list[Any], panel: int, domain: Sequence[float]) -> None:
    small = [one["batches"][str(BATCHES[0])] for one in curves]
    for arm, colour in ARM_COLOURS.items():
        values = [one["mean"][arm][VERBATIM] for one in small]
        name = f"{arm}, {VERBATIM}" if arm != NEVER else "never injected"
        hover = f"{name}: %{{y:.2f}} nats after %{{x}} updates<extra></extra>"
        look = {"hovertemplate": hover, **axes(panel)}
        line_over_seeds(figure, small[0]["steps"], values, name, colour, **look)
    x = {"title": {"text": f"updates (batches of {BATCHES[0]})"}}
    place_panel(figure, panel, domain, x, {"title": {"text": "log probability (nats)"}})


def _retained(figure: Figure, curves: list[Any], panel: int, domain: Sequence[float]) -> None:
    for batch, dash in zip(BATCHES, (None, "dot"), strict=True):
        for arm in ARMS:
            parts = [one["batches"][str(batch)]["retained"][arm][VERBATIM] for one in curves]
            shared = min((part["times"] for part in parts), key=len)
            values = [part["share"][: len(shared)] for part in parts]
            name = f"{arm}, batches of {batch}"
            hover = f"{name}: %{{y:.0%}} left after %{{x}} updates<extra></extra>"
            look = {"hovertemplate": hover, "dash": dash, **axes(panel)}
            line_over_seeds(figure, shared, values, name, ARM_COLOURS[arm], **look)
    x = {"title": {"text": "updates since the maximum"}} | LOG
    place_panel(figure, panel, domain, x, {"title": {"text": "left of the jump"}, "tickformat": ".0%"})


def _stored(figure: Figure, result: Any, panel: int, domain: Sequence[float]) -> None:
    for depth, colour in ((VERBATIM, COLOURS[2]), (PARAPHRASE, COLOURS[4])):
        numbers = result.all_over(*(f"{name}_{depth}" for name in BARS))
        if numbers is not None:
            settings = {"name": f"recovered, {depth}", "showlegend": True, **axes(panel)}
            settings["hovertemplate"] = f"{depth}, %{{x}}: %{{y:.0%}} of the jump<extra></extra>"
            bars(figure, list(BARS.values()), numbers, {"color": colour}, **settings)
    y = {"title": {"text": "jump recovered by transplants"}, "tickformat": ".0%"}
    place_panel(figure, panel, domain, {}, y)
