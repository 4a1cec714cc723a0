"""Sets of neurons: colours by label or community, and the neurons that a choice shares with another set."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import Dash, ctx, dcc, html, no_update

from interp.analysis.overlap import neuron_overlap
from interp.errors import ConfigError, InterventionError, choose
from interp.explorer import figures, layout, selection
from interp.explorer.captions import SETS
from interp.explorer.edits import indices_of
from interp.explorer.layout import callback
from interp.explorer.session import Session
from probes.labels import LABELS

SAVED = "saved"
COLOURS = {"label": "label", "community": "community"}


def panel(session: Session) -> html.Section:
    """The controls, and the places of what they show."""
    colours = dcc.RadioItems(COLOURS, "label", id="colour-by", inline=True)
    return layout.section(
        "sets",
        "Sets of neurons",
        html.P(SETS),
        layout.columns(
            layout.fieldset(
                "Communities",
                layout.row(*layout.buttons(find_communities="Find communities")),
                layout.group("Colour of the neurons in the figure above", colours),
                dcc.Loading(layout.status("communities", "not computed yet")),
            ),
            layout.fieldset(
                "Compare the chosen neurons",
                layout.menu("With", "other-set", options_of(session), placeholder="another set"),
                layout.row(
                    *layout.buttons(save_set="Save the choice as a set"), layout.status("saved-set-size")
                ),
                html.Div(id="shared", role="status"),
                layout.row(*layout.buttons(choose_shared="Choose the shared neurons")),
            ),
        ),
        dcc.Store("saved-set", data=[]),
        dcc.Store("coloured", data="label"),
    )


def options_of(session: Session, saved: int = 0) -> list[dict[str, str]]:
    """The sets that there are: labels that neurons have, communities once they are computed, and the saved one."""
    labels = session.subject.table["label"]
    options = [
        {"label": f"{name} ({count})", "value": f"label:{name}"}
        for name in LABELS
        if (count := int((labels == name).sum()))
    ]
    known = session.known_communities
    if known is not None:
        sizes = np.bincount(known.community[known.community >= 0], minlength=known.count)
        options += [
            {"label": f"community {number} ({size})", "value": f"community:{number}"}
            for number, size in enumerate(sizes.tolist())
        ]
    return options + [{"label": f"the saved set ({saved})", "value": SAVED}] * bool(saved)


def neurons_in(session: Session, name: Any, saved: Any) -> list[int]:
    """The neurons of a set, by its value in the menu."""
    kind, _, which = str(name).partition(":")
    if name == SAVED:
        return list(indices_of(saved, session.subject.width))
    if kind == "label":
        return selection.by_label(session.subject.table, which)
    known = session.known_communities
    if kind == "community" and known is not None and which in map(str, range(known.count)):
        return np.flatnonzero(known.community == int(which)).tolist()
    raise InterventionError(f"there is no set {str(name)[:40]!r}; choose one of the menu")


def sentences(session: Session, chosen: Any, name: Any, saved: Any) -> list[str]:
    """The neurons that the choice shares with a set, in words."""
    neurons = indices_of(chosen, session.subject.width)
    if name is None:
        return []
    if not neurons:
        return ["Choose neurons first: by a lasso, a label or a number above."]
    other = neurons_in(session, name, saved)
    titles = {one["value"]: one["label"].rpartition(" (")[0] for one in options_of(session, len(other))}
    if name not in titles:
        raise InterventionError(f"there is no neuron in {name!r}; choose a set of the menu")
    title = titles[name]
    result = neuron_overlap(
        session.subject, np.array(neurons), np.array(other, int), names=("the choice", title)
    )
    return result.sentences()


def _communities(session: Session) -> str:
    """The communities in words; computed when they are first asked for."""
    known = session.communities()
    if not known.count:
        return "no pair of neurons is active together beyond chance: there are no communities"
    number = "1 community" if known.count == 1 else f"{known.count} communities"
    words = f"{number} of {known.connected} of {len(known.community)} neurons, modularity Q {known.modularity:.2f}"
    if known.p_value is not None:
        words += f" (p = {known.p_value:.2g} against the same affinities dealt anew)"
    if known.agreement is None:
        return f"{words}; agreement with frequencies is not testable: {known.reason}"
    return f"{words}; agreement with frequencies ARI {known.agreement.ari:.2f} (p = {known.agreement.p_value:.2g})"


def connect(app: Dash, session: Session) -> None:
    """Connect colours, communities, and the comparison of sets."""
    width = session.subject.width

    @callback(app, "communities.children", "find-communities.n_clicks colour-by.value")
    def find(_, colour):
        choose("colour", colour, COLOURS)
        if ctx.triggered_id == "colour-by" and colour == "label":
            return no_update
        return _communities(session)

    @callback(app, "scatter.figure+ coloured.data", "colour-by.value", "coloured.data selection.data")
    def recolour(colour, before, chosen):
        choose("colour", colour, COLOURS)
        if colour == before:  # the control has only appeared
            return no_update, no_update
        return figures.scatter(session, colour, set(indices_of(chosen, width))), colour

    @callback(app, "saved-set.data saved-set-size.children", "save-set.n_clicks", "selection.data")
    def save(_, chosen):
        neurons = list(indices_of(chosen, width))
        if not neurons:
            raise InterventionError("no neuron is chosen that could be saved as a set")
        return neurons, f"{len(neurons)} neurons saved"

    @callback(app, "other-set.options", "communities.children saved-set.data")
    def offer(_, saved):
        return options_of(session, len(indices_of(saved, width)))

    @callback(app, "shared.children", "selection.data other-set.value saved-set.data")
    def compare(chosen, name, saved):
        return [html.P(one) for one in sentences(session, chosen, name, saved)]

    @callback(
        app, "selection.data+", "choose-shared.n_clicks", "selection.data other-set.value saved-set.data"
    )
    def choose_shared(_, chosen, name, saved):
        if name is None:
            raise ConfigError("choose another set first")
        return sorted(set(indices_of(chosen, width)) & set(neurons_in(session, name, saved)))
