"""Strings of a random language to be remembered, and questions in which order two segments of a string came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from interp.language.small_training import RandomLanguage

VOCAB, CLASSES, SUCCESSORS = 100, 2, 4
QUESTION = VOCAB
"""The token that a question begins with."""
LENGTH, PROMPT, SEGMENT = 20, 5, 4
EARLY, LATE = range(5), range(12, 17)
"""Places where the two segments of a question begin; between them lie 4 tokens or more."""
ASKED = tuple((early, late) for early in EARLY[::2] for late in LATE[::2])
"""Pairs of places of the questions that are measured."""
BEFORE = 8  # tokens that are drawn before a string begins: its first ones are as frequent as its last


@dataclass(frozen=True, eq=False)
class Strings:
    """Strings of one language, drawn alike, so that only memory tells them apart.

    Attributes:
        study: Those that are exposed.
        never: As many that are not, which every measurement of the former is repeated on.
        foils: Others that are not, which both are compared with.
    """

    study: Int[np.ndarray, "string token"]
    never: Int[np.ndarray, "control token"]
    foils: Int[np.ndarray, "foil token"]


def draw_strings(
    language: RandomLanguage, n: int, generator: np.random.Generator
) -> Int[np.ndarray, "string token"]:
    """Random strings of `LENGTH` tokens, in which no place differs from another in how frequent tokens are.

    Example:
        >>> from interp.language.small_training import random_language
        >>> language = random_language(VOCAB, CLASSES, SUCCESSORS, np.random.default_rng(0))
        >>> draw_strings(language, 3, np.random.default_rng(1)).shape
        (3, 20)
    """
    return language.draw(n, BEFORE + LENGTH, generator)[:, BEFORE:]


def segments(
    strings: Int[np.ndarray, "string token"], starts: Int[np.ndarray, " string"]
) -> Int[np.ndarray, "string place"]:
    """The `SEGMENT` tokens of each string from its place on.

    Example:
        >>> segments(np.arange(20)[None], np.array([12])).tolist()
        [[12, 13, 14, 15]]
    """
    return np.take_along_axis(strings, starts[:, None] + np.arange(SEGMENT), axis=1)


def questions(
    first: Int[np.ndarray, "string place"],
    second: Int[np.ndarray, "string place"],
    context: Int[np.ndarray, "string token"] | None = None,
) -> Int[np.ndarray, "string all"]:
    """Rows of a question: a context if there is one, the token `QUESTION`, and two segments in some order.

    Example:
        >>> questions(np.array([[1, 2]]), np.array([[3, 4]])).tolist()
        [[100, 1, 2, 3, 4]]
    """
    parts = [np.full((len(first), 1), QUESTION), first, second]
    return np.concatenate(parts if context is None else [context, *parts], axis=1)


def random_questions(
    strings: Int[np.ndarray, "string token"], generator: np.random.Generator, *, context: bool
) -> Int[np.ndarray, "string all"]:
    """A question for each string, with segments at random places in the order of the string."""
    starts = (generator.integers(one.start, one.stop, len(strings)) for one in (EARLY, LATE))
    first, second = (segments(strings, one) for one in starts)
    return questions(first, second, strings if context else None)


def asked_segments(
    strings: Int[np.ndarray, "string token"],
) -> Iterator[tuple[Int[np.ndarray, "string place"], Int[np.ndarray, "string place"]]]:
    """The earlier and the later segment of each string, for every pair of `ASKED`."""
    for pair in ASKED:
        early, late = (segments(strings, np.full(len(strings), start)) for start in pair)
        yield early, late
