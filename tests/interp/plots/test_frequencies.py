"""Clusters of neurons by frequency, and harmonics."""

import numpy as np
from sampled import LABELS, make_activation_table, make_table, named

from interp import plots


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
