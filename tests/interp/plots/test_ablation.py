"""Accuracy while neurons are removed, and bars of what is known."""

import numpy as np
from sampled import AFTER, BEFORE, SPLITS, make_sweep, named

from interp import plots
from interp.measuring.evaluation import SplitValues
from probes import labels


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


def test_bars_show_what_is_known():
    figure = plots.accuracy_bars(BEFORE, AFTER)
    assert list(named(figure, "whole network").y) == list(BEFORE.to_dict().values())
    assert list(named(figure, "without memorizing").y) == list(AFTER["without memorizing"].to_dict().values())
    assert named(figure, "without memorizing").marker.color == labels.LABELS["memorizing"].colour
    partial = plots.accuracy_bars(SplitValues(0.5, 0.5, None, None, None, 0.5), {})
    assert list(partial.data[0].x) == ["train", "clean", "all"]
    assert list(plots.accuracy_bars(SplitValues(*[None] * 6), {}).data[0].y) == []
