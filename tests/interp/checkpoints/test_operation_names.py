"""Names and formulas of operations: honoured exactly, or not known at all."""

from __future__ import annotations

import numpy as np
import pytest

from interp.checkpoints.operation_names import operation_named, states_operation
from interp.data.operations import operation_table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lambda x: (x[0]+x[1])%59", ("add", 59)),
        ("lambda a, b: (a - b) % p", ("subtract", None)),
        ("(x*y) % 97", ("multiply", 97)),
        ("(x / y) % 97", ("divide", 97)),
        ("i+j", ("add", None)),
        ("a-b", ("subtract", None)),
        ("(m + n) mod 97", ("add", 97)),
        ("Addition", ("add", None)),
        ("mul", ("multiply", None)),
        ("modular_addition", ("add", None)),
        ("MODULAR_SUBTRACTION", ("subtract", None)),
        ("addition_mod_97", ("add", 97)),
        ("modadd_59", ("add", 59)),
        ("CyclicGroup", ("add", None)),
        ("Z_113", ("add", 113)),
        ("C60", ("add", 60)),
        ("x[1]-x[0]", ("b-a", None)),
        ("lambda x: (x[0]**2+x[1])%59", ("a**2+b", 59)),
        ("x^2 + x*y", ("a**2+a*b", None)),
        ("a+y", (None, None)),
        ("x[0]+x[1]%59", (None, None)),
        ("(x[0]+x[1]%59", (None, None)),
        ("lambda x: (x[0]+x[1])%59 or __import__('os')", (None, None)),
        ("__import__('os')", (None, None)),
        ("x2xyy2", (None, None)),
        ("AlternatingGroup", (None, None)),
        ("S5", ("group:S5", None)),
        ("A_5", ("group:A5", None)),
        ("DihedralGroup(59)", ("group:D59", None)),
        ("add_or_subtract", (None, None)),
        ("x" * 10**6, (None, None)),
        ("", (None, None)),
    ],
)
def test_what_is_known_is_read_and_nothing_else(text: str, expected: tuple[str | None, int | None]) -> None:
    assert operation_named(text) == expected


def test_a_formula_is_read_as_the_function_that_it_is() -> None:
    operation, p = operation_named("lambda x: (x[0]**2 + 3*x[1])%7")
    assert (operation is not None, p) == (True, 7)
    operands, results = operation_table(str(operation), 7)
    assert np.array_equal(results, (operands[:, 0] ** 2 + 3 * operands[:, 1]) % 7)


@pytest.mark.parametrize(
    ("value", "states"),
    [
        ("grokking", False),
        ("modular arithmetic 97", False),
        ("alternating", True),
        ("sort", True),
        ("+", True),
        (5, False),
        (None, False),
    ],
)
def test_general_words_state_no_operation(value: object, states: bool) -> None:
    assert states_operation(value) is states
