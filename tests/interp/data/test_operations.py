"""Tables against plain loops, orderings against the identity that defines them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data import OPERATIONS, Ordering, group_ordering, operation_table, primitive_root
from interp.data.operations import MAX_MODULUS, check_operation, is_prime
from interp.errors import ConfigError, ExpressionError, GrokscopeError

PRIMES = [2, 3, 5, 7, 11, 23, 31, 53, 97, 113]


def by_hand(operation: str, a: int, b: int, p: int) -> int:
    """One result, by Python's own arithmetic."""
    match operation:
        case "add":
            return (a + b) % p
        case "subtract":
            return (a - b) % p
        case "multiply":
            return a * b % p
        case "divide":
            return a * pow(b, -1, p) % p
    return eval(operation, {}, {"a": a, "b": b}) % p


def assert_solves(order: Ordering, operation: str, p: int) -> None:
    """The operation is addition of positions, and no residue occurs twice."""
    n = len(order)
    for residues in (order.left, order.right, order.output):
        assert len(set(residues.tolist())) == n == len(residues)
        assert set(residues.tolist()) <= set(range(p))
    for i, j in product(range(n), repeat=2):
        result = by_hand(operation, int(order.left[i]), int(order.right[j]), p)
        assert result == order.output[(order.steps[0] * i + order.steps[1] * j) % n], (i, j)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("p", [2, 3, 5, 13, 31])
def test_tables_equal_plain_loops(operation, p):
    operands, results = operation_table(operation, p)
    expected = [(a, b) for a in range(p) for b in range(p) if b or operation != "divide"]
    assert operands.tolist() == [list(pair) for pair in expected]
    assert results.tolist() == [by_hand(operation, a, b, p) for a, b in expected]
    assert operands.dtype == results.dtype == np.int64


@pytest.mark.parametrize("operation", ["a**2 + a*b + 3", "-a", "b", "7", "a**3 - 2*b", "(a + b)*(a - b)"])
@pytest.mark.parametrize("p", [2, 6, 11])
def test_polynomial_tables_equal_plain_loops(operation, p):
    operands, results = operation_table(operation, p)
    assert operands.shape == (p * p, 2)
    assert results.tolist() == [by_hand(operation, a, b, p) for a in range(p) for b in range(p)]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("p", PRIMES)
def test_ordering_turns_the_operation_into_addition(operation, p):
    order = group_ordering(operation, p)
    if p == 2 and operation in ("multiply", "divide"):
        assert order is None  # one residue is no group to be periodic in
        return
    assert_solves(order, operation, p)
    assert len(order) == (p if operation in ("add", "subtract") else p - 1)
    assert (0 in order.left) == (operation in ("add", "subtract"))


@pytest.mark.parametrize("operation", ["add", "subtract", "a - b", "5*a + 7*b + 1"])
@pytest.mark.parametrize("p", [4, 6, 12, 36])
def test_sums_need_no_prime(operation, p):
    assert_solves(group_ordering(operation, p), operation, p)


@given(
    p=st.integers(2, 24),
    f=st.tuples(st.integers(0, 30), st.integers(1, 4)),
    g=st.tuples(st.integers(0, 30), st.integers(1, 4)),
    mixed=st.integers(0, 2),
)
def test_a_polynomial_has_an_ordering_exactly_if_it_is_a_sum_or_a_product(p, f, g, mixed):
    operation = f"{f[0]}*a**{f[1]} + {g[0]}*b**{g[1]} + {mixed}*a*b + 1"
    table = [[by_hand(operation, a, b, p) for b in range(p)] for a in range(p)]
    separable = all(
        (table[a][b] - table[a][0] - table[0][b] + table[0][0]) % p == 0 for a in range(p) for b in range(p)
    )
    columns = [[row[0] for row in table], table[0]]
    alike = [len(set(c)) == p or _multiples(c, p) for c in columns]
    product = p > 2 and is_prime(p) and _is_product(f, g, mixed, p)
    order = group_ordering(operation, p)
    assert (order is not None) == ((separable and all(alike)) or product)
    if order is not None:
        assert_solves(order, operation, p)


def _multiples(values: list[int], p: int) -> bool:
    """Values that grow by one step above 0."""
    step = (values[1] - values[0]) % p
    return step > 0 and all((values[x] - values[0] - step * x) % p == 0 for x in range(p))


def _is_product(f: tuple[int, int], g: tuple[int, int], mixed: int, p: int) -> bool:
    """f a + g b + m a b + 1 is m (a + g/m) (b + f/m) + 1 - f g/m; powers that are no first ones must not occur."""
    power = all(c % p == 0 or (k - 1) % (p - 1) == 0 for c, k in (f, g))
    return mixed % p != 0 and power


@pytest.mark.parametrize(
    ("operation", "p"),
    [
        *[("2*a*b", p) for p in (3, 5, 31)],
        *[(text, 31) for text in ("a*b", "-a*b", "3*a**7*b**29", "a*b*a", "a**2*b**3 + 5", "(a*b)**11")],
        *[(text, 13) for text in ("a*b + a + b", "(a + 1)*(b + 2) - 1", "(a + 1)**5 * b", "(2*a + 1)*(3 - b)")],
    ],
)  # fmt: skip
def test_products_are_recognised(operation, p):
    order = group_ordering(operation, p)
    assert_solves(order, operation, p)
    assert len(order) == p - 1
    if 0 not in order.left:
        assert np.array_equal(group_ordering(operation, p, "log").left, order.left)


