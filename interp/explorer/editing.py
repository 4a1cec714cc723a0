"""Live interventions: the controls that choose neurons, change them and keep the changes, and their callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from dash import Dash, Patch, ctx, dcc, html, no_update, set_props

from interp.errors import InterventionError
from interp.explorer import figures, layout, selection
from interp.explorer.edits import HIGHEST, LOWEST, Change, as_python, change_of, changes_of, indices_of, modes
from interp.explorer.layout import callback
from interp.explorer.rows import filtered
from interp.explorer.session import Session
from interp.scoring.table import NeuronTable
from probes.labels import LABELS

MODE, STEP = "scale", 0.01
TRIED = "selection.data mode.value factor.value kept.data"
"""Parts of the page that hold the change that is tried and those that were kept."""
CHOOSING = (
    "by-label.value by-frequency.value by-number.value threshold.value score.value side.value "
    "by-filter.n_clicks choose-it.n_clicks clear.n_clicks"
)
"""Controls that choose neurons, beside the lasso."""


def panel(session: Session) -> html.Section:
    """The controls."""
    return layout.section(
        "live", "Live interventions", _choose(session.subject.table), _change(session), _take()
    )


def _choose(table: NeuronTable) -> html.Fieldset:
    labels = [label for label in LABELS if (table["label"] == label).any()]
    numbers, parts = sorted({int(f) for f in table["frequency"] if f > 0}), table.parts
    options: list[Any] = [{"label": parts.brief(k), "value": k} for k in numbers] if parts.known else numbers
    scores = selection.score_columns(table)
    return layout.fieldset(
        "Choose neurons",
        layout.menu("By label", "by-label", labels, placeholder="any label"),
        layout.menu(f"By {parts.noun}", "by-frequency", options, placeholder=f"any {parts.noun}"),
        layout.row(
            layout.menu("By score", "score", scores, next(iter(scores))),
            layout.menu("is", "side", list(selection.SIDES), selection.SIDES[0]),
            layout.text_field("than", "threshold", placeholder="a number"),
            className="row score",
        ),
        layout.text_field("By number", "by-number", placeholder="such as 3, 10-20"),
        layout.row(
            dcc.RadioItems(list(selection.COMBINE), selection.COMBINE[0], id="combine", inline=True),
            *layout.buttons(clear="Clear"),
            role="group",
            **layout.labelled("What a choice does to the one before"),
        ),
        layout.status("chosen", "no neuron is chosen"),
    )


def _change(session: Session) -> html.Fieldset:
    """A slider that is followed while it moves where that is cheap, else once it is let go."""
    follow: Literal["drag", "mouseup"] = "drag" if session.subject.cached.readout is not None else "mouseup"
    titles = {name: mode.help if mode.argument else mode.title for name, mode in modes().items()}
    marks = {int(value): f"{value:g}" for value in (LOWEST, 0, 1, HIGHEST)}
    slider = dcc.Slider(LOWEST, HIGHEST, STEP, value=1, id="factor", marks=marks, updatemode=follow)
    return layout.fieldset(
        "Change them",
        dcc.RadioItems(titles, MODE, id="mode", inline=True),
        dcc.Store("scaling", data=[name for name, mode in modes().items() if mode.argument]),
        layout.group("Factor that the neurons are multiplied by", slider),
        layout.status("pending"),
        layout.row(*layout.buttons(keep="Keep", undo="Undo", reset="Reset")),
        html.Ol(id="history", **layout.labelled("Changes that were kept")),
    )


def _take() -> html.Fieldset:
    script = html.Pre(id="python", tabIndex=0, **layout.labelled("The changes as a Python script"))
    copy = dcc.Clipboard(target_id="python", title="Copy")
    return layout.fieldset(
        "Take the edit with you",
        layout.row(*layout.buttons(save="Save as checkpoint"), layout.status("saved")),
        html.Details([html.Summary("Copy as Python"), html.Div([copy, script], className="code")]),
    )


def connect(app: Dash, session: Session, folder: Path, opened: str) -> None:
    """Connect the choice of neurons, the live measurement, and the changes that are kept and taken away."""
    _connect_choice(app, session)
    _connect_measurement(app, session, opened)
    _connect_kept(app, session, folder)


def _connect_choice(app: Dash, session: Session) -> None:
    table, width = session.subject.table, session.subject.width

    states = "combine.value selection.data table.filterModel neuron.data"
    names = [part.partition(".")[0] for part in f"{CHOOSING} {states}".split()]

    @callback(app, "selection.data", CHOOSING, states)
    def choose(*values):
        cause, sent = ctx.triggered_id, dict(zip(names, values, strict=True))
        if cause == "clear":
            return []
        return added(_chosen(cause, sent, table, width), sent["selection"], sent["combine"])

    def added(new, chosen, combine):
        if new is None:
            return no_update
        before = indices_of(chosen, width)
        set_props("message", {"children": ""})  # of the last mistake
        return selection.combined(before, new, combine)

    # Apart from the controls: a figure that only reports that its marks changed would call off a choice under way.
    @callback(app, "selection.data+", "scatter.selectedData", "selection.data combine.value")
    def encircle(selected, chosen, combine):
        points = (selected or {}).get("points")
        return added(selection.by_lasso(selected, width) if points else None, chosen, combine)

    @callback(app, "by-label.value by-frequency.value threshold.value by-number.value", "clear.n_clicks")
    def forget(_):
        return None, None, "", ""

    @callback(app, "scatter.figure chosen.children", "selection.data")
    def mark(chosen):
        neurons, patch = indices_of(chosen, width), Patch()
        message = f"{len(neurons)} of {width} neurons chosen"
        if not figures.has_points(session):
            return no_update, message
        for i, points in enumerate(figures.selected_points(session, set(neurons))):
            patch["data"][i]["selectedpoints"] = points
        patch["layout"]["selections"] = []
        return patch, message


def _chosen(cause: str, sent: dict[str, Any], table: NeuronTable, width: int) -> list[int] | None:
    """The neurons that the control that was touched asks for; None if it asks for none."""
    match cause, sent.get(cause):
        case "by-filter", _:
            return table.neuron[filtered(table, {"filterModel": sent["table"]})].tolist()
        case "choose-it", _:
            return selection.by_number(sent["neuron"], width)
        case (("threshold" | "score" | "side"), _) if sent["threshold"] not in (None, ""):
            return selection.by_score(table, sent["score"], sent["side"], sent["threshold"])
        case "by-label", label if label is not None:
            return selection.by_label(table, label)
        case "by-frequency", frequency if frequency is not None:
            return selection.by_frequency(table, frequency)
        case "by-number", text if text not in (None, ""):
            return selection.by_number(text, width)
    return None


def _changes(width: int, chosen: Any, mode: Any, factor: Any, kept: Any) -> tuple[list[Change], Change]:
    """The changes that were kept, and the one that is being tried, from the values of `TRIED`."""
    return list(changes_of(kept, width)), change_of(chosen, mode, factor, width)


def _connect_measurement(app: Dash, session: Session, opened: str) -> None:
    before, hook, width = session.measure(()).accuracy, session.subject.hook, session.subject.width

    outputs = "accuracies.children map.figure pending.children python.children"

    @callback(app, outputs, f"{TRIED} quantity.value", at_first=True)
    def measure(chosen, mode, factor, kept, quantity):
        changes, trying = _changes(width, chosen, mode, factor, kept)
        applied = [change for change in (*changes, trying) if not change.changes_nothing]
        measured = session.measure(applied)
        shown = figures.QUANTITIES if figures.has_pairs(session) else ("own margin",)
        if quantity not in shown:
            raise InterventionError(
                f"the map cannot show {str(quantity)[:40]!r}; expected one of {', '.join(shown)}"
            )
        message = "nothing is tried" if trying.changes_nothing else f"trying: {trying}"
        script = as_python(applied, opened, hook)
        accuracies = [*layout.cards(measured.accuracy, before), layout.rate_card(measured.rate)]
        return accuracies, _map(measured, quantity), message, script

    def _map(measured, quantity):
        if not ctx.triggered_id:
            return no_update  # the page came with it
        if ctx.triggered_id == "quantity" or quantity == "answers" or not figures.has_pairs(session):
            return figures.pair_map(measured, session, quantity)
        patch = Patch()
        patch["data"][0]["z"] = figures.typed(figures.map_values(measured, session, quantity))
        return patch


def _connect_kept(app: Dash, session: Session, folder: Path) -> None:
    width = session.subject.width
    callback(app, "factor.disabled", "mode.value", "scaling.data", at_first=True, script="needless")

    @callback(app, "kept.data factor.value mode.value", "keep.n_clicks undo.n_clicks reset.n_clicks", TRIED)
    def keep(_keep, _undo, _reset, *sent):
        changes, trying = _changes(width, *sent)
        if ctx.triggered_id == "keep" and not trying.changes_nothing:
            changes = list(changes_of([one.to_dict() for one in (*changes, trying)], width))
        elif ctx.triggered_id == "reset":
            changes = []
        elif ctx.triggered_id == "undo" and trying.changes_nothing:
            changes = changes[:-1]  # else the change that is tried is all that is undone
        return [one.to_dict() for one in changes], 1, MODE

    @callback(app, "history.children", "kept.data", at_first=True)
    def history(kept):
        return [html.Li(str(change)) for change in changes_of(kept, width)]

    @callback(app, "saved.children", "save.n_clicks", TRIED)
    def save(_, *sent):
        changes, trying = _changes(width, *sent)
        applied = [change for change in (*changes, trying) if not change.changes_nothing]
        return f"saved as {session.save(applied, folder)}"
