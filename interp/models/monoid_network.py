"""The closed form of multiplication modulo a composite: characters of its monoid, multiplied by squares of sums."""

from __future__ import annotations

from math import pi, prod

import numpy as np
from jaxtyping import Complex

from interp.data.operations import is_prime, primitive_root
from interp.errors import ConfigError

TURNS = 6
"""Neurons with phases along a turn, over which a character's product alone remains of the square of a sum."""
RIGHT, OUTPUT = 4, 5
"""Multiples of the left operand's phase: with 6 turns none of the other terms of the square is constant."""
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
    primes = [q for q in range(2, m + 1) if m % q == 0 and is_prime(q)]
    if prod(primes) != m:
        square = next(q for q in primes if m % (q * q) == 0)
        raise ConfigError(
            f"no closed form is known for multiplication modulo {m}, which {square}² divides; expected a product of "
            "different primes"
        )
    table, every = np.ones((1, m), complex), np.arange(m)
    for q in primes:
        own = _modulo_prime(q)[:, every % q]
        table = (table[:, None] * own[None]).reshape(-1, m)
    return table


def _modulo_prime(q: int) -> np.ndarray:
    logarithm = np.zeros(q)
    if q > 2:
        root = primitive_root(q)
        logarithm[[pow(root, i, q) for i in range(q - 1)]] = np.arange(q - 1)
    waves = np.exp(2j * pi * np.outer(np.arange(q - 1), logarithm) / (q - 1))
    waves[:, 0] = 0
    return np.concatenate([np.ones((1, q)), waves])


def monoid_weights(m: int, seed: int = 0) -> Weights:
    """Left and right ``(m, neuron)`` and output ``(neuron, m)`` weights that multiply modulo a squarefree number.

    The logit of c is the sum of χ*(c) χ(a) χ(b) over all characters χ, with the dual basis χ* (the inverse of the
    table of characters): 1 at the product and 0 elsewhere. A real character takes two neurons, (χ(a) ± χ(b))², a pair
    of complex ones `TURNS`, with phases along a turn.

    Args:
        seed: Of the phase that each turn begins with.

    Raises:
        ConfigError: A square divides m.

    Example:
        >>> left, right, output = monoid_weights(6)
        >>> logits = np.square(left[:, None] + right[None]) @ output
        >>> np.allclose(logits[4, 5], np.eye(6)[4 * 5 % 6])
        True
    """
    characters = monoid_characters(m)
    dual = np.linalg.inv(characters).T  # of each character, by output
    generator, parts = np.random.default_rng(seed), []
    for chi, weight in zip(characters, dual, strict=True):
        if np.abs(chi.imag).max() < 1e-9:
            parts.append(_real(chi.real, weight.real))
        elif chi.imag[np.flatnonzero(np.abs(chi.imag) > 1e-9)[0]] > 0:  # the other of the pair has it below 0
            parts.append(_pair(chi, 2 * weight, generator.uniform(0, 2 * pi, 2)))
    left, right, output = zip(*parts, strict=True)
    return np.hstack(left), np.hstack(right), np.vstack(output)


def _real(chi: np.ndarray, weight: np.ndarray) -> Weights:
    """Neurons of which w χ(a) χ(b) remains."""
    chosen = np.stack([weight, -weight]) / 4
    return np.stack([chi, chi], 1), np.stack([chi, -chi], 1), chosen


def _pair(chi: np.ndarray, weight: np.ndarray, begin: np.ndarray) -> Weights:
    """Neurons of which the real part of w χ(a) χ(b) remains."""
    turn = 2 * pi * np.arange(TURNS) / TURNS
    first, second = turn + begin[0], RIGHT * turn + begin[1]
    output = (weight.conj()[None] * np.exp(1j * (first + second))[:, None]).real * (2 / TURNS)
    return (chi[:, None] * np.exp(1j * first)).real, (chi[:, None] * np.exp(1j * second)).real, output
