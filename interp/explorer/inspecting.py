"""Looking at one neuron, at the table, at the training run, and taking figures away: what happens on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.errors import ConfigError, InterventionError
from interp.explorer import panels, views
from interp.explorer.network import Network
from interp.explorer.rows import rows_of
from interp.explorer.selection import by_lasso
from interp.explorer.series import Scoring, Series
from interp.report.page import CONFIG

if TYPE_CHECKING:
    from dash import Dash

FIGURES = (
    "scatter",
    "map",
    "weights",
    "activations",
    "loss",
)
SERIES_FIGURES = ("answers-at", "histogram-at", "weights-at", "race", "alignment", "trajectory")


def connect(app: Dash, network: Network, scoring: Scoring | None) -> None:
    """Connect the table, the neuron, the downloads and, if there is one, the training run."""
    _rest(app, network, scoring)
    _table(app, network)
    _pick(app, network)
    _portrait(app, network)
    _downloads(app)
    if scoring is not None:
        _waiting(app, scoring)
        _stepping(app, network, scoring)


def _rest(app: Dash, network: Network, scoring: Scoring | None) -> None:
    from dash import Input, Output

    @app.callback(
        Output("beside", "children"),
        Output("rest", "children"),
        Input("later", "n_intervals"),
        prevent_initial_call=True,
    )
    def follow(_):
        return panels.others(network, scoring)


def _table(app: Dash, network: Network) -> None:
    from dash import Input, Output

    @app.callback(
        Output("table", "getRowsResponse"), Input("table", "getRowsRequest"), prevent_initial_call=True
    )
    def rows(request):
        return rows_of(network.table, request)


def _index(sent: Any, network: Network) -> int:
    """A neuron's index as the page sent it."""
    if type(sent) is not int or not 0 <= sent < network.width:
        raise InterventionError(
            f"neuron {str(sent)[:40]} does not exist; the site has neurons 0 to {network.width - 1}"
        )
    return sent


def _number(sent: Any, now: int) -> int:
    """A neuron's number as it was written; the one that is shown now for nothing."""
    text = str(sent if sent is not None else "").strip()
    if not text:
        return now
    if not text.isdecimal() or len(text) > 9:
        raise InterventionError(f"{text[:40]!r} is no neuron; write a whole number")
    return int(text)


def _pick(app: Dash, network: Network) -> None:
    from dash import Input, Output, State, ctx, no_update

    @app.callback(
        Output("neuron", "data"),
        Output("number", "value"),
        Input("scatter", "clickData"),
        Input("table", "cellClicked"),
        Input("number", "value"),
        Input("before", "n_clicks"),
        Input("next", "n_clicks"),
        State("neuron", "data"),
        prevent_initial_call=True,
    )
    def pick(point, cell, number, _b, _n, now):
        now = _index(now, network)
        match ctx.triggered_id:
            case "scatter":
                chosen = by_lasso(point, network.width)[0] if point and point.get("points") else now
            case "table":
                chosen = _number(cell.get("rowId"), now) if isinstance(cell, dict) else now
            case "number":
                chosen = _number(number, now)
            case "before":
                chosen = (now - 1) % network.width
            case _:
                chosen = (now + 1) % network.width
        chosen = _index(chosen, network)
        return (no_update if chosen == now else chosen), str(chosen)


def _portrait(app: Dash, network: Network) -> None:
    from dash import Input, Output, State

    @app.callback(Output("portrait", "children"), Input("portrait", "id"), State("neuron", "data"))
    def begin(_, neuron):
        return panels.portrait(network, _index(neuron, network))

    @app.callback(
        Output("facts", "children"),
        Output("served", "children"),
        Output("weights", "figure"),
        Output("activations", "figure"),
        Output("loss", "figure"),
        Input("neuron", "data"),
        prevent_initial_call=True,
    )
    def show(neuron):
        found = network.portrait(_index(neuron, network))
        return panels.facts_of(found), panels.served_by(found), *views.neuron_figures(found, network)


def _downloads(app: Dash) -> None:
    """Pictures are made by the browser, pages here, from the figure as the browser shows it."""
    from dash import ALL, ClientsideFunction, Input, Output, State, dcc, no_update
    from plotly.graph_objects import Figure

    app.clientside_callback(
        ClientsideFunction("explorer", "picture"),
        Output("pictured", "data"),
        Input({"save": ALL, "format": "png"}, "n_clicks"),
        Input({"save": ALL, "format": "svg"}, "n_clicks"),
        prevent_initial_call=True,
    )

    def as_page(name: str) -> None:
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
            page = drawn.to_html(include_plotlyjs=True, config=CONFIG)
            return dcc.send_string(page, f"{name}.html")

    for name in (*FIGURES, *SERIES_FIGURES):
        as_page(name)


def _waiting(app: Dash, scoring: Scoring) -> None:
    from dash import Input, Output, State, no_update

    @app.callback(
        Output("series", "children"),
        Output("series-progress", "children"),
        Output("series-poll", "disabled"),
        Input("series-poll", "n_intervals"),
        State("neuron", "data"),
    )
    def wait(polls, neuron):
        if polls:  # not at once: the page's first figures come first
            scoring.start()
        if not scoring.done.is_set():
            return no_update, f"{scoring.scored} of {scoring.total} checkpoints are scored …", False
        if scoring.series is None:
            return [], f"The checkpoints cannot be shown as a series: {scoring.error}", True
        return panels.series(scoring.series, neuron), f"{len(scoring.series)} checkpoints", True


def _ready(scoring: Scoring) -> Series:
    if scoring.series is None:
        raise ConfigError("the checkpoints are not scored yet")
    return scoring.series


def _checkpoint(sent: Any, series: Series) -> int:
    if type(sent) is not int or not 0 <= sent < len(series):
        raise ConfigError(f"there is no checkpoint {str(sent)[:40]}; expected 0 to {len(series) - 1}")
    return sent


def _stepping(app: Dash, network: Network, scoring: Scoring) -> None:
    from dash import ClientsideFunction, Input, Output, State

    @app.callback(
        Output("answers-at", "figure"),
        Output("histogram-at", "figure"),
        Output("weights-at", "figure"),
        Output("step-now", "children"),
        Input("step", "value"),
        Input("neuron", "data"),
    )
    def at(step, neuron):
        series = _ready(scoring)
        step, neuron = _checkpoint(step, series), _index(neuron, network)
        shown = (
            views.answers_at(series, step, network),
            views.histogram_at(series, step),
            views.weights_at(series, step, neuron),
        )
        return *shown, f"step {series.dynamics.steps[step]}, neuron {neuron}"

    @app.callback(Output("race", "figure"), Input("neuron", "data"), prevent_initial_call=True)
    def race(neuron):
        return views.race_of(_ready(scoring), _index(neuron, network))

    app.clientside_callback(
        ClientsideFunction("explorer", "play"),
        Output("tick", "disabled"),
        Output("play", "children"),
        Input("play", "n_clicks"),
        State("tick", "disabled"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "advance"),
        Output("step", "value"),
        Input("tick", "n_intervals"),
        State("step", "value"),
        State("step", "max"),
        prevent_initial_call=True,
    )
