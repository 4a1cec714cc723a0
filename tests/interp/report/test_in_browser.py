"""The HTML report in a real browser, from disk and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from buttons import check_buttons

from interp.audit import audit
from interp.data import ModularTask
from interp.models import planted_mlp
from interp.results import AuditReport

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
DRAWN = "ids => ids.map(id => document.getElementById(id).data[0])"
VISIBLE = "[...document.querySelectorAll('.portrait')].filter(one => one.offsetHeight).map(one => one.dataset.neuron)"


@pytest.fixture(scope="module")
def report() -> AuditReport:
    task = ModularTask("add", p=13, corrupt_fraction=0.2)
    return audit(planted_mlp(task, generalizing=20, memorizing=20, dead=2).model, task, n_random=2)


@pytest.fixture(scope="module")
def file(report: AuditReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.save(tmp_path_factory.mktemp("page") / "report.html")


def opened(page: Any, file: Path, width: int = 1280) -> Any:
    """The report on a screen of this width, with no network, once everything is drawn."""
    page.context.set_offline(True)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('figure .main-svg').length >= 16")
    return page


def test_the_list_shows_another_neuron_at_once(page: Any, file: Path, report: AuditReport) -> None:
    shown = opened(page, file)
    first, second = list(report.portraits)[:2]
    assert shown.evaluate(VISIBLE) == [str(first)]
    chooser = shown.get_by_label("Show")
    chooser.focus()
    chooser.press("ArrowDown")
    chosen = int(chooser.input_value())
    assert chosen != first
    chooser.select_option(str(second))
    assert shown.evaluate(VISIBLE) == [str(second)]
    line, heat = shown.evaluate(DRAWN, ["plot-weights", "plot-activations"])
    portrait = report.portraits[second]
    assert line["y"] == pytest.approx(portrait.spectrum.vectors[0].tolist(), rel=1e-4, abs=1e-6)
    assert heat["type"] == "heatmap"
    assert shown.evaluate("document.getElementById('plot-activations').offsetHeight") == 900
    assert shown.evaluate(OVERFLOW) <= 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_drawn_and_nothing_overflows(page: Any, file: Path, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    shown = opened(page, file, width)
    boxes = shown.locator("figure").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert len(boxes) == shown.locator("figure .main-svg:first-child").count()
    assert max(boxes) <= width
    for value in shown.locator("#neuron option").evaluate_all("all => all.map(one => one.value)"):
        shown.get_by_label("Show").select_option(value)
        assert shown.evaluate(VISIBLE) == [value]
        assert shown.evaluate(OVERFLOW) <= 0


@pytest.mark.slow
def test_without_scripts_all_facts_are_there(browser: Any, file: Path, report: AuditReport) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    bare = context.new_page()
    bare.goto(file.as_uri())
    assert bare.locator(".portrait").count() == len(report.portraits)
    assert all(one.is_visible() for one in bare.locator(".portrait").all())
    assert not bare.locator("#neuron").is_visible()
    context.close()


@pytest.mark.slow
def test_paper_shows_the_chosen_neuron_alone(
    page: Any, file: Path, report: AuditReport, tmp_path: Path
) -> None:
    shown, last = opened(page, file), str(list(report.portraits)[-1])
    shown.get_by_label("Show").select_option(last)
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown.emulate_media(media="print")
    assert shown.evaluate(VISIBLE) == [last]
    sizes = shown.locator("figure .main-svg:first-child").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert all(0 < width <= 701 and height <= 821 for width, height in sizes)
    assert len(shown.pdf(path=tmp_path / "report.pdf")) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_buttons_of_figures_cover_nothing(page: Any, file: Path, width: int) -> None:
    shown = opened(page, file, width)
    check_buttons(shown, at_least=9)
    figure = shown.locator("#plot-activations")
    figure.hover()
    opacity = "figure => getComputedStyle(figure.querySelector('.modebar')).opacity"
    shown.wait_for_function(f"() => ({opacity})(document.getElementById('plot-activations')) == 1")
