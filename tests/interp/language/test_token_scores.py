"""Scores of tokens against the logits of transformers, and how many logits are held."""

import numpy as np
import pytest
import torch
from language_models import ARCHITECTURES, random_sequences, tiny

from interp.errors import CheckpointError
from interp.language import token_scores as module
from interp.language.opening import open_language_model
from interp.language.token_scores import token_scores

LENGTHS = (5, 9, 3, 7, 2)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_are_those_of_transformers_one_sequence_at_a_time(architecture: str, side: str) -> None:
    network, sequences = tiny(architecture), random_sequences(*LENGTHS)
    scores = token_scores(open_language_model(network), sequences, tokens=20, side=side)
    for row, ids in enumerate(map(torch.from_numpy, sequences.ids)):
        with torch.no_grad():
            logits = network(ids[None]).logits[0, :-1].double().numpy()
        for place, true in enumerate(ids[1:].tolist()):
            own = logits[place]
            logprob = own[true] - np.log(np.exp(own).sum())
            assert scores.logprob[row][place] == pytest.approx(logprob, abs=1e-5)
            assert scores.rank[row][place] == sum(own > own[true])
            assert scores.choice[row][place] == own.argmax()


def test_continuations_are_the_same_with_and_without_the_prompts() -> None:
    model, sequences = open_language_model(tiny()), random_sequences(*LENGTHS)
    some, whole = (token_scores(model, sequences, whole=whole) for whole in (False, True))
    for one, other in zip(some.logprob, whole.continuations(sequences).logprob, strict=True):
        assert np.allclose(one, other, atol=1e-6)
    assert [len(one) for one in some.rank] == sequences.continuation.tolist()


def test_no_more_logits_are_held_than_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences = open_language_model(tiny()), random_sequences(*LENGTHS)
    expected = token_scores(model, sequences)
    sizes: list[int] = []
    monkeypatch.setattr(module, "LOGITS", 150)
    model.head.register_forward_hook(lambda _, args, output: sizes.append(output.numel()))
    scores = token_scores(model, sequences)
    assert max(sizes) <= 150
    assert all(np.allclose(a, b) for a, b in zip(scores.logprob, expected.logprob, strict=True))


def test_of_equal_logits_one_is_the_choice() -> None:
    model = open_language_model(tiny())
    model.head.weight.zero_()
    sequences = random_sequences(9)
    scores = token_scores(model, sequences)
    assert ((scores.rank[0] == 0) == (scores.choice[0] == sequences.ids[0][1:])).all()
    assert set(scores.rank[0].tolist()) <= {0, 1}


def test_probabilities_that_are_not_finite_are_an_error() -> None:
    model = open_language_model(tiny())
    model.head.weight[3, 3] = float("nan")
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        token_scores(model, random_sequences(5))
