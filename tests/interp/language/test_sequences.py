"""Token sequences in memory."""

from typing import Any

import numpy as np
import pytest
import torch
from language_models import random_sequences

from interp.errors import ConfigError
from interp.language.sequences import check_tokens, halves, mask_of, token_sequences


def test_prompts_are_the_first_third_unless_they_are_given() -> None:
    ids = [[1, 2], torch.arange(7), np.arange(9, dtype=np.int32)]
    assert token_sequences(ids).prompt.tolist() == [1, 2, 3]
    assert token_sequences(ids, 1).prompt.tolist() == [1, 1, 1]
    assert token_sequences(ids, [1, None, 8]).prompt.tolist() == [1, 2, 8]
    assert token_sequences(ids, 1).continuation.tolist() == [1, 6, 8]


def test_splits_and_groups_choose_rows() -> None:
    split = ["trained", None, "control", "held-out", "trained"]
    sequences = random_sequences(4, 5, 6, 7, 8, split=split, group=["a", "a", None, "a", "b"])
    assert sequences.where(split="trained").tolist() == [0, 4]
    assert sequences.where(group="a").tolist() == [0, 1, 3]
    assert sequences.where(split="trained", group="a").tolist() == [0]
    assert sequences.candidates.tolist() == [0, 1, 4]
    assert sequences.unseen.tolist() == [2, 3]
    some = sequences.take(np.array([False, True, False, True, False]))
    assert (some.lengths.tolist(), some.split, some.group) == ([5, 7], (None, "held-out"), ("a", "a"))


@pytest.mark.parametrize(
    ("ids", "how", "part"),
    [
        ([], {}, "no sequences"),
        ([[1]], {}, "1 tokens"),
        ([[1, 2], []], {}, "sequence 1 has 0 tokens"),
        ([[1.5, 2.0]], {}, "whole numbers"),
        ([[True, False]], {}, "whole numbers"),
        ([[[1, 2]]], {}, "one axis"),
        ([[1, -2]], {}, "the token -2"),
        ([[1, 2]], {"prompt": 2}, "a prompt of 2"),
        ([[1, 2]], {"prompt": [1, 1]}, "2 values of prompt"),
        ([[1, 2]], {"split": ["train"]}, "unknown split 'train'"),
        ([[1, 2]], {"group": []}, "0 values of group"),
    ],
)
def test_what_is_no_sequence_is_an_error(ids: Any, how: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        token_sequences(ids, **how)


def test_tokens_and_lengths_beyond_the_model_are_errors() -> None:
    sequences = token_sequences([[1, 2], [3, 60, 5]])
    with pytest.raises(ConfigError, match="sequence 1 has the token 60; the model knows 0 to 49"):
        check_tokens(sequences, 50, None)
    with pytest.raises(ConfigError, match="sequence 1 has 3 tokens; the model reads at most 2"):
        check_tokens(sequences, 61, 2)


def test_halves_are_disjoint_and_random_by_seed() -> None:
    rows = np.arange(7) * 2
    first, second = halves(rows)
    assert sorted([*first, *second]) == rows.tolist()
    assert any(not np.array_equal(first, halves(rows, seed)[0]) for seed in range(1, 5))


def test_masks_of_padding_on_either_side() -> None:
    assert mask_of([1, 3], 3).tolist() == [[True, False, False], [True] * 3]
    assert mask_of([1, 3], 3, "left").tolist() == [[False, False, True], [True] * 3]
