"""Prompts: the tokens that a network reads, made of the operands of an example."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.errors import ConfigError, cut

NAMES = "abcdefghijklmnopqrstuvwxyz"
_SLOT = re.compile(rf"([{NAMES}])(?:\+(\d+))?|(\d+)|(=)")


@dataclass(frozen=True)
class Prompt:
    """A row of tokens with places for the operands.

    Attributes:
        slots: For each position, the operand's column (None for a fixed token) and a number: what is added to the
            operand, or the fixed token itself.

    Example:
        >>> prompt = Prompt.parse("a b =", p=113)
        >>> prompt(torch.tensor([[3, 4]])).tolist(), str(prompt)
        ([[3, 4, 113]], 'a b 113')
    """

    slots: tuple[tuple[int | None, int], ...] = ((0, 0), (1, 0))

    @classmethod
    def parse(cls, text: str, *, p: int) -> Prompt:
        """Read a prompt such as ``"a b ="``.

        Args:
            text: Between spaces: ``a``, ``b``, … for the operands in order, ``b+59`` for one with a number added, a
                number for a fixed token, ``=`` for the next free token.
            p: How many values an operand has; the next free token is the first that no operand can become.

        Raises:
            ConfigError: A part is none of these, or no operand is named.
        """
        matches = []
        for part in text.split():
            match = _SLOT.fullmatch(part)
            if match is None:
                raise ConfigError(
                    f"{cut(part)} in the tokens {cut(text)} is no token; expected a, b, … (also b+{p}), a number, or ="
                )
            if len(number := match[2] or match[3] or "") > 9:
                raise ConfigError(f"the token {cut(number)} is too large; expected at most 999999999")
            matches.append(match)
        if not any(match[1] for match in matches):
            raise ConfigError(f"the tokens {cut(text)} name no operand; write for example 'a b ='")
        free = p + max(int(match[2] or 0) for match in matches if match[1])
        return cls(
            tuple(
                (NAMES.index(match[1]), int(match[2] or 0))
                if match[1]
                else (None, free if match[4] else int(match[3]))
                for match in matches
            )
        )

    def __len__(self) -> int:
        return len(self.slots)

    def __str__(self) -> str:
        def shown(column: int | None, number: int) -> str:
            return str(number) if column is None else NAMES[column] + (f"+{number}" if number else "")

        return " ".join(shown(*slot) for slot in self.slots)

    def __call__(self, inputs: Int[Tensor, "example operand"]) -> Int[Tensor, "example position"]:
        """The tokens of each example; a `ConfigError` if the examples have more or fewer operands than it uses."""
        needed = 1 + max(column for column, _ in self.slots if column is not None)
        if inputs.shape[1] != needed:
            raise ConfigError(
                f"the tokens {str(self)!r} use {needed} operands; the examples have {inputs.shape[1]}. Name all of "
                "them, or leave out the other columns"
            )
        columns = [
            inputs.new_full((len(inputs),), number) if column is None else inputs[:, column] + number
            for column, number in self.slots
        ]
        return torch.stack(columns, dim=1)

    def at(self, vectors: Tensor, column: int, n: int) -> Tensor | None:
        """Rows of a token table that the values 0 … n - 1 of an operand become; None if it stands nowhere or twice."""
        places = [number for slot, number in self.slots if slot == column]
        return vectors[places[0] : places[0] + n] if len(places) == 1 else None
