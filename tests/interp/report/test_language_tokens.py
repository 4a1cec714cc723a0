"""Tokens of a page: colours, tooltips, prompts, and text from files that no reader takes for markup."""

from dataclasses import replace

import numpy as np
import pytest
from language_reports import HOSTILE, language_report
from pages import Page

from interp.report import language_tokens as tokens


@pytest.fixture(scope="module")
def report():
    return language_report()


@pytest.fixture(scope="module")
def group(report):
    return report.groups[0]


def spans(report, group):
    """Attributes of the spans inside of sequences, by sequence."""
    page = Page(f"<main>{tokens.text_html(report, group)}</main>")
    assert page.open == []
    return page


def test_a_colour_grows_with_the_loss_up_to_the_scale():
    opacity = [
        float(tokens.token_colour(lost).rsplit(",", 1)[1][:-1]) for lost in (0.5, 1.0, 2.0, 4.0, 40.0, np.inf)
    ]
    assert opacity == sorted(opacity)
    assert opacity[-1] == opacity[-2] == opacity[-3] == tokens.STRONGEST
    assert tokens.token_colour(1.0).replace(tokens.LOST, tokens.GAINED) == tokens.token_colour(-1.0)
    assert tokens.token_colour(float("nan")) == tokens.token_colour(0.0) == ""


def test_every_token_has_its_numbers_and_its_colour(report, group):
    page = spans(report, group)
    titles = [one["title"] for one in page.all("span") if "title" in one]
    rows = group.rows.tolist()
    others = [row for row in range(len(report.memory)) if row not in rows]
    assert len(titles) == sum(len(report.pieces[row]) for row in (*rows, *others[: tokens.MOST_OTHERS]))
    lost = tokens.lost_by(report, group, 0)
    place = int(np.argmax(np.abs(lost)))
    before, after = report.logprob[0][place], group.without[0][place]
    assert lost[place] == before - after
    (title,) = {one for one in titles if f"{before:.3g} → {after:.3g}" in one}
    assert f"rank {report.rank[0][place]} → {group.rank_without[0][place]}" in title
    styled = next(one for one in page.all("span") if one.get("title") == title)
    assert styled.get("style", "") == f"background:{tokens.token_colour(lost[place])}"


def test_guessed_tokens_are_marked(report, group):
    page = spans(report, group)
    marked = [one for one in page.all("span") if one.get("class") == "guessed" and "title" in one]
    assert all(one["title"].endswith("guessed by a reference") for one in marked)
    rows = [row for row in range(len(report.memory)) if row in group.rows.tolist() or row >= 4]
    assert len(marked) == sum(int(report.guessed[row].sum()) for row in rows[: 4 + tokens.MOST_OTHERS])


def test_sequences_that_lose_most_come_first(report, group):
    page = spans(report, group)
    headings = [text for tag, text in page.texts if tag == "h4"]
    first = [int(text.split()[1]) for text in headings[:4]]
    mean = [float(tokens.lost_by(report, group, row).mean()) for row in first]
    assert mean == sorted(mean, reverse=True)
    assert set(first) == set(range(4))
    assert {int(text.split()[1]) for text in headings[4:]} <= set(range(4, 10))


def test_text_of_a_file_is_never_markup(report, group):
    page = spans(report, group)
    assert page.all("script") == []
    assert any(HOSTILE in text for tag, text in page.texts if tag == "span")
    pieces = (("\u202ereversed", "line\nbreak", "\x1b[31m"), *report.pieces[1:])
    odd = replace(
        report,
        pieces=pieces,
        **{
            name: (getattr(report, name)[0][:3], *getattr(report, name)[1:])
            for name in ("logprob", "rank", "guessed")
        },
    )
    changed = replace(
        group,
        without=(group.without[0][:3], *group.without[1:]),
        rank_without=(group.rank_without[0][:3], *group.rank_without[1:]),
    )
    text = tokens.text_html(odd, changed)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "line⏎break" in text  # in the tooltip
    assert "line\nbreak" in text


def test_the_prompt_is_the_text_before_the_continuation(report):
    first = report.sequences.text[0]
    assert tokens.prompt_text(report, 0) + "".join(report.pieces[0]) == first
    numbers = replace(report, sequences=replace(report.sequences, text=(None,) * 10))
    assert tokens.prompt_text(numbers, 0).split() == [str(i) for i in report.sequences.ids[0][:4].tolist()]
    other = replace(report, sequences=replace(report.sequences, text=("elsewhere",) * 10))
    assert tokens.prompt_text(other, 0) == "[a prompt of 4 tokens] "


def test_more_than_a_page_shows_is_counted(report, group, monkeypatch):
    for name, most in (("MOST_SEQUENCES", 1), ("MOST_OTHERS", 2), ("MOST_TOKENS", 3)):
        monkeypatch.setattr(tokens, name, most)
    text = tokens.text_html(report, group)
    assert "3 more memorised sequences" in text
    assert "(2 of 6)" in text
    assert f"{len(report.pieces[group.rows[0]]) - 3} more tokens" in text or "more tokens" in text
