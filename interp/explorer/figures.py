"""The explorer's figures, drawn by `interp.plots` and dressed for its page."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int

from interp import plots
from interp.analysis.portrait import Portrait
from interp.analysis.spectrum import NAMES, task_spectrum
from interp.data import GROUPS, SPLITS
from interp.explorer.captions import text_of
from interp.explorer.series import Series
from interp.explorer.session import Measured, Session, answer_codes
from interp.plots.canvas import NEUTRAL, blank, key, say
from interp.plots.coset_indicators import COLOURS
from interp.plots.neurons import periodicity_column
from interp.plots.pairs import far_from_zero
from interp.report.page import CLEAR, MODEBAR
from interp.scoring.pair_order import in_pair_order, pair_order
from interp.scoring.periodicity import operands_of
from probes.labels import LABELS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.data import Task

QUANTITIES = {
    "true margin": "Margin of the right answer",
    "own margin": "Margin of the label that was trained on",
    "true logit": "Logit of the right answer",
    "own logit": "Logit of the label that was trained on",
    "answers": "Which answers are right",
}
HEADROOM = 50
"""Pixels that figures leave for their titles."""


def dressed(figure: Figure) -> Figure:
    """A figure without its own title and height, which the page has, on the page's background."""
    annotated = max(0, (figure.layout.margin.t or HEADROOM) - HEADROOM)  # above the drawing itself
    margin = {"t": 16 + annotated}
    figure.update_layout(title=None, paper_bgcolor=CLEAR, margin=margin, modebar=MODEBAR)
    figure.layout.template.layout.height = figure.layout.height = None
    return figure.update_layout(uirevision="kept", autosize=True)


def _without(title: str, reason: str) -> Figure:
    return dressed(say(blank(title, "", ""), reason))


def scatter(session: Session, colour: str = "label", chosen: set[int] | None = None) -> Figure:
    """All neurons, to be chosen by lasso.

    Args:
        colour: ``"label"``, or ``"community"``, which computes these where that was not done yet.
        chosen: Neurons that are marked.
    """
    table = session.subject.table
    figure = plots.neuron_scatter(table, reasons=len(table) <= plots.MANY_POINTS)
    figure.update_layout(dragmode="lasso", clickmode="event", selectionrevision="kept")
    if not has_points(session):
        return dressed(figure)
    marks = selected_points(session, chosen or set())
    for trace, points in zip(figure.data, marks, strict=True):
        trace.update(unselected={"marker": {"opacity": 0.15}}, selected={"marker": {"opacity": 1}})
        trace.selectedpoints = points
    if colour == "community":
        _colour_by_community(figure, session.communities().community)
    return dressed(figure)


def _colour_by_community(figure: Figure, community: Int[np.ndarray, " neuron"]) -> None:
    """Colours of the largest communities, in place of those of labels, and a legend of both; symbols stay."""
    for trace in figure.data:
        numbers = [int(community[row[0]]) for row in trace.customdata]
        trace.marker.color = [community_colour(number) for number in numbers]
        hover = [f"community {number}" if number >= 0 else "no community" for number in numbers]
        trace.text, trace.showlegend = hover, False
        trace.hovertemplate = trace.hovertemplate.replace("<extra></extra>", "<br>%{text}<extra></extra>")
    most = int(community.max(initial=-1)) + 1
    names = {number: f"community {number}" for number in range(min(most, len(COLOURS)))}
    names |= {len(COLOURS): "smaller communities"} if most > len(COLOURS) else {}
    names |= {-1: "no community"} if (community < 0).any() else {}
    for number, name in names.items():
        figure.add_trace(key(name, color=community_colour(number), size=8))


def community_colour(number: int) -> str:
    """The colour of a community by its number: the largest have their own, none is pale.

    Example:
        >>> community_colour(0) != community_colour(1), community_colour(100) == community_colour(50)
        (True, True)
    """
    if number < 0:
        return "#C8C8C8"
    return COLOURS[number] if number < len(COLOURS) else NEUTRAL


def text(session: Session, name: str) -> str:
    """The text below a figure of the session's network."""
    task = session.subject.task
    return text_of(name, session.subject.table.parts, pair_order(task) if has_pairs(session) else None)


def has_points(session: Session) -> bool:
    """True if the scatter shows anything: it needs to be known how periodic the neurons are."""
    return periodicity_column(session.subject.table) is not None


def selected_points(session: Session, chosen: set[int]) -> list[list[int] | None]:
    """The chosen points of each trace of `scatter`; None for all traces if none is chosen."""
    table = session.subject.table
    rows = (table.neuron[table["label"] == label].tolist() for label in LABELS)
    return [[i for i, neuron in enumerate(row) if neuron in chosen] if chosen else None for row in rows]


