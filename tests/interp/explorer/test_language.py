"""The page of a language model as it is served: its numbers, its guard, and what it refuses before opening anything."""

import json
import re

import pytest
from language_reports import HOSTILE, small_model, small_sequences
from serving import UPDATE, ask, callback, served_language

from interp.errors import CheckpointError, ConfigError
from interp.explorer.language import explore_language
from interp.explorer.language_session import LanguageSession

JSON = {"Content_Type": "application/json"}
TEXT = "..tokens.children...layers.figure...shown.data.."
FIGURES = "..accuracies.children...pending.children.."


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    model = small_model()
    with served_language(
        LanguageSession(model, small_sequences(model)), tmp_path_factory.mktemp("saved")
    ) as served:
        yield served


def controls(step=0, factor=0, group=HOSTILE, row=0, method="gradient"):
    values = {"group": group, "sequence": row, "method": method, "share": step, "factor": factor}
    return [(f"{name}.value", value) for name, value in values.items()]


def post(page, body):
    status, _, text = ask(page, "POST", UPDATE, body=body, **JSON)
    return status, json.loads(text) if status == 200 else text


def coloured(page, **sent):
    return post(page, callback(TEXT, controls(**sent), [("page.data", "here")]))


def measured(page, **sent):
    return post(page, callback(FIGURES, [("shown.data", "x")], [*controls(**sent), ("page.data", "here")]))


def test_the_page_is_served_with_its_policy_and_to_its_own_address_only(page):
    status, headers, text = ask(page)
    assert status == 200
    assert "Grokscope explorer" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert ask(page, host="evil.example")[0] == 403
    assert ask(page, "POST", UPDATE, body={}, Origin="http://evil.example", **JSON)[0] == 403


def test_the_layout_names_groups_methods_and_sequences(page):
    _, _, text = ask(page, path="/_dash-layout")
    for words in (
        json.dumps(f"{HOSTILE} (4)"),
        "gradient × activation",
        "random, of the same layers",
        "48 neurons",
    ):
        assert words in text or words in text.encode().decode("unicode_escape")


def test_a_change_colours_the_tokens(page):
    status, answer = coloured(page, step=len(page.session.counts) - 1)
    assert status == 200
    parts = answer["response"]
    tokens = parts["tokens"]["children"]
    assert len([one for one in tokens if one["type"] == "Button"]) == 8
    assert "rgba(" in json.dumps(tokens)
    assert sum(parts["layers"]["figure"]["data"][0]["y"]) == 10


def test_a_change_shows_the_sessions_numbers_and_its_time(page):
    last = len(page.session.counts) - 1
    _, answer = measured(page, step=last)
    parts = answer["response"]
    after = page.session.measure(page.session.state(HOSTILE, 0, "gradient", last, 0))
    cards = json.dumps(parts["accuracies"])
    assert f"{after.nll((1, 3)):.3g}" in cards
    assert f"{after.nll((0, 2)):.3g}" in cards
    assert parts["pending"]["children"].startswith("10 of 48 neurons (21 %) times 0")
    assert re.search(
        r"The change took \d+\.\d s for the text, \d+\.\d s for 4 of 4", parts["pending"]["children"]
    )


def test_nothing_is_coloured_where_nothing_is_changed(page):
    _, answer = coloured(page)
    assert "rgba(" not in json.dumps(answer["response"]["tokens"])
    _, answer = measured(page)
    assert answer["response"]["pending"]["children"].startswith("Nothing is changed")
    assert "was" not in json.dumps(answer["response"]["accuracies"]).replace('"className": "was"', "")


def test_a_token_shows_what_the_model_would_say_instead(page):
    inputs = [("token.data", 1), ("shown.data", "")]
    _, answer = post(page, callback("alternatives.children", inputs, controls(step=5)))
    text = json.dumps(answer["response"])
    assert "(true)" in text
    assert "before" in text
    for place in (None, 10**6, "x"):
        inputs = [("token.data", place), ("shown.data", "")]
        _, answer = post(page, callback("alternatives.children", inputs, controls(step=5)))
        assert "Touch a token" in json.dumps(answer["response"])


def test_saving_writes_a_checkpoint_into_the_folder(page):
    _, answer = post(page, callback("saved.children", [("save.n_clicks", 1)], controls(step=5)))
    assert "model-1-edited" in answer["response"]["saved"]["children"]
    assert (page.folder / "model-1-edited" / "config.json").is_file()


@pytest.mark.parametrize(
    "sent", [{"step": -1}, {"group": "no such"}, {"factor": 99}, {"method": {}}, {"row": []}]
)
def test_what_the_page_never_sends_is_a_message_and_no_crash(page, sent):
    for ask_for in (coloured, measured):
        status, answer = ask_for(page, **sent)
        assert status in (200, 204, 400)
        if "row" not in sent:
            assert "rgba(" not in json.dumps(answer)


def test_another_group_lists_its_sequences(page):
    _, answer = post(page, callback("..sequence.options...sequence.value..", [("group.value", "b")]))
    listed = answer["response"]["sequence"]
    assert listed["value"] == 4
    assert [one["value"] for one in listed["options"]] == [4, 5, 7, 9]


@pytest.mark.parametrize("options", [{"most": 1}, {"port": -1}, {"folder": "nowhere"}])
def test_what_cannot_be_served_is_refused_before_anything_is_opened(options):
    with pytest.raises(ConfigError):
        explore_language("not even there", "nor this", open_browser=False, **options)


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        explore_language(tmp_path / "nowhere", tmp_path / "rows.jsonl", folder=tmp_path, open_browser=False)


class Stop(Exception):
    """Ends a server that a test has seen enough of."""


def test_it_is_served_from_files(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"ids": [1, 2, 3, 4]}\n{"ids": [5, 6, 7], "split": "control"}\n')

    def ready(url):
        assert url.startswith("http://127.0.0.1:")
        raise Stop

    with pytest.raises(Stop):
        explore_language(small_model(), rows, folder=tmp_path, open_browser=False, ready=ready)
