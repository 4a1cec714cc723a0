"""Amounts of memory as they are written, and the budgets that they set."""

import os

import pytest

from interp import memory
from interp.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2**31), ("512 mib", 2**29), ("1.5", 3 * 2**29), ("3GB", 3 * 10**9), ("100b", 100)],
)
def test_amounts_are_read(text: str, size: int) -> None:
    assert memory.parse_amount(text) == size


@pytest.mark.parametrize("text", ["", "much", "0", "-2GiB", "2TiB", "1e9", "0.1b", "2 GiB 3", "nan", "inf"])
def test_other_texts_are_refused_by_the_name_of_what_was_given(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--memory=.*no amount of memory; expected one such as 2GiB"):
        memory.parse_amount(text, "--memory")


def test_a_budget_holds_inside_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.LIMIT, "3GiB")
    with memory.limited("1GiB"):
        assert memory.budget() == memory.working_budget() == 2**30
    assert memory.budget() == 3 * 2**30
    monkeypatch.delenv(memory.LIMIT)
    with pytest.raises(ZeroDivisionError), memory.limited("1GiB"):
        raise ZeroDivisionError
    assert memory.LIMIT not in os.environ
    monkeypatch.setattr(memory, "_free", lambda: 800)
    assert (memory.budget(), memory.working_budget()) == (600, 200)


def test_a_refusal_shows_what_is_small_and_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.LIMIT, "200MiB")
    with pytest.raises(
        ConfigError, match=r"about 300\.0 MiB of memory, and 200\.0 MiB may be used; rest, or"
    ):
        memory.check_need(300 * 2**20, "this", "rest")
    monkeypatch.setenv(memory.LIMIT, "1GiB")
    with pytest.raises(
        ConfigError, match=r"2\.5 GiB of memory, and 1\.0 GiB may.*GROKSCOPE_MEMORY.* has it$"
    ):
        memory.check_need(5 * 2**29, "this", "rest")
