"""Components of tables that are no group's, against numpy's FFT over the units, and p-values where there is nothing."""

from itertools import product
from math import gcd

import numpy as np
import pytest

from interp.data.group_tables import cyclic, direct_product, symmetric
from probes.component_scores import component_scores
from probes.composition import composition_of
from probes.finite_group import NoGroup, group_of
from probes.isotypic import components_of, components_on
from tests.probes.test_monoid import LOOP


def times(m: int, factor: int = 1) -> np.ndarray:
    return factor * np.multiply.outer(np.arange(m), np.arange(m)) % m


def by_fft(vectors: np.ndarray, roots: dict[int, int]) -> dict[tuple[int, ...], np.ndarray]:
    """Squares of vectors by frequencies along powers of a root modulo each prime, over every gcd class on its own.

    Where a prime divides the elements of a class, its frequency is 0. The constant is left out.
    """
    primes, m = list(roots), int(np.prod(list(roots)))
    squares: dict[tuple[int, ...], np.ndarray] = {}
    for kept in product([False, True], repeat=len(primes)):
        shape = [q - 1 if keep else 1 for q, keep in zip(primes, kept, strict=True)]
        grid = np.zeros(shape, int)
        for powers in product(*map(range, shape)):
            wanted = [
                pow(roots[q], k, q) if keep else 0 for q, k, keep in zip(primes, powers, kept, strict=True)
            ]
            grid[powers] = next(x for x in range(m) if [x % q for q in primes] == wanted)
        waves = np.fft.fftn(vectors[:, grid], axes=range(1, len(primes) + 1)) / np.sqrt(grid.size)
        for frequency in product(*map(range, shape)):
            mirrored = tuple(-k % n for k, n in zip(frequency, shape, strict=True))
            at = min(frequency, mirrored)
            power = np.square(np.abs(waves[(slice(None), *frequency)]))
            # classes of fewer elements see the same character of the units, whose frequency along other primes is 0
            squares[at] = squares.get(at, 0) + power
    zero = (0,) * len(primes)
    squares[zero] = squares[zero] - np.square(vectors.sum(1)) / m
    return squares


@pytest.mark.parametrize("roots", [{5: 2, 7: 3}, {3: 2, 5: 2, 11: 2}], ids=["35", "165"])
def test_components_of_multiplication_equal_transforms_over_the_units(roots):
    m = int(np.prod(list(roots)))
    vectors = np.random.default_rng(0).normal(size=(40, m))
    composition = composition_of(times(m))
    assert composition.output.tolist() == list(range(m))
    shares = composition.components.shares(vectors)
    expected = by_fft(vectors, roots)
    table = np.stack([*expected.values()], axis=1)
    table /= table.sum(1, keepdims=True)
    assert shares.shape == table.shape
    order = [int(np.abs(table - column[:, None]).sum(0).argmin()) for column in shares.T]
    assert sorted(order) == list(range(len(order)))
    np.testing.assert_allclose(shares, table[:, order], atol=1e-9)
    assert [*expected][order[composition.components.by_orbit - 1]] == (0,) * len(roots)


@pytest.mark.parametrize("m", [8, 12, 35, 90])
def test_classes_are_those_of_the_common_divisor_with_the_modulus(m):
    composition = composition_of(times(m))
    orbits = [composition.orbits[[gcd(x, m) == d for x in range(m)]] for d in range(1, m + 1) if m % d == 0]
    assert all(len(np.unique(one)) == 1 for one in orbits)
    assert len(np.unique(composition.orbits)) == len(orbits)
    assert f"in {len(orbits)} classes" in composition.note


def test_a_group_that_acts_on_itself_has_the_components_of_the_group():
    for group in (group_of(symmetric(4)), group_of(direct_product(cyclic(2), cyclic(6)))):
        vectors = np.random.default_rng(1).normal(size=(30, len(group)))
        own, acted = components_of(group), components_on(group.table, group)
        assert own.sizes.tolist() == acted.sizes.tolist()
        assert acted.by_orbit is None
        one, other = own.shares(vectors), acted.shares(vectors)
        order = [int(np.abs(other - column[:, None]).sum(0).argmin()) for column in one.T]
        np.testing.assert_allclose(one, other[:, order], atol=1e-9)
        np.testing.assert_allclose(own.characters[1:], acted.characters[1:][order], atol=1e-9)


def test_what_is_no_action_is_refused():
    with pytest.raises(ValueError, match="no action"):
        components_on(np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2]]), group_of(cyclic(3)))


