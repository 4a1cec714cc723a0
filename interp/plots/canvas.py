"""What all figures have in common: colours, an empty figure in the house style, numbers and words as they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.data.splits import SPLITS
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LABEL_COLOURS = {name: label.colour for name, label in LABELS.items()}
LABEL_SYMBOLS = {name: label.symbol for name, label in LABELS.items()}
SPLIT_COLOURS = {name: split.colour for name, split in SPLITS.items()}
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


def add_menu(figure: Figure, owners: Sequence[int], names: Mapping[int, str]) -> Figure:
    """A menu that shows the traces of one owner at a time, the first one's at first.

    Args:
        figure: With one trace for each of `owners`.
        owners: Whom each trace belongs to.
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


def words(split: str) -> str:
    """The name of a split for people."""
    return split.replace("_", " ")


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
