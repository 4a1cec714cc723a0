"""Arithmetic written by a user, evaluated without ever being executed as Python."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from interp.errors import ExpressionError, near_matches

MAX_LENGTH = 500

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def check_syntax(text: str) -> None:
    """Raise an `ExpressionError` if the text does not parse at all."""
    _parse(text)


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} are read")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"cannot read the expression {text!r}: {error}") from None


def _evaluate(value: Callable[[ast.AST], Any], text: str) -> Any:
    try:
        return value(_parse(text))
    except RecursionError:
        raise ExpressionError(f"the expression {text[:40]!r}… is nested too deeply") from None


def _refuse(node: ast.AST, text: str, allowed: str) -> ExpressionError:
    return ExpressionError(f"{ast.unparse(node)!r} is not allowed in {text!r}; {allowed}")


def polynomial(text: str, variables: Mapping[str, Any], modulus: int) -> Any:
    """Evaluate an integer polynomial modulo `modulus`, reducing after every operation.

    Args:
        text: For example ``"a**2 + a*b + 3"``; ``+ - *`` and non-negative integer powers.
        variables: Integers or integer arrays by name.
        modulus: At least 2.

    Returns:
        A value of the variables' broadcast shape, in ``0 .. modulus - 1``.

    Raises:
        ExpressionError: The text does not parse, or uses anything but the above.

    Example:
        >>> polynomial("a**2 + 3*b", {"a": 5, "b": 4}, 7)
        2
    """
    allowed = "a polynomial has + - *, non-negative integer powers, integers and " + ", ".join(variables)

    def power(base: Any, exponent: int) -> Any:
        result, square = base * 0 + 1, base
        while exponent:
            if exponent & 1:
                result = result * square % modulus
            square = square * square % modulus
            exponent >>= 1
        return result

    def value(node: ast.AST) -> Any:
        match node:
            case ast.BinOp(left, ast.Pow(), ast.Constant(int(exponent))) if not isinstance(exponent, bool):
                if exponent > 1_000_000:
                    raise _refuse(node, text, "powers go up to 1000000")
                return power(value(left), exponent) % modulus
            case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() as op, right):
                return _ARITHMETIC[type(op)](value(left), value(right)) % modulus
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand) % modulus
            case ast.Constant(int(number)) if not isinstance(number, bool):
                return number % modulus
            case ast.Name(name) if name in variables:
                return variables[name] % modulus
        raise _refuse(node, text, allowed)

    zero = sum(variable * 0 for variable in variables.values())
    return _evaluate(value, text) + zero


def condition(text: str, names: Mapping[str, float | str | bool | None]) -> bool:
    """Evaluate a comparison over dotted names.

    Args:
        text: For example ``"neurons.memorizing > 0.1*neurons.total and accuracy.test < .9"``.
        names: Values by dotted name; None means that the value is not known.

    Returns:
        Whether the condition holds.

    Raises:
        ExpressionError: The text does not parse, is no condition, names something that does not exist, or
            needs a value that is not known.

    Example:
        >>> condition("neurons.dead >= 0.5*neurons.total", {"neurons.dead": 3, "neurons.total": 4})
        True
    """

    def number(node: ast.AST) -> float:
        result = value(node)
        if isinstance(result, str):
            raise TypeError(f"{result!r} is text, no number")
        return result

    def value(node: ast.AST) -> Any:
        match node:
            case ast.BoolOp(op, parts):
                return (all if isinstance(op, ast.And) else any)(list(map(value, parts)))
            case ast.UnaryOp(ast.Not(), operand):
                return not value(operand)
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.Compare(left, ops, rights) if all(type(op) in _COMPARE for op in ops):
                values = [value(left), *map(value, rights)]
                return all(_COMPARE[type(op)](*pair) for op, pair in zip(ops, pairwise(values), strict=True))
            case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](number(left), number(right))
            case ast.Constant(bool() | int() | float() | str()):
                return node.value
        return _look_up(node, text, names)

    try:
        result = _evaluate(value, text)
    except (TypeError, ZeroDivisionError, OverflowError) as error:
        raise ExpressionError(f"cannot evaluate {text!r}: {error}") from None
    if not isinstance(result, bool):
        raise ExpressionError(
            f"{text!r} gives {result!r}; a condition must compare something, for example `x > 1`"
        )
    return result


def _look_up(node: ast.AST, text: str, names: Mapping[str, Any]) -> Any:
    """The value of a dotted name."""
    name = ast.unparse(node)
    if not isinstance(node, ast.Name | ast.Attribute) or not re.fullmatch(r"[^\W\d]\w*(\.\w+)*", name):
        allowed = "a condition has and, or, not, comparisons, + - * /, numbers, quoted text and names"
        raise _refuse(node, text, allowed)
    if name not in names:
        raise ExpressionError(f"unknown name {name!r} in {text!r}; {near_matches(name, names)}")
    if names[name] is None:
        raise ExpressionError(f"{name!r} is not known for this network, so {text!r} cannot be decided")
    return names[name]
