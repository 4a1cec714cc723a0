"""What every figure must have."""

import inspect
import subprocess
import sys
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from figures import check_figure
from sampled import (
    AFTER,
    BEFORE,
    LABELS,
    SPLITS,
    STAGES,
    make_activation_table,
    make_cosets,
    make_dynamics,
    make_grids,
    make_history,
    make_portraits,
    make_records,
    make_sweep,
    make_table,
    make_trajectory,
    named,
    with_grids,
)

from interp import plots
from interp.data import splits
from probes import labels

INNER = {"trajectory_curves": 5, "frequency_race": 1}
"""Panels that share the title of the last."""
UNITLESS = {"phase_diagram"}
"""Figures of settings of training."""
MAPS = {"neuron_activations", "answer_map", "pair_map"}
"""Figures that hold so many numbers that they are written as bytes."""


@cache
def every_figure():
    table = make_table()
    return {
        "frequency_clusters": plots.frequency_clusters({3: 10, 5: 2}, (3,), total=40),
        "coset_indicators": plots.coset_indicators(make_cosets()),
        "harmonics": plots.harmonics(make_activation_table()),
        "histogram_of_shares": plots.ipr_histogram(make_activation_table(), np.empty(0)),
        "scatter_of_shares": plots.neuron_scatter(make_activation_table()),
        "neuron_activations": plots.neuron_activations(with_grids(make_grids())[3]),
        "trajectory_curves": plots.trajectory_curves(make_trajectory(make_records(), STAGES)),
        "ablation_curve": plots.ablation_curve(make_sweep()),
        "ipr_histogram": plots.ipr_histogram(table, np.array([0.04, 0.05])),
        "neuron_scatter": plots.neuron_scatter(table),
        "accuracy_bars": plots.accuracy_bars(BEFORE, AFTER),
        "neuron_weights": plots.neuron_weights(make_portraits()[3]),
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
        "memory_over_steps": plots.memory_over_steps({"r0": {"step": [0, 10], "trained": [0.1, 0.9]}}),
        "neurons_needed": plots.neurons_needed({500: mean}, {500: 200}),
        "phase_diagram": plots.phase_diagram(cells, x="train_fraction", y="dropout"),
        "pruning_over_seeds": plots.pruning_over_seeds(pruned),
        "unlearning_bars": plots.unlearning_bars(SimpleNamespace(methods=methods)),
    }


def figures_over_training():
    """Of single neurons over training."""
    dynamics = make_dynamics()
    return {
        "neuron_paths_map": plots.neuron_paths_map(dynamics),
        "alignment_curve": plots.alignment_curve(dynamics),
        "animated_scatter": plots.animated_scatter(dynamics, "norm", "norm (no unit)"),
        "frequency_race": plots.frequency_race(dynamics, 3),
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


def test_every_function_that_draws_is_proved():
    drawing = {name for name, value in vars(plots).items() if inspect.isfunction(value)}
    assert len(drawing) > 20
    assert drawing <= set(every_figure())


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_has_titles_units_and_hover_text(name):
    check_figure(
        every_figure()[name], inner=INNER.get(name, 0), unitless=name in UNITLESS, as_bytes=name in MAPS
    )


def test_colours_are_fixed_and_distinct():
    assert tuple(labels.LABELS) == LABELS
    assert tuple(splits.SPLITS) == SPLITS
    colours = {name: label.colour for name, label in labels.LABELS.items()}
    for palette in (
        colours.values(),
        [split.colour for split in splits.SPLITS.values()],
        [label.symbol for label in labels.LABELS.values()],
    ):
        assert len(set(palette)) == len(palette)
    figures = every_figure()
    for figure in (figures["ipr_histogram"], figures["neuron_scatter"]):
        assert {t.name: t.marker.color for t in figure.data if t.name in LABELS} == colours


def test_a_new_label_and_a_new_split_are_drawn(monkeypatch):
    label = replace(labels.LABELS["dead"], colour="#123456")
    split = replace(splits.SPLITS["test"], colour="#654321", title="even sums")
    monkeypatch.setitem(labels.LABELS, "lazy", label)
    monkeypatch.setitem(splits.SPLITS, "even", split)
    table, counts = make_activation_table(), {name: [1, 2] for name in labels.LABELS}
    for figure in (
        plots.ipr_histogram(table, np.empty(0)),
        plots.neuron_scatter(table),
        plots.harmonics(table),
        plots.labels_over_steps({"r0": {"step": [0, 10], **counts}}),
        plots.trajectory_curves(
            make_trajectory([{**record, "counts": {"lazy": 3}} for record in make_records()])
        ),
    ):
        assert [t.name for t in figure.data if "#123456" in t.to_json()] in (["lazy"], ["lazy neurons"])
    history = [{"step": step, "accuracy": {"even": 0.5}} for step in (0, 10)]
    curve = make_sweep()
    curve.accuracy["even"] = curve.accuracy["test"]
    bars = plots.accuracy_bars(BEFORE.changed(even=0.5), {})
    for figure in (
        plots.training_curve(history),
        plots.trajectory_curves(make_trajectory(history)),
        plots.ablation_curve(curve),
    ):
        assert named(figure, "even sums").line.color == "#654321"
    assert list(bars.data[0].x)[-1] == "even sums"


def test_importing_the_module_does_not_import_plotly():
    code = "import sys, interp.plots; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
