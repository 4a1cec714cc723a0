"""Figures of a language model's memory against the records that they draw."""

from dataclasses import replace

import numpy as np
import pytest
from figures import check_figure
from language_reports import HOSTILE, language_report

from interp.language.records import CONTROLS, PARTS, SAME_GROUP
from interp.markup import brief_share
from interp.plots import language as plots


@pytest.fixture(scope="module")
def report():
    return language_report()


@pytest.fixture(scope="module")
def group(report):
    return report.groups[0]


def test_every_sequence_is_a_point(report):
    figure = plots.memory_scatter(report)
    check_figure(figure)
    assert sum(len(trace.x) for trace in figure.data) == len(report.memory)
    memorised = next(trace for trace in figure.data if trace.name == "memorised")
    np.testing.assert_allclose(memorised.y, report.memory["recalled"][:6], rtol=1e-3)
    assert HOSTILE not in figure.to_json()
    assert "&lt;script&gt;" in memorised.customdata[0][1]


def test_bars_count_units_of_each_layer(group):
    figure = plots.units_by_layer(group)
    check_figure(figure, unitless=True)
    removed = figure.data[0]
    assert list(removed.y) == np.bincount(group.scores.layer[group.removed], minlength=3).tolist()
    assert sum(figure.data[1].y) == int((group.scores.label == "memorizing").sum())
    assert [sum(bars.y) for bars in figure.data[2:]] == [len(group.removed)] * 2
    assert [bars.visible for bars in figure.data] == [True, True, "legendonly", "legendonly"]


def test_curves_hold_both_panels_of_every_part_with_their_random_bands(group):
    figure = plots.removal_curves(group)
    check_figure(figure)
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 2 * 2 * len(PARTS)
    titles = {title: part for part, (title, _) in plots.PARTS.items()}
    for trace in lines[: 2 * len(PARTS)]:  # of the best method
        part, points = titles[trace.name], [group.before, *group.curves["gradient"]]
        values = [one.accuracy[part] for one in points]
        expected = values if trace.yaxis == "y" else np.exp([one.nll[part] for one in points])
        np.testing.assert_allclose(trace.y, expected, rtol=1e-4)
        assert list(trace.x) == [brief_share(one.share) for one in points]
    means = [trace for trace in figure.data if trace.line.dash == "dash" and trace.yaxis == "y2"]
    expected = [np.exp(one.random_nll[PARTS[0]].mean) for one in group.curves["gradient"]]
    np.testing.assert_allclose(means[0].y[1:], expected, rtol=1e-4)
    visible = [trace.visible for trace in figure.data]
    assert sum(visible) == len(visible) / 2
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["gradient × activation (best)", "zero-out"]


def test_curves_of_one_method_need_no_menu_and_none_a_sentence(group):
    one = replace(group, curves={"gradient": group.curves["gradient"]})
    assert not plots.removal_curves(one).layout.updatemenus
    assert (
        plots.removal_curves(replace(group, curves={})).layout.annotations[0].text
        == "no removal was measured"
    )


def test_doses_pass_through_the_unchanged_model(group):
    figure = plots.dose_curves(group)
    check_figure(figure)
    accuracy = next(trace for trace in figure.data if trace.mode == "lines+markers" and trace.yaxis == "y2")
    assert list(accuracy.x) == [0, 0.5, 1, 1.5]
    assert accuracy.y[2] == pytest.approx(np.exp(group.before.nll[PARTS[0]]), rel=1e-4)


def test_methods_are_compared_by_memory_left_and_harm_done(group):
    figure = plots.method_tradeoff(group)
    check_figure(figure)
    trace = figure.data[0]
    points = group.curves["gradient"]
    np.testing.assert_allclose(
        trace.y, [group.before.accuracy[SAME_GROUP], *(p.accuracy[SAME_GROUP] for p in points)], rtol=1e-4
    )
    harm = np.exp([one.nll[CONTROLS] - group.before.nll[CONTROLS] for one in points])
    np.testing.assert_allclose(trace.x, [1, *harm], rtol=1e-4)
    before = replace(group.before, nll={PARTS[0]: 1.0})
    assert "no held-out" in plots.method_tradeoff(replace(group, before=before)).layout.annotations[0].text


def test_relearning_has_a_line_for_each_kind_and_the_level(group):
    figure = plots.relearning_lines(group)
    check_figure(figure)
    assert [list(trace.y) for trace in figure.data] == [[0.2, 0.4, 0.6], [0, 0, 0.1, 0.1]]
    assert figure.layout.shapes[0].y0 == 0.5
