"""Choosing neurons, changing them and keeping the changes: what happens on the page when a person does.

Each callback checks what the browser sent, calls one function, and shows the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import InterventionError
from interp.explorer import layout, selection, views
from interp.explorer.edits import Change, as_python, change_of, changes_of
from interp.explorer.network import Network
from interp.explorer.rows import found

if TYPE_CHECKING:
    from dash import Dash

    from interp.scoring.table import NeuronTable


@dataclass(frozen=True)
class Place:
    """Where the page's results go.

    Attributes:
        folder: Where edited networks are saved.
        opened: The call that opens the checkpoint, for scripts.
    """

    folder: Path
    opened: str


def connect(app: Dash, network: Network, place: Place) -> None:
    """Connect the choice of neurons, the live measurement, and what is kept and taken away."""
    _choosing(app, network)
    _live(app, network, place)
    _keeping(app, network)
    _saving(app, network, place)


def _sent(
    network: Network, kept: Any, chosen: Any, mode: Any, factor: Any
) -> tuple[tuple[Change, ...], Change]:
    """The changes that were kept, and the one that is being tried."""
    return changes_of(kept, network.width), change_of(chosen, mode, factor, network.width)


def _all_is_well() -> None:
    """Take back what was said of the last mistake."""
    from dash import set_props

    set_props("message", {"children": ""})


def _choosing(app: Dash, network: Network) -> None:
    from dash import Input, Output, Patch, State, ctx, no_update

    table, width = network.table, network.width

    @app.callback(
        Output("selection", "data"),
        {
            "scatter": Input("scatter", "selectedData"),
            "by_label": Input("by-label", "value"),
            "by_frequency": Input("by-frequency", "value"),
            "by_number": Input("by-number", "value"),
            "threshold": Input("threshold", "value"),
            "score": Input("score", "value"),
            "side": Input("side", "value"),
            "by_filter": Input("by-filter", "n_clicks"),
            "choose_it": Input("choose-it", "n_clicks"),
            "clear": Input("clear", "n_clicks"),
            "combine": State("combine", "value"),
            "before": State("selection", "data"),
            "filters": State("table", "filterModel"),
            "neuron": State("neuron", "data"),
        },
        prevent_initial_call=True,
    )
    def choose(**sent):
        if ctx.triggered_id == "clear":
            return []
        new = _asked(str(ctx.triggered_id).replace("-", "_"), sent, table, width)
        if new is None:
            return no_update
        before = change_of(sent["before"], "zero", 0, width).neurons
        _all_is_well()
        return selection.combined(before, new, sent["combine"])

    @app.callback(
        *(Output(name, "value") for name in ("by-label", "by-frequency", "threshold", "by-number")),
        Input("clear", "n_clicks"),
        prevent_initial_call=True,
    )
    def forget(_):
        return None, None, "", ""

    @app.callback(
        Output("scatter", "figure"),
        Output("chosen", "children"),
        Input("selection", "data"),
        prevent_initial_call=True,
    )
    def mark(chosen):
        neurons = change_of(chosen, "zero", 0, width).neurons
        said, patch = f"{len(neurons)} of {width} neurons chosen", Patch()
        if not views.has_points(network):
            return no_update, said
        for i, points in enumerate(views.selected_points(network, set(neurons))):
            patch["data"][i]["selectedpoints"] = points
        patch["layout"]["selections"] = []
        return patch, said


def _asked(cause: str, sent: dict[str, Any], table: NeuronTable, width: int) -> list[int] | None:
    """The neurons that the control that was touched asks for; None if it asks for none."""
    match cause:
        case "by_filter":
            return table.neuron[found(table, {"filterModel": sent["filters"]})].tolist()
        case "choose_it":
            return selection.by_number(sent["neuron"], width)
        case "threshold" | "score" | "side" if sent["threshold"] not in (None, ""):
            return selection.by_score(table, sent["score"], sent["side"], sent["threshold"])
        case "by_label" if sent[cause] is not None:
            return selection.by_label(table, sent[cause])
        case "by_frequency" if sent[cause] is not None:
            return selection.by_frequency(table, sent[cause])
        case "by_number" if sent[cause] not in (None, ""):
            return selection.by_number(sent[cause], width)
        case "scatter" if isinstance(sent[cause], dict) and sent[cause].get("points"):
            return selection.by_lasso(
                sent[cause], width
            )  # without points it only says that its marks changed
    return None


def _live(app: Dash, network: Network, place: Place) -> None:
    from dash import Input, Output, Patch, ctx, no_update

    before = network.measure(()).accuracy.to_dict()

    @app.callback(
        Output("accuracies", "children"),
        Output("map", "figure"),
        Output("pending", "children"),
        Output("python", "children"),
        Input("selection", "data"),
        Input("mode", "value"),
        Input("factor", "value"),
        Input("kept", "data"),
        Input("quantity", "value"),
    )
    def measure(chosen, mode, factor, kept, quantity):
        changes, trying = _sent(network, kept, chosen, mode, factor)
        done = [change for change in (*changes, trying) if not change.changes_nothing]
        measured = network.measure(done)
        shown = views.QUANTITIES if views.has_pairs(network) else ("own margin",)
        if quantity not in shown:
            raise InterventionError(
                f"the map cannot show {str(quantity)[:40]!r}; expected one of {', '.join(shown)}"
            )
        said = "nothing is tried" if trying.changes_nothing else f"trying: {trying}"
        script = as_python(done, place.opened, network.state.hook)
        return layout.cards(measured.accuracy.to_dict(), before), _map(measured, quantity), said, script

    def _map(measured, quantity):
        if not ctx.triggered_id:
            return no_update  # the page came with it
        if ctx.triggered_id == "quantity" or quantity == "answers" or not views.has_pairs(network):
            return views.pair_map(measured, network, quantity)
        patch = Patch()
        patch["data"][0]["z"] = views.typed(views.map_values(measured, network, quantity))
        return patch


def _keeping(app: Dash, network: Network) -> None:
    from dash import ClientsideFunction, Input, Output, State, ctx, html

    needless = ClientsideFunction("explorer", "needless")
    app.clientside_callback(needless, Output("factor", "disabled"), Input("mode", "value"))

    @app.callback(
        Output("kept", "data"),
        Output("factor", "value"),
        Output("mode", "value"),
        Input("keep", "n_clicks"),
        Input("undo", "n_clicks"),
        Input("reset", "n_clicks"),
        State("selection", "data"),
        State("mode", "value"),
        State("factor", "value"),
        State("kept", "data"),
        prevent_initial_call=True,
    )
    def keep(_k, _u, _r, chosen, mode, factor, kept):
        changes, trying = _sent(network, kept, chosen, mode, factor)
        if ctx.triggered_id == "keep" and not trying.changes_nothing:
            changes = changes_of([one.to_dict() for one in (*changes, trying)], network.width)
        elif ctx.triggered_id == "reset":
            changes = ()
        elif ctx.triggered_id == "undo" and trying.changes_nothing:
            changes = changes[:-1]  # else what is being tried is all that is undone
        return [one.to_dict() for one in changes], 1, "scale"

    @app.callback(Output("history", "children"), Input("kept", "data"))
    def history(kept):
        return [html.Li(str(change)) for change in changes_of(kept, network.width)]


def _saving(app: Dash, network: Network, place: Place) -> None:
    from dash import Input, Output, State

    @app.callback(
        Output("saved", "children"),
        Input("save", "n_clicks"),
        State("selection", "data"),
        State("mode", "value"),
        State("factor", "value"),
        State("kept", "data"),
        prevent_initial_call=True,
    )
    def save(_, chosen, mode, factor, kept):
        changes, trying = _sent(network, kept, chosen, mode, factor)
        done = [change for change in (*changes, trying) if not change.changes_nothing]
        return f"saved as {network.save(done, place.folder)}"