def orders_of(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The operands of rows and columns of every map, in the task's order, or of a group by cosets."""
    order = pair_order(task)
    return order.left, order.right


def has_pairs(session: Session) -> bool:
    """True if there is one example for each pair of operands."""
    return operands_of(session.subject.task) is not None


def map_values(measured: Measured, session: Session, quantity: str) -> np.ndarray:
    """The numbers of the map, ``(left, right)``."""
    data = session.subject.data
    if quantity.endswith("margin"):
        values = measured.margins[int(quantity == "true margin")][:, None]
    else:
        labels = data.true_labels if quantity == "true logit" else data.labels
        values = measured.logits.gather(1, labels[:, None])
    return in_pair_order(values, session.subject.task)[0]


def pair_map(measured: Measured, session: Session, quantity: str) -> Figure:
    """The map over all pairs; of examples that are no pairs, a histogram of their margins."""
    if not has_pairs(session):
        return dressed(_margins(measured, session))
    subject, title = session.subject, QUANTITIES[quantity]
    if quantity == "answers":
        codes = answer_codes(measured.margins, subject.data, subject.cached.tolerance)
        return dressed(answer_map(codes, subject.task, title))
    unchanged = map_values(session.measure(()), session, quantity)
    values, limit = map_values(measured, session, quantity), far_from_zero(unchanged)
    place = pair_order(subject.task).axis
    return dressed(plots.pair_map(values, *orders_of(subject.task), title=title, limit=limit, place=place))


def answer_map(codes: np.ndarray, task: Task, title: str) -> Figure:
    """The answers to all pairs, from their codes by example."""
    grid = in_pair_order(torch.from_numpy(codes.astype(np.float32))[:, None], task)[0]
    return plots.answer_map(grid, *orders_of(task), title=title, place=pair_order(task).axis)


def _margins(measured: Measured, session: Session) -> Figure:
    """Margins of the labels as trained on, by the split that is exactly one group of examples."""
    cached = session.subject.cached
    splits = [next(split for split in SPLITS.values() if split.groups == (group,)) for group in GROUPS]
    kinds = np.array([split.title for split in splits])[cached.group.cpu().numpy()]
    if not cached.data.split_known:
        splits = [SPLITS["all"]]
        kinds = np.full(len(kinds), splits[0].title)
    present = {split.title: split.colour for split in splits if split.title in kinds}
    return plots.margin_histogram(measured.margins[0].cpu().numpy(), kinds, present)


def typed(values: np.ndarray) -> dict[str, str]:
    """Numbers as Plotly's library takes them from a patch: half the bytes, and nothing to parse."""
    array = np.ascontiguousarray(values, dtype="<f4")
    shape = ", ".join(map(str, array.shape))
    return {"dtype": "f4", "bdata": b64encode(array.tobytes()).decode(), "shape": shape}


def neuron_figures(portrait: Portrait, session: Session) -> tuple[Figure, Figure, Figure]:
    """Weights with spectra, activations with their spectrum, and the margins that its pairs would lose."""
    title = "Margin lost without it"
    if portrait.loss is None:
        loss = _without(title, "the examples are no pairs of operands")
    else:
        task = session.subject.task
        place = pair_order(task).axis
        loss = dressed(plots.pair_map(portrait.loss, *orders_of(task), title=title, place=place))
    return dressed(plots.neuron_weights(portrait)), dressed(plots.neuron_activations(portrait)), loss


def histogram_at(series: Series, checkpoint: int) -> Figure:
    """The neurons by periodicity at one checkpoint, on an axis that stands still."""
    known = [np.clip(row[np.isfinite(row)], 0, 1) for row in series.periodicity[1]]
    tallest = max((int(np.histogram(row, 100, (0, 1))[0].max()) for row in known if len(row)), default=1)
    figure = plots.ipr_histogram(series.table(checkpoint), np.empty(0))
    return dressed(figure.update_yaxes(range=[0, 1.05 * tallest]))


def weights_at(series: Series, checkpoint: int, neuron: int, task: Task) -> Figure:
    """One neuron's weights and spectra at one checkpoint."""
    vectors = series.vectors(checkpoint, neuron)
    if vectors is None:
        unkept, unweighted = "this neuron's weights were not kept", "the neurons have no weights of their own"
        return _without("Weights of a neuron", unkept if series.weights else unweighted)
    names = NAMES.get(len(vectors), tuple(f"weights {i + 1}" for i in range(len(vectors))))
    return dressed(plots.spectrum_figure(task_spectrum(task, vectors, names)))


def race_of(series: Series, neuron: int) -> Figure:
    """The race of a neuron's frequencies or components, or the reason why there is none."""
    if series.dynamics.components is None:
        return _without(
            f"Race of the {series.dynamics.parts.plural}",
            "the neurons have no weights along the task's order",
        )
    return dressed(series.dynamics.race(neuron))


def answers_at(series: Series, checkpoint: int, session: Session) -> Figure:
    """The answers to all pairs at one checkpoint; of other examples, the number of each kind of answer."""
    codes = series.codes[checkpoint]
    if has_pairs(session):
        return dressed(answer_map(codes, session.subject.task, "Which answers were right"))
    return dressed(plots.answer_bars(np.bincount(codes, minlength=len(plots.ANSWERS))))
