"""One neuron at a time: weights, activations and their spectra."""

import numpy as np
import pytest
from sampled import LABELS, make_grids, make_portraits, wave, with_grids

from interp import plots
from interp.analysis.spectrum import Spectrum
from interp.plots.single import maps_of, spectrum_of


def test_weights_are_drawn_above_their_spectra():
    portraits = make_portraits()
    portraits[7].spectrum.energy[0][:] = np.nan
    for neuron, portrait in portraits.items():
        figure, spectrum = plots.neuron_weights(portrait), portrait.spectrum
        lines, bars = figure.data[::2], figure.data[1::2]
        assert [t.name for t in lines] == ["left weights", "right weights", "output weights"]
        for line, bar, vector, energy in zip(lines, bars, spectrum.vectors, spectrum.energy, strict=True):
            np.testing.assert_allclose(line.y, vector, rtol=1e-4)
            np.testing.assert_allclose(np.array(bar.y, float), energy, rtol=1e-4)
            assert list(bar.x) == [1, 2, 3, 4, 5, 6]
            assert line.yaxis in (None, "y")
            assert (bar.xaxis, bar.yaxis) == ("x2", "y2")
            assert line.line.color == bar.marker.color
        assert figure.layout.title.text == f"Weights of neuron {neuron} ({portrait.label}) and their spectra"


@pytest.mark.parametrize(
    "names", [("output",), ("left", "right"), ("input 1", "input 2", "input 3", "output")]
)
def test_weights_of_other_networks(names):
    figure = plots.neuron_weights(make_portraits([3], names)[3])
    assert [trace.name for trace in figure.data[::2]] == [f"{name} weights" for name in names]
    assert len({trace.line.color for trace in figure.data[::2]}) == len(names)


def test_a_spectrum_is_drawn_below_its_vectors():
    names = tuple("abcdefgh")
    spectrum = make_portraits([3], names)[3].spectrum
    figure = plots.spectrum_figure(spectrum)
    assert [trace.name for trace in figure.data[::2]] == list(names)
    np.testing.assert_allclose(figure.data[14].y, spectrum.vectors[7], rtol=1e-4)
    np.testing.assert_allclose(figure.data[15].y, spectrum.energy[7], rtol=1e-4)
    empty = plots.spectrum_figure(Spectrum.of())
    assert "no vector" in empty.layout.annotations[0].text


def test_no_weights_is_said():
    figure = plots.neuron_weights(make_portraits([3], ())[3])
    assert not figure.data
    assert "no weights" in figure.layout.annotations[0].text


def test_activations_are_drawn_above_their_spectrum():
    for frequency, (neuron, portrait) in enumerate(with_grids(make_grids()).items(), 1):
        figure = plots.neuron_activations(portrait)
        heat, spots = figure.data
        assert (heat.type, spots.type) == ("heatmap", "scatter")
        assert f"neuron {neuron} ({portrait.label})" in figure.layout.title.text
        np.testing.assert_allclose(np.array(heat.z), portrait.grid, rtol=1e-6)
        assert (list(spots.x), list(spots.y)) == ([frequency], [frequency])
        assert spots.customdata[0] == pytest.approx(1)
    empty = plots.neuron_activations(make_portraits([1])[1])
    assert not empty.data
    assert "no activations" in empty.layout.annotations[0].text


def test_pages_hold_the_first_maps_of_each_label():
    """40 neurons of four labels in turns, on grids that a page holds nineteen of; 24 maps of 113 by 113 fit."""
    portraits = with_grids(dict.fromkeys(range(40), wave(1, 1, 129)))
    shown = [portraits[neuron].label for neuron in maps_of(portraits)]
    assert len(shown) == 19
    assert [shown.count(label) for label in LABELS] == [4, 4, 4, 4, 3]
    fitting = with_grids(dict.fromkeys(range(24), wave(1, 1, 113)))
    assert len(maps_of(fitting)) == 24
    assert sum(len(plots.neuron_activations(fitting[n]).to_json()) for n in maps_of(fitting)) < 2.7e6
    large = plots.neuron_activations(with_grids({0: wave(1, 1, 401)})[0])
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
    figures = [plots.neuron_activations(one) for one in with_grids({1: np.ones((7, 7)), 2: holes}).values()]
    assert [len(figure.data[1].x) for figure in figures] == [0, 0]
    assert np.isnan(figures[1].data[0].z[2][3])
