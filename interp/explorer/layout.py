"""The explorer's page as a whole, and the parts that all of it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.explorer import captions
from interp.report.page import CONFIG

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEAD_START = 500
"""Milliseconds that the first figures are drawn for before the rest is asked for."""
FORMATS = {"png": "PNG", "svg": "SVG", "html": "HTML"}


def page(header: str, accuracies: Any, first: Any) -> Any:
    """The page with its first figures, and places for the rest, which comes once these are there.

    Args:
        header: What is looked at.
        accuracies: From `cards`.
        first: From `section`; what comes beside it goes to the place ``beside``, all else to ``rest``.
    """
    from dash import dcc, html

    parts = [
        html.Header([html.H1("Grokscope explorer"), html.P(header)]),
        html.P(id="message", role="alert", className="message"),
        html.Section(
            accuracies, id="accuracies", className="cards", **labelled("Accuracy by kind of example")
        ),
        html.Main([columns(first, html.Div(id="beside")), html.Div(id="rest")]),
        dcc.Interval(id="later", interval=HEAD_START, max_intervals=1),
    ]
    return html.Div(parts, id="explorer")


def rest(neuron: int, *sections: Any) -> Any:
    """What comes after the first figures, with all that the page remembers.

    Args:
        neuron: Which is shown at first.
        sections: From `section`.
    """
    from dash import dcc, html

    stored: dict[str, Any] = {"selection": [], "kept": [], "neuron": neuron, "pictured": None}
    rows = [html.Li([html.Kbd(key), f" {what}"]) for key, what in captions.SHORTCUTS.items()]
    keys = html.Details([html.Summary("Keyboard"), html.Ul(rows)], className="keys")
    remembered = (dcc.Store(id=name, data=value) for name, value in stored.items())
    return [*sections, keys, *remembered, dcc.Download(id="download")]


def labelled(label: str) -> dict[str, Any]:
    """What a screen reader says of a part."""
    return {"aria-label": label}


def section(name: str, title: str, *content: Any) -> Any:
    """A part of the page with its heading."""
    from dash import html

    heading, by = html.H2(title, id=f"{name}-title"), {"aria-labelledby": f"{name}-title"}
    more: dict[str, Any] = {"id": f"{name}-section", **by}
    return html.Section([heading, *content], **more)


def columns(*parts: Any) -> Any:
    """Parts side by side where there is room for them."""
    from dash import html

    return html.Div(list(parts), className="columns")


def row(*parts: Any, **more: Any) -> Any:
    """Small parts in a line."""
    from dash import html

    return html.Div(list(parts), className="row", **more)


def field(label: str, control: Any) -> Any:
    """A control with its label."""
    from dash import html

    return html.Label([html.Span(label), control], className="field")


def graph(
    name: str, label: str, height: int, caption: str, figure: Figure | None = None, *, square: bool = False
) -> Any:
    """A figure with its caption, and buttons that download it.

    Args:
        name: Its id.
        label: What a screen reader says of it.
        height: In pixels.
        caption: In plain words.
        figure: What is shown at first.
        square: Whether it is about as high as wide, so that it is lower on a narrow screen.
    """
    from dash import dcc, html

    drawn: dict[str, Any] = {"config": CONFIG} if figure is None else {"config": CONFIG, "figure": figure}
    style = {"height": f"min({height}px, 115vw)" if square else f"{height}px"}
    shown = dcc.Graph(id=name, responsive=True, style=style, **drawn)
    buttons = [
        html.Button(title, id={"save": name, "format": kind}, **labelled(f"Download “{label}” as {title}"))
        for kind, title in FORMATS.items()
    ]
    download = html.Details([html.Summary("Download"), row(*buttons)], className="download")
    parts = [shown, html.Figcaption(caption), download]
    return html.Figure(parts, role="group", className="plot", **labelled(label))


def cards(now: Mapping[str, float | None], before: Mapping[str, float | None]) -> list[Any]:
    """The accuracies as large figures, each with what it was before the changes."""
    from dash import html

    shown = []
    for split, value in now.items():
        was = before[split]
        if value is None or was is None:
            continue
        moved = abs(value - was) >= 0.0005
        parts = [
            html.Dt(captions.SPLITS_IN_WORDS[split]),
            html.Dd(f"{100 * value:.1f} %"),
            html.Dd(f"was {100 * was:.1f} %" if moved else "unchanged", className="was"),
        ]
        data: dict[str, Any] = {"data-split": split, "data-accuracy": f"{value:.6f}"}
        shown.append(html.Dl(parts, className=f"card{' moved' * moved}", **data))
    return shown
