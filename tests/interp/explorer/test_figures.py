"""The explorer's figures against the numbers that they show, and what every one of them must have."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from interp import plots
from interp.checkpoints import Checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask, TableTask
from interp.explorer import figures
from interp.explorer.edits import Change
from interp.explorer.series import Series, scoring_of
from interp.explorer.session import CODES, Measured, Session
from interp.models import HookedModel, adopt, planted_mlp
from interp.plots.canvas import blank
from interp.subject import open_subject, subject_of

P = 11
PRODUCT = ModularTask("multiply", p=P, train_fraction=0.7, corrupt_fraction=0.3)
CHANGES = [Change((0, 1, 2, 5, 8), "scale", -0.5), Change((3, 5), "mean")]


def session_of(model: HookedModel, task: ModularTask | TableTask) -> Session:
    return Session(subject_of(Checkpoint(model, task, "in memory")))


@pytest.fixture(scope="module")
def product() -> Session:
    """A network that multiplies, with neurons of several labels."""
    model = planted_mlp(PRODUCT, generalizing=50, memorizing=0, dead=3).model
    return session_of(model, PRODUCT)


def of_table(split: bool) -> Session:
    """A network of measurements, which are no pairs of operands."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 6, (90, 3), generator=generator)
    labels = inputs.sum(1) % 6
    given: dict[str, Any] = {}
    if split:
        train = torch.arange(90) % 3 > 0
        redrawn = torch.where(torch.arange(90) % 6 == 1, (labels + 1) % 6, labels)
        given, labels = {"true_labels": labels, "train": train}, redrawn
    task = TableTask.from_arrays(inputs.float(), labels, n_classes=6, **given)
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 6))
    return session_of(adopt(layers, "2:input", example=task.dataset.inputs[:2]), task)


@pytest.fixture(scope="module")
def trained(run: Path) -> tuple[Session, Series]:
    """The last network of a run, and the run."""
    scoring = scoring_of(run, OpenOptions())
    assert scoring is not None
    scoring.start()
    assert scoring.done.wait(60)
    assert scoring.series is not None
    return Session(open_subject(run)), scoring.series


def numbers(value: Any) -> np.ndarray:
    """What a figure holds, which may be bytes."""
    if isinstance(value, dict):
        flat = np.frombuffer(b64decode(value["bdata"]), "<" + value["dtype"])
        return flat.reshape([int(n) for n in str(value.get("shape", len(flat))).split(",")])
    return np.array(value, float)


def check(figure: Any, inner: int = 0) -> dict[str, Any]:
    """What every figure of the page must have; the figure as it is sent.

    Args:
        figure: From `figures`.
        inner: So many of its axes share the title of another.
    """
    sent = json.loads(figure.to_json())
    layout = sent["layout"]
    assert "text" not in layout.get("title", {})  # the page says it
    assert "height" not in layout
    axes = [axis for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))]
    titles = [axis["title"]["text"] for axis in axes if axis.get("title", {}).get("text")]
    assert len(titles) == len(axes) - inner >= 2
    assert any("(" in title for title in titles)
    for trace in sent["data"]:
        drawn = trace.get("x") != [None]  # not for the legend alone
        assert not drawn or trace.get("hovertemplate") or trace.get("hoverinfo") == "skip"
    return sent


def cells(figure: Any) -> dict[tuple[int, int], float]:
    """The number that a map shows for each pair of operands."""
    heat = figure.to_dict()["data"][0]
    assert heat["type"] == "heatmap"
    z, operands = numbers(heat["z"]), numbers(heat["customdata"]).astype(int)
    assert operands.shape == (*z.shape, 2)
    return {tuple(operands[where].tolist()): float(value) for where, value in np.ndenumerate(z)}


def expected(measured: Measured, session: Session, quantity: str) -> dict[tuple[int, int], float]:
    """The same, one example after another."""
    data, found = session.subject.data, {}
    labels = data.true_labels if quantity.startswith("true") else data.labels
    for i, (pair, label) in enumerate(zip(data.inputs.tolist(), labels.tolist(), strict=True)):
        logits = measured.logits[i].tolist()
        others = max(value for k, value in enumerate(logits) if k != label)
        found[tuple(pair)] = logits[label] - (others if quantity.endswith("margin") else 0)
    return found


