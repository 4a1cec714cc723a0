"""Changes that the page sends: refused if malformed, composed as one after another, and copied as a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.errors import InterventionError
from interp.explorer.edits import (
    HIGHEST,
    LOWEST,
    MOST_CHANGES,
    Change,
    as_python,
    change_of,
    changes_of,
    composed,
    indices_of,
    modes,
)
from interp.explorer.session import Session
from interp.models import analytic_mlp
from interp.subject import open_subject

WIDTH = 8
MODES = list(modes())
BAD_NEURONS: tuple[Any, ...] = (
    None, 3, "3", {"0": 1}, (0, 1), [True], [1.0], ["1"], [None], [[1]], [-1], [8], [2, 0, 2], [float("nan")],
    [10**30], [-(10**30), 0], [0, 2**63],
)  # fmt: skip
BAD_MODES: tuple[Any, ...] = (None, "", "Scale", "resample", "scale=2", 0, True, ["zero"], {"scale": 1})
BAD_FACTORS: tuple[Any, ...] = (
    None, True, False, "0.5", [1], float("nan"), float("inf"), -float("inf"), 2.01, -1.01, 10**400, -(10**400),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NEURONS = st.lists(st.integers(0, WIDTH - 1), unique=True)
SENT = st.lists(st.tuples(NEURONS, st.sampled_from(MODES), st.floats(LOWEST, HIGHEST)), max_size=6)


@pytest.mark.parametrize("neurons", BAD_NEURONS, ids=str)
def test_what_are_no_neurons_is_refused(neurons: Any) -> None:
    for mode in MODES:
        with pytest.raises(InterventionError):
            change_of(neurons, mode, 0.5, WIDTH)
    with pytest.raises(InterventionError):
        indices_of(neurons, WIDTH)


@pytest.mark.parametrize("mode", BAD_MODES, ids=str)
def test_unknown_modes_are_refused(mode: Any) -> None:
    with pytest.raises(InterventionError, match=r"unknown mode .* expected one of zero, mean, scale"):
        change_of([1], mode, 0.5, WIDTH)


@pytest.mark.parametrize("factor", BAD_FACTORS, ids=lambda factor: str(factor)[:9])
def test_what_is_no_factor_is_refused_where_it_is_used(factor: Any) -> None:
    with pytest.raises(InterventionError, match="cannot scale by"):
        change_of([1], "scale", factor, WIDTH)
    assert change_of([1], "zero", factor, WIDTH) == Change((1,), "zero")


@given(JSON | NEURONS, JSON | st.sampled_from(MODES), JSON | st.floats(LOWEST, HIGHEST))
def test_whatever_is_sent_is_refused_or_becomes_a_change_that_comes_back(
    neurons: Any, mode: Any, factor: Any
) -> None:
    try:
        change = change_of(neurons, mode, factor, WIDTH)
    except InterventionError:
        return
    assert change.neurons == tuple(sorted(set(neurons)))
    assert len(change.neurons) == len(neurons)
    assert all(0 <= neuron < WIDTH for neuron in change.neurons)
    assert change.mode == mode
    assert change.factor == (factor if mode == "scale" else 1)
    sent = json.loads(json.dumps([change.to_dict()]))
    assert changes_of(sent, WIDTH) == (change,)


@given(JSON)
def test_whatever_is_sent_as_changes_is_refused_or_none(sent: Any) -> None:
    try:
        assert changes_of(sent, WIDTH) == () == tuple(sent)
    except InterventionError:
        assert sent != []


def test_lists_of_changes_are_checked_one_by_one_and_counted() -> None:
    good = {"neurons": [1], "mode": "zero", "factor": 1}
    assert changes_of([good] * MOST_CHANGES, WIDTH) == (Change((1,), "zero"),) * MOST_CHANGES
    with pytest.raises(InterventionError, match="101 changes; at most 100 are kept"):
        changes_of([good] * (MOST_CHANGES + 1), WIDTH)
    for bad in (None, good, "[]", [good, None], [[good]], [good, {}], [good, {**good, "neurons": [8]}]):
        with pytest.raises(InterventionError):
            changes_of(bad, WIDTH)


def test_a_change_says_what_it_does_and_whether_it_does_anything() -> None:
    assert str(Change((2,), "zero")) == "1 neuron set to 0"
    assert str(Change((1, 2), "scale", -0.25)) == "2 neurons times -0.25"
    assert str(Change((), "mean")) == "0 neurons set to their mean"
    idle = (Change((), "zero"), Change((), "mean"), Change((1,), "scale", 1.0))
    assert all(change.changes_nothing for change in idle)
    busy = (Change((1,), "zero"), Change((1,), "mean"), Change((1,), "scale", 0.99))
    assert not any(change.changes_nothing for change in busy)


def one_after_another(changes: tuple[Change, ...], activations: np.ndarray) -> np.ndarray:
    """The activations ``(example, …, neuron)`` after changes that are made one after another."""
    now = activations.copy()
    for change in changes:
        for neuron in change.neurons:
            own = now[..., neuron]
            if change.mode == "scale":
                now[..., neuron] = own * change.factor
            elif change.mode == "zero":
                now[..., neuron] = 0
            else:
                now[..., neuron] = sum(own) / len(own)
    return now


@given(SENT, st.sampled_from([(), (3,)]), st.integers(0, 99))
def test_changes_compose_to_a_factor_and_a_term(
    sent: list[tuple[list[int], str, float]], positions: tuple[int, ...], seed: int
) -> None:
    changes = tuple(change_of(*one, WIDTH) for one in sent)
    activations = np.random.default_rng(seed).normal(1, 2, (5, *positions, WIDTH))
    _, scale, shift = composed(changes, torch.from_numpy(activations))
    assert scale.shape == (WIDTH,)
    assert shift.shape == (*positions, WIDTH)
    np.testing.assert_allclose(
        activations * scale.numpy() + shift.numpy(), one_after_another(changes, activations), atol=1e-12
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose neurons all matter for some of the answers."""
    task = ModularTask("add", p=13, train_fraction=0.6, corrupt_fraction=0.3)
    return save_checkpoint(tmp_path_factory.mktemp("one") / "it's", analytic_mlp("add", p=13, width=40), task)


SCRIPTS: dict[str, list[Change]] = {
    "nothing": [],
    "scale": [Change(tuple(range(0, 40, 2)), "scale", -0.25)],
    "zero": [Change(tuple(range(25)), "zero")],
    "mean": [Change(tuple(range(5, 30)), "mean")],
    "overlapping": [
        Change(tuple(range(20)), "scale", 0.5),
        Change(tuple(range(10, 25)), "mean"),
        Change((3, 12, 20), "zero"),
        Change(tuple(range(8, 24)), "scale", 1.75),
        Change((2, 3, 11, 30), "mean"),
    ],
    "as many as are kept": [
        Change((i % 40, (i + 7) % 40), MODES[i % 3], 0.9 if MODES[i % 3] == "scale" else 1.0)
        for i in range(MOST_CHANGES)
    ],
}


@pytest.mark.parametrize("changes", SCRIPTS.values(), ids=SCRIPTS)
def test_the_script_prints_the_accuracies_that_the_page_shows(
    checkpoint: Path, changes: list[Change]
) -> None:
    session = Session(open_subject(checkpoint))
    script = as_python(changes, f"interp.load_checkpoint({str(checkpoint)!r})", session.subject.hook)
    printed: list[Any] = []
    exec(script, {"print": printed.append})
    (shown,) = printed
    unchanged, expected = session.measure([]).accuracy, session.measure(changes).accuracy
    assert shown.to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)
    assert (expected.all < unchanged.all) == bool(changes)
