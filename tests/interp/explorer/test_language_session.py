"""A language model that is changed on a page: every number against the model run plainly, or with edited weights."""

import numpy as np
import pytest
import torch
from language_reports import HOSTILE, scored, small_model, small_sequences

from interp.errors import ConfigError, InterventionError
from interp.explorer import language_session
from interp.explorer.language_session import LARGEST, RANDOM, LanguageSession
from interp.language.edits import edited, gates_without, weights_with
from interp.language.gradients import first_order
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.language.sites import HEADS


@pytest.fixture(scope="module")
def session():
    model = small_model()
    return LanguageSession(model, small_sequences(model))


def state_of(session, count, factor=0.0, method="gradient", row=0, group=HOSTILE):
    return session.state(group, row, method, session.counts.index(count), factor)


def test_groups_hold_what_may_be_memorised_and_controls_the_rest(session):
    assert session.groups == {HOSTILE: (0, 1, 2, 3), "b": (4, 5)}
    assert sorted([*session.ranking, *session.controls]) == [6, 7, 8, 9]
    assert len(session.controls) == 2
    assert session.halves(HOSTILE) == ((0, 2), (1, 3))


def test_the_slider_goes_from_none_to_a_fifth(session):
    assert session.counts[0] == 0
    assert list(session.counts) == sorted(set(session.counts))
    assert session.counts[-1] == round(LARGEST * 48)


def test_neurons_are_ordered_by_one_half_of_the_group(session):
    effects = first_order(session.model, session.sequences, np.array([0, 2])).mean(0)
    expected = np.argsort(-effects, kind="stable")[:9]
    assert session.chosen(state_of(session, 9)).tolist() == expected.tolist()


def test_a_change_is_measured_as_edited_weights_give_it(session):
    state = state_of(session, 9, factor=0.5)
    gates = gates_without(session.model, session.chosen(state).tolist(), factor=0.5)
    measured = session.measure(state)
    with edited(session.model, weights_with(session.model, gates)):
        expected = scored(session.model, session.sequences)
    for row in range(4):
        np.testing.assert_allclose(measured.scores[row].logprob[0], expected.logprob[row], atol=1e-4)
        assert measured.scores[row].rank[0].tolist() == expected.rank[row].tolist()
    pooled = np.concatenate([expected.logprob[row] for row in session.controls])
    assert measured.nll(session.controls) == pytest.approx(-pooled.mean(), abs=1e-4)
    ranks = np.concatenate([expected.rank[row] for row in (1, 3)])
    assert measured.accuracy((1, 3)) == pytest.approx((ranks == 0).mean())
    assert measured.accuracy(()) is measured.nll(()) is None


def test_nothing_changed_is_the_model_as_it_is(session):
    expected = scored(session.model, session.sequences)
    for state in (state_of(session, 0), state_of(session, 9, factor=1)):
        measured = session.measure(state)
        np.testing.assert_allclose(measured.scores[2].logprob[0], expected.logprob[2], atol=1e-5)


def test_random_neurons_are_of_the_same_layers(session):
    top, random = (session.chosen(state_of(session, 9, method=name)) for name in ("gradient", RANDOM))
    layer = session.model.units().layer
    assert np.bincount(layer[top], minlength=3).tolist() == np.bincount(layer[random], minlength=3).tolist()
    assert set(top.tolist()) != set(random.tolist())


def test_the_same_change_is_not_run_twice(session, monkeypatch):
    state = state_of(session, 3, factor=0.25)
    first = session.measure(state)
    monkeypatch.setattr(language_session, "token_scores", None)
    assert session.measure(state) is first


def test_a_change_that_nobody_waits_for_is_not_run(session):
    late = session.ask("page")
    assert not late()
    newest = session.ask("page")
    other = session.ask("another page")
    assert late()
    assert not newest()
    assert not other()
    assert session.measure(state_of(session, 5), late) is None
    watching = session.watch("page")
    assert not watching()
    session.ask("page")
    assert watching()


