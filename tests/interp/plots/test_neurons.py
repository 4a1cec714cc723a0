"""All neurons of a table: histogram and scatter."""

import numpy as np
import pytest
from sampled import LABELS, make_activation_table, make_table, named

from interp import plots
from interp.scoring.table import NeuronTable


def test_histogram_counts_every_neuron_that_has_an_ipr():
    table = make_table(400)
    figure = plots.ipr_histogram(table, np.full(50, 0.0449))
    for label in LABELS:
        known = table["ipr"][(table["label"] == label) & ~np.isnan(table["ipr"])]
        bars = named(figure, label)
        assert sum(bars.y) == len(known)
        if len(known):
            assert np.dot(bars.x, bars.y) / sum(bars.y) == pytest.approx(known.mean(), abs=0.006)
    assert figure.layout.barmode == "stack"
    assert "undefined for 80 of 400" in figure.layout.xaxis.title.text


def test_histogram_shows_the_null_and_its_quantile():
    table = make_table(400)
    figure = plots.ipr_histogram(table, np.array([0.0449] * 90 + [0.0551] * 45))
    tallest = np.sum([named(figure, label).y for label in LABELS], axis=0).max()
    outline = named(figure, "random weights (scaled)")
    assert list(outline.x) == [0.04, 0.04, 0.05, 0.05, 0.06, 0.06]
    np.testing.assert_allclose(outline.y, np.array([0, 1, 1, 0.5, 0.5, 0]) * tallest)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.058]
    assert "0.058" in figure.layout.annotations[0].text


def test_histogram_without_null():
    figure = plots.ipr_histogram(make_table(meta=False), np.array([]))
    assert not figure.layout.shapes
    assert len(figure.data) == len(LABELS)


def test_tables_of_activations_show_their_share_without_the_null():
    table = make_activation_table(400)
    histogram = plots.ipr_histogram(table, np.full(50, 0.0449))
    scatter = plots.neuron_scatter(table)
    assert [trace.name for trace in histogram.data] == list(LABELS)
    assert not histogram.layout.shapes
    for label in LABELS:
        shares = table.where(label=label)["activation_share"]
        bars = named(histogram, label)
        assert sum(bars.y) == np.isfinite(shares).sum()
        if sum(bars.y):
            assert np.dot(bars.x, bars.y) / sum(bars.y) == pytest.approx(np.nanmean(shares), abs=0.006)
            np.testing.assert_allclose(named(scatter, label).x, shares, rtol=1e-4)
    for figure in (histogram, scatter):
        assert (
            "variance at one frequency (1 = all of it; undefined for 80 of 400)"
            in figure.layout.xaxis.title.text
        )
        assert "IPR" not in figure.to_json()


@pytest.mark.parametrize("order", ["ipr", "activation_share", "rule_effect"])
def test_tables_without_any_periodicity_say_so(order):
    table = make_table()
    columns = {**table.columns, "ipr": np.full(40, np.nan), "activation_share": np.full(40, np.nan)}
    table = NeuronTable(columns, "mlp", {"order": order, "null": {"source": None}})
    for figure in (plots.ipr_histogram(table, np.empty(0)), plots.neuron_scatter(table)):
        assert not figure.data
        assert "is not known" in figure.layout.annotations[0].text
        assert all(axis.title.text for axis in (figure.layout.xaxis, figure.layout.yaxis))


def test_scatter_shows_each_neuron_with_its_reasons():
    table = make_table()
    figure = plots.neuron_scatter(table)
    for label in LABELS:
        rows, trace = table.where(label=label), named(figure, label)
        expected = [None if np.isnan(value) else pytest.approx(value, rel=1e-4) for value in rows["ipr"]]
        assert list(trace.x) == expected
        effect = rows["effect_test"] - rows["effect_corrupted_as_labelled"]
        np.testing.assert_allclose(trace.y, effect, rtol=1e-4)
        neuron, frequency, q_value, evidence = zip(*trace.customdata, strict=True)
        assert list(neuron) == rows.neuron.tolist()
        assert list(frequency) == rows["frequency"].tolist()
        assert [e.replace("<br>", " ") for e in evidence] == [e.strip() for e in rows["evidence"]]
        assert q_value == tuple(f"{q:.2g}" for q in rows["q_value"])
    assert "logit units" in figure.layout.yaxis.title.text


def test_scatter_falls_back_to_the_rule_effect():
    table = make_table(effects=False)
    trace = named(plots.neuron_scatter(table), "memorizing")
    np.testing.assert_allclose(trace.y, table.where(label="memorizing")["rule_effect"], rtol=1e-4)


@pytest.mark.parametrize(
    ("n", "kind"), [(plots.MANY_POINTS, "scatter"), (plots.MANY_POINTS + 1, "scattergl")]
)
def test_scatter_of_many_neurons_is_drawn_by_webgl(n, kind):
    assert {trace.type for trace in plots.neuron_scatter(make_table(n)).data} == {kind}
