"""The report on a language model's memory in a real browser, from disk and without a network."""

import re

import pytest
from language_reports import language_report

from interp.report.language_tokens import token_colour

pytestmark = pytest.mark.slow
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def report():
    return language_report()


@pytest.fixture(scope="module")
def file(report, tmp_path_factory):
    return report.save(tmp_path_factory.mktemp("page") / "report.html")


def opened(page, file, width=1280):
    page.context.set_offline(True)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('figure .main-svg').length >= 6")
    return page


def parts(colour):
    return [float(one) for one in re.findall(r"[\d.]+", colour)]


def test_the_slider_colours_the_text_for_another_share(page, file, report):
    shown = opened(page, file)
    group = report.groups[0]
    few, many = group.steps
    row = int(group.rows[1])
    tokens = shown.locator(f'[data-row="{row}"] .tokens span[title]')
    titles = tokens.evaluate_all("all => all.map(one => one.title)")
    assert all(f"→ {few.without[row][i]:.3g}, rank" in title for i, title in enumerate(titles))
    slider = shown.get_by_role("slider", name="Taken out")
    slider.focus()
    slider.press("ArrowRight")
    assert shown.locator("output").inner_text() == f"{many.n} neurons (21 %)"
    titles = tokens.evaluate_all("all => all.map(one => one.title)")
    colours = tokens.evaluate_all("all => all.map(one => one.style.background)")
    for i, (title, colour) in enumerate(zip(titles, colours, strict=True)):
        assert (
            f"→ {many.without[row][i]:.3g}, rank {report.rank[row][i]} → {many.rank_without[row][i]}" in title
        )
        assert parts(colour) == parts(token_colour(float(report.logprob[row][i] - many.without[row][i])))
    slider.press("ArrowLeft")
    assert f"→ {few.without[row][0]:.3g}," in tokens.first.get_attribute("title")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_drawn_and_nothing_overflows(page, file, width, scheme):
    page.emulate_media(color_scheme=scheme)
    shown = opened(page, file, width)
    assert shown.evaluate(OVERFLOW) <= 0
    boxes = shown.locator("figure").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert max(boxes) <= width
