"""Tokens that can be guessed: the n-gram against a plain search, the window against whole passes of cut texts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from interp.errors import ConfigError
from interp.language.opening import open_language_model
from interp.language.references import (
    ORDER,
    any_of,
    check_reference,
    guessed_by_model,
    guessed_by_ngram,
    guessed_from_window,
)
from interp.language.sequences import Sequences, token_sequences
from interp.language.small import small_language_model


def rows(seed: int, vocab: int = 5, n: int = 6) -> Sequences:
    generator = np.random.default_rng(seed)
    return token_sequences([generator.integers(0, vocab, generator.integers(4, 14)) for _ in range(n)])


def commonest(texts: list[list[int]], context: list[int]) -> list[int]:
    """Followers of a context that are most common, by looking through all texts."""
    followers = Counter(
        text[at + len(context)]
        for text in texts
        for at in range(len(text) - len(context))
        if text[at : at + len(context)] == context
    )
    most = max(followers.values(), default=0)
    return [token for token, n in followers.items() if n == most]


@pytest.mark.parametrize("seed", range(5))
def test_ngram_guesses_the_commonest_follower_of_the_longest_context(seed: int) -> None:
    sequences, corpus = rows(seed), [3, 4, 5]
    guessed = guessed_by_ngram(sequences, corpus)
    for row, ids in enumerate(sequences.ids):
        texts = [sequences.ids[other].tolist() for other in corpus if other != row]
        for place in range(int(sequences.prompt[row]), len(ids)):
            before, choices = ids[:place].tolist(), list[int]()
            for size in range(min(ORDER, place), 0, -1):
                choices = commonest([*texts, before], before[-size:])
                if choices:
                    break
            own = bool(guessed[row][place - sequences.prompt[row]])
            assert own == (int(ids[place]) in choices) or len(choices) > 1


def test_a_sequence_of_the_corpus_is_not_guessed_from_itself() -> None:
    sequences = token_sequences([[1, 2, 3, 4, 5, 6], [9, 8, 7, 6, 5, 4]])
    assert not guessed_by_ngram(sequences, [0, 1])[0].any()
    twice = token_sequences([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]])
    assert guessed_by_ngram(twice, [0, 1])[0].all()


def test_window_is_a_pass_of_the_last_tokens_alone() -> None:
    network = small_language_model(vocab=8, seed=3)
    model, sequences = open_language_model(network), rows(1, 8)
    guessed = guessed_from_window(model, sequences, 2)
    for ids, start, own in zip(sequences.ids, sequences.prompt, guessed, strict=True):
        for place in range(int(start), len(ids)):
            with torch.no_grad():
                logits = network(torch.from_numpy(ids[max(0, place - 2) : place])[None]).logits[0, -1]
            assert bool(own[place - start]) == (int(logits.argmax()) == int(ids[place]))


def test_another_model_guesses_what_it_chooses() -> None:
    sequences, model = rows(2, 8), open_language_model(small_language_model(vocab=8))
    guessed = guessed_by_model(model, sequences)
    assert [len(one) for one in guessed] == sequences.continuation.tolist()
    with pytest.raises(ConfigError, match="same tokenizer"):
        guessed_by_model(model, token_sequences([[1, 9, 2]]))


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="window=0"):
        guessed_from_window(open_language_model(small_language_model()), rows(0), 0)


def test_any_of_several() -> None:
    both = any_of((np.array([True, False, False]),), (np.array([False, True, False]),))
    assert both[0].tolist() == [True, True, False]


def test_a_reference_that_cannot_read_the_texts_is_refused() -> None:
    model = open_language_model(small_language_model(vocab=8))
    short = open_language_model(small_language_model(vocab=8, context=5))
    with pytest.raises(ConfigError, match="reads at most 5"):
        check_reference(short, model, token_sequences([[1] * 9]))
    check_reference(short, model, token_sequences([[1] * 5]))
