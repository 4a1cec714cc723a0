"""Formulas against Python's own arithmetic, and everything that is no arithmetic refused."""

import inspect
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interp.errors import ExpressionError
from interp.expressions import condition, polynomial

NAMES = {
    "neurons.memorizing": 3,
    "neurons.total": 10,
    "neurons.dead": 0,
    "accuracy.test": 0.75,
    "accuracy.corrupted_as_labelled": None,
    "verdict": "memorized",
    "converged": True,
    "x": 2,
}

TERMS = st.recursive(
    st.sampled_from("ab") | st.integers(0, 200).map(str),
    lambda inner: (
        st.builds("({}{}{})".format, inner, st.sampled_from(["+", "-", "*", " * "]), inner)
        | st.builds("{}{}{}".format, inner, st.sampled_from("+-*"), inner)
        | st.builds("(-{})".format, inner)
        | st.builds("({})**{}".format, inner, st.integers(0, 4))
    ),
    max_leaves=8,
)

REFUSED_EVERYWHERE = [
    "__import__('os').system('true')",
    "(1).__class__",
    "().__class__.__bases__",
    "''.join",
    "f(1)",
    "lambda: 1",
    "[a for a in (1, 2)]",
    "{a: 1 for a in 'ab'}",
    "(a for a in 'ab')",
    "(a := 1)",
    "a if b else 1",
    "a[0]",
    "[1]",
    "(1, 2)",
    "{1}",
    "f'{1}'",
    "await a",
    "*a",
    "1j",
    "b'1'",
    "None",
    "...",
    "1 << 9",
    "1 | 2",
    "7 // 2",
    "7 @ 2",
    "~1",
    "+1",
    "1 is 1",
    "1 in (1,)",
    "",
    "   ",
    "a b",
    "a = 1",
    "a; b",
    "import os",
    "1 +",
    ")",
    "(" * 10_000 + "a" + ")" * 10_000,
    "(" * 240 + "a" + ")" * 240,
    "a" + "+a" * 5_000,
    "a\0",
    "a\ud800",
    "'\\",
]


@given(text=TERMS, p=st.integers(2, 4096), a=st.integers(0, 4095), b=st.integers(0, 4095))
def test_polynomials_equal_pythons_integers(text, p, a, b):
    if len(text) > 500:
        return
    a, b = a % p, b % p
    expected = eval(text, {}, {"a": a, "b": b}) % p
    assert polynomial(text, {"a": a, "b": b}, p) == expected
    arrays = polynomial(text, {"a": np.array([0, a]), "b": np.array([b, b])}, p)
    assert np.broadcast_to(arrays, 2)[1] == expected


@given(exponent=st.integers(0, 1_000_000), p=st.integers(2, 4096), a=st.integers(0, 4095))
@example(exponent=1_000_000, p=4096, a=4095)
@example(exponent=0, p=2, a=0)
def test_powers_equal_pow(exponent, p, a):
    assert polynomial(f"a**{exponent}", {"a": a}, p) == pow(a, exponent, p)
    assert polynomial(f"a**{exponent}", {"a": np.array([a, 1])}, p).tolist() == [pow(a, exponent, p), 1]


@pytest.mark.parametrize("text", ["a*b - 7*a + b**3", "-a", "a - 4095*4095*4095*b", "9" * 400])
def test_polynomials_of_arrays_never_overflow(text):
    p = 4096
    a, b = np.array([0, 1, 4095, 4094]), np.array([4095, 4095, 4095, 2])
    expected = [eval(text, {}, {"a": int(x), "b": int(y)}) % p for x, y in zip(a, b, strict=True)]
    assert np.broadcast_to(polynomial(text, {"a": a, "b": b}, p), 4).tolist() == expected


def test_polynomials_bind_as_in_python():
    for text, expected in {
        "-a**2": -9,
        "2*a**2": 18,
        "a - b - 1": -3,
        "a + b*2": 13,
        "(a)": 3,
        " a\t": 3,
    }.items():
        assert polynomial(text, {"a": 3, "b": 5}, 101) == expected % 101, text


