"""The panels of the page: all neurons, the interventions, the pairs, the table, one neuron, and the training run."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from interp.analysis.portrait import Portrait
from interp.explorer import captions, views
from interp.explorer.edits import HIGHEST, LOWEST
from interp.explorer.layout import cards, columns, field, graph, labelled, page, rest, row, section
from interp.explorer.network import Network
from interp.explorer.rows import columns_of
from interp.explorer.selection import COMBINE, SIDES
from interp.explorer.series import Scoring, Series
from interp.report.neurons import SERVED_HEADER, facts, served_rows
from probes.labels import LABELS

STEP = 0.01
POLL = 1000
"""Milliseconds between two looks at how far a training run is scored."""
MARKS = 5
"""So many steps are named below the slider of a training run."""


def first(network: Network, header: str) -> Any:
    """The page of a network with its first figures."""
    unchanged = network.measure(()).accuracy.to_dict()
    return page(header, cards(unchanged, unchanged), overview(network))


def others(network: Network, scoring: Scoring | None) -> tuple[Any, Any]:
    """What comes after them, beside them and below; of a training run with a place for it."""
    below = [] if scoring is None else [series_place()]
    middle = columns(pairs(network), table(network))
    return interventions(network), rest(strongest(network), middle, neuron_place(network), *below)


def strongest(network: Network) -> int:
    """The neuron that is shown at first."""
    return int(network.table.neuron[np.nan_to_num(network.table["strength"]).argmax()])


def overview(network: Network) -> Any:
    """All neurons, to be chosen by lasso."""
    figure = views.scatter(network)
    return section(
        "overview",
        "Neurons",
        graph("scatter", "Periodicity against causal effect", 500, captions.SCATTER, figure),
    )


def interventions(network: Network) -> Any:
    """How neurons are chosen and changed, and how the edit is taken away."""
    return section("live", "Live interventions", _choose(network), _change(network), _take())


def _choose(network: Network) -> Any:
    from dash import dcc, html

    scores = network.table
    labels = [label for label in LABELS if (scores["label"] == label).any()]
    frequencies = sorted({int(f) for f in scores["frequency"] if f > 0})
    numeric = {name: title for name, title in columns_of(scores).items() if scores[name].dtype.kind == "f"}
    threshold = dcc.Input(id="threshold", type="text", debounce=True, placeholder="a number")
    score = row(
        field("By score", dcc.Dropdown(numeric, next(iter(numeric)), id="score", clearable=False)),
        field("is", dcc.Dropdown(list(SIDES), SIDES[0], id="side", clearable=False)),
        field("than", threshold),
    )
    score.className = "row score"
    combine = dcc.RadioItems(list(COMBINE), COMBINE[0], id="combine", inline=True)
    return html.Fieldset(
        [
            html.Legend("Choose neurons"),
            field("By label", dcc.Dropdown(labels, id="by-label", placeholder="any label")),
            field("By frequency", dcc.Dropdown(frequencies, id="by-frequency", placeholder="any frequency")),
            score,
            field(
                "By number",
                dcc.Input(id="by-number", type="text", debounce=True, placeholder="such as 3, 10-20"),
            ),
            row(
                combine,
                html.Button("Clear", id="clear"),
                role="group",
                **labelled("What a choice does to the one before"),
            ),
            html.P("no neuron is chosen", id="chosen", role="status"),
        ]
    )


def _change(network: Network) -> Any:
    """A slider that is followed while it moves where that is cheap, else once it is let go."""
    from dash import dcc, html

    follow: Literal["drag", "mouseup"] = "drag" if network.state.readout is not None else "mouseup"

    modes = {"scale": "multiply", "zero": "set to 0", "mean": "set to their mean"}
    marks = {int(value): f"{value:g}" for value in (LOWEST, 0, 1, HIGHEST)}
    slider = dcc.Slider(LOWEST, HIGHEST, STEP, value=1, id="factor", marks=marks, updatemode=follow)
    buttons = (html.Button(title, id=title.lower()) for title in ("Keep", "Undo", "Reset"))
    return html.Fieldset(
        [
            html.Legend("Change them"),
            dcc.RadioItems(modes, "scale", id="mode", inline=True),
            html.Div(slider, role="group", **labelled("Factor that the neurons are multiplied by")),
            html.P(id="pending", role="status"),
            row(*buttons),
            html.Ol(id="history", **labelled("Changes that were kept")),
        ]
    )


def _take() -> Any:
    from dash import dcc, html

    script = html.Pre(id="python", tabIndex=0, **labelled("The changes as a Python script"))
    copy = dcc.Clipboard(target_id="python", title="Copy")
    return html.Fieldset(
        [
            html.Legend("Take the edit with you"),
            row(html.Button("Save as checkpoint", id="save"), html.P(id="saved", role="status")),
            html.Details([html.Summary("Copy as Python"), html.Div([copy, script], className="code")]),
        ]
    )


def pairs(network: Network) -> Any:
    """The map over all pairs, or the margins of examples that are no pairs."""
    from dash import dcc

    known = views.has_pairs(network)
    options = views.QUANTITIES if known else {"own margin": views.QUANTITIES["own margin"]}
    first = next(iter(options))
    figure = views.pair_map(network.measure(()), network, first)
    return section(
        "map",
        "Every pair of operands" if known else "Every example",
        field("Show", dcc.Dropdown(options, first, id="quantity", clearable=False)),
        graph("map", "The answers", 560, captions.MAP if known else captions.MARGINS, figure, square=True),
    )


def table(network: Network) -> Any:
    """All neurons as rows, of which the server sends those that are looked at."""
    import dash_ag_grid as dag
    from dash import html

    scores = network.table
    kinds = {True: "agNumberColumnFilter", False: "agTextColumnFilter"}
    shown = [
        {"field": name, "headerName": title, "filter": kinds[scores[name].dtype.kind in "fiu"]}
        for name, title in columns_of(scores).items()
    ]
    every = {"sortable": True, "floatingFilter": True, "width": 130, "minWidth": 90}
    every |= {"wrapHeaderText": True, "autoHeaderHeight": True}
    grid = dag.AgGrid(
        id="table",
        rowModelType="infinite",
        columnDefs=shown,
        defaultColDef=every,
        getRowId="`${params.data.neuron}`",
        dashGridOptions={"cacheBlockSize": 100, "maxBlocksInCache": 10, "suppressMovableColumns": True},
        style={"height": "540px", "width": "100%"},
    )
    return section(
        "table",
        "Table of neurons",
        html.P(captions.TABLE),
        html.Div(grid, **labelled("Neurons")),
        row(html.Button("Choose the filtered neurons", id="by-filter")),
    )


def neuron_place(network: Network) -> Any:
    """Where everything about one neuron will be shown, after the page's first figures."""
    from dash import dcc, html

    first = str(strongest(network))
    number = dcc.Input(id="number", type="text", inputMode="numeric", debounce=True, value=first)
    buttons = {"before": "Before", "next": "Next", "choose-it": "Choose it"}
    controls = row(field("Neuron", number), *(html.Button(title, id=name) for name, title in buttons.items()))
    return section("neuron", "One neuron", controls, html.Div(id="portrait"))


