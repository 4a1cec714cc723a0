"""Names and formulas under which settings state an operation, and the ones that are meant. Nothing is evaluated."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from interp.errors import ExpressionError
from interp.expressions import polynomial

MAX_TEXT = 200  # letters of a name or formula

_NAMED = {
    "add": "add", "addition": "add", "sum": "add", "plus": "add", "cyclic": "add",
    "subtract": "subtract", "subtraction": "subtract", "sub": "subtract", "minus": "subtract",
    "multiply": "multiply", "multiplication": "multiply", "mul": "multiply", "mult": "multiply", "times": "multiply",
    "product": "multiply",
    "divide": "divide", "division": "divide", "div": "divide",
}  # fmt: skip
_SIGNS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_SILENT = frozenset({
    "mod", "modular", "modulo", "modulus", "arithmetic", "group", "groups", "task", "tasks", "dataset", "data",
    "problem", "operation", "op", "prime", "p", "grokking", "algorithmic", "synthetic", "train", "training",
    "default", "none", "custom", "classification", "pairs", "all", "full", "random", "binary", "evaluation", "eval",
    "test", "validation", "inference",
})  # fmt: skip
"""Words by which a task or a set of data says of no operation which it is; under an operation's name each counts."""
_GROUP = re.compile(
    r"group|symmetric|alternating|dihedral|quaternion|permutation|dicyclic|klein|^[SADQ]_?\d+$", re.IGNORECASE
)
_FAMILIES = {"symmetric": "S", "alternating": "A", "dihedral": "D"}
_NUMBERED = re.compile(r"([SAD])_?(\d+)")
_OPERANDS = {"x[0]": "x[1]", "a": "b", "x": "y", "i": "j", "m": "n"}
_MODULO = re.compile(r"(?:lambda[\w,]+:)?(?:\((?P<inner>.*)\)(?:%|mod)(?P<p>\d+|[pPC])|(?P<bare>.*))")
_VARIABLE = re.compile(r"x\[[01]\]|[A-Za-z_]\w*")
_CYCLIC = re.compile(r"[cz](\d+)")


def operation_named(text: str) -> tuple[str | None, int | None]:
    """The operation and modulus that a name or a formula means; None for what it does not state.

    Example:
        >>> operation_named("lambda x: (x[0]+x[1])%59"), operation_named("x**2 + x*y"), operation_named("max")
        (('add', 59), ('a**2+a*b', None), (None, None))
        >>> operation_named("ModularDivision"), operation_named("addition_mod_97"), operation_named("C113")
        (('divide', None), ('add', 97), ('add', 113))
        >>> operation_named("S5"), operation_named("DihedralGroup(59)")
        (('group:S5', None), ('group:D59', None))
    """
    if len(text) > MAX_TEXT:
        return None, None
    short = re.sub(r"\s", "", text)
    if short in _SIGNS:
        return _SIGNS[short], None
    match = _MODULO.fullmatch(short)
    if match is not None and (
        formula := _formula(match["bare"] if match["inner"] is None else match["inner"])
    ):
        p = match["p"]
        return formula, int(p) if p and p.isdigit() else None
    words = _words(text)
    group = group_named(text)
    if group is not None and group[1] is not None:
        return f"group:{group[0]}{group[1]}", None
    if not re.fullmatch(r"[\w -]*", text):
        return None, None
    if (cyclic := _CYCLIC.fullmatch("".join(words))) is not None:
        return "add", int(cyclic[1])
    numbers = [int(word) for word in words if word.isdigit()]
    names = [word for word in words if not word.isdigit() and word not in _SILENT]
    names = [word.removeprefix("mod") if word[3:] in _NAMED else word for word in names]
    if len(names) != 1 or names[0] not in _NAMED:
        return None, None
    return _NAMED[names[0]], numbers[0] if len(numbers) == 1 else None


def group_named(text: str) -> tuple[str, int | None] | None:
    """The letter of a family of groups, and the number in a name of one of them; None for other texts.

    Example:
        >>> group_named("SymmetricGroup"), group_named("A_5"), group_named("dihedral 59"), group_named("CyclicGroup")
        (('S', None), ('A', 5), ('D', 59), None)
    """
    if (match := _NUMBERED.fullmatch(text.strip())) is not None:
        return match[1], int(match[2])
    words = [word for word in _words(text[:MAX_TEXT]) if word not in _SILENT]
    numbers = [int(word) for word in words if word.isdigit()]
    names = [word for word in words if not word.isdigit()]
    if len(names) != 1 or names[0] not in _FAMILIES or len(numbers) > 1:
        return None
    return _FAMILIES[names[0]], numbers[0] if numbers else None


def names_group(text: str) -> bool:
    """True for a text that names a group of mathematics, known or not.

    Example:
        >>> [names_group(text) for text in ("AlternatingGroup", "S5", "run-7", "Control")]
        [True, True, False, False]
    """
    return _GROUP.search(text) is not None


def states_operation(value: Any) -> bool:
    """True for a text of which some word could name an operation, known or not.

    Example:
        >>> [states_operation(text) for text in ("modular_arithmetic", "modular_sort", "AlternatingGroup", 5)]
        [False, True, True, False]
    """
    if not isinstance(value, str):
        return False
    words = _words(value)
    return any(word not in _SILENT and not word.isdigit() for word in words) or not words


def _words(text: str) -> list[str]:
    """Words of a name, in lower case: at underscores, spaces, between small and large letters, and at numbers."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", text)]


def _formula(text: str) -> str | None:
    """The operation that a formula in two operands states: a name, or a polynomial in a and b."""
    formula = text.replace("^", "**")
    while formula.startswith("(") and formula.endswith(")") and _encloses(formula):
        formula = formula[1:-1]
    used = set(_VARIABLE.findall(formula))
    for left, right in _OPERANDS.items():
        if used == {left, right}:
            parts = re.split(r"([+*/-])", formula)
            if parts[::2] == [left, right] and parts[1] in _SIGNS:
                return _SIGNS[parts[1]]
            names = {left: "a", right: "b"}
            ours = _VARIABLE.sub(lambda match, names=names: names[match[0]], formula)  # type: ignore[misc]
            with suppress(ExpressionError):
                polynomial(ours, {"a": 1, "b": 1}, 7)
                return ours
    return None


def _encloses(text: str) -> bool:
    """True if the first bracket of a text is closed by the last."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return i == len(text) - 1
    return False
