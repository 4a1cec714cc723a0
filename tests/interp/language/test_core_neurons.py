"""Core neurons of prompts against a loop over layers and tokens, and their controls."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch

from interp.errors import ConfigError
from interp.hooks import hooked
from interp.language.core_neurons import core_neurons_of_sequences
from interp.language.gates import gated
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.language.small import small_language_model
from probes.core_neurons import core_neurons


def tokens(n: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(64, size=int(size)) for size in generator.integers(8, 20, size=n)]


def keep(kept: dict[str, torch.Tensor], name: str, acts: torch.Tensor) -> None:
    kept[name] = acts.clone()


@pytest.mark.slow
def test_cores_and_shares_are_those_of_a_loop() -> None:
    model = open_language_model(small_language_model(d_mlp=20))
    sequences = token_sequences(tokens(6))
    result = core_neurons_of_sequences(model, sequences, alpha=0.3, beta=0.5, n_random=3)
    hooks = [site.hook for site in model.units().sites]
    for row, ids in enumerate(sequences.ids):
        prompt, kept = int(sequences.prompt[row]), {}
        both, mask = torch.as_tensor(ids)[None], torch.ones(1, len(ids), dtype=torch.bool)
        with hooked(model, {hook: partial(keep, kept, hook) for hook in hooks}):
            whole = model.logits(model.hidden(both, mask))[0].argmax(-1)
        factors = torch.as_tensor(result.core[row]).float()
        with gated(model, dict(zip(hooks, factors.split(20), strict=True))):
            alone = model.logits(model.hidden(both, mask))[0].argmax(-1)
        for answers, shares in ((whole, result.whole), (alone, result.kept)):
            right = (answers[prompt - 1 : -1] == both[0, prompt:]).double()
            assert shares[row] == pytest.approx(float(right.mean()))
        acts = [kept[hook][0, :prompt].double().numpy() for hook in hooks]
        expected = [core_neurons(one, 0.3, 0.5) + 20 * layer for layer, one in enumerate(acts)]
        assert np.flatnonzero(result.core[row]).tolist() == np.concatenate(expected).tolist()
    assert (result.overlap.diagonal() == 1).all()
    assert 0 < result.p_value <= 1
    assert "random ones" in result.sentence()
    assert json.loads(json.dumps(result.to_dict()))["alpha"] == 0.3


def test_a_prompt_may_be_read_by_all_neurons() -> None:
    model = open_language_model(small_language_model(d_mlp=20))
    sequences = token_sequences(tokens(4))
    result = core_neurons_of_sequences(model, sequences, whole_prompt=True, n_random=2)
    hooks = [site.hook for site in model.units().sites]
    for row, ids in enumerate(sequences.ids):
        prompt, both = int(sequences.prompt[row]), torch.as_tensor(ids)[None]
        parts = torch.as_tensor(result.core[row]).float().split(20)
        factors = {hook: torch.ones(len(ids), 20) for hook in hooks}
        for hook, part in zip(hooks, parts, strict=True):
            factors[hook][prompt:] = part
        with hooked(model, {hook: factors[hook].mul for hook in hooks}):
            answers = model.logits(model.hidden(both, torch.ones_like(both, dtype=torch.bool)))[0].argmax(-1)
        right = (answers[prompt:-1] == both[0, prompt + 1 :]).double()
        assert result.kept[row] == pytest.approx(float(right.mean()))
    with pytest.raises(ConfigError, match="1 token"):
        core_neurons_of_sequences(model, token_sequences([[1, 2], [3, 4]]), whole_prompt=True)


def test_all_neurons_keep_everything_and_equal_prompts_have_equal_cores() -> None:
    model = open_language_model(small_language_model(d_mlp=12))
    same = tokens(1)[0]
    result = core_neurons_of_sequences(
        model, token_sequences([same, same, *tokens(3, 1)]), alpha=1.0, beta=1.0, absolute=True, n_random=2
    )
    assert result.core.all()
    assert (result.kept == result.whole).all()
    assert result.agreement is None  # all cores are equal
    result = core_neurons_of_sequences(model, token_sequences([same, same, *tokens(3, 1)]), n_random=2)
    assert result.overlap[0, 1] == 1
    assert result.similarity[0, 1] == pytest.approx(1)
    assert result.overlap[0, 2] < 1


def test_what_cannot_be_used_is_an_error() -> None:
    model = open_language_model(small_language_model(d_mlp=12))
    for sequences, settings, words in (
        (token_sequences(tokens(1)), {}, "1 sequences"),
        (token_sequences(tokens(2)), {"alpha": 0.0}, "alpha=0.0"),
        (token_sequences(tokens(2)), {"beta": 1.2}, "beta=1.2"),
        (token_sequences([[1, 2, 3], [1, 2, 99]]), {}, "99"),
    ):
        with pytest.raises(ConfigError, match=words):
            core_neurons_of_sequences(model, sequences, **settings)
