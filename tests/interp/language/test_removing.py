"""Removal of units: figures against plain passes of edited weights, and random units like the chosen ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_memory import KNOWN, UNSEEN, known_memory

from interp.language.edits import edited, gates_without, weights_with
from interp.language.records import CHOSEN, SAME_GROUP
from interp.language.records import CONTROLS as CONTROL_PART
from interp.language.removing import Fold, like_layers, removal_cost, removal_point, scores_without
from interp.language.sites import HEADS

ROWS = {CHOSEN: np.array(KNOWN[:2]), CONTROL_PART: np.array(UNSEEN[:5])}


@pytest.mark.parametrize("factor", [0.0, 1.5])
def test_a_point_is_a_pass_of_edited_weights(factor: float) -> None:
    model, sequences, chosen = known_memory()
    point = removal_point(model, sequences, [Fold(chosen, ROWS)], len(chosen), factor=factor)
    with edited(model, weights_with(model, gates_without(model, chosen, factor=factor))):
        for part, rows in ROWS.items():
            accuracy, nll = [], []
            for row in rows:
                ids, first = torch.from_numpy(sequences.ids[row]), int(sequences.prompt[row])
                with torch.no_grad():
                    logits = model.plain(ids[None]).logits[0, first - 1 : -1].double()
                accuracy.append(float((logits.argmax(1) == ids[first:]).double().mean()))
                nll.append(float(-logits.log_softmax(1).gather(1, ids[first:, None]).mean()))
            assert point.accuracy[part] == pytest.approx(np.mean(accuracy))
            assert point.nll[part] == pytest.approx(np.mean(nll), abs=1e-5)


def test_planted_units_hold_the_memory_and_random_ones_do_not() -> None:
    model, sequences, chosen = known_memory()
    point = removal_point(model, sequences, [Fold(chosen, ROWS)], len(chosen), n_random=10)
    whole = removal_point(model, sequences, [Fold(chosen, ROWS)], 0)
    assert whole.accuracy[CHOSEN] == 1
    assert not whole.random_accuracy
    assert point.accuracy[CHOSEN] < 0.5 < point.random_accuracy[CHOSEN].low


def test_folds_are_averaged() -> None:
    model, sequences, chosen = known_memory()
    folds = [
        Fold(chosen, {CHOSEN: np.array([0]), SAME_GROUP: np.array([1])}),
        Fold(chosen[::-1], {CHOSEN: np.array([1]), SAME_GROUP: np.array([0])}),
    ]
    both = removal_point(model, sequences, folds, 2)
    each = [removal_point(model, sequences, [fold], 2) for fold in folds]
    assert both.nll[SAME_GROUP] == pytest.approx(np.mean([one.nll[SAME_GROUP] for one in each]))
    assert removal_cost(folds, 3) == 16


def test_random_units_are_of_the_same_layers_and_others() -> None:
    model, *_ = known_memory()
    units = model.units()
    chosen = np.array([0, 1, 5, len(units) - 1])
    for seed in range(20):
        drawn = like_layers(units, chosen, np.random.default_rng(seed))
        assert (np.bincount(units.layer[drawn]) == np.bincount(units.layer[chosen])).all()
        assert not set(drawn) & set(chosen)
        assert len(set(drawn)) == len(chosen)


def test_draws_do_not_depend_on_what_is_drawn_elsewhere() -> None:
    model, sequences, chosen = known_memory()
    one, other = (
        removal_point(model, sequences, [Fold(chosen, ROWS)], 3, n_random=3, seed=7) for _ in range(2)
    )
    assert one.random_nll[CHOSEN].mean == other.random_nll[CHOSEN].mean


def test_heads_are_taken_out_too() -> None:
    model, sequences, _ = known_memory()
    all_heads = np.arange(len(model.units(HEADS)))
    scores = scores_without(model, sequences, all_heads, kind=HEADS)
    with edited(
        model, {s.weight_name: torch.zeros_like(s.reader.weight) for s in model.sites if s.kind == HEADS}
    ):  # type: ignore[arg-type]
        again = scores_without(model, sequences, np.empty(0, dtype=np.int64))
    assert np.allclose(np.concatenate(scores.logprob), np.concatenate(again.logprob), atol=1e-5)
