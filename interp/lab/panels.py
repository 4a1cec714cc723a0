"""Drawing that the figures of studies share: lines, bands, bars with intervals, and panels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.lab.over_seeds import OverSeeds
from interp.plots import canvas
from interp.plots.canvas import faded, rounded

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Figure
else:
    Figure = Any  # Plotly takes a third of a second to import

INK = "#333333"


def axes(panel: int) -> dict[str, str]:
    """Axes of a trace in the panel of that number, from 1 on."""
    return {"xaxis": f"x{panel}", "yaxis": f"y{panel}"} if panel > 1 else {"xaxis": "x", "yaxis": "y"}


def place_panel(figure: Figure, panel: int, domain: Sequence[float], x: Any = (), y: Any = ()) -> None:
    """Put a panel at a part of the width, in [0, 1]; x and y are settings of the axes."""
    number = panel if panel > 1 else ""
    figure.update_layout(
        {
            f"xaxis{number}": {"domain": domain, "anchor": f"y{number}"} | dict(x),
            f"yaxis{number}": {"anchor": f"x{number}"} | dict(y),
        }
    )


def line(figure: Figure, x: Any, y: Any, name: str, colour: str, **settings: Any) -> None:
    """Add a line; settings are its ``dash`` and ``width``, and any of a Plotly scatter trace."""
    figure.add_trace(canvas.line(rounded(x), y, name, colour, **settings))


def area(figure: Figure, x: Any, low: Any, high: Any, colour: str, **settings: Any) -> None:
    """Fill the space between two curves; settings are ``opacity`` and any of a Plotly scatter trace."""
    x, low, high = rounded(x), rounded(low), rounded(high)
    filled = {"fill": "toself", "fillcolor": faded(colour, settings.pop("opacity", 0.18)), "line_width": 0}
    settings = filled | {"mode": "lines", "hoverinfo": "skip", "showlegend": False} | settings
    figure.add_scatter(x=[*x, *x[::-1]], y=[*high, *low[::-1]], **settings)


def line_over_seeds(
    figure: Figure, x: Any, values: Sequence[Sequence[float]], name: str, colour: str, **settings: Any
) -> None:
    """Add the mean of the seeds, and a band from the lowest to the highest; arguments are those of `line`."""
    each = np.asarray(values, float)
    place = {key: settings[key] for key in ("xaxis", "yaxis") if key in settings}
    if len(each) > 1:
        area(figure, x, each.min(0), each.max(0), colour, opacity=0.15, legendgroup=name, **place)
    line(figure, x, each.mean(0), name, colour, legendgroup=name, **settings)


def seeds_in_title(n: int) -> str:
    """The end of a title of a figure with bands over the seeds."""
    return f" (mean, lowest and highest of {n} seeds)" if n > 1 else ""


def dots(figure: Figure, x: Any, y: Any, marker: dict[str, Any], **settings: Any) -> None:
    """Add dots; settings are any of a Plotly scatter trace."""
    figure.add_scatter(x=x, y=y, **{"mode": "markers"} | settings, marker=marker)


def intervals(values: Sequence[OverSeeds], colour: str = INK) -> dict[str, Any]:
    """Error bars of the 95 % intervals; none for a single seed."""
    half = [width or 0.0 for width in rounded([one.high - one.mean for one in values])]
    return {"type": "data", "array": half, "color": colour, "thickness": 1.2}


def bars(
    figure: Figure, names: Sequence[str], values: Sequence[OverSeeds], marker: dict[str, Any], **settings: Any
) -> None:
    """Add a bar with its interval for each name; settings are any of a Plotly bar trace."""
    means = rounded([one.mean for one in values])
    across = settings.get("orientation") == "h"
    x, y, error = (means, names, "error_x") if across else (names, means, "error_y")
    figure.add_bar(x=x, y=y, marker=marker, **{error: intervals(values), "showlegend": False} | settings)