@pytest.mark.parametrize(
    ("operation", "p"),
    [("a*b", 6), ("a*b", 2), ("a**30*b", 31), ("0*a*b", 7), ("a**2 - b**2", 7), ("(a**2 + 1)*b", 13)],
)
def test_what_is_no_product_is_not_read_as_one(operation, p):
    assert group_ordering(operation, p) is None


@pytest.mark.parametrize("operation", ["a**2 + a*b", "a**2 + b", "a", "3", "a + 0*b"])
def test_polynomials_without_an_ordering(operation):
    assert group_ordering(operation, 7) is None


@pytest.mark.parametrize("p", [p for p in range(2, 120) if is_prime(p)])
def test_primitive_roots_are_the_smallest_generators(p):
    generators = [g for g in range(1, p) if len({pow(g, i, p) for i in range(p - 1)}) == p - 1]
    assert primitive_root(p) == generators[0]


def test_primes_equal_a_sieve():
    sieve = [
        n for n in range(MAX_MODULUS + 1) if n > 1 and not any(n % d == 0 for d in range(2, int(n**0.5) + 1))
    ]
    assert [n for n in range(-3, MAX_MODULUS + 1) if is_prime(n)] == sieve


@pytest.mark.parametrize(
    ("operation", "p", "error", "message"),
    [
        ("add", 1, ConfigError, r"p=1 is no usable modulus; expected a whole number from 2 to 4096"),
        ("add", 0, ConfigError, r"p=0 "),
        ("add", -7, ConfigError, r"p=-7 "),
        ("add", 4097, ConfigError, r"p=4097 "),
        ("add", 97.0, ConfigError, r"p=97.0 "),
        ("add", "97", ConfigError, r"p='97' "),
        ("add", None, ConfigError, r"p=None "),
        ("add", True, ConfigError, r"p=True "),
        ("divide", 96, ConfigError, r"divide needs a prime modulus, not p=96, .*; the next prime is 97"),
        ("divide", 4, ConfigError, r"divide needs a prime modulus, not p=4, by whose divisors .*; the next prime is 5"),
        ("divide", 4095, ConfigError, r"the next prime is 4099"),
        ("addd", 7, ConfigError, r"unknown operation 'addd'; expected one of add, subtract"),
        ("Add", 7, ConfigError, r"unknown operation 'Add'"),
        ("c", 7, ConfigError, r"unknown operation 'c'"),
        ("None", 7, ConfigError, r"unknown operation 'None'"),
        ("a + c", 7, ExpressionError, r"'c' is not allowed in 'a \+ c'"),
        ("a/b", 7, ExpressionError, r"'a / b' is not allowed"),
        ("a**a", 7, ExpressionError, r"'a \*\* a' is not allowed"),
        ("a**99999999", 7, ExpressionError, r"powers go up to 1000000"),
        ("__import__('os')", 7, ExpressionError, r"__import__\('os'\)"),
        ("", 7, ExpressionError, r"cannot read the expression ''"),
        ("a" * 10_240 + " + b", 7, ExpressionError, r"10244 characters"),
        ("(" * 10_000 + "a" + ")" * 10_000, 7, ExpressionError, r"20001 characters"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_named(operation, p, error, message):
    assert issubclass(error, GrokscopeError)
    functions = (check_operation, operation_table, group_ordering)
    for function in functions if isinstance(p, int) else functions[:1]:
        with pytest.raises(error, match=message):
            function(operation, p)


@pytest.mark.parametrize("p", [0, 1, 4, 91])
def test_no_primitive_root_without_a_prime(p):
    with pytest.raises(ConfigError, match=f"p={p} is not prime"):
        primitive_root(p)


@pytest.mark.parametrize("operation", [None, 3, ["add"]])
def test_an_operation_that_is_no_text_is_a_config_error(operation):
    with pytest.raises(ConfigError, match="operation"):
        check_operation(operation, 7)


@pytest.mark.parametrize("p", [3, 7, 31])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_ordering_by_name_is_that_of_some_operation(operation, p):
    def lists(order):
        return [order.left.tolist(), order.right.tolist(), order.output.tolist(), order.name]

    natural, log = group_ordering(operation, p, "natural"), group_ordering(operation, p, "log")
    own = group_ordering(operation, p, "task")
    assert lists(natural) == lists(group_ordering("add", p))
    assert lists(log) == lists(group_ordering("divide" if operation == "divide" else "multiply", p))
    assert lists(own) == lists(group_ordering(operation, p))


def test_an_ordering_that_there_is_not_is_a_config_error():
    assert group_ordering("a**2 + a*b", 7, "task") is None
    with pytest.raises(ConfigError, match="unknown ordering 'raw'; expected one of 'task', 'natural', 'log'"):
        group_ordering("add", 7, "raw")
    for p in (2, 9):
        with pytest.raises(ConfigError, match=f"needs a prime modulus above 2, not p={p}"):
            group_ordering("add", p, "log")
    with pytest.raises(ConfigError, match="no usable modulus"):
        group_ordering("add", 1, "natural")
