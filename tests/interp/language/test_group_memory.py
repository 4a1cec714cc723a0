"""A group's memory: planted units are seen to hold it, spread memory is not, and no half is measured on itself."""

from __future__ import annotations

import numpy as np
import pytest
from known_memory import KNOWN, UNSEEN, known_memory

from interp.errors import ConfigError
from interp.language import group_memory as module
from interp.language.group_memory import Located, best_point, check_methods, group_cost, group_memory
from interp.language.records import CHOSEN, SAME_GROUP, RemovalPoint
from interp.language.records import CONTROLS as CONTROL_PART
from interp.language.settings import LanguageSettings

SETTINGS = LanguageSettings(methods=("gradient", "zero-out"), shares=(0.02, 0.05, 0.1), n_random=8)


def located(rows: list[int] = KNOWN) -> Located:
    return Located("planted", np.array(rows), np.empty(0, dtype=np.int64), np.array(UNSEEN))


def test_planted_units_hold_the_memory() -> None:
    model, sequences, chosen = known_memory()
    result = group_memory(model, sequences, located(), SETTINGS)
    assert result.crossfitted
    assert result.best in SETTINGS.methods
    assert len(set(chosen) & set(result.removed)) >= 3
    point = next(one for one in result.curves[result.best] if one.share == result.best_share)
    assert point.accuracy[SAME_GROUP] < point.random_accuracy[SAME_GROUP].low
    assert "did not choose them goes from 100" in result.verdict[0]
    assert result.doses[0].factor == 0
    assert result.doses[0].nll[SAME_GROUP] == pytest.approx(point.nll[SAME_GROUP])
    assert [len(one) for one in result.without] == sequences.continuation.tolist()


def test_text_that_is_not_known_is_held_by_no_population() -> None:
    """Sequences that were never learnt have nothing that a removal could take."""
    model, sequences, _ = known_memory()
    rows = Located(None, np.array(UNSEEN[:4]), np.array(KNOWN), np.array(UNSEEN[4:]))
    result = group_memory(model, sequences, rows, SETTINGS)
    assert result.best is None
    assert "no population" in result.verdict[0]


def test_each_half_is_measured_with_units_that_the_other_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences, _ = known_memory()
    chosen_by: list[list[int]] = []
    original = module.locate

    def recorded(*args: object, **kwargs: object) -> object:
        chosen_by.append(np.asarray(args[2]).tolist())
        return original(*args, **kwargs)  # type: ignore[arg-type]

    measured: list[dict[str, list[int]]] = []
    point = module.removal_point

    def watched(
        model: object, sequences: object, folds: list[module.Fold], *args: object, **kwargs: object
    ) -> object:
        measured.extend({part: rows.tolist() for part, rows in fold.rows.items()} for fold in folds)
        return point(model, sequences, folds, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "locate", recorded)
    monkeypatch.setattr(module, "removal_point", watched)
    group_memory(model, sequences, located(), SETTINGS)
    assert chosen_by[0] == KNOWN
    assert sorted(chosen_by[1] + chosen_by[2]) == KNOWN
    for fold in measured:
        assert not set(fold[CHOSEN]) & set(fold[SAME_GROUP])
        assert fold[CHOSEN] in chosen_by[1:]


def test_a_single_sequence_is_its_own_judge_and_that_is_written() -> None:
    model, sequences, _ = known_memory()
    result = group_memory(model, sequences, located([0]), SETTINGS)
    assert not result.crossfitted
    assert "the sequence that chose them" in result.verdict[0]


def test_without_controls_only_methods_that_need_none_are_run() -> None:
    model, sequences, _ = known_memory()
    alone = Located("planted", np.array(KNOWN), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    result = group_memory(
        model, sequences, alone, LanguageSettings(methods=("gradient", "contrast"), shares=(0.05,))
    )
    assert list(result.curves) == ["gradient"]
    assert result.scores.label is None
    assert "not testable" in result.verdict[0]


def test_progress_is_what_was_foretold() -> None:
    model, sequences, _ = known_memory()
    steps: list[int] = []
    settings = LanguageSettings(methods=("gradient",), shares=(0.05,), relearn_steps=2)
    group_memory(model, sequences, located(), settings, report=lambda done, note="": steps.append(done))
    assert steps == sorted(steps)
    assert steps[-1] == group_cost(model, located(), settings)
    assert steps[-2] > 0.6 * steps[-1]


def test_harmful_points_are_passed_over() -> None:
    def point(share: float, chosen: float, controls: float) -> RemovalPoint:
        return RemovalPoint(share, 1, 0.0, {CHOSEN: 1.0}, {CHOSEN: chosen, CONTROL_PART: controls}, {}, {})

    before = point(0.0, 0.1, 2.0)
    curves = {"a": (point(0.01, 1.0, 2.01), point(0.05, 9.0, 3.0)), "b": (point(0.01, 2.0, 2.04),)}
    assert best_point(before, curves) == ("b", 0.01)
    assert best_point(before, {"a": curves["a"][1:]}) == ("a", 0.05)


def test_controls_that_locate_do_not_measure_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences, _ = known_memory()
    used: list[set[int]] = []
    original = module.locate

    def recorded(*args: object, **kwargs: object) -> object:
        used.append(set(np.asarray(kwargs["controls"]).tolist()))
        return original(*args, **kwargs)  # type: ignore[arg-type]

    measured: list[set[int]] = []
    point = module.removal_point

    def watched(
        model: object, sequences: object, folds: list[module.Fold], *args: object, **kwargs: object
    ) -> object:
        measured.extend(set(fold.rows[CONTROL_PART].tolist()) for fold in folds)
        return point(model, sequences, folds, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "locate", recorded)
    monkeypatch.setattr(module, "removal_point", watched)
    settings = LanguageSettings(methods=("contrast",), shares=(0.05,), n_random=2)
    group_memory(model, sequences, located(), settings)
    assert all(used)
    assert not any(one & other for one in used for other in measured)


def test_the_removal_that_decides_has_twenty_draws_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences, _ = known_memory()
    draws: list[int] = []
    point = module.removal_point

    def watched(*args: object, **kwargs: object) -> object:
        draws.append(int(str(kwargs["n_random"])))
        return point(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "removal_point", watched)
    settings = LanguageSettings(methods=("gradient",), shares=(0.001, 0.002, 0.05), n_random=2)
    result = group_memory(model, sequences, located(), settings)
    assert sorted(draws)[-2:] == [2, 20]
    assert [point.n for point in result.curves["gradient"]] == [1, 6]


def test_a_method_that_was_asked_for_is_never_left_out_in_silence() -> None:
    assert check_methods(LanguageSettings(), 12) == ()
    assert "not ranked by contrast" in check_methods(LanguageSettings(), 3)[0]
    with pytest.raises(ConfigError, match="'contrast' needs 4 controls"):
        check_methods(LanguageSettings(methods=("contrast",)), 0)
