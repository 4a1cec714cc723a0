"""The explorer's page as a whole: its first figures, and the panels that come once these are there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from plotly.graph_objects import Figure

from interp.errors import ConfigError
from interp.explorer import editing, figures, neurons, over_training, populations
from interp.explorer.captions import FIGURES, MARGINS, SHORTCUTS
from interp.explorer.layout import callback, cards, columns, graph, labelled, menu, rate_card, section
from interp.explorer.series import Scoring
from interp.explorer.session import Session
from interp.report.page import CONFIG

HEAD_START = 500
"""Milliseconds that the first figures are drawn for before the rest is asked for."""


def first(session: Session, header: str) -> html.Div:
    """The page of a network with its first figures, and places for the rest."""
    unchanged = session.measure(())
    shown = [*cards(unchanged.accuracy, unchanged.accuracy), rate_card(unchanged.rate)]
    named = labelled("Accuracy by kind of example")
    overview = section(
        "overview",
        "Neurons",
        graph("scatter", figures.scatter(session), text=figures.text(session, "scatter")),
    )
    parts = [
        html.Header([html.H1("Grokscope explorer"), html.P(header)]),
        html.P(id="message", role="alert", className="message"),
        html.Section(shown, id="accuracies", className="cards", **named),
        html.Main([columns(overview, html.Div(id="beside")), html.Div(id="rest")]),
        dcc.Interval(id="later", interval=HEAD_START, max_intervals=1),
    ]
    return html.Div(parts, id="explorer")


def _rest(session: Session, scoring: Scoring | None) -> list[Any]:
    table = session.subject.table
    middle = columns(_pairs(session), neurons.table_panel(table))
    below = [] if scoring is None else [over_training.panel()]
    rows = [html.Li([html.Kbd(key), f" {effect}"]) for key, effect in SHORTCUTS.items()]
    keys = html.Details([html.Summary("Keyboard"), html.Ul(rows)], className="keys")
    stores = [dcc.Store(id=name, data=[]) for name in ("selection", "kept")]
    stores += [dcc.Store(id="neuron", data=neurons.strongest(table)), dcc.Store(id="pictured")]
    return [
        middle,
        populations.panel(session),
        neurons.neuron_panel(table),
        *below,
        keys,
        *stores,
        dcc.Download(id="download"),
    ]


def _pairs(session: Session) -> html.Section:
    title, text, options = "Every pair of operands", figures.text(session, "map"), figures.QUANTITIES
    if not figures.has_pairs(session):
        title, text, options = "Every example", MARGINS, {"own margin": options["own margin"]}
    quantity = next(iter(options))
    figure = figures.pair_map(session.measure(()), session, quantity)
    return section("map", title, menu("Show", "quantity", options, quantity), graph("map", figure, text=text))


def connect(app: Dash, session: Session, scoring: Scoring | None, folder: Path, opened: str) -> None:
    """Connect all panels; see `interp.explorer.server.app_of` for the arguments."""

    @callback(app, "beside.children rest.children", "later.n_intervals")
    def follow(_):
        return editing.panel(session), _rest(session, scoring)

    editing.connect(app, session, folder, opened)
    neurons.connect(app, session)
    populations.connect(app, session)
    connect_downloads(app, FIGURES)
    if scoring is not None:
        over_training.connect(app, session, scoring)


def connect_downloads(app: Dash, figures: Iterable[str]) -> None:
    """Let figures be downloaded, as the browser shows them: pictures are drawn there, pages here."""
    kinds = [Input({"save": ALL, "format": kind}, "n_clicks") for kind in ("png", "svg")]
    pictured = ClientsideFunction("explorer", "picture"), Output("pictured", "data")
    app.clientside_callback(*pictured, *kinds, prevent_initial_call=True)

    def connect(name):
        @app.callback(
            Output("download", "data", allow_duplicate=True),
            Input({"save": name, "format": "html"}, "n_clicks"),
            State(name, "figure"),
            prevent_initial_call=True,
        )
        def save(clicks, figure):
            if not clicks:
                return no_update
            try:
                drawn = Figure(figure, skip_invalid=True)
            except (ValueError, TypeError):
                raise ConfigError(f"the figure {name} is malformed and cannot be downloaded") from None
            return dcc.send_string(drawn.to_html(include_plotlyjs=True, config=CONFIG), f"{name}.html")

    for name in figures:
        connect(name)
