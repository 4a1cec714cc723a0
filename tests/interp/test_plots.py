"""Figures against the numbers they were given, and what every figure must have."""

import json
import subprocess
import sys

import numpy as np
import pytest

from interp import plots
from interp.evaluation import SplitValues
from interp.sweeps import Sweep
from probes.labels import NeuronTable

LABELS = ("generalizing", "memorizing", "dead", "inconclusive")
SPLITS = ("train", "clean", "corrupted_as_labelled", "corrupted_as_true", "test", "all")
BEFORE = SplitValues(0.98, 1.0, 0.94, 0.06, 0.986, 0.83)
AFTER = {"without memorizing": SplitValues(0.65, 1.0, 0.008, 1.0, None, 1.0)}


def make_table(n=40, *, effects=True, meta=True):
    generator = np.random.default_rng(0)
    label = np.resize(np.array(LABELS), n)
    columns = {
        "neuron": np.arange(n)[::-1].copy(),
        "label": label,
        "evidence": np.array([f"because <{i}> of a long reason " * 4 for i in range(n)], dtype=object),
        "ipr": np.where(label == "dead", np.nan, generator.uniform(0, 1, n)),
        "frequency": generator.integers(1, 48, n),
        "q_value": np.where(label == "dead", np.nan, generator.uniform(0, 1, n)),
        "rule_effect": generator.normal(size=n),
    }
    columns["ipr"][0] = 1 + 1e-12
    if effects:
        columns["effect_test"] = generator.normal(size=n)
        columns["effect_corrupted_as_labelled"] = generator.normal(size=n)
    return NeuronTable(columns, "mlp", {"null": {"quantile_999": 0.058}} if meta else {})


def make_sweep(missing=(), mode="zero", n_random=20):
    generator = np.random.default_rng(1)
    removed = np.arange(11)
    accuracy = {split: None if split in missing else generator.uniform(0, 1, 11) for split in SPLITS}
    random = {
        split: None
        if split in missing or not n_random
        else {"mean": values, "low": values - 0.1, "high": values + 0.1}
        for split, values in accuracy.items()
    }
    return Sweep("lowest IPR first", mode, removed, removed / 10, accuracy, random, n_random)


def make_spectra(neurons=(3, 7, 11), vectors=3):
    generator = np.random.default_rng(2)
    return {
        neuron: {
            "weights": [generator.normal(size=13) for _ in range(vectors)],
            "energy": [generator.dirichlet(np.ones(6)) for _ in range(vectors)],
        }
        for neuron in neurons
    }


def make_history(missing=()):
    return [
        {"step": step, "loss": loss, "accuracy": {s: None if s in missing else step / 30 for s in SPLITS}}
        for step, loss in ((0, 0.01), (10, None), (20, 0.0), (30, 1e-5))
    ]


def every_figure():
    table = make_table()
    return {
        "ablation_curve": plots.ablation_curve(make_sweep()),
        "ipr_histogram": plots.ipr_histogram(table, np.array([0.04, 0.05])),
        "neuron_scatter": plots.neuron_scatter(table),
        "accuracy_bars": plots.accuracy_bars(BEFORE, AFTER),
        "neuron_weights": plots.neuron_weights(make_spectra(), table),
        "training_curve": plots.training_curve(make_history()),
    }


def named(figure, name):
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_has_titles_hover_text_and_plain_numbers(name):
    figure = every_figure()[name]
    assert figure.layout.title.text
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    assert all(axis.title.text for axis in axes)
    assert any("(" in axis.title.text for axis in axes)
    assert all(trace.hovertemplate or trace.hoverinfo == "skip" for trace in figure.data)
    text = figure.to_json()
    assert "bdata" not in text
    assert "NaN" not in text
    json.loads(text)


def test_colours_are_fixed_and_distinct():
    assert tuple(plots.LABEL_COLOURS) == LABELS
    assert tuple(plots.SPLIT_COLOURS) == SPLITS
    for palette in (plots.LABEL_COLOURS, plots.SPLIT_COLOURS, plots.LABEL_SYMBOLS):
        assert len(set(palette.values())) == len(palette)
    figures = every_figure()
    for figure in (figures["ipr_histogram"], figures["neuron_scatter"]):
        assert {t.name: t.marker.color for t in figure.data if t.name in LABELS} == plots.LABEL_COLOURS


def test_importing_the_module_does_not_import_plotly():
    code = "import sys, interp.plots; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ablation_curve_draws_the_sweep_and_its_band():
    sweep = make_sweep()
    figure = plots.ablation_curve(sweep)
    for split in SPLITS:
        trace = named(figure, split.replace("_", " "))
        np.testing.assert_allclose(trace.y, sweep.accuracy[split], rtol=1e-4)
        np.testing.assert_allclose(trace.x, sweep.fraction)
        assert list(trace.customdata) == sweep.removed.tolist()
        assert trace.visible == (True if split in ("test", "corrupted_as_labelled") else "legendonly")
    for split in ("test", "corrupted_as_labelled"):
        name = split.replace("_", " ")
        low, high = named(figure, f"{name}, random low"), named(figure, f"{name}, random high")
        np.testing.assert_allclose(low.y, sweep.random[split]["low"], rtol=1e-4)
        np.testing.assert_allclose(high.y, sweep.random[split]["high"], rtol=1e-4)
        np.testing.assert_allclose(named(figure, f"{name}, random").y, sweep.random[split]["mean"], rtol=1e-4)
        place = list(figure.data).index(high)
        assert high.fill == "tonexty"
        assert figure.data[place - 1] is low
    assert len([trace for trace in figure.data if trace.fill]) == 2


