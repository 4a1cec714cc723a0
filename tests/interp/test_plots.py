"""Figures against the numbers they were given, and what every figure must have."""

import inspect
import subprocess
import sys
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from figures import check_figure

from interp import plots
from interp.measuring.band import Band
from interp.measuring.curves import Curve
from interp.measuring.evaluation import SplitValues
from interp.plots.single import spectrum_of
from interp.scoring.table import NeuronTable

LABELS = ("generalizing", "memorizing", "dead", "inconclusive")
SPLITS = ("train", "clean", "corrupted_as_labelled", "corrupted_as_true", "test", "all")
INNER = {"trajectory_curves": 5, "frequency_race": 1}
"""Panels that share the title of the last."""
UNITLESS = {"phase_diagram"}
"""Figures of settings of training."""
MAPS = {"neuron_activations", "answer_map", "pair_map"}
"""Figures that hold so many numbers that they are written as bytes."""
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
        split: None if split in missing or not n_random else Band(values, values - 0.1, values + 0.1)
        for split, values in accuracy.items()
    }
    return Curve("lowest IPR first", mode, removed, removed / 10, accuracy, random, n_random)


def make_spectrum(names, generator):
    vectors = [generator.normal(size=13) for _ in names]
    return SimpleNamespace(
        names=names, vectors=vectors, energy=[generator.dirichlet(np.ones(6)) for _ in names]
    )


def make_portraits(neurons=(3, 7, 11), names=("left", "right", "output"), grids=()):
    """Portraits with as much as figures read of them."""
    generator, maps = np.random.default_rng(2), dict(grids)
    return {
        neuron: SimpleNamespace(
            label=LABELS[i % 4], spectrum=make_spectrum(names, generator), grid=maps.get(neuron)
        )
        for i, neuron in enumerate(neurons)
    }


def make_history(missing=()):
    return [
        {"step": step, "loss": loss, "accuracy": {s: None if s in missing else step / 30 for s in SPLITS}}
        for step, loss in ((0, 0.01), (10, None), (20, 0.0), (30, 1e-5))
    ]


def make_activation_table(n=40):
    generator = np.random.default_rng(4)
    table, share = make_table(n), generator.uniform(0, 0.9, n)
    columns = {
        "activation_share": np.where(table["label"] == "dead", np.nan, share),
        "activation_harmonics": np.where(table["label"] == "dead", np.nan, share + 0.1),
        "activation_frequency": generator.integers(1, 48, n),
    }
    meta = {"order": "activation_share", "null": {"quantile_999": 0.058, "source": "activations"}}
    return NeuronTable({**table.columns, **columns}, "mlp", meta)


def wave(left, right, n=7, phase=0.4):
    """cos(w_left a + w_right b + phase) over all pairs."""
    w = 2 * np.pi * np.arange(n) / n
    return np.cos(left * w[:, None] + right * w + phase)


def make_grids(neurons=(3, 7, 11), n=7):
    return {neuron: wave(1 + i, 1 + i, n) + 2 for i, neuron in enumerate(neurons)}


def with_grids(grids):
    """Portraits of neurons without weights."""
    return make_portraits(tuple(grids), (), grids)


def make_records(missing=()):
    records = [
        {
            "step": step,
            "file": f"{step}.pth",
            "accuracy": dict.fromkeys(SPLITS, step / 300),
            "loss": {"train": 0.5, "test": 3.0, "all": 1.0},
            "score": "ipr",
            "mean_score": 0.1 + step / 1000,
            "counts": {
                "total": 10,
                "generalizing": step // 100,
                "memorizing": 3,
                "dead": 0,
                "inconclusive": 1,
            },
            "weight_norm": 5.0,
            "restricted_loss": 2.0,
            "excluded_loss": 0.0 if step == 100 else 1.0 + step,
            "embedding_gini": 0.3,
            "logit_gini": 0.4,
            "logit_variance_explained": step / 400,
        }
        for step in (0, 100, 200, 300)
    ]
    return [{**record, **dict.fromkeys(missing)} for record in records]