def test_the_shown_sequence_can_be_run_alone(session):
    state = state_of(session, 5, row=2)
    alone, all_rows = (session.measure(state, alone=one) for one in (True, False))
    assert set(alone.scores) == {2}
    np.testing.assert_allclose(alone.scores[2].logprob[0], all_rows.scores[2].logprob[0], atol=1e-5)


def test_alternatives_are_probabilities_before_and_after(session):
    state = state_of(session, 9)
    rows = session.alternatives(state, 2)
    ids = torch.from_numpy(session.sequences.ids[0][:6].copy())[None]
    gates = gates_without(session.model, session.chosen(state).tolist())
    with torch.no_grad(), edited(session.model, weights_with(session.model, gates)):
        hidden = session.model.hidden(ids, torch.ones_like(ids, dtype=torch.bool))
        expected = session.model.logits(hidden[0, -1]).softmax(0).numpy()
    assert [after for *_, after in rows] == sorted((after for *_, after in rows), reverse=True)
    assert rows[0][3] == pytest.approx(expected.max(), abs=1e-4)
    (true,) = [row for row in rows if row[1]]
    assert true[3] == pytest.approx(expected[session.sequences.ids[0][6]], abs=1e-4)
    assert all(0 <= value <= 1 for row in rows for value in row[2:])


def test_the_saved_checkpoint_gives_the_same_numbers(session, tmp_path):
    state = state_of(session, 9)
    places = [session.save(state, tmp_path) for _ in range(2)]
    assert [place.name for place in places] == ["model-1-edited", "model-2-edited"]
    again = scored(open_language_model(places[0]), session.sequences)
    measured = session.measure(state)
    np.testing.assert_allclose(again.logprob[1], measured.scores[1].logprob[0], atol=1e-4)


def test_a_full_folder_is_named(session, tmp_path, monkeypatch):
    monkeypatch.setattr(language_session, "MOST_SAVED", 1)
    with pytest.raises(ConfigError, match="edited models"):
        session.save(state_of(session, 9), tmp_path)


@pytest.mark.parametrize(
    "sent",
    [
        ("elsewhere", 0, "gradient", 1, 0.0),
        ([], 0, "gradient", 1, 0.0),
        (HOSTILE, 0, "psychic", 1, 0.0),
        (HOSTILE, 0, "gradient", -1, 0.0),
        (HOSTILE, 0, "gradient", 10**9, 0.0),
        (HOSTILE, 0, "gradient", True, 0.0),
        (HOSTILE, 0, "gradient", 1, 3.0),
        (HOSTILE, 0, "gradient", 1, float("nan")),
        (HOSTILE, 0, "gradient", 1, "0"),
    ],
)
def test_what_no_control_says_is_refused(session, sent):
    with pytest.raises(InterventionError):
        session.state(*sent)


def test_a_sequence_of_another_group_is_replaced_by_the_groups_first(session):
    assert session.state("b", 0, "gradient", 0, 0).row == 4
    assert session.state("b", 7, "gradient", 0, 0).row == 7


def test_heads_are_taken_out_like_neurons():
    model = small_model()
    session = LanguageSession(model, small_sequences(model), kind=HEADS)
    state = session.state(HOSTILE, 0, "gradient", len(session.counts) - 1, 0.0)
    gates = gates_without(model, session.chosen(state).tolist(), kind=HEADS)
    with edited(model, weights_with(model, gates)):
        expected = scored(model, session.sequences)
    measured = session.measure(state)
    np.testing.assert_allclose(measured.scores[0].logprob[0], expected.logprob[0], atol=1e-4)


def test_without_controls_and_groups_everything_is_one_group():
    model = small_model()
    session = LanguageSession(model, token_sequences([[1, 2, 3, 4], [5, 6, 7, 8]]))
    assert session.groups == {"no group": (0, 1)}
    assert "contrast" not in session.methods
    measured = session.measure(session.state("no group", 1, "gradient", 1, 0))
    assert set(measured.scores) == {0, 1}
