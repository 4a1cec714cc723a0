"""Prompts of transformers whose examples a table gives: all its columns, or what the user says."""

from __future__ import annotations

from interp.checkpoints.options import OpenOptions
from interp.data import TableTask
from interp.errors import ConfigError
from interp.models.prompt import NAMES, Prompt

OPERANDS = 2


def check_operands(options: OpenOptions) -> None:
    """Raise a `ConfigError` if the user's options give a network of two operands another input."""
    if options.tokens is not None:
        raise ConfigError(
            f"--tokens {options.tokens!r} was given, but this network is a perceptron that reads two operands as they "
            "are; leave it out"
        )
    n = columns_of_table(options)
    if n not in (None, OPERANDS):
        raise ConfigError(
            f"the table {str(options.table)!r} has {n} inputs, and this network, a perceptron, reads {OPERANDS}; leave "
            "out the other columns"
        )


def columns_of_table(options: OpenOptions) -> int | None:
    """The number of columns of tokens that the user's table has; None without one.

    Raises:
        ConfigError: It cannot be read, or holds measurements.
    """
    if options.table is None:
        return None
    inputs = TableTask.from_file(options.table).dataset.inputs
    if inputs.is_floating_point():
        raise ConfigError(
            f"the inputs of {str(options.table)!r} are measurements; this network reads tokens, which are whole numbers"
        )
    return inputs.shape[1]


def stated_prompt(options: OpenOptions, n_positions: int, p: int) -> str | None:
    """The prompt that the user gave, or that the table's columns are; None where two operands are left to be placed.

    Args:
        n_positions: How many positions the network has.
        p: How many values an operand has.

    Raises:
        ConfigError: The table has another number of columns than the prompt uses, or the prompt is too long.

    Example:
        >>> stated_prompt(OpenOptions(table=None), 4, 7) is None
        True
    """
    n = columns_of_table(options)
    if options.tokens is not None:
        prompt = Prompt.parse(options.tokens, p=p)
        if len(prompt) > n_positions:
            raise ConfigError(
                f"--tokens {options.tokens!r} are {len(prompt)} tokens; the network has {n_positions} positions"
            )
        return str(prompt)
    if n is None or (n == OPERANDS and n_positions >= OPERANDS):
        return None
    if n == n_positions and n <= len(NAMES):
        return " ".join(NAMES[:n])
    raise ConfigError(
        f"the table {str(options.table)!r} has {n} inputs, the reading uses {OPERANDS}, and the network has "
        f"{n_positions} positions; say with --tokens what it reads, such as --tokens '{' '.join(NAMES[:n])} ='"
    )
