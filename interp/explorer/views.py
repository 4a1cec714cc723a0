"""The explorer's figures, drawn by `interp.plots` and dressed for its page."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from interp import plots
from interp.analysis.portrait import PARTS, Portrait, Spectrum
from interp.explorer.answers import answers
from interp.explorer.network import Measured, Network
from interp.explorer.series import Series
from interp.measuring.arrays import on_grid, side_of_grid
from interp.plots.canvas import say
from interp.plots.neurons import periodicity_column
from interp.plots.pairs import far_from_zero
from interp.report.page import CLEAR, MODEBAR
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
"""What the map over pairs can show."""
HEADROOM = 50
"""Pixels that figures leave for their titles."""


def dressed(figure: Figure) -> Figure:
    """A figure without its own title and height, which the page has, on the page's background."""
    named_above = max(
        0, (figure.layout.margin.t or HEADROOM) - HEADROOM
    )  # what stands above the drawing itself
    margin = {"t": 28 + named_above, "r": 36}
    figure.update_layout(title=None, paper_bgcolor=CLEAR, margin=margin, modebar=MODEBAR)
    figure.layout.template.layout.height = None
    figure.layout.height = None
    return figure.update_layout(uirevision="kept", autosize=True)


def scatter(network: Network) -> Figure:
    """All neurons, to be chosen by lasso."""
    table = network.table
    figure = plots.neuron_scatter(table, reasons=len(table) <= plots.MANY_POINTS)
    figure.update_layout(dragmode="lasso", clickmode="event", selectionrevision="kept")
    for trace in figure.data:
        trace.update(unselected={"marker": {"opacity": 0.15}}, selected={"marker": {"opacity": 1}})
    return dressed(figure)


def has_points(network: Network) -> bool:
    """Whether the scatter shows anything: it needs to be known how periodic the neurons are."""
    return periodicity_column(network.table) is not None


def selected_points(network: Network, chosen: set[int]) -> list[list[int] | None]:
    """Which points of each trace of `scatter` are chosen; None for all traces if none is."""
    rows = (network.table.neuron[network.table["label"] == label] for label in LABELS)
    return [[i for i, n in enumerate(row.tolist()) if n in chosen] if chosen else None for row in rows]


