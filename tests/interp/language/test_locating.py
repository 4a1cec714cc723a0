"""One interface for all methods: planted neurons, progress, resuming, labels, and bad requests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from language_models import random_sequences
from planted_memory import CONTROLS, COUNT, PLANTED, loud, planted

from interp.errors import ConfigError
from interp.language import locating, methods
from interp.language.forgetting import forgetting
from interp.language.locating import DEFAULT, METHODS, LocateSettings, cost, locate
from interp.language.masks import MaskSettings
from interp.language.opening import open_language_model
from interp.language.records import UnitScores
from probes.contrast import permuted_welch, shares
from probes.null import benjamini_hochberg

SETTINGS = LocateSettings(screened=30, draws=499, masks=MaskSettings(steps=40, gate_penalty=300.0))


def located(architecture: str, *, names: tuple[str, ...] = tuple(METHODS), seed: int = 0) -> UnitScores:
    model, sequences, _ = planted(architecture)
    return locate(model, sequences, PLANTED, controls=CONTROLS, methods=names, settings=SETTINGS, seed=seed)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_method_recovers_planted_neurons_above_chance(architecture: str) -> None:
    model, _, chosen = planted(architecture)
    scores = located(architecture)
    assert list(scores.scores) == list(METHODS)
    recall = {name: np.isin(chosen, scores.top(name, 2 * COUNT)).mean() for name in METHODS}
    chance = 2 * COUNT / len(model.units())  # .08 to .16
    assert all(value >= 2 * chance for value in recall.values()), recall
    assert max(recall.values()) == 1


def test_results_are_the_same_again_and_progress_ends_at_the_cost() -> None:
    model, sequences, _ = planted()
    done: list[int] = []
    runs = [
        locate(
            model, sequences, PLANTED, controls=CONTROLS, methods=tuple(METHODS), settings=SETTINGS,
            report=lambda n, note="": done.append(n),
        )
        for _ in range(2)
    ]  # fmt: skip
    for name in METHODS:
        assert np.array_equal(runs[0].scores[name], runs[1].scores[name])
    half = done[: len(done) // 2]
    assert half == sorted(half)
    assert half[-1] == cost(model, len(PLANTED), len(CONTROLS), tuple(METHODS), settings=SETTINGS)


def test_a_second_run_reads_what_a_first_has_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sequences, _ = planted()
    names = ("zero-out", "evidence")
    done: list[int] = []
    how = {"controls": CONTROLS, "settings": SETTINGS, "out": tmp_path}
    first = locate(model, sequences, PLANTED, methods=names, **how)
    for name in ("first_order", "forgetting", "zero_out"):
        monkeypatch.setattr(methods, name, None)
    again = locate(model, sequences, PLANTED, methods=names, report=lambda n, note="": done.append(n), **how)
    for name in names:
        assert np.array_equal(first.scores[name], again.scores[name])
        assert first.seconds[name] == again.seconds[name]
    assert np.array_equal(first.p_value, again.p_value, equal_nan=True)
    assert np.array_equal(first.exact["zero-out"], again.exact["zero-out"])
    monkeypatch.undo()
    locate(model, sequences, PLANTED, methods=names, **(how | {"settings": replace(SETTINGS, screened=20)}))
    assert len(list(tmp_path.glob("zero-out-*"))) == 2
    assert len(list(tmp_path.glob("evidence-*"))) == 1


def test_labels_need_enough_sequences_and_say_so() -> None:
    model, sequences, _ = planted()
    few = locate(model, sequences, [0], controls=CONTROLS[:5], methods=["evidence"], settings=SETTINGS)
    assert few.label is None
    assert "cannot give a p-value below 0.167" in few.notes[-1]
    assert few.p_value is not None
    none = locate(model, sequences, [0], methods=DEFAULT, settings=SETTINGS)
    assert none.label is None
    assert none.p_value is None
    assert set(none.scores) == {name for name in DEFAULT if not METHODS[name].controls}
    assert "no controls" in none.notes[-1]


def test_labels_are_of_units_that_raise_the_loss_and_survive_their_number() -> None:
    p, q = np.array([0.001, 0.001, 0.04, 0.9, np.nan]), np.array([0.01, 0.01, 0.2, 0.95, np.nan])
    labels = locating._labels(p, q, np.array([5.0, -1.0, 2.0, 0.1, 9.0]), 0.05)
    assert labels.tolist() == ["memorizing", "", "not decided", "", ""]


def test_untested_units_have_no_p_value() -> None:
    model, sequences, _ = planted()
    how = replace(SETTINGS, tested=10)
    scores = locate(model, sequences, PLANTED, controls=CONTROLS, methods=["evidence"], settings=how)
    assert scores.p_value is not None
    assert int((~np.isnan(scores.p_value)).sum()) == 10
    assert any("tests the 10 neurons" in note for note in scores.notes)


def test_many_sequences_are_drawn_from_with_a_note() -> None:
    model, sequences, _ = planted()
    how = replace(SETTINGS, sequences=4)
    scores = locate(model, sequences, PLANTED, controls=CONTROLS, methods=["contrast"], settings=how)
    assert scores.notes == ("located by 4 of 12 controls, drawn with the seed 0",)


def test_heads_have_scores_of_every_method() -> None:
    model, sequences, _ = planted()
    scores = locate(
        model, sequences, PLANTED, controls=CONTROLS, methods=tuple(METHODS), kind="heads", settings=SETTINGS
    )
    assert scores.kind == "heads"
    assert all(np.isfinite(values).all() for values in scores.scores.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["zero"]}, "unknown method of locating 'zero'; expected one of 'activation'"),
        ({"methods": []}, "no method of locating"),
        ({"rows": []}, "expected one index or more"),
        ({"rows": [99]}, "0 to 14"),
        ({"controls": [0, 5]}, "sequence 0 is both memorised and a control"),
        ({"controls": None, "methods": ["contrast"]}, "'contrast' needs controls"),
        ({"kind": "layers"}, "unknown kind of unit"),
    ],
)
def test_bad_requests_are_refused(change: dict[str, object], message: str) -> None:
    model, sequences, _ = planted()
    request = {"rows": PLANTED, "controls": CONTROLS, "methods": ["gradient"]} | change
    with pytest.raises(ConfigError, match=message):
        locate(model, sequences, request.pop("rows"), **request)


def test_random_splits_of_unseen_sequences_have_uniform_p_values_and_no_labels() -> None:
    """Measured: .0086 of p-values below .01 over 40 splits of 24 sequences, and no label."""
    model = open_language_model(loud("llama"))
    sequences = random_sequences(*[10] * 24, seed=5)
    effects = forgetting(model, sequences)
    below, labelled = [], 0
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(24)
        one, other = shares(effects[order[:8]]), shares(effects[order[8:]])
        _, p = permuted_welch(one, other, draws=1999, seed=seed)
        below.append([(p < level).mean() for level in (0.1, 0.01)])
        labelled += int((benjamini_hochberg(p) <= 0.05).sum())
    share = np.mean(below, axis=0)
    assert share[0] == pytest.approx(0.1, abs=0.02)
    assert share[1] == pytest.approx(0.01, abs=0.005)
    assert labelled <= 4