def portrait(network: Network, chosen: int) -> Any:
    """Everything about one neuron."""
    from dash import html

    found = network.portrait(chosen)
    weights, activations, loss = views.neuron_figures(found, network)
    left = [
        html.Div(facts_of(found), id="facts"),
        html.Div(served_by(found), id="served"),
        graph(
            "loss", "Margin that each pair loses without the neuron", 560, captions.LOSS, loss, square=True
        ),
    ]
    right = [
        graph("weights", "Weights and spectra of the neuron", 580, captions.WEIGHTS, weights),
        graph(
            "activations",
            "Activation over all pairs, and its spectrum",
            880,
            captions.ACTIVATIONS,
            activations,
        ),
    ]
    return columns(html.Div(left), html.Div(right))


def facts_of(found: Portrait) -> Any:
    """What is known of a neuron, with what it means."""
    from dash import html

    known = [
        html.Div([html.Dt(name), html.Dd([html.Strong(value), html.Small(meaning)])])
        for name, value, meaning in facts(found)
    ]
    return html.Dl(known, className="facts")


def served_by(found: Portrait) -> Any:
    """The examples that a neuron serves, as a table."""
    from dash import html

    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in SERVED_HEADER]))
    body = html.Tbody([html.Tr([html.Td(cell) for cell in cells]) for cells in served_rows(found)])
    return html.Div(html.Table([html.Caption(captions.SERVED), head, body]), className="scroll", tabIndex=0)


def series_place() -> Any:
    """Where the training run will be shown, and how far it is scored."""
    from dash import dcc, html

    waiting = html.P("the checkpoints are being scored …", id="series-progress", role="status")
    poll = dcc.Interval(id="series-poll", interval=POLL)
    return section("series", "Over training", waiting, poll, html.Div(id="series"))


def series(found: Series, chosen: int) -> Any:
    """What is shown of a training run once it is scored."""
    from dash import dcc, html

    steps, last = found.dynamics.steps.tolist(), len(found) - 1
    named = np.unique(np.linspace(0, last, MARKS).round().astype(int)).tolist()
    marks = {i: str(steps[i]) for i in named}
    slider = dcc.Slider(
        0, last, 1, value=last, id="step", marks=marks, updatemode="drag", allow_direct_input=False
    )
    dynamics = found.dynamics
    race, alignment = views.race_of(found, chosen), views.dressed(dynamics.plot_alignment())
    developed = dynamics.trajectory.plot()
    tall = int(developed.layout.height or 600)
    return html.Div(
        [
            row(html.Button("Play", id="play"), html.P(id="step-now", role="status")),
            html.Div(slider, role="group", className="steps", **labelled("Checkpoint of the run")),
            dcc.Interval(id="tick", interval=600, disabled=True),
            columns(
                graph("answers-at", "Which pairs were right", 600, captions.ANSWERS, square=True),
                graph("weights-at", "Weights of the neuron at this step", 580, captions.WEIGHTS_AT),
                graph("histogram-at", "How periodic the neurons were", 420, captions.HISTOGRAM),
                graph("alignment", "Phase alignment", 440, captions.ALIGNMENT, alignment),
                graph("race", "Race of the neuron's frequencies", 600, captions.RACE, race),
                graph(
                    "trajectory",
                    "How the network developed",
                    tall,
                    captions.TRAJECTORY,
                    views.dressed(developed),
                ),
            ),
        ]
    )
