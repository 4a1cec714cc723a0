"""Sets of neurons on the page: communities as colours, neurons shared with another set, descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from serving import see

from interp.analysis.communities import communities
from interp.analysis.describing import describe
from interp.errors import InterventionError
from interp.explorer import figures, populations
from interp.explorer.session import Session
from interp.subject import open_subject
from probes.labels import LABELS


@pytest.fixture(scope="module")
def session(run: Path) -> Session:
    return Session(open_subject(run))


@pytest.fixture
def fresh(run: Path) -> Session:
    return Session(open_subject(run))


def sets_of(session: Session, saved: int = 0) -> list[str]:
    return [one["value"] for one in populations.options_of(session, saved)]


def test_sets_are_the_labels_that_there_are_and_what_was_computed_or_saved(
    session: Session, fresh: Session
) -> None:
    table = session.subject.table
    assert {name.partition(":")[2] for name in sets_of(fresh)} == set(table["label"])
    known = session.communities()
    assert sets_of(session, 3)[-1] == "saved"
    assert sum(name.startswith("community:") for name in sets_of(session)) == known.count
    assert known.community.tolist() == communities(session.subject).community.tolist()
    for number in range(known.count):
        expected = [i for i, one in enumerate(known.community) if one == number]
        assert populations.neurons_in(session, f"community:{number}", []) == expected


@pytest.mark.parametrize(
    "name",
    ["community:0", "label:none", "label:", "other", 3, ["label"], {"a": 1}, "community:-1", "community:²"],
)
def test_what_is_no_set_is_an_error(fresh: Session, name: Any) -> None:
    with pytest.raises(InterventionError):
        populations.neurons_in(fresh, name, [])


@pytest.mark.parametrize("saved", [[60], ["1"], None, [1, 1], "1"])
def test_a_saved_set_that_was_spoilt_is_an_error(fresh: Session, saved: Any) -> None:
    with pytest.raises(InterventionError):
        populations.neurons_in(fresh, "saved", saved)


def test_a_set_without_neurons_is_an_error(fresh: Session) -> None:
    table = fresh.subject.table
    for name in (*(f"label:{one}" for one in LABELS if one not in set(table["label"])), "saved"):
        with pytest.raises(InterventionError, match="choose a set of the menu"):
            populations.sentences(fresh, [0, 1], name, [])


def test_shared_neurons_are_those_of_a_loop_with_their_exact_probability(session: Session) -> None:
    subject = session.subject
    label = str(subject.table["label"][0])
    other = [i for i in range(subject.width) if subject.table["label"][i] == label]
    chosen = [*other[:5], *[i for i in range(subject.width) if i not in other][:7]]
    text = populations.sentences(session, chosen, f"label:{label}", [])[0]
    n = len(set(subject.alive.tolist()) | set(chosen) | set(other))
    shared = len(set(chosen) & set(other))
    assert f"the choice ({len(chosen)}) and {label} ({len(other)}) share {shared} of {n} neurons" in text
    p = float(stats.hypergeom.sf(shared - 1, n, len(other), len(chosen)))
    expected = (
        "more than"
        if p <= 0.01
        else "fewer than"
        if stats.hypergeom.cdf(shared, n, len(other), len(chosen)) <= 0.01
        else "not decidedly more than"
    )
    assert expected in text
    assert populations.sentences(session, [], f"label:{label}", []) == [
        "Choose neurons first: by a lasso, a label or a number above."
    ]
    assert populations.sentences(session, chosen, None, []) == []
    assert "the saved set (2)" in populations.sentences(session, chosen, "saved", [1, 2])[0]


def test_colours_follow_communities_and_leave_the_choice_alone(session: Session) -> None:
    by_label, by_community = (figures.scatter(session, colour, {3, 8}) for colour in ("label", "community"))
    community = session.communities().community
    for before, after in zip(by_label.data, by_community.data, strict=False):
        assert before.selectedpoints == after.selectedpoints
        assert before.x == after.x
        colours = [figures.community_colour(int(community[row[0]])) for row in after.customdata]
        assert list(after.marker.color) == colours
    keys = [trace.name for trace in by_community.data[len(by_label.data) :]]
    assert ("no community" in keys) == bool((community < 0).any())
    assert sum(name.startswith("community ") for name in keys) == min(int(community.max()) + 1, 6)


def test_nothing_costly_is_computed_before_it_is_asked_for(fresh: Session) -> None:
    figures.scatter(fresh)
    populations.panel(fresh)
    assert fresh.known_communities is None
    assert fresh.known_descriptions is None
    assert fresh.descriptions() == describe(fresh.subject).texts()
    assert fresh.descriptions() is fresh.known_descriptions


def test_a_network_without_communities_says_so(fresh: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    known = fresh.communities()
    monkeypatch.setitem(known.__dict__, "community", np.full(60, -1))
    assert "there are no communities" in populations._communities(fresh)
    assert [trace.name for trace in figures.scatter(fresh, "community").data[-1:]] == ["no community"]


@pytest.mark.slow
def test_a_choice_is_compared_saved_and_coloured_in_the_browser(run, serve, page):
    served = serve(run)
    see(page, served)
    page.wait_for_selector("#sets-section")
    page.locator("#by-number").fill("0-19")
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('chosen').textContent.includes('20 of 60')")
    page.locator("#save-set").click()
    page.wait_for_function("document.getElementById('saved-set-size').textContent.includes('20 neurons')")
    page.locator("#by-number").fill("15-24")
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('chosen').textContent.includes('10 of 60')")
    page.locator("#other-set").click()
    page.get_by_role("option", name="the saved set (20)").click()
    page.wait_for_function("document.getElementById('shared').textContent.includes('share 5 of')")
    page.locator("#choose-shared").click()
    page.wait_for_function("document.getElementById('chosen').textContent.includes('5 of 60')")
    page.locator("#colour-by").get_by_text("community").click()
    page.wait_for_function("/communit/.test(document.getElementById('communities').textContent)")
    page.wait_for_function(
        "Array.isArray(document.querySelector('#scatter .js-plotly-plot').data[0].marker.color)"
    )
    marked = (
        "document.querySelector('#scatter .js-plotly-plot').data.flatMap(t => t.selectedpoints || []).length"
    )
    assert page.evaluate(marked) == 5
    page.locator("#describe").click()
    number = page.locator("#number").input_value()
    expected = f"neuron {number}: {served.session.descriptions()[int(number)]}"
    page.wait_for_function(
        "text => document.getElementById('description').textContent === text", arg=expected
    )
    page.locator("#next").click()
    page.wait_for_function(
        "text => !document.getElementById('description').textContent.startsWith(text)",
        arg=f"neuron {number}:",
    )