STAGES = [
    {
        "name": "memorisation",
        "begin_interval": [None, 0],
        "end_interval": [0, 100],
        "reason": "many words " * 20,
    },
    {"name": "grokking", "begin_interval": [0, 100], "end_interval": [300, None], "reason": "not over"},
]


@cache
def every_figure():
    table = make_table()
    return {
        "frequency_clusters": plots.frequency_clusters({3: 10, 5: 2}, (3,), total=40),
        "harmonics": plots.harmonics(make_activation_table()),
        "histogram_of_shares": plots.ipr_histogram(make_activation_table(), np.empty(0)),
        "scatter_of_shares": plots.neuron_scatter(make_activation_table()),
        "neuron_activations": plots.neuron_activations(with_grids(make_grids())),
        "trajectory_curves": plots.trajectory_curves(make_records(), STAGES),
        "ablation_curve": plots.ablation_curve(make_sweep()),
        "ipr_histogram": plots.ipr_histogram(table, np.array([0.04, 0.05])),
        "neuron_scatter": plots.neuron_scatter(table),
        "accuracy_bars": plots.accuracy_bars(BEFORE, AFTER),
        "neuron_weights": plots.neuron_weights(make_portraits()),
        "spectrum_figure": plots.spectrum_figure(make_portraits()[3].spectrum),
        "training_curve": plots.training_curve(make_history()),
        **figures_of_several(),
        **figures_over_training(),
        **figures_of_pairs(),
    }


def figures_of_several():
    """Of several networks, methods or settings."""
    mean = SimpleNamespace(mean=0.5, low=0.4, high=0.6, values=(0.4, 0.6))
    several = {"lowest first": {"test": [mean, mean], "corrupted_as_labelled": [mean, mean]}}
    pruned = SimpleNamespace(networks=2, fractions=(0.0, 0.5), accuracy=several, paper={})
    spread = np.linspace(0.1, 0.9, 5)
    correlation = SimpleNamespace(rho=0.5, low=0.1, high=0.8)
    carried = SimpleNamespace(correlation=correlation, donor_ipr=spread, donor_gamma=spread, donor_fit=spread)
    dose = SimpleNamespace(
        size=3, name="given", factors=spread, accuracy=make_sweep().accuracy, random={}, n_random=0
    )
    dose.accuracy = {split: values[:5] for split, values in dose.accuracy.items()}
    methods = [SimpleNamespace(name="retraining with dropout", accuracy=BEFORE)]
    cells = [{"train_fraction": 0.3, "dropout": d, "phases": ["coexistence"], "note": "x"} for d in (0, 0.5)]
    labels = {label: [1, 2] for label in LABELS}
    return {
        "accuracy_over": plots.accuracy_over(["0.1"], {"test": [mean]}, x="weight_decay"),
        "dose_response": plots.dose_response(dose),
        "gamma_against_ipr": plots.gamma_against_ipr(carried),
        "gammas_against_ipr": plots.gammas_against_ipr({"a": (spread, spread)}),
        "ipr_over_checkpoints": plots.ipr_over_checkpoints([[0.2, 0.8]], ["a"], [0.7]),
        "labels_over_steps": plots.labels_over_steps({"r0": {"step": [0, 10], **labels}}),
        "neurons_needed": plots.neurons_needed({500: mean}, {500: 200}),
        "phase_diagram": plots.phase_diagram(cells, x="train_fraction", y="dropout"),
        "pruning_over_seeds": plots.pruning_over_seeds(pruned),
        "unlearning_bars": plots.unlearning_bars(SimpleNamespace(methods=methods)),
    }


def figures_over_training():
    """Of single neurons over training."""
    steps, generator = [0, 10, 20], np.random.default_rng(6)
    share, frequency = generator.uniform(size=(3, 4)), generator.integers(1, 6, (3, 4))
    found = {name: [0.1, None, 0.9] for name in ("resultant", "direction", "median", "p_value")} | {
        "n": [3, 0, 4]
    }
    labels = np.resize(np.array(LABELS), (3, 4))
    return {
        "neuron_paths_map": plots.neuron_paths_map(steps, share, frequency, np.arange(4)),
        "alignment_curve": plots.alignment_curve(steps, found),
        "animated_scatter": plots.animated_scatter(
            steps, share, share, labels, x_title="IPR", y_title="effect (logit units)"
        ),
        "frequency_race": plots.frequency_race(7, steps, share, share, 2),
    }


