"""The table of all neurons and everything about one of them: the panels and their callbacks."""

from __future__ import annotations

from typing import Any

import dash_ag_grid
import numpy as np
from dash import Dash, ctx, dcc, html, no_update

from interp.analysis.portrait import Portrait
from interp.errors import InterventionError
from interp.explorer import figures
from interp.explorer.captions import SERVED, TABLE
from interp.explorer.layout import buttons, callback, columns, field, graph, labelled, row, section, status
from interp.explorer.rows import columns_of, rows_of
from interp.explorer.selection import by_lasso
from interp.explorer.session import Session
from interp.report.neurons import SERVED_HEADER, facts, served_rows
from interp.scoring.table import NeuronTable


def strongest(table: NeuronTable) -> int:
    """The neuron that is shown at first."""
    return int(table.neuron[np.nan_to_num(table["strength"]).argmax()])


def table_panel(table: NeuronTable) -> html.Section:
    """All neurons as rows, of which the server sends those that are looked at."""
    kinds = {True: "agNumberColumnFilter", False: "agTextColumnFilter"}
    shown = [
        {"field": name, "headerName": title, "filter": kinds[table[name].dtype.kind in "fiu"]}
        for name, title in columns_of(table).items()
    ]
    every = {"sortable": True, "floatingFilter": True, "width": 130, "minWidth": 90}
    grid = dash_ag_grid.AgGrid(
        id="table",
        rowModelType="infinite",
        columnDefs=shown,
        defaultColDef={**every, "wrapHeaderText": True, "autoHeaderHeight": True},
        getRowId="`${params.data.neuron}`",
        dashGridOptions={"cacheBlockSize": 100, "maxBlocksInCache": 10, "suppressMovableColumns": True},
        style={"height": "540px", "width": "100%"},
    )
    choose = row(*buttons(by_filter="Choose the filtered neurons"))
    return section("table", "Table of neurons", html.P(TABLE), html.Div(grid, **labelled("Neurons")), choose)


def neuron_panel(table: NeuronTable) -> html.Section:
    """The place of everything about one neuron, which comes after the page's first figures."""
    first = str(strongest(table))
    number = dcc.Input(id="number", type="text", inputMode="numeric", debounce=True, value=first)
    controls = row(field("Neuron", number), *buttons(before="Before", next="Next", choose_it="Choose it"))
    described = row(*buttons(describe="Describe the neurons"), dcc.Loading(status("description")))
    return section("neuron", "One neuron", controls, described, html.Div(id="portrait"))


def _portrait(portrait: Portrait, session: Session) -> html.Div:
    names = ("weights", "activations", "loss")
    drawn = dict(zip(names, figures.neuron_figures(portrait, session), strict=True))
    weights, activations, loss = (graph(n, drawn[n], text=figures.text(session, n)) for n in names)
    left = [html.Div(_facts(portrait), id="facts"), html.Div(_served(portrait), id="served"), loss]
    return columns(html.Div(left), html.Div([weights, activations]))


def _facts(portrait: Portrait) -> html.Dl:
    rows = ([html.Dt(name), html.Dd([html.Strong(v), html.Small(m)])] for name, v, m in facts(portrait))
    return html.Dl([html.Div(row) for row in rows], className="facts")


def _served(portrait: Portrait) -> html.Div:
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in SERVED_HEADER]))
    body = html.Tbody([html.Tr([html.Td(cell) for cell in cells]) for cells in served_rows(portrait)])
    return html.Div(html.Table([html.Caption(SERVED), head, body]), className="scroll", tabIndex=0)


def neuron_of(sent: Any, width: int) -> int:
    """A neuron's index as the page sent it, or an `InterventionError`."""
    if type(sent) is not int or not 0 <= sent < width:
        raise InterventionError(
            f"neuron {str(sent)[:40]} does not exist; the site has neurons 0 to {width - 1}"
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


def connect(app: Dash, session: Session) -> None:
    """Connect the table, and the neuron that is shown."""
    width = session.subject.width

    @callback(app, "table.getRowsResponse", "table.getRowsRequest")
    def rows(request):
        return rows_of(session.subject.table, request)

    picks = "scatter.clickData table.cellClicked number.value before.n_clicks next.n_clicks"

    @callback(app, "neuron.data number.value", picks, "neuron.data")
    def pick(point, cell, number, _before, _next, now):
        chosen = now = neuron_of(now, width)
        match ctx.triggered_id:
            case "scatter" if point and point.get("points"):
                chosen = by_lasso(point, width)[0]
            case "table" if isinstance(cell, dict):
                chosen = _number(cell.get("rowId"), now)
            case "number":
                chosen = _number(number, now)
            case "before":
                chosen = (now - 1) % width
            case "next":
                chosen = (now + 1) % width
        return (no_update if chosen == now else neuron_of(chosen, width)), str(chosen)

    @callback(app, "portrait.children", "portrait.id", "neuron.data", at_first=True)
    def begin(_, neuron):
        return _portrait(session.portrait(neuron_of(neuron, width)), session)

    @callback(app, "description.children", "describe.n_clicks neuron.data")
    def describe(_, neuron):
        neuron = neuron_of(neuron, width)
        if ctx.triggered_id != "describe" and session.known_descriptions is None:
            return ""
        return f"neuron {neuron}: {session.descriptions()[neuron]}"

    shown = "facts.children served.children weights.figure activations.figure loss.figure"

    @callback(app, shown, "neuron.data")
    def show(neuron):
        portrait = session.portrait(neuron_of(neuron, width))
        return _facts(portrait), _served(portrait), *figures.neuron_figures(portrait, session)
