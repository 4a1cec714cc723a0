"""Parts that figures share: an empty one in the house style, lines, bands, keys, menus, and numbers as shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NEUTRAL = "#7F7F7F"
GRID = "rgba(127,127,127,0.25)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
HOVER_WIDTH = 60


def plotly() -> Any:
    """Plotly's figure classes; imported here because they take a third of a second."""
    from plotly import graph_objects

    return graph_objects


@lru_cache(maxsize=1)
def _template() -> Any:
    colours = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": NEUTRAL}
    axis = {**colours, "ticks": "outside", "automargin": True, "title": {"standoff": 8}}
    layout = {
        "font": {"family": FONT, "size": 13, "color": "#333333"},
        "title": {"x": 0.02, "y": 0.97, "yref": "container", "yanchor": "top", "font": {"size": 16}},
        "paper_bgcolor": "#FFFFFF",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "hoverlabel": {"align": "left", "namelength": -1},
        "hovermode": "x unified",
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        "height": 460,
    }
    return plotly().layout.Template(layout=layout)


def blank(title: str, x: str, y: str) -> Figure:
    """A figure in the house style with a title and axis titles, and nothing in it."""
    figure = plotly().Figure(layout={"template": _template()})
    return figure.update_layout(title_text=title, xaxis_title_text=x, yaxis_title_text=y)


def say(figure: Figure, text: str) -> Figure:
    """Write a sentence in the middle of a figure that has nothing to show."""
    return figure.add_annotation(text=text, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False)


def line(x: Iterable[Any], y: Any, name: str, colour: str, **attributes: Any) -> Any:
    """A line, or another ``mode``.

    Args:
        x: Of its points.
        y: The same; None or nan where there is none.
        name: In the legend.
        colour: Of the line.
        attributes: ``width`` (2 if left out), ``dash``, ``digits`` of y (5), and attributes of Plotly's Scatter.
    """
    style = {"color": colour, "width": attributes.pop("width", 2), "dash": attributes.pop("dash", None)}
    y = rounded(y, attributes.pop("digits", 5))
    return plotly().Scatter(
        **{"x": list(x), "y": y, "name": name, "mode": "lines", "line": style, **attributes}
    )


def band(x: Iterable[Any], low: Any, high: Any, name: str, colour: str, **attributes: Any) -> list[Any]:
    """The area between two lines, without a place in the legend."""
    edge = {"width": 0, "showlegend": False, "hoverinfo": "skip", **attributes}
    lower, upper = (line(x, y, f"{name} {end}", colour, **edge) for y, end in ((low, "low"), (high, "high")))
    return [lower, upper.update(fill="tonexty", fillcolor=faded(colour))]


def key(name: str, **marker: Any) -> Any:
    """An entry of the legend that has no points of its own."""
    return plotly().Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)


def stepped(colours: Sequence[str]) -> dict[str, Any]:
    """A heat map's attributes that show whole numbers from 0 in these colours."""
    n = len(colours)
    scale = [[(i + end) / n, colour] for i, colour in enumerate(colours) for end in (0, 1)]
    return {"colorscale": scale, "zmin": -0.5, "zmax": n - 0.5, "showscale": False}


def in_percent(figure: Figure, low: float = -0.02, high: float = 1.02) -> Figure:
    """Show a share on the vertical axis, with some room below 0 and above 1."""
    return figure.update_yaxes(tickformat=".0%", range=[low, high])


def label_marker(label: str) -> dict[str, Any]:
    """Colour and shape of the points of neurons with a label."""
    return {"color": LABELS[label].colour, "symbol": LABELS[label].symbol, "size": 7, "opacity": 0.75}


def add_menu(figure: Figure, owners: Sequence[int], names: Mapping[int, str]) -> Figure:
    """A menu that shows the traces of one owner at a time, the first one's at first.

    Args:
        figure: With one trace for each of `owners`.
        owners: The owner of each trace.
        names: The menu's text for each owner.
    """
    for trace, owner in zip(figure.data, owners, strict=True):
        trace.visible = owner == owners[0]
    buttons = [
        {"label": names[one], "method": "restyle", "args": ["visible", [owner == one for owner in owners]]}
        for one in dict.fromkeys(owners)
    ]
    place = {"x": 0, "xanchor": "left", "y": 1.04, "yanchor": "bottom"}
    return figure.update_layout(updatemenus=[{"buttons": buttons, "font": {"size": 12}, **place}])


SHOWN_AT_FIRST = ("train", "test", "corrupted_as_labelled")
"""Splits that curves over training show; the others can be switched on in the legend."""


def telling_splits(accuracy: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Of the splits that have values, the two that tell most, and the others.

    Held-out examples, and corrupted ones as labelled (the training set where there are none); any split without these.

    Example:
        >>> telling_splits({"train": 1.0, "corrupted_as_labelled": None, "test": 0.9, "all": 0.95})
        (['test', 'train'], ['all'])
    """
    known = [split for split, values in accuracy.items() if values is not None]
    second = "corrupted_as_labelled" if "corrupted_as_labelled" in known else "train"
    telling = [split for split in ("test", second) if split in known] or known[:1]
    return telling, [split for split in known if split not in telling]


def shown(value: Any) -> str:
    """A setting's value for people.

    Example:
        >>> shown(15.0), shown("layer"), shown(True), shown(None)
        ('15', 'layer', 'True', '–')
    """
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def faded(colour: str, opacity: float = 0.18) -> str:
    """A colour that lets what is behind it show.

    Example:
        >>> faded("#0072B2")
        'rgba(0,114,178,0.18)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def rounded(values: Any, digits: int = 5) -> list[float | None]:
    """Five significant digits, None where there is no finite value: all that a figure can show.

    Example:
        >>> rounded([1 / 3, float("nan"), None])
        [0.33333, None, None]
    """
    numbers = np.asarray(values, float)
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in numbers]