def figures_of_pairs():
    """Of all pairs of operands."""
    codes = np.array([[0.0, 1.0], [np.nan, 3.0]])
    kinds = np.array(["held out", "trained on"])
    colours = {"held out": "#0072B2", "trained on": "#56B4E9"}
    return {
        "answer_bars": plots.answer_bars([1] * len(plots.ANSWERS)),
        "answer_map": plots.answer_map(codes, [0, 1], [0, 1], title="Answers"),
        "margin_histogram": plots.margin_histogram(np.array([0.1, 0.4]), kinds, colours),
        "pair_map": plots.pair_map(codes, [0, 1], [0, 1], title="Margins"),
    }


def named(figure, name):
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


def test_every_function_that_draws_is_proved():
    drawing = {name for name in plots.__all__ if inspect.isfunction(getattr(plots, name))} - {"causal_effect"}
    assert drawing <= set(every_figure())


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_has_titles_units_and_hover_text(name):
    check_figure(
        every_figure()[name], inner=INNER.get(name, 0), unitless=name in UNITLESS, as_bytes=name in MAPS
    )


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
        np.testing.assert_allclose(low.y, sweep.random[split].low, rtol=1e-4)
        np.testing.assert_allclose(high.y, sweep.random[split].high, rtol=1e-4)
        np.testing.assert_allclose(named(figure, f"{name}, random").y, sweep.random[split].mean, rtol=1e-4)
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
            "variance at one frequency (1 = all of it; undefined for 100 of 400)"
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


def test_clusters_tell_key_frequencies_from_others():
    figure = plots.frequency_clusters({3: 10, 5: 2, 9: 1}, (3, 9, 11), total=40)
    keys, others = named(figure, "key frequency of the logits"), named(figure, "other frequency")
    assert dict(zip(keys.x, keys.y, strict=True)) == {3: 10, 9: 1}
    assert dict(zip(others.x, others.y, strict=True)) == {5: 2}
    assert "of 40" in figure.layout.yaxis.title.text
    empty = plots.frequency_clusters({}, (3,))
    assert not empty.data
    assert "no neuron" in empty.layout.annotations[0].text


def test_harmonics_are_shown_against_their_fundamental():
    table = make_activation_table()
    figure = plots.harmonics(table)
    for label in LABELS:
        rows, points = table.where(label=label), named(figure, label)
        known = np.isfinite(rows["activation_share"])
        assert [y is not None for y in points.y] == known.tolist()
        if known.any():
            np.testing.assert_allclose(np.subtract(points.y, points.x), 0.1, atol=1e-4)
        assert [n for n, _ in points.customdata] == rows.neuron.tolist()
        assert [f for _, f in points.customdata] == rows["activation_frequency"].tolist()
    assert "not scored" in plots.harmonics(make_table()).layout.annotations[0].text


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
    portraits = make_portraits()
    portraits[7].spectrum.energy[0][:] = np.nan
    figure = plots.neuron_weights(portraits)
    assert [t.visible for t in figure.data] == [True] * 6 + [False] * 12
    (menu,) = figure.layout.updatemenus
    for button, (neuron, portrait) in zip(menu.buttons, portraits.items(), strict=True):
        attribute, visible = button.args
        assert attribute == "visible"
        assert button.label == f"neuron {neuron}, {portrait.label}"
        shown = [trace for trace, on in zip(figure.data, visible, strict=True) if on]
        lines, bars, spectrum = shown[::2], shown[1::2], portrait.spectrum
        assert [t.name for t in lines] == ["left weights", "right weights", "output weights"]
        for line, bar, vector, energy in zip(lines, bars, spectrum.vectors, spectrum.energy, strict=True):
            np.testing.assert_allclose(line.y, vector, rtol=1e-4)
            np.testing.assert_allclose(np.array(bar.y, float), energy, rtol=1e-4)
            assert list(bar.x) == [1, 2, 3, 4, 5, 6]
            assert line.yaxis in (None, "y")
            assert (bar.xaxis, bar.yaxis) == ("x2", "y2")
            assert line.line.color == bar.marker.color