@pytest.mark.parametrize(
    "text",
    [
        *REFUSED_EVERYWHERE,
        "a**a",
        "2**b",
        "a**-1",
        "a**2**3",
        "a**True",
        "a**(1+1)",
        "a**1.0",
        "a**1000001",
        "a**99999999999999999999",
        "a/b",
        "a % 2",
        "1.5*a",
        "True",
        "'a'",
        "a < b",
        "a and b",
        "not a",
        "c",
        "a.real",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_polynomial_is_refused_by_name(text):
    with pytest.raises(ExpressionError) as caught:
        polynomial(text, {"a": 1, "b": 2}, 7)
    named = str(len(text)) if len(text) > 500 else repr(text)[:20].strip("'\"")
    assert named in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_refusals_say_what_is_allowed():
    with pytest.raises(
        ExpressionError, match=r"'c' is not allowed in 'a \+ c'; a polynomial has .* and a, b$"
    ):
        polynomial("a + c", {"a": 1, "b": 2}, 7)
    with pytest.raises(ExpressionError, match="powers go up to 1000000"):
        polynomial("a**1000001", {"a": 1}, 7)
    with pytest.raises(ExpressionError, match="has 10000 characters; at most 500"):
        condition("x" * 10_000, {})


@pytest.mark.parametrize(
    "evaluate", [lambda text: polynomial(text, {"a": 1}, 7), lambda text: condition(text, {"a": 1})]
)
def test_deep_nesting_near_the_recursion_limit_is_an_expression_error(evaluate):
    def descend(depth: int) -> None:
        if depth:
            return descend(depth - 1)
        return evaluate("-" * 490 + "a")

    used = len(inspect.stack())
    with pytest.raises(ExpressionError, match=r"too deeply|cannot read"):
        descend(sys.getrecursionlimit() - used - 200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("neurons.memorizing > 0.1*neurons.total and accuracy.test < .9", True),
        ("neurons.memorizing > 0.1 * neurons.total and accuracy.test > .9", False),
        ("1 + 2*3 == 7", True),
        ("(1 + 2)*3 == 9", True),
        ("2 - 3 - 4 == -5", True),
        ("8/4/2 == 1", True),
        ("-x*2 == -4", True),
        ("--x == 2", True),
        ("True or False and False", True),
        ("(True or False) and False", False),
        ("not x > 3", True),
        ("not x > 3 and x > 3", False),
        ("not not x", True),
        ("1 < x < 3", True),
        ("1 < x < 2", False),
        ("3 > x > 1 < 9", True),
        ("3 > x < 1", False),
        ("1 <= x <= 2 != 3 == 3", True),
        ("x >= 2", True),
        ("x != 2", False),
        ("verdict == 'memorized'", True),
        ('verdict != "memorized"', False),
        ("converged", True),
        ("not converged", False),
        ("neurons.dead == 0 or accuracy.test == 1", True),
        ("  x == 2\n", True),
    ],
)
def test_conditions(text, expected):
    assert condition(text, NAMES) is expected


@pytest.mark.parametrize(
    "operators", list(product(["<", "<=", ">", ">=", "==", "!="], repeat=2)), ids="".join
)
def test_chained_comparisons_equal_python(operators):
    for x, y, z in product((1, 2, 3), repeat=3):
        text = f"{x} {operators[0]} {y} {operators[1]} {z}"
        assert condition(text, {}) is eval(text), text


@given(st.recursive(st.sampled_from(["True", "False", "1 < 2", "x > 3"]), lambda t: (
    st.builds("{} and {}".format, t, t) | st.builds("{} or {}".format, t, t) | st.builds("not {}".format, t)
    | st.builds("({})".format, t)
), max_leaves=10))  # fmt: skip
def test_logic_binds_as_in_python(text):
    if len(text) <= 500:
        assert condition(text, {"x": 2}) is eval(text, {}, {"x": 2})


@pytest.mark.parametrize(
    "text",
    [
        *REFUSED_EVERYWHERE,
        "2**3 == 8",
        "7 % 2 == 1",
        "accuracy.test.__class__ == 1",
        "x.__class__",
        "None == x",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_condition_is_refused_by_name(text):
    with pytest.raises(ExpressionError) as caught:
        condition(text, NAMES)
    named = str(len(text)) if len(text) > 500 else repr(text)[:20].strip("'\"")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("neuron.total > 1", r"unknown name 'neuron.total' in 'neuron.total > 1'; did you mean 'neurons"),
        ("zzzzz > 1", r"unknown name 'zzzzz'.*it has 'neurons.memorizing', .* 'x'$"),
        ("accuracy > 1", r"unknown name 'accuracy'.*did you mean 'accuracy.test'"),
        ("x.y > 1", r"unknown name 'x.y'"),
        ("accuracy.corrupted_as_labelled > .5", r"'accuracy.corrupted_as_labelled' is not known for"),
        ("x > 1 or accuracy.corrupted_as_labelled > .5", r"is not known"),
        ("x / neurons.dead > 1", r"cannot evaluate 'x / neurons.dead > 1': division by zero"),
        ("x/0.0 > 1", r"division by zero"),
        ("verdict < 1", r"cannot evaluate 'verdict < 1': '<' not supported"),
        ("-verdict == 1", r"cannot evaluate"),
        ("verdict + 1 == 1", r"cannot evaluate"),
        ("1.0 * 1" + "0" * 400 + " > 1", r"cannot evaluate"),
        ("x", r"'x' gives 2; a condition must compare something, for example `x > 1`"),
        ("1 + 1", r"'1 \+ 1' gives 2; a condition"),
        ("verdict", r"'verdict' gives 'memorized'"),
        ("-converged", r"gives -1"),
    ],
)  # fmt: skip
def test_conditions_that_cannot_be_decided(text, message):
    with pytest.raises(ExpressionError, match=message):
        condition(text, NAMES)


def test_text_is_not_multiplied():
    """`'a' * 9999999999` would take all memory."""
    with pytest.raises(ExpressionError, match=r"cannot evaluate|not allowed"):
        condition("'a' * 3 == 'aaa'", {})
    with pytest.raises(ExpressionError, match=r"cannot evaluate|not allowed"):
        condition("x * verdict == verdict", NAMES)