def test_ablation_curve_without_corrupted_examples_shows_the_training_set():
    figure = plots.ablation_curve(make_sweep(missing=("corrupted_as_labelled", "corrupted_as_true")))
    assert [t.name for t in figure.data if t.visible is True] == ["test", "train"]
    assert named(figure, "train, random high").fill == "tonexty"


def test_ablation_curve_of_unusual_sweeps():
    assert plots.ablation_curve(make_sweep(missing=SPLITS)).data == ()
    bare = plots.ablation_curve(make_sweep(mode="scale=0.5", n_random=0))
    assert len(bare.data) == len(SPLITS)
    assert "rescaled (scale=0.5)" in bare.layout.title.text
    only = plots.ablation_curve(make_sweep(missing=[split for split in SPLITS if split != "all"]))
    assert [t.name for t in only.data if t.visible is True] == ["all"]


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
    assert "undefined for 100 of 400" in figure.layout.xaxis.title.text


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


def test_bars_show_what_is_known():
    figure = plots.accuracy_bars(BEFORE, AFTER)
    assert list(named(figure, "whole network").y) == list(BEFORE.to_dict().values())
    assert list(named(figure, "without memorizing").y) == list(AFTER["without memorizing"].to_dict().values())
    assert named(figure, "without memorizing").marker.color == plots.LABEL_COLOURS["memorizing"]
    partial = plots.accuracy_bars(SplitValues(0.5, 0.5, None, None, None, 0.5), {})
    assert list(partial.data[0].x) == ["train", "clean", "all"]
    assert list(plots.accuracy_bars(SplitValues(*[None] * 6), {}).data[0].y) == []


def test_menu_shows_one_neuron_at_a_time():
    table, spectra = make_table(), make_spectra()
    spectra[7]["energy"][0][:] = np.nan
    figure = plots.neuron_weights(spectra, table)
    assert [t.visible for t in figure.data] == [True] * 6 + [False] * 12
    (menu,) = figure.layout.updatemenus
    for button, (neuron, vectors) in zip(menu.buttons, spectra.items(), strict=True):
        attribute, visible = button.args
        row = np.flatnonzero(table.neuron == neuron)[0]
        assert attribute == "visible"
        assert button.label == f"neuron {neuron}, {table['label'][row]}"
        shown = [trace for trace, on in zip(figure.data, visible, strict=True) if on]
        lines, bars = shown[::2], shown[1::2]
        assert [t.name for t in lines] == ["left weights", "right weights", "output weights"]
        for line, bar, weights, energy in zip(
            lines, bars, vectors["weights"], vectors["energy"], strict=True
        ):
            np.testing.assert_allclose(line.y, weights, rtol=1e-4)
            np.testing.assert_allclose(np.array(bar.y, float), energy, rtol=1e-4)
            assert list(bar.x) == [1, 2, 3, 4, 5, 6]
            assert (line.yaxis, bar.yaxis) == ("y", "y2")


@pytest.mark.parametrize(
    ("vectors", "names"),
    [
        (1, ["output"]),
        (2, ["left", "right"]),
        (4, ["input 1", "input 2", "input 3", "output"]),
    ],
)
def test_weights_of_other_networks(vectors, names):
    figure = plots.neuron_weights(make_spectra([3], vectors), make_table())
    assert [trace.name for trace in figure.data[::2]] == [f"{name} weights" for name in names]


@pytest.mark.parametrize("spectra", [{}, make_spectra([3], 0)])
def test_no_weights_is_said(spectra):
    figure = plots.neuron_weights(spectra, make_table())
    assert not figure.data
    assert "no neuron" in figure.layout.annotations[0].text


def test_training_curve_leaves_gaps_where_nothing_is_known():
    figure = plots.training_curve(make_history(missing=("corrupted_as_true",)))
    assert "corrupted as true" not in [trace.name for trace in figure.data]
    np.testing.assert_allclose(named(figure, "test").y, [0, 1 / 3, 2 / 3, 1], rtol=1e-4)
    assert list(named(figure, "test").x) == [0, 10, 20, 30]
    assert list(named(figure, "loss").y) == [0.01, None, None, 1e-5]
    assert named(figure, "loss").yaxis == "y2"
    assert figure.layout.yaxis2.type == "log"


def test_training_curve_without_any_loss():
    history = [{"step": 0, "loss": None, "accuracy": {}}]
    assert [trace.name for trace in plots.training_curve(history).data] == ["loss"]
