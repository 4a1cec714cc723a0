"""Numbers by the scale and the rank of the initial weights."""

from __future__ import annotations

from typing import Any

from interp.lab.panels import Figure, axes, line_over_seeds, place_panel, seeds_in_title
from interp.lab.regime.arms import CLEAN, NOISY, RANK
from interp.plots.canvas import blank
from interp.plots.coset_indicators import COLOURS

DOMAINS = ((0.0, 0.2), (0.28, 0.46), (0.54, 0.72), (0.82, 1.0))
SHARES = {
    "test": "held-out accuracy",
    "memorizing": "memorizing neurons",
    "generalizing": "generalizing neurons",
    "ipr": "mean IPR",
    "representation_centred": "representation alignment, centred",
    "kernel_centred": "kernel alignment, centred",
}
INK = ("#000000", "#7F7F7F")
PANELS = ((CLEAN, 2), (NOISY, 3), (RANK, 4))


def regime_study_figure(result: Any) -> Figure:
    """Four panels; bands are the lowest and highest of the seeds."""
    figure = blank("Rich or lazy by the initial weights" + seeds_in_title(len(result.seeds)), "", "")
    for place, sweep in enumerate((CLEAN, NOISY)):
        _line(figure, result, sweep, "relative_change", f"weight change, {sweep.words}", INK[place], 1)
    for sweep, panel in PANELS:
        for place, (name, words) in enumerate(SHARES.items()):
            if all(None not in result.each(f"{arm}_{name}") for arm in sweep.arms):
                _line(figure, result, sweep, name, words, COLOURS[place], panel, panel == PANELS[0][1])
    scale = {"title": {"text": "initial scale"}, "type": "log", "tickvals": list(CLEAN.values)}
    logarithm = {"title": {"text": "relative weight change", "standoff": 4}, "type": "log", "dtick": 1}
    place_panel(figure, 1, DOMAINS[0], scale, logarithm)
    for sweep, panel in PANELS:
        x = (
            scale
            if sweep is not RANK
            else {"title": {"text": "initial rank"}, "type": "log", "tickvals": list(RANK.values)}
        )
        y = {"title": {"text": f"{sweep.words} (share)", "standoff": 4}, "range": [-0.02, 1.03]}
        place_panel(figure, panel, DOMAINS[panel - 1], x, y)
    return figure.update_layout(
        legend={"y": -0.45}, margin={"t": 60, "b": 150}, height=500, hovermode="closest"
    )


def _line(
    figure: Figure,
    result: Any,
    sweep: Any,
    name: str,
    words: str,
    colour: str,
    panel: int,
    legend: bool = True,
) -> None:
    values = [[record.numbers[f"{arm}_{name}"] for arm in sweep.arms] for record in result.records]
    hover = f"{words}: %{{y:.3g}} at %{{x}}<extra></extra>"
    look = {"hovertemplate": hover, "showlegend": legend, **axes(panel)}
    line_over_seeds(figure, list(sweep.values), values, words, colour, **look)