def orders_of(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The operands of rows and columns of every map, in the task's order."""
    if task.ordering is not None:
        return task.ordering.left, task.ordering.right
    both = np.arange(side_of_grid(task))
    return both, both


def has_pairs(network: Network) -> bool:
    """Whether there is one example for each pair of operands."""
    return operands_of(network.opened.task) is not None


def _values(measured: Measured, network: Network, quantity: str) -> Tensor:
    """One number an example."""
    data = network.state.data
    if quantity.endswith("margin"):
        return measured.margins[int(quantity == "true margin")]
    labels = data.true_labels if quantity == "true logit" else data.labels
    return measured.logits.gather(1, labels[:, None])[:, 0]


def map_values(measured: Measured, network: Network, quantity: str) -> np.ndarray:
    """The numbers of the map, ``(left, right)``."""
    return on_grid(_values(measured, network, quantity)[:, None], network.opened.task)[0]


def pair_map(measured: Measured, network: Network, quantity: str) -> Figure:
    """The map over all pairs; of examples that are no pairs, how far their answers are from the others."""
    task, data = network.opened.task, network.state.data
    if not has_pairs(network):
        return dressed(_margins(measured, network))
    title, (left, right) = QUANTITIES[quantity], orders_of(task)
    if quantity == "answers":
        return dressed(answer_map(answers(measured.margins, data, network.state.tolerance), task, title))
    unchanged = map_values(network.measure(()), network, quantity)
    values, limit = map_values(measured, network, quantity), far_from_zero(unchanged)
    return dressed(plots.pair_map(values, left, right, title=title, limit=limit))


def answer_map(codes: np.ndarray, task: Task, title: str) -> Figure:
    """Which answers are right, from their codes by example."""
    left, right = orders_of(task)
    grid = on_grid(torch.from_numpy(codes.astype(np.float32))[:, None], task)[0]
    return plots.answer_map(grid, left, right, title=title)


def _margins(measured: Measured, network: Network) -> Figure:
    data = network.state.data.to("cpu")
    kinds = np.where(data.corrupted, "corrupted", np.where(data.train, "clean", "held out"))
    if not data.split_known:
        kinds = np.full(len(data), "all")
    colours = {"clean": "#56B4E9", "corrupted": "#D55E00", "held out": "#0072B2", "all": "#009E73"}
    present = {kind: colour for kind, colour in colours.items() if (kinds == kind).any()}
    return plots.margin_histogram(measured.margins[0].cpu().numpy(), kinds, present)


def typed(values: np.ndarray) -> dict[str, str]:
    """Numbers as Plotly's library takes them from a patch: half the bytes, and nothing to parse."""
    array = np.ascontiguousarray(values, dtype="<f4")
    shape = ", ".join(map(str, array.shape))
    return {"dtype": "f4", "bdata": b64encode(array.tobytes()).decode(), "shape": shape}


def neuron_figures(portrait: Portrait, network: Network) -> tuple[Figure, Figure, Figure]:
    """Weights with spectra, activations with their spectrum, and the margins that its pairs would lose."""
    one = {portrait.neuron: portrait}
    weights, activations = plots.neuron_weights(one), plots.neuron_activations(one)
    if portrait.loss is None:
        loss = say(
            plots.canvas.blank("Margin lost without it", "", ""), "the examples are no pairs of operands"
        )
    else:
        left, right = orders_of(network.opened.task)
        loss = plots.pair_map(portrait.loss, left, right, title="Margin lost without it")
    return dressed(weights), dressed(activations), dressed(loss)


def histogram_at(series: Series, checkpoint: int) -> Figure:
    """How periodic the neurons were at one checkpoint."""
    figure = plots.ipr_histogram(series.table(checkpoint), np.empty(0))
    most = _tallest(series)
    return dressed(figure.update_yaxes(range=[0, 1.05 * most]))


def _tallest(series: Series) -> int:
    """The tallest bar over all checkpoints, so that the axis stands still."""
    known = [np.clip(row[np.isfinite(row)], 0, 1) for row in series.periodicity[1]]
    return max((int(np.histogram(row, 100, (0, 1))[0].max()) for row in known if len(row)), default=1)


def weights_at(series: Series, checkpoint: int, neuron: int) -> Figure:
    """One neuron's weights and spectra at one checkpoint."""
    vectors = series.vectors(checkpoint, neuron)
    if vectors is None:
        text = (
            "this neuron's weights were not kept"
            if series.weights
            else "the neurons have no weights of their own"
        )
        return dressed(say(plots.canvas.blank("Weights of a neuron", "", ""), text))
    names = PARTS.get(len(vectors), tuple(f"weights {i + 1}" for i in range(len(vectors))))
    found = Spectrum.of(**dict(zip(names, vectors, strict=True)))
    return dressed(plots.spectrum_figure(found))


def race_of(series: Series, neuron: int) -> Figure:
    """The race of a neuron's frequencies, or why there is none."""
    if series.dynamics.components is None:
        text = "the neurons have no weights along the task's order"
        return dressed(say(plots.canvas.blank("Race of the frequencies", "", ""), text))
    return dressed(series.dynamics.race(neuron))


def answers_at(series: Series, checkpoint: int, network: Network) -> Figure:
    """Which pairs were right at one checkpoint; of other examples, how many."""
    task, codes = network.opened.task, series.codes[checkpoint]
    if has_pairs(network):
        return dressed(answer_map(codes, task, "Which answers were right"))
    counts = np.bincount(codes, minlength=len(plots.ANSWERS))
    return dressed(plots.answer_bars(counts))
