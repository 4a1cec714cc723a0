"""Parts that the explorer's page is made of, and callbacks between them."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from plotly.graph_objects import Figure

from interp.data import SPLITS
from interp.explorer.captions import FIGURES, LANGUAGE_FIGURES
from interp.measuring.base_rate import BaseRate
from interp.measuring.evaluation import SplitValues
from interp.report.page import CONFIG

FORMATS = {"png": "PNG", "svg": "SVG", "html": "HTML"}


def labelled(label: str) -> dict[str, Any]:
    """The name of a part for a screen reader."""
    return {"aria-label": label}


def section(name: str, title: str, *content: Any) -> html.Section:
    """A part of the page with its heading."""
    heading, by = html.H2(title, id=f"{name}-title"), {"aria-labelledby": f"{name}-title"}
    more: dict[str, Any] = {"id": f"{name}-section", **by}
    return html.Section([heading, *content], **more)


def fieldset(legend: str, *content: Any) -> html.Fieldset:
    """Controls that belong together."""
    return html.Fieldset([html.Legend(legend), *content])


def columns(*parts: Any) -> html.Div:
    """Parts side by side where there is room for them."""
    return html.Div(list(parts), className="columns")


def row(*parts: Any, **more: Any) -> html.Div:
    """Small parts in a line."""
    return html.Div(list(parts), **{"className": "row", **more})


def group(label: str, content: Any, **more: Any) -> html.Div:
    """Controls with one name for a screen reader."""
    return html.Div(content, role="group", **labelled(label), **more)


def status(name: str, text: str | None = None) -> html.P:
    """A line that tells how things stand, and is read aloud when it changes."""
    return html.P(text, id=name, role="status")


def buttons(**titles: str) -> list[html.Button]:
    """Buttons by their ids, with ``_`` for ``-``."""
    return [html.Button(title, id=name.replace("_", "-")) for name, title in titles.items()]


def field(label: str, control: Any) -> html.Label:
    """A control with its label."""
    return html.Label([html.Span(label), control], className="field")


def text_field(label: str, name: str, **more: Any) -> html.Label:
    """A line to write in, with its label."""
    return field(label, dcc.Input(id=name, type="text", debounce=True, **more))


def menu(label: str, name: str, options: Any, value: Any = None, **more: Any) -> html.Label:
    """A list to choose from, with its label; it can be left empty if no value is given."""
    return field(label, dcc.Dropdown(options, value, id=name, clearable=value is None, **more))


def graph(name: str, figure: Figure | None = None, *, height: int = 0, text: str = "") -> html.Figure:
    """One of the figures of the captions, with buttons that download it; height and text in place of its own."""
    caption = (FIGURES | LANGUAGE_FIGURES)[name]
    height = height or caption.height
    style = {"height": f"min({height}px, 115vw)" if caption.square else f"{height}px"}
    drawn: dict[str, Any] = {"config": CONFIG} if figure is None else {"config": CONFIG, "figure": figure}
    shown = dcc.Graph(id=name, responsive=True, style=style, **drawn)
    downloads = [
        html.Button(
            title, id={"save": name, "format": kind}, **labelled(f"Download “{caption.label}” as {title}")
        )
        for kind, title in FORMATS.items()
    ]
    download = html.Details([html.Summary("Download"), row(*downloads)], className="download")
    parts = [shown, html.Figcaption(text or caption.text), download]
    return html.Figure(parts, role="group", className="plot", **labelled(caption.label))


def cards(now: SplitValues, before: SplitValues) -> list[html.Dl]:
    """The accuracies as large figures, each with its value before the changes."""
    shown = []
    for split in now:
        value, unchanged = now[split], before[split]
        if value is None or unchanged is None:
            continue
        moved = abs(value - unchanged) >= 0.0005
        parts = [
            html.Dt(SPLITS[split].title, title=SPLITS[split].meaning),
            html.Dd(f"{100 * value:.1f} %"),
            html.Dd(f"was {100 * unchanged:.1f} %" if moved else "unchanged", className="was"),
        ]
        data: dict[str, Any] = {"data-split": split, "data-accuracy": f"{value:.6f}"}
        shown.append(html.Dl(parts, className=f"card{' moved' * moved}", **data))
    return shown


def rate_card(rate: BaseRate) -> html.Dl:
    """Balanced accuracy as a large figure, above the base rate."""
    title = f"Mean recall of the classes, of {'held-out' if rate.split == 'test' else 'all'} examples"
    shown = html.Dd(f"{100 * rate.balanced_accuracy:.1f} %")
    base = html.Dd(f"base rate {100 * rate.base_rate:.1f} %", className="was")
    return html.Dl([html.Dt("balanced accuracy", title=title), shown, base], className="card")


def callback(
    app: Dash, outputs: str, inputs: str, states: str = "", *, at_first: bool = False, script: str = ""
) -> Any:
    """A decorator for a function from the values of inputs and states to those of the outputs.

    Parts are named as ``id.property``, separated by blanks; a ``+`` after an output says that others set it too. With
    `at_first` it is also called when they first appear; a `script` is a function of ``assets/explorer.js`` that the
    browser calls instead.
    """
    parts: list[Any] = []
    for kind, names in ((Output, outputs), (Input, inputs), (State, states)):
        for name, _, of in (part.partition(".") for part in names.split()):
            shared = {"allow_duplicate": True} if of.endswith("+") else {}
            parts.append(kind(name, of.rstrip("+"), **shared))
    if script:
        function = ClientsideFunction("explorer", script)
        return app.clientside_callback(function, *parts, prevent_initial_call=not at_first)
    return app.callback(*parts, prevent_initial_call=not at_first)