@pytest.mark.parametrize("quantity", ["true margin", "own margin", "true logit", "own logit"])
@pytest.mark.parametrize("changes", [[], CHANGES], ids=["unchanged", "changed"])
def test_the_map_shows_the_number_of_each_pair(
    product: Session, quantity: str, changes: list[Change]
) -> None:
    measured = product.measure(changes)
    figure = figures.pair_map(measured, product, quantity)
    heat, shown, wanted = check(figure)["data"][0], cells(figure), expected(measured, product, quantity)
    assert len(shown) == 10 * 10  # pairs with 0 are outside the order
    for pair, value in shown.items():
        assert value == pytest.approx(wanted[pair], rel=1e-5, abs=1e-5)
    assert heat["colorbar"]["title"]["text"] == "logit units"
    assert "%{z:.3g} logit units" in heat["hovertemplate"]
    unchanged = expected(product.measure([]), product, quantity)
    before = [unchanged[pair] for pair in shown]
    assert heat["zmax"] == -heat["zmin"] == pytest.approx(np.percentile(np.abs(before), 99), rel=1e-5)
    patch = figures.typed(figures.map_values(measured, product, quantity))
    np.testing.assert_array_equal(numbers(patch), numbers(heat["z"]))


def test_rows_and_columns_are_in_the_order_of_the_task(product: Session) -> None:
    left, right = figures.orders_of(PRODUCT)
    assert sorted(left.tolist()) == sorted(right.tolist()) == list(range(1, P))
    for order in (left.tolist(), right.tolist()):
        steps = {(b * pow(a, -1, P)) % P for a, b in pairwise(order)}
        assert len(steps) == 1  # powers of one generator
    shown = list(cells(figures.pair_map(product.measure([]), product, "true logit")))
    assert shown == [(a, b) for a in left.tolist() for b in right.tolist()]
    natural = TableTask.from_arrays(
        torch.cartesian_prod(torch.arange(4), torch.arange(4)), torch.arange(16) % 4
    )
    assert [order.tolist() for order in figures.orders_of(natural)] == [[0, 1, 2, 3]] * 2


def test_the_map_of_answers_says_what_each_was(product: Session) -> None:
    measured = product.measure(CHANGES)
    figure = figures.pair_map(measured, product, "answers")
    sent, data = check(figure), product.subject.data
    texts = np.array(sent["data"][0]["text"]).ravel()
    heat, names = sent["data"][0], list(CODES)
    own, true = (expected(measured, product, quantity) for quantity in ("own margin", "true margin"))
    kinds = {tuple(pair): i for i, pair in enumerate(data.inputs.tolist())}
    for text, (pair, code) in zip(texts, cells(figure).items(), strict=True):
        i, tolerance = kinds[pair], product.subject.cached.tolerance
        if data.corrupted[i]:
            answer = (
                "as labelled" if own[pair] > tolerance else "as true" if true[pair] > tolerance else "neither"
            )
            wanted = f"corrupted, {answer}"
        else:
            kind = "trained on" if data.train[i] else "held out"
            wanted = f"{kind}, {'right' if true[pair] > tolerance else 'wrong'}"
        assert text == names[int(code)] == wanted
        place = (code - heat["zmin"]) / (heat["zmax"] - heat["zmin"])
        below = [colour for end, colour in heat["colorscale"] if end < place]
        above = [colour for end, colour in heat["colorscale"] if end > place]
        assert below[-1] == above[0] == plots.ANSWERS[wanted]
    legend = [trace["name"] for trace in sent["data"][1:]]
    assert set(legend) == set(texts)


def test_all_neurons_can_be_chosen_and_what_is_chosen_is_marked(product: Session) -> None:
    figure = figures.scatter(product)
    sent = check(figure)
    assert sent["layout"]["dragmode"] == "lasso"
    drawn = [point[0] for trace in sent["data"] for point in trace["customdata"]]
    assert sorted(drawn) == list(range(53))
    assert figures.selected_points(product, set()) == [None] * len(sent["data"])
    for chosen in ({4}, set(range(0, 53, 3)), set(range(53))):
        marked = figures.selected_points(product, chosen)
        found = [sent["data"][k]["customdata"][i][0] for k, points in enumerate(marked) for i in points or ()]
        assert sorted(found) == sorted(chosen)
        assert None not in marked


def test_a_figure_that_is_dressed_leaves_others_as_they_are() -> None:
    before = blank("One", "x (a)", "y (b)").layout.template.layout.height
    figures.dressed(blank("Other", "x (a)", "y (b)"))
    assert blank("One", "x (a)", "y (b)").layout.template.layout.height == before > 0


