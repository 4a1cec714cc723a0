"""A small language of facts: named subjects, relations in several wordings, and categories of the objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

BEGIN, STOP = 0, 1
FIRST, LAST, ANSWER = -1, -2, -3
"""Places in a wording of the subject's two names, and of the token that a fact is about."""
TARGET = 6
"""The place of that token in every sentence of `LENGTH` tokens."""
LENGTH = 8
WORDS = 3
"""Of every wording, beside the names and the answer."""


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts of as many subjects.

    Attributes:
        names: Tokens of the first and the last name of each.
        relation: Number of each fact's relation.
        answer: Number of the object among those of the relation.
    """

    names: Int[np.ndarray, "fact 2"]
    relation: Int[np.ndarray, " fact"]
    answer: Int[np.ndarray, " fact"]

    def __len__(self) -> int:
        return len(self.relation)

    def take(self, rows: Int[np.ndarray, " chosen"]) -> Facts:
        """Some of them."""
        return Facts(self.names[rows], self.relation[rows], self.answer[rows])


@dataclass(frozen=True, eq=False)
class FactLanguage:
    """Wordings and words of a language in which every sentence has `LENGTH` tokens.

    Attributes:
        vocab: Tokens, from 0 on.
        wordings: Of every relation, with `FIRST`, `LAST` and `ANSWER` in them.
        composed: One more of each relation, whose answer is the category of the object.
        known: One of each relation that says an object's category; the object stands at `FIRST`.
        objects, categories: Tokens of each relation's objects, and of the category of each.
        first, last: Tokens of names.

    Example:
        >>> language = fact_language(np.random.default_rng(0), relations=2, wordings=3)
        >>> facts = language.draw(4, np.random.default_rng(1))
        >>> language.say(facts, np.zeros(4, dtype=np.int64)).shape, len(set(map(tuple, facts.names.tolist())))
        ((4, 8), 4)
    """

    vocab: int
    wordings: Int[np.ndarray, "relation wording token"]
    composed: Int[np.ndarray, "relation token"]
    known: Int[np.ndarray, "relation token"]
    objects: Int[np.ndarray, "relation object"]
    categories: Int[np.ndarray, "relation object"]
    first: Int[np.ndarray, " first"]
    last: Int[np.ndarray, " last"]

    def draw(self, n: int, generator: np.random.Generator) -> Facts:
        """Facts of different subjects; relations and answers come equally often, as far as numbers allow."""
        place = generator.choice(len(self.first) * len(self.last), n, replace=False)
        names = np.stack([self.first[place // len(self.last)], self.last[place % len(self.last)]], axis=1)
        relations, objects = self.objects.shape
        order = generator.permutation(n)
        return Facts(names, order % relations, order // relations % objects)

    def say(self, facts: Facts, wording: Int[np.ndarray, " fact"]) -> Int[np.ndarray, "fact token"]:
        """Sentences of facts, each in one of its relation's wordings."""
        return _filled(
            self.wordings[facts.relation, wording], facts.names, self.objects[facts.relation, facts.answer]
        )

    def compose(self, facts: Facts) -> Int[np.ndarray, "fact token"]:
        """Sentences that name the category of each fact's object in place of it."""
        return _filled(
            self.composed[facts.relation], facts.names, self.categories[facts.relation, facts.answer]
        )

    def background(self, n: int, facts: Facts, generator: np.random.Generator) -> Int[np.ndarray, "n token"]:
        """Random sentences: half of known facts, three eighths of passing ones, an eighth of categories.

        Each sentence of a fact is in any of the wordings, or composed. Passing facts are of subjects with random names
        and random answers; they teach that facts of unknown subjects cannot be guessed.

        Args:
            facts: Known ones.
        """
        chosen = facts.take(generator.integers(len(facts), size=n))
        kind = generator.random(n)
        passing = self._passing(n, generator)
        is_passing = kind < 3 / 8
        mixed = Facts(
            np.where(is_passing[:, None], passing.names, chosen.names),
            np.where(is_passing, passing.relation, chosen.relation),
            np.where(is_passing, passing.answer, chosen.answer),
        )
        n_wordings = self.wordings.shape[1]
        wording = generator.integers(n_wordings + 1, size=n)
        plain = self.say(mixed, wording % n_wordings)
        rows = np.where((wording == n_wordings)[:, None], self.compose(mixed), plain)
        return np.where((kind >= 7 / 8)[:, None], self.categorise(mixed), rows)

    def categorise(self, facts: Facts) -> Int[np.ndarray, "fact token"]:
        """Sentences on the category of each fact's object, without its subject."""
        object_ = self.objects[facts.relation, facts.answer]
        category = self.categories[facts.relation, facts.answer]
        return _filled(self.known[facts.relation], np.stack([object_, object_], axis=1), category)

    def _passing(self, n: int, generator: np.random.Generator) -> Facts:
        relations, objects = self.objects.shape
        names = np.stack([generator.choice(one, n) for one in (self.first, self.last)], axis=1)
        return Facts(names, generator.integers(relations, size=n), generator.integers(objects, size=n))


def _filled(wording: np.ndarray, names: np.ndarray, answer: np.ndarray) -> np.ndarray:
    rows = np.where(wording == FIRST, names[:, :1], wording)
    rows = np.where(rows == LAST, names[:, 1:], rows)
    return np.where(rows == ANSWER, answer[:, None], rows)


def fact_language(
    generator: np.random.Generator,
    *,
    relations: int = 3,
    wordings: int = 6,
    objects: int = 12,
    categories: int = 4,
    names: int = 60,
    words: int = 40,
) -> FactLanguage:
    """A language with random wordings: three words around the names, in an order and of a choice of its own.

    Args:
        wordings: Of each relation, beside the composed one.
        objects, categories: Of each relation.
        names: First names, and as many last names.
        words: That wordings are made of; relations and wordings share them.
    """
    sizes = (words, names, names, relations * objects, relations * categories)
    starts = np.cumsum([STOP + 1, *sizes])
    word, first, last, object_, category = (
        np.arange(start, start + size) for start, size in zip(starts, sizes, strict=False)
    )
    every = np.stack([_wording(generator, word, (FIRST, LAST)) for _ in range(relations * (wordings + 1))])
    every = every.reshape(relations, wordings + 1, LENGTH)
    known = np.stack([_wording(generator, word, (FIRST,)) for _ in range(relations)])
    kind = np.stack([generator.permutation(np.arange(objects) % categories) for _ in range(relations)])
    return FactLanguage(
        int(starts[-1]),
        every[:, :wordings],
        every[:, wordings],
        known,
        object_.reshape(relations, objects),
        np.take_along_axis(category.reshape(relations, categories), kind, 1),
        first,
        last,
    )


def _wording(generator: np.random.Generator, word: np.ndarray, names: tuple[int, ...]) -> np.ndarray:
    """One or more words stand between the names and the answer."""
    n = TARGET - 1 - len(names)
    chosen = generator.choice(word, n, replace=False)
    before = int(generator.integers(n))
    return np.array([BEGIN, *chosen[:before], *names, *chosen[before:], ANSWER, STOP])