@pytest.mark.parametrize("seed", range(3))
def test_operands_and_results_may_be_renumbered(seed):
    generator = np.random.default_rng(seed)
    left, right, output = (generator.permutation(35) for _ in range(3))
    table = output[times(35)[left[:, None], right]]
    composition, plain = composition_of(table), composition_of(times(35))
    assert "Operands were read" in composition.note
    assert composition.components.sizes.tolist() == plain.components.sizes.tolist()
    product = table[np.ix_(composition.left, composition.right)]
    place = np.argsort(composition.output)[product]
    assert np.array_equal(place, place.T)
    vectors = generator.normal(size=(20, 35))  # of results, which are renumbered alone
    own = composition.components.shares(vectors[:, composition.output])
    expected = plain.components.shares(vectors[:, output])
    np.testing.assert_allclose(np.sort(own), np.sort(expected), atol=1e-9)


def test_a_factor_is_a_renumbering_that_components_do_not_see():
    composition = composition_of(times(35, 2))  # its identity is 18
    assert composition.left.tolist() == list(range(35))
    vectors = np.random.default_rng(0).normal(size=(20, 35))
    own = composition.components.shares(vectors)
    expected = composition_of(times(35)).components.shares(vectors)
    np.testing.assert_allclose(np.sort(own), np.sort(expected), atol=1e-9)


def test_a_quasigroup_that_is_a_groups_in_another_order_is_read_as_that():
    table = symmetric(4)[:, group_of(symmetric(4)).inverse]  # a times the inverse of b
    composition = composition_of(table)
    assert len(composition.components.group) == 24
    assert not composition.components.group.abelian
    product = table[np.ix_(composition.left, composition.right)]
    assert np.array_equal(product, composition.output[composition.components.group.table])


def test_of_a_monoid_whose_units_are_few_the_largest_group_is_read():
    table = np.full((9, 9), 7)
    table[:7, :7], table[8], table[:, 8] = cyclic(7), range(9), range(9)  # Z7, a zero and a new identity
    composition = composition_of(table)
    assert composition.output.tolist() == list(range(8))
    assert composition.orbits.tolist() == [0] * 7 + [7]
    assert composition.note.endswith(
        "Weights at the other 1 were not analysed, as the group's identity changes these."
    )


def test_of_a_monoid_that_depends_on_the_order_the_largest_group_alone_is_read():
    maps = list(product(range(3), repeat=3))
    table = np.array([[maps.index(tuple(f[g[i]] for i in range(3))) for g in maps] for f in maps])
    composition = composition_of(table)
    assert len(composition.components.group) == len(composition.output) == 6
    assert composition.note.endswith(
        "at the other 21 were not analysed, as results depend on the order of operands."
    )


def test_of_a_quasigroup_its_largest_associative_subset_is_read():
    composition = composition_of(LOOP)
    assert len(composition.components.group) == 6
    assert "results depend on the brackets" in composition.note
    assert "weights at the other 6 were not analysed" in composition.note


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (times(6), "the largest group in it has 2 of its 6"),
        (np.minimum.outer(np.arange(9), np.arange(9)), "has 1 of its 9"),
        ((np.arange(7)[:, None] ** 2 + times(7)) % 7, "results depend on the brackets, and some occur twice"),
    ],
)
def test_where_there_is_no_group_the_reason_is_given(table, reason):
    with pytest.raises(NoGroup, match=reason):
        composition_of(table)


def random_p_values(m: int, kind: str, draws: int) -> np.ndarray:
    generator, shape = np.random.default_rng(7), (3, draws, m)
    vectors = {
        "normal": lambda: generator.normal(size=shape),
        "two values": lambda: (
            np.where(generator.random(shape) < 0.1, 3.0, 0.0) + 0.1 * generator.normal(size=shape)
        ),
        "heavy tails": lambda: generator.standard_t(2, size=shape),
    }[kind]()
    return component_scores(list(vectors), composition_of(times(m)).components)["p_value"]


@pytest.mark.parametrize("kind", ["normal", "two values", "heavy tails"])
def test_nothing_is_found_where_nothing_is(kind):
    p = random_p_values(35, kind, 4_000)
    assert (p < 0.01).mean() <= 0.015  # .012 of 20,000
    assert (p < 0.1).mean() > 0.07


@pytest.mark.slow
@pytest.mark.parametrize("m", [35, 165])
@pytest.mark.parametrize("kind", ["normal", "two values", "heavy tails"])
def test_p_values_of_random_weights_are_calibrated(m, kind):
    p = random_p_values(m, kind, 20_000)
    assert (p < 0.01).mean() <= 0.012
    assert (p < 0.1).mean() > 0.07
