"""The page of a language model in a real browser: what a person does, and that the numbers are the session's."""

import pytest
from language_reports import HOSTILE, small_model, small_sequences
from serving import DRAWN, served_language

from interp.explorer.language_session import LanguageSession

pytestmark = pytest.mark.slow
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHARE = "Share of all neurons"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    model = small_model()
    with served_language(
        LanguageSession(model, small_sequences(model)), tmp_path_factory.mktemp("saved")
    ) as one:
        yield one


@pytest.fixture
def opened(served, page):
    page.goto(served.url)
    page.wait_for_selector("#tokens .token")
    page.wait_for_selector(f"#layers {DRAWN}")
    return page


def wait_for(page, text, place="pending"):
    page.wait_for_function(
        "([id, text]) => document.getElementById(id).textContent.includes(text)", arg=[place, text]
    )


def coloured(page):
    return page.evaluate(
        "[...document.querySelectorAll('.token')].filter(one => one.style.background).length"
    )


def to_the_right(page, times):
    page.get_by_role("slider", name=SHARE).focus()
    for _ in range(times):
        page.keyboard.press("ArrowRight")


def test_the_slider_takes_neurons_out_and_the_text_is_coloured(opened, served):
    assert coloured(opened) == 0
    to_the_right(opened, 9)
    wait_for(opened, "9 of 48 neurons (19 %) times 0")
    assert coloured(opened) > 0
    session = served.session
    after = session.measure(session.state(HOSTILE, 0, "gradient", 9, 0))
    wait_for(opened, f"{after.nll((0, 2)):.3g}", "accuracies")
    assert opened.evaluate(OVERFLOW) <= 0


def test_a_token_shows_its_alternatives_and_they_follow_the_slider(opened):
    opened.locator(".token").nth(3).click()
    opened.wait_for_selector("#alternatives table")
    before = opened.inner_text("#alternatives")
    to_the_right(opened, 9)
    wait_for(opened, "9 of 48 neurons")
    opened.wait_for_function("text => document.getElementById('alternatives').innerText !== text", arg=before)


def test_another_group_shows_its_text(opened):
    opened.locator("#group").click()
    opened.get_by_role("option", name="b (2)", exact=True).click()
    wait_for(opened, "2 of 2 sequences of the group")
    assert opened.locator(".token").count() == 7


def test_the_page_fits_a_narrow_screen(served, page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(served.url)
    page.wait_for_selector("#tokens .token")
    page.wait_for_selector(f"#layers {DRAWN}")
    assert page.evaluate(OVERFLOW) <= 0