def test_one_neuron_needs_no_menu_but_a_name():
    figure = plots.neuron_weights(make_portraits([3]))
    assert not figure.layout.updatemenus
    assert figure.layout.title.text == "Weights of neuron 3 (generalizing) and their spectra"


@pytest.mark.parametrize(
    "names", [("output",), ("left", "right"), ("input 1", "input 2", "input 3", "output")]
)
def test_weights_of_other_networks(names):
    figure = plots.neuron_weights(make_portraits([3], names))
    assert [trace.name for trace in figure.data[::2]] == [f"{name} weights" for name in names]
    assert len({trace.line.color for trace in figure.data[::2]}) == len(names)


def test_a_spectrum_is_drawn_below_its_vectors():
    names = tuple("abcdefgh")
    spectrum = make_portraits([3], names)[3].spectrum
    figure = plots.spectrum_figure(spectrum)
    assert [trace.name for trace in figure.data[::2]] == list(names)
    np.testing.assert_allclose(figure.data[14].y, spectrum.vectors[7], rtol=1e-4)
    np.testing.assert_allclose(figure.data[15].y, spectrum.energy[7], rtol=1e-4)
    empty = plots.spectrum_figure(SimpleNamespace(names=(), vectors=(), energy=()))
    assert "no vector" in empty.layout.annotations[0].text


@pytest.mark.parametrize("portraits", [{}, make_portraits([3], ())])
def test_no_weights_is_said(portraits):
    figure = plots.neuron_weights(portraits)
    assert not figure.data
    assert "no neuron" in figure.layout.annotations[0].text


def test_neurons_without_weights_are_left_out_of_the_menu():
    figure = plots.neuron_weights({**make_portraits([3, 4], ("output",)), **with_grids(make_grids([7]))})
    (menu,) = figure.layout.updatemenus
    assert [button.label.split(",")[0] for button in menu.buttons] == ["neuron 3", "neuron 4"]
    assert not plots.neuron_weights(with_grids(make_grids())).data


def test_menu_shows_the_activations_of_one_neuron_at_a_time():
    grids = make_grids()
    figure = plots.neuron_activations({**make_portraits([1]), **with_grids(grids)})
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter"] * 3
    assert [trace.visible for trace in figure.data] == [True] * 2 + [False] * 4
    (menu,) = figure.layout.updatemenus
    for button, (neuron, grid) in zip(menu.buttons, grids.items(), strict=True):
        assert button.label.startswith(f"neuron {neuron}, ")
        _, visible = button.args
        heat, spots = [trace for trace, on in zip(figure.data, visible, strict=True) if on]
        np.testing.assert_allclose(np.array(heat.z), grid, rtol=1e-6)
        frequency = 1 + list(grids).index(neuron)
        assert (list(spots.x), list(spots.y)) == ([frequency], [frequency])
        assert spots.customdata[0] == pytest.approx(1)
    empty = plots.neuron_activations(make_portraits())
    assert not empty.data
    assert "no activations" in empty.layout.annotations[0].text


def test_pages_hold_the_first_maps_of_each_label():
    """40 neurons of four labels in turns, on grids that a page holds nineteen of; 24 maps of 113 by 113 fit."""
    grid = wave(1, 1, 129)
    figure = plots.neuron_activations(with_grids(dict.fromkeys(range(40), grid)))
    shown = [button.label for button in figure.layout.updatemenus[0].buttons]
    assert len(shown) == 19
    assert [sum(label in text for text in shown) for label in LABELS] == [5, 5, 5, 4]
    fitting = plots.neuron_activations(with_grids(dict.fromkeys(range(24), wave(1, 1, 113))))
    assert len(fitting.data) == 48
    assert len(fitting.to_json()) < 2.5e6
    large = plots.neuron_activations(with_grids({0: wave(1, 1, 401)}))
    assert np.array(large.data[0].z).shape == (256, 256)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (8, 8), (6, 9), (2, 2)])
