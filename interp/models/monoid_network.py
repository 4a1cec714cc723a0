"""The closed form of multiplication modulo a composite: characters of its monoid, multiplied by squares of sums."""

from __future__ import annotations

from math import pi, prod

import numpy as np
from jaxtyping import Complex

from interp.data.operations import is_prime, primitive_root
from interp.errors import ConfigError

TURNS = 6
"""Neurons with phases along a turn, over which a character's product alone remains of the square of a sum."""
RIGHT = 4
"""Multiple of the left operand's phase: with 6 turns none of the other terms of the square is constant."""
UNDECIDED = 0.5
"""Share of the logit of 0 that a unit's logit has where nothing is known of the product modulo a prime."""
Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def monoid_characters(m: int) -> Complex[np.ndarray, "character element"]:
    """The characters of multiplication modulo a squarefree number: all m functions with f(a b) = f(a) f(b).

    Modulo a prime these are the constant and the characters of the units, which are 0 at 0; modulo a product of primes
    the products of one for each. They are a basis of all functions. The constant is the first.

    Raises:
        ConfigError: A square divides m: the characters then are fewer than the elements.

    Example:
        >>> monoid_characters(3).real.round(6).tolist()
        [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 1.0, -1.0]]
    """
    return _products([_modulo_prime(q) for q in _primes(m)], m)


def monoid_weights(m: int, seed: int = 0) -> Weights:
    """Left and right ``(m, neuron)`` and output ``(neuron, m)`` weights that multiply modulo a squarefree number.

    The logit of c is a product over the prime factors q of m: `UNDECIDED`, or 1 where q divides c, and q - 1 more where
    c is a b modulo q and q divides neither. Multiplied out this is a sum of χ(a) χ(b) over the characters, each with an
    output of its own. A real character takes two neurons, (χ(a) ± χ(b))², a pair of complex ones `TURNS`, with phases
    along a turn; the constant, of which there is nothing to multiply, one.

    Args:
        seed: Of the phase that each turn begins with.

    Raises:
        ConfigError: A square divides m.

    Example:
        >>> left, right, output = monoid_weights(6)
        >>> logits = np.square(left[:, None] + right[None]) @ output
        >>> logits[4, 5].round(6).tolist()
        [1.0, 0.25, 2.5, 0.5, 0.5, 1.25]
    """
    primes = _primes(m)
    outputs = [_modulo_prime(q).conj() for q in primes]
    for one in outputs:
        one[0, 1:] = UNDECIDED
    constant = np.ones((m, 1))
    generator, parts = np.random.default_rng(seed), list[Weights]()
    for chi, output in zip(monoid_characters(m), _products(outputs, m), strict=True):
        first = chi.imag[np.flatnonzero(np.abs(chi.imag) > 1e-9)[:1]]
        if not parts:
            parts.append((constant, constant, output.real[None] / 4))
        elif not len(first):
            parts.append(_real(chi.real, output.real))
        elif first[0] > 0:  # the other one of the pair begins below 0
            parts.append(_pair(chi, output, generator.uniform(0, 2 * pi, 2)))
    left, right, readout = zip(*parts, strict=True)
    return np.hstack(left), np.hstack(right), np.vstack(readout)


def _primes(m: int) -> list[int]:
    """The prime factors of a squarefree number."""
    primes = [q for q in range(2, m + 1) if m % q == 0 and is_prime(q)]
    if prod(primes) != m:
        square = next(q for q in primes if m % (q * q) == 0)
        raise ConfigError(
            f"{square}² divides the modulus {m}; expected a product of different primes, for which the characters of "
            "multiplication are a basis"
        )
    return primes


def _modulo_prime(q: int) -> np.ndarray:
    """The characters of multiplication modulo a prime ``(character, element)``: the constant, then the units'."""
    logarithm = np.zeros(q)
    if q > 2:
        root = primitive_root(q)
        logarithm[[pow(root, i, q) for i in range(q - 1)]] = np.arange(q - 1)
    waves = np.exp(2j * pi * np.outer(np.arange(q - 1), logarithm) / (q - 1))
    waves[:, 0] = 0
    return np.concatenate([np.ones((1, q)), waves])


def _products(tables: list[np.ndarray], m: int) -> np.ndarray:
    """Products of one function modulo each prime, as functions modulo m."""
    product, every = np.ones((1, m), complex), np.arange(m)
    for table in tables:
        product = (product[:, None] * table[:, every % len(table)][None]).reshape(-1, m)
    return product


def _real(chi: np.ndarray, output: np.ndarray) -> Weights:
    """Neurons of which χ(a) χ(b) remains."""
    return np.stack([chi, chi], 1), np.stack([chi, -chi], 1), np.stack([output, -output]) / 4


def _pair(chi: np.ndarray, output: np.ndarray, begin: np.ndarray) -> Weights:
    """Neurons of which twice the real part of χ(a) χ(b) times the output remains."""
    turn = 2 * pi * np.arange(TURNS) / TURNS
    first, second = turn + begin[0], RIGHT * turn + begin[1]
    turned = output.conj()[None] * np.exp(1j * (first + second))[:, None]
    return (
        (chi[:, None] * np.exp(1j * first)).real,
        (chi[:, None] * np.exp(1j * second)).real,
        turned.real * (4 / TURNS),
    )
