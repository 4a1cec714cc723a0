"""The page of a language model: its controls, the coloured text, and their callbacks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from uuid import uuid4

from dash import ALL, Dash, Input, Output, ctx, dcc, html, no_update, set_props
from dash.exceptions import PreventUpdate

from interp.errors import InterventionError
from interp.explorer import layout
from interp.explorer.captions import LANGUAGE_FIGURES
from interp.explorer.figures import dressed
from interp.explorer.language_session import GRADIENT, HIGHEST, LOWEST, LanguageSession, Measured
from interp.explorer.language_session import State as Changed
from interp.explorer.layout import callback
from interp.explorer.page import connect_downloads
from interp.markup import amount, brief_share, number, percentage
from interp.plots.language import REMOVED, layer_bars
from interp.report.language_tokens import MOST_TOKENS, SCALE_STEPS, token_colour, token_title
from interp.terminal import printable

TRIED = "group.value sequence.value method.value share.value factor.value"
"""Controls that say which units are changed, and what is shown."""
WORDS = 60
"""Characters of a sequence in the list."""
INTRODUCTION = (
    "Choose a group of sequences and take out the neurons that hold most of it: the order of a method decides which "
    "go first. Each token of the continuation is coloured by the log probability that it loses (vermilion) or gains "
    "(blue). Touch one to see what the model would say instead."
)
RANKED = (
    "The order comes from every other sequence of the group; “other half” is measured on those that had no part in it. "
    "Random neurons of the same layers show how much any removal of this size does."
)


def first(session: LanguageSession) -> html.Div:
    """The page with its controls; what is measured follows at once."""
    model = session.model
    units = model.units(session.kind)
    header = f"{printable(model.name)}: {len(units):,} {session.kind} in {len(model.blocks)} layers, via {model.via}"
    notes = [*model.notes, *session.sequences.notes]
    listed = html.Ul([html.Li(printable(note)) for note in notes])
    parts = [
        html.Header([html.H1("Grokscope explorer"), html.P(header), html.P(INTRODUCTION)]),
        html.P(id="message", role="alert", className="message"),
        html.Section([], id="accuracies", className="cards", **layout.labelled("Accuracy and loss")),
        html.Main([
            layout.columns(_controls(session), _text()),
            layout.section("layers", "Where they are", layout.graph("layers")),
            *([html.Details([html.Summary("How it was read"), listed])] if notes else []),
        ]),
        dcc.Store(id="token"), dcc.Store(id="shown"),
        dcc.Store(id="page", data=uuid4().hex), dcc.Store(id="pictured"), dcc.Download(id="download"),
    ]  # fmt: skip
    return html.Div(parts, id="explorer")


def _controls(session: LanguageSession) -> html.Section:
    names = list(session.groups)
    groups = [{"label": f"{printable(name)} ({len(session.groups[name])})", "value": name} for name in names]
    methods = [{"label": title, "value": name} for name, title in session.methods.items()]
    total, steps = len(session.model.units(session.kind)), len(session.counts) - 1
    marks = {
        at: brief_share(session.counts[at] / total) for at in sorted({0, steps // 3, 2 * steps // 3, steps})
    }
    share: dict[str, Any] = {"marks": marks, "updatemode": "mouseup", "allow_direct_input": False}
    factors = {int(value): f"{value:g}" for value in (LOWEST, 1, HIGHEST)}
    return layout.section(
        "live",
        "Live removal",
        layout.menu("Group", "group", groups, names[0]),
        layout.menu("Sequence", "sequence", _listed(session, names[0]), session.groups[names[0]][0]),
        layout.menu("Order of neurons", "method", methods, GRADIENT),
        html.P(RANKED),
        html.P(f"Share of all {session.kind} that is changed:"),
        layout.group(f"Share of all {session.kind}", dcc.Slider(0, steps, 1, value=0, id="share", **share)),
        html.P("Factor on their activations (0 takes them out):"),
        layout.group(
            "Factor on their activations",
            dcc.Slider(LOWEST, HIGHEST, 0.05, value=0, id="factor", marks=factors, updatemode="mouseup"),
        ),
        layout.status("pending"),
        layout.row(*layout.buttons(save="Save as checkpoint"), layout.status("saved")),
    )


def _text() -> html.Section:
    scale = [html.Span(f"{step:+g}", style={"background": token_colour(step)}) for step in SCALE_STEPS]
    return layout.section(
        "text",
        "The text",
        html.P(["Nats lost: ", *scale], className="scale"),
        html.P(id="tokens", className="tokens"),
        html.Div(id="alternatives", **layout.labelled("What the model would say")),
    )


def _listed(session: LanguageSession, group: str) -> list[dict[str, Any]]:
    """Sequences of a group and unseen ones, by their first words."""
    options = []
    for row in dict.fromkeys((*session.groups[group], *session.controls)):
        split = session.sequences.split[row]
        words = printable(session.sequences.begins(row, WORDS))
        options.append({"label": f"{row} {f'{split}: ' if split else ''}{words}", "value": row})
    return options


def connect(app: Dash, session: LanguageSession, folder: Path) -> None:
    """Connect controls, text and figure; edited models are saved in `folder`."""
    _connect_measurement(app, session)
    _connect_tokens(app, session)
    connect_downloads(app, LANGUAGE_FIGURES)

    @callback(app, "sequence.options sequence.value", "group.value")
    def list_sequences(group):
        if group not in session.groups:
            raise InterventionError("there is no such group; reload the page")
        return _listed(session, group), session.groups[group][0]

    @callback(app, "saved.children", "save.n_clicks", TRIED)
    def save(_, *sent):
        return f"saved as {printable(str(session.save(session.state(*sent), folder)))}"


def _connect_measurement(app: Dash, session: LanguageSession) -> None:
    """The shown text first, which is soon there, then all that the figures above it are measured on."""
    layers = session.model.units(session.kind).layer

    @callback(app, "tokens.children layers.figure shown.data", TRIED, "page.data", at_first=True)
    def colour(*sent):
        *values, page = sent
        state, late = session.state(*values), session.ask(page)
        before, after = (run(state, late, alone=True) for run in (session.unchanged, session.measure))
        if before is None or after is None:
            raise PreventUpdate  # the slider has moved on
        chosen = session.chosen(state)
        figure = layer_bars(layers, {f"changed ({len(chosen):,})": (chosen, REMOVED)}, session.kind)
        set_props("message", {"children": ""})  # of the last mistake
        return tokens(session, state, before, after), dressed(figure), uuid4().hex

    @callback(app, "accuracies.children pending.children", "shown.data", f"{TRIED} page.data")
    def measure(_, *sent):
        *values, page = sent
        state, late = session.state(*values), session.watch(page)
        before, after = (run(state, late) for run in (session.unchanged, session.measure))
        text = session.measure(state, late, alone=True)
        if before is None or after is None or text is None:
            raise PreventUpdate
        return cards(session, state, before, after), sentence(session, state, text, after)


def sentence(session: LanguageSession, state: Changed, text: Measured, after: Measured) -> str:
    """The change, the sequences that were run, and the time that they took."""
    total, known = len(session.model.units(session.kind)), len(session.groups[state.group])
    run = f"{min(known, session.most)} of {known} sequences of the group and {len(session.controls)} unseen ones"
    times = f"{text.seconds:.1f} s for the text, {after.seconds:.1f} s for {run}"
    if state.changes_nothing:
        return f"Nothing is changed; it took {times}."
    share = f"{state.count:,} of {total:,} {session.kind} ({brief_share(state.count / total)})"
    order = f"by {session.methods[state.method]} (ordered in {session.ranked_in(state):.1f} s)"
    return f"{share} times {state.factor:g}, {order}. The change took {times}."


def cards(session: LanguageSession, state: Changed, before: Measured, after: Measured) -> list[html.Dl]:
    """Accuracies and losses as large figures, each with its value before the change."""
    ranking, others = session.halves(state.group)
    shown = []
    for title, rows in (("ranked by", ranking), ("other half", others), ("unseen", session.controls)):
        if rows:
            pair = [measured.accuracy(rows) for measured in (after, before)]
            shown.append(_card(f"{title}: accuracy", *map(percentage, pair)))
            losses = [measured.nll(rows) for measured in (after, before)]
            if title == "unseen":
                perplexities = [amount(math.exp(min(loss, 700))) for loss in losses if loss is not None]
                shown.append(_card(f"{title}: perplexity", *perplexities))
            else:
                shown.append(_card(f"{title}: nats a token", *map(number, losses)))
    return shown


def _card(title: str, now: str, before: str) -> html.Dl:
    moved = now != before
    parts = [
        html.Dt(title),
        html.Dd(now),
        html.Dd(f"was {before}" if moved else "unchanged", className="was"),
    ]
    return html.Dl(parts, className=f"card{' moved' * moved}")


def tokens(session: LanguageSession, state: Changed, before: Measured, after: Measured) -> list[Any]:
    """The shown sequence: its prompt, and a button for each token of its continuation."""
    prompt, pieces = session.pieces(state.row)
    old, new = before.scores[state.row], after.scores[state.row]
    parts: list[Any] = [html.Span(printable(prompt), className="prompt")]
    for place, piece in enumerate(pieces[:MOST_TOKENS]):
        logprob = float(old.logprob[0][place]), float(new.logprob[0][place])
        title = token_title(piece, logprob, (int(old.rank[0][place]), int(new.rank[0][place])), False)
        colour = token_colour(logprob[0] - logprob[1])
        shown: dict[str, Any] = {"style": {"background": colour}} if colour else {}
        text = printable(piece.replace("\n", "⏎"))
        one = html.Button(text, id={"token": place}, title=title, className="token", **shown)
        parts += [one, *([html.Br()] * piece.count("\n"))]
    if len(pieces) > MOST_TOKENS:
        parts.append(html.Em(f" … and {len(pieces) - MOST_TOKENS:,} more tokens"))
    return parts


def _connect_tokens(app: Dash, session: LanguageSession) -> None:
    @app.callback(Output("token", "data"), Input({"token": ALL}, "n_clicks"), prevent_initial_call=True)
    def touch(clicks):
        cause = ctx.triggered_id
        return cause["token"] if cause and any(clicks) else no_update

    @callback(app, "alternatives.children", "token.data shown.data", TRIED)
    def compare(place, _, *sent):
        state = session.state(*sent)
        if place is None:
            return html.P("Touch a token.", className="hint")
        if type(place) is not int or not 0 <= place < session.sequences.continuation[state.row]:
            return html.P("Touch a token of this sequence.", className="hint")
        return _alternatives(session, state, place)


def _alternatives(session: LanguageSession, state: Changed, place: int) -> Any:
    _, pieces = session.pieces(state.row)
    rows = [
        html.Tr([
            html.Th(printable(text.replace("\n", "⏎")) + (" (true)" if true else ""), scope="row"),
            html.Td(percentage(before)), html.Td(percentage(after)),
        ], className="true" if true else "")
        for text, true, before, after in session.alternatives(state, place)
    ]  # fmt: skip
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in ("token", "before", "after")]))
    caption = f"In place of “{printable(pieces[place]).strip()}” (token {place} of the continuation)"
    return html.Table([html.Caption(caption), head, html.Tbody(rows)])