def test_the_spectrum_counts_every_wave_once(n, m):
    """Against projections on the cosine and sine of each pair of frequencies."""
    grid = np.random.default_rng(5).normal(size=(n, m))
    left, right, share = spectrum_of(grid)
    assert share.sum() == pytest.approx(1)
    centred = grid - grid.mean()
    for a, b, found in zip(left, right, share, strict=True):
        angle = 2 * np.pi * (a * np.arange(n)[:, None] / n + b * np.arange(m) / m)
        waves = [
            wave / np.linalg.norm(wave)
            for wave in (np.cos(angle), np.sin(angle))
            if np.abs(wave).max() > 1e-9
        ]
        assert found == pytest.approx(sum((centred * wave).sum() ** 2 for wave in waves) / (centred**2).sum())
    assert 0 <= left.min() <= left.max() <= n // 2
    assert np.abs(right).max() <= m // 2


def test_a_constant_neuron_and_one_with_holes_have_no_spots():
    holes = wave(1, 1)
    holes[2, 3] = np.nan
    figure = plots.neuron_activations(with_grids({1: np.ones((7, 7)), 2: holes}))
    assert [len(trace.x) for trace in figure.data[1::2]] == [0, 0]
    assert np.isnan(figure.data[2].z[2][3])


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


def test_trajectory_draws_the_records_and_their_stages():
    records = make_records()
    figure = plots.trajectory_curves(records, STAGES)
    steps = [0, 100, 200, 300]
    for split in SPLITS:
        trace = named(figure, split.replace("_", " "))
        np.testing.assert_allclose(trace.y, [step / 300 for step in steps], rtol=1e-4)
        assert list(trace.x) == steps
        assert trace.visible == (
            True if split in ("train", "test", "corrupted_as_labelled") else "legendonly"
        )
    assert list(named(figure, "generalizing neurons").y) == [0, 1, 2, 3]
    assert len({t.stackgroup for t in figure.data if t.name.endswith(" neurons")}) == 1
    assert list(named(figure, "mean IPR").y) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert list(named(figure, "excluded loss").y) == [1.0, None, 201.0, 301.0]
    loss = named(figure, "test loss")
    assert figure.layout[f"yaxis{loss.yaxis[1:]}"].type == "log"
    assert list(named(figure, "memorisation").x) == [0, 100]
    assert list(named(figure, "grokking").x) == [100, 300]
    assert [(shape.name, shape.x0, shape.x1) for shape in figure.layout.shapes] == [
        ("memorisation", 0, 100),
        ("grokking", 100, 300),
    ]
    assert max(map(len, named(figure, "memorisation").customdata[0].split("<br>"))) <= 60


def test_trajectory_leaves_out_panels_of_which_nothing_is_known():
    missing = ("restricted_loss", "excluded_loss", "loss", "weight_norm", "counts", "mean_score")
    records = make_records((*missing, "embedding_gini", "logit_gini", "logit_variance_explained"))
    figure = plots.trajectory_curves(records)
    assert [axis.title.text for axis in figure.select_yaxes()] == ["accuracy (%)"]
    records = [{**record, "accuracy": {"all": 0.5}} for record in records]
    (only,) = plots.trajectory_curves(records).data
    assert (only.name, only.visible) == ("all", None)
    nothing = plots.trajectory_curves([{"step": 0, "accuracy": {}}, {"step": 1, "accuracy": {}}])
    assert not nothing.data
    effects = [{**record, "score": "rule_effect"} for record in make_records(("embedding_gini",))]
    assert not [t for t in plots.trajectory_curves(effects).data if t.name.startswith("mean")]


def test_names_of_stages_that_end_close_together_stand_above_each_other():
    ends = {"memorisation": 300, "circuit formation": 350, "clean-up": 900}
    stages = [{"name": name, "end": end} for name, end in ends.items()]
    found = {name: [0.5] * 2 for name in ("resultant", "direction", "median", "p_value")} | {"n": [3, 3]}
    shown = plots.alignment_curve([0, 1000], found, stages).layout.annotations
    assert [one.text for one in shown] == [f"end of {name}" for name in ends]
    assert [bool(one.yshift) for one in shown] == [False, True, False]