def test_figures_of_a_neuron_show_its_weights_activations_and_the_margins_lost(product: Session) -> None:
    neuron = int(product.subject.table.where(label="generalizing").neuron[0])
    portrait = product.portrait(neuron)
    weights, activations, loss = figures.neuron_figures(portrait, product)
    names = [trace["name"] for trace in check(weights)["data"] if trace["type"] == "scatter"]
    assert names == ["left weights", "right weights", "output weights"]
    np.testing.assert_allclose(numbers(check(activations)["data"][0]["z"]), portrait.grid, rtol=1e-6)
    check(loss)
    without = expected(product.measure([Change((neuron,), "zero")]), product, "own margin")
    whole = expected(product.measure([]), product, "own margin")
    for pair, value in cells(loss).items():
        assert value == pytest.approx(whole[pair] - without[pair], abs=1e-4)


@pytest.mark.parametrize("split", [True, False])
def test_examples_that_are_no_pairs_are_counted_by_their_margins(split: bool) -> None:
    session = of_table(split)
    assert not figures.has_pairs(session)
    measured = session.measure([Change((1, 2), "zero")])
    for quantity in figures.QUANTITIES:
        sent = check(figures.pair_map(measured, session, quantity))
    data = session.subject.data
    masks = {"clean": data.clean, "corrupted as labelled": data.corrupted, "test": data.test}
    masks = masks if split else {"all": torch.ones(90, dtype=torch.bool)}
    assert [bar["name"] for bar in sent["data"]] == list(masks)
    margins = measured.margins[0]
    for bar in sent["data"]:
        counts, centres = numbers(bar["y"]), numbers(bar["x"])
        mask = masks[bar["name"]]
        assert counts.sum() == int(mask.sum()) > 0
        half = (centres[1] - centres[0]) / 2
        above = centres > half  # bars that lie above 0 as a whole
        assert counts[above].sum() <= int((margins[mask] > 0).sum()) <= counts[centres > -half].sum()
    portrait = session.portrait(1)
    for figure in figures.neuron_figures(portrait, session)[1:]:
        assert "no" in figure.layout.annotations[0].text


def test_the_histogram_stands_still_and_counts_every_neuron(trained: tuple[Session, Series]) -> None:
    series, ranges = trained[1], []
    for i in range(len(series)):
        sent = check(figures.histogram_at(series, i))
        counts = sum(numbers(bar["y"]) for bar in sent["data"])
        ipr = series.dynamics.columns["ipr"][i]
        np.testing.assert_array_equal(counts, np.histogram(ipr[np.isfinite(ipr)], 100, (0, 1))[0])
        ranges.append((tuple(sent["layout"]["yaxis"]["range"]), counts.max()))
    assert len({limits for limits, _ in ranges}) == 1
    assert ranges[0][0][1] == pytest.approx(1.05 * max(tallest for _, tallest in ranges))


def test_weights_of_a_neuron_at_a_checkpoint(trained: tuple[Session, Series]) -> None:
    series = trained[1]
    lines = [t for t in check(figures.weights_at(series, 1, 7, PRODUCT))["data"] if t["type"] == "scatter"]
    vectors = series.vectors(1, 7)
    assert [line["name"] for line in lines] == ["left", "right", "output"]
    for line, vector in zip(lines, vectors, strict=True):
        np.testing.assert_allclose(numbers(line["y"]), vector, rtol=1e-4)
    one = replace(series, weights=series.weights[2:])
    names = [trace["name"] for trace in check(figures.weights_at(one, 1, 7, PRODUCT))["data"]]
    assert set(names) == {"output"}
    texts = {
        "not kept": replace(series, neurons=series.neurons[:3]),
        "no weights of their own": replace(series, weights=()),
    }
    for text, other in texts.items():
        assert text in figures.weights_at(other, 1, 7, PRODUCT).layout.annotations[0].text


def test_the_race_of_a_neurons_frequencies(trained: tuple[Session, Series]) -> None:
    series = trained[1]
    assert len(check(figures.race_of(series, 5), inner=1)["data"]) > 1
    without = replace(series, dynamics=replace(series.dynamics, components=None))
    assert "no weights" in figures.race_of(without, 5).layout.annotations[0].text


def test_answers_at_each_checkpoint(trained: tuple[Session, Series]) -> None:
    session, series = trained
    inputs = session.subject.data.inputs.tolist()
    for i in range(len(series)):
        figure = figures.answers_at(series, i, session)
        check(figure)
        shown = cells(figure)
        assert [shown[tuple(pair)] for pair in inputs] == series.codes[i].tolist()
    table = of_table(split=True)
    codes = np.array([[CODES["held out, right"]] * 50 + [CODES["trained on, wrong"]] * 40], np.int8)
    bars = check(figures.answers_at(replace(series, codes=codes), 0, table))["data"][0]
    counted = dict(zip(bars["x"], numbers(bars["y"]).tolist(), strict=True))
    assert counted == {"held out, right": 50, "trained on, wrong": 40}
