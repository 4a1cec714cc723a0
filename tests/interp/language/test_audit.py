"""The whole audit: its verdict on a model whose memory is known, its notes, and what it leaves as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_memory import KNOWN, UNSEEN, known_memory

from interp.errors import ConfigError
from interp.language.audit import audit_language
from interp.language.edits import gates_without, save_language_model
from interp.language.gates import gated
from interp.language.opening import open_language_model
from interp.language.records import CHOSEN, SAME_GROUP
from interp.language.sequences import token_sequences
from interp.language.settings import LanguageSettings
from interp.language.small import small_language_model
from interp.language.token_scores import token_scores

SETTINGS = LanguageSettings(window=1, methods=("gradient",), shares=(0.05, 0.1), n_random=5)


def test_a_known_memory_is_measured_located_and_removed() -> None:
    model, sequences, units = known_memory()
    weights = {name: weight.clone() for name, weight in model.weights.items()}
    report = audit_language(model, sequences, settings=SETTINGS)
    assert all(torch.equal(weight, weights[name]) for name, weight in model.weights.items())
    verdict = report.memory["verdict"]
    assert "memorised" in verdict[KNOWN]
    assert "memorised" not in verdict[UNSEEN]
    (group,) = report.groups
    assert set(group.rows) <= set(KNOWN)
    assert len(set(units) & set(group.removed)) > len(units) / 3
    assert report.model["neurons"] == len(model.units())
    assert report.verdict[-2:] == group.verdict[-2:]
    assert "tokens that are no longer chosen" in group.verdict[-1]


def test_the_saved_edit_gives_the_figures_of_the_report(tmp_path: object) -> None:
    model, sequences, _ = known_memory()
    report = audit_language(model, sequences, settings=SETTINGS)
    (group,) = report.groups
    folder = save_language_model(model, f"{tmp_path}/edited", gates_without(model, group.removed))
    again = token_scores(open_language_model(folder), sequences, whole=False)
    assert np.concatenate(again.logprob) == pytest.approx(np.concatenate(group.without), abs=1e-4)
    with gated(model, gates_without(model, group.removed)), torch.no_grad():
        ids = torch.from_numpy(np.stack(sequences.ids[:2]))
        hooked = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    from transformers import AutoModelForCausalLM

    with torch.no_grad():
        loaded = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    assert float((hooked - loaded).abs().max()) < 1e-4


def test_named_groups_are_located_one_by_one() -> None:
    model, sequences, _ = known_memory()
    named = token_sequences(
        sequences.ids, group=["a", "a", "b", "b"] + [None] * len(UNSEEN), split=sequences.split
    )
    report = audit_language(model, named, settings=SETTINGS)
    assert [group.group for group in report.groups] == ["a", "b"]
    for group in report.groups:
        assert all(named.group[row] == group.group for row in group.rows)
        assert "other memorised" in group.before.accuracy
        assert (SAME_GROUP in group.before.accuracy) == (len(group.rows) > 1)
        assert CHOSEN in group.before.accuracy


def test_nothing_memorised_locates_nothing() -> None:
    rows = token_sequences(np.random.default_rng(0).integers(0, 64, (3, 30)))
    report = audit_language(small_language_model(), rows)
    assert report.groups == ()
    assert "locating" not in " ".join(report.verdict)


def test_tokens_that_the_model_does_not_know_are_refused() -> None:
    with pytest.raises(ConfigError, match="sequence 1 has the token 64"):
        audit_language(small_language_model(vocab=64), token_sequences([[1, 2, 3], [1, 64, 3]]))
