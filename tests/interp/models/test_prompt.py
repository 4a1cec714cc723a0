"""Prompts: what they parse to, the tokens they give, and what they refuse."""

import pytest
import torch

from interp.errors import ConfigError
from interp.models import Prompt

PAIRS = torch.tensor([[3, 4], [0, 6]])


@pytest.mark.parametrize(
    ("text", "tokens", "shown"),
    [
        ("a b", [[3, 4], [0, 6]], "a b"),
        ("b a", [[4, 3], [6, 0]], "b a"),
        ("a b =", [[3, 4, 7], [0, 6, 7]], "a b 7"),
        ("a b+7", [[3, 11], [0, 13]], "a b+7"),
        ("a b+7 =", [[3, 11, 14], [0, 13, 14]], "a b+7 14"),
        ("20 a 21 b = a", [[20, 3, 21, 4, 7, 3], [20, 0, 21, 6, 7, 0]], "20 a 21 b 7 a"),
    ],
)
def test_tokens(text: str, tokens: list[list[int]], shown: str) -> None:
    prompt = Prompt.parse(text, p=7)
    assert prompt(PAIRS).tolist() == tokens
    assert str(prompt) == shown
    assert Prompt.parse(shown, p=7) == prompt
    assert len(prompt) == len(tokens[0])


@pytest.mark.parametrize("text", ["", "=", "7 8", "a X", "a+", "a b + c!", "A b", "a+-1"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        Prompt.parse(text, p=7)


def test_a_missing_operand_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'a c' use 3 operands; the examples have 2"):
        Prompt.parse("a c", p=7)(PAIRS)


def test_the_rows_of_a_table_that_an_operand_reads() -> None:
    table, prompt = torch.arange(15.0)[:, None], Prompt.parse("a b+7 =", p=7)
    assert prompt.at(table, 0, 7)[:, 0].tolist() == list(range(7))
    assert prompt.at(table, 1, 7)[:, 0].tolist() == list(range(7, 14))
    assert Prompt.parse("a a", p=7).at(table, 0, 7) is None
    assert prompt.at(table, 2, 7) is None
