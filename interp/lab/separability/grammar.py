"""Sentences of a small probabilistic context-free grammar, and the word class of every word."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

CLASSES = {"stop": 1, "determiner": 3, "adjective": 8, "noun": 12, "verb": 10, "preposition": 4, "adverb": 5}
"""Number of words of each class; words are numbered in this order."""
WORD_CLASS: Int[np.ndarray, " word"] = np.repeat(np.arange(len(CLASSES)), list(CLASSES.values()))
VOCAB = len(WORD_CLASS)
NAMES = tuple(CLASSES)
NOUN = NAMES.index("noun")
RULES: dict[str, tuple[tuple[float, tuple[str, ...]], ...]] = {
    "sentence": ((1.0, ("noun phrase", "verb phrase", "stop")),),
    "noun phrase": (
        (0.6, ("determiner", "noun")),
        (0.2, ("determiner", "adjective", "noun")),
        (0.2, ("determiner", "noun", "preposition", "noun phrase")),
    ),
    "verb phrase": (
        (0.5, ("verb", "noun phrase")),
        (0.2, ("verb", "adverb")),
        (0.3, ("verb", "noun phrase", "adverb")),
    ),
}
"""Probability and parts of each rule; names of `CLASSES` end the expansion."""
CHOICES = {
    name: (np.cumsum([share for share, _ in rules]), [parts for _, parts in rules])
    for name, rules in RULES.items()
}


def word_classes(length: int, generator: np.random.Generator) -> list[int]:
    """Classes of the words of sentences one after another, at least so many.

    Example:
        >>> [NAMES[one] for one in word_classes(1, np.random.default_rng(0))][:2]
        ['determiner', 'noun']
    """
    classes: list[int] = []
    while len(classes) < length:
        waiting = ["sentence"]
        while waiting:
            part = waiting.pop(0)
            if part in CLASSES:
                classes.append(NAMES.index(part))
                continue
            shares, parts = CHOICES[part]
            waiting[:0] = parts[int(np.searchsorted(shares, generator.random() * shares[-1], side="right"))]
    return classes


def texts(rows: int, length: int, generator: np.random.Generator) -> Int[np.ndarray, "row place"]:
    """Rows of words from random places of long texts; the words of a class are equally likely.

    Example:
        >>> texts(2, 10, np.random.default_rng(0)).shape
        (2, 10)
    """
    classes = np.array(word_classes(rows * length, generator))
    first = generator.integers(0, len(classes) - length + 1, rows)
    chosen = classes[first[:, None] + np.arange(length)]
    sizes = np.array(list(CLASSES.values()))
    offset = np.cumsum(sizes) - sizes
    return offset[chosen] + (generator.random(chosen.shape) * sizes[chosen]).astype(np.int64)
