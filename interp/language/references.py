"""Tokens that can be guessed without having seen the text, so that choosing them right is no sign of memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool

from interp.errors import ConfigError
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences, check_tokens, token_sequences
from interp.language.token_scores import token_scores
from interp.progress import Report, silent

Tokens = tuple[Bool[np.ndarray, " _token"], ...]
"""Of every continuation, whether each of its tokens is guessed."""
ORDER = 5
"""Tokens of context at most that the n-gram reads."""


def guessed_by_ngram(sequences: Sequences, corpus: Collection[int] = ()) -> Tokens:
    """Tokens that an n-gram model guesses, from other sequences and from what stands before them in the same one.

    It chooses the commonest follower of the longest context, of `ORDER` tokens at most, that it has seen; repetitions
    and formulas of the corpus are guessed.

    Args:
        corpus: Which of the sequences the model under test was not trained on; none is used for itself.

    Example:
        >>> [one.tolist() for one in guessed_by_ngram(token_sequences([[7, 8, 9, 7, 8, 9, 7, 1]], 3))]
        [[False, True, True, True, False]]
    """
    base, nothing = _Followers(), _Followers()
    for row in corpus:
        base.add(sequences.ids[row])
    rows = set(map(int, corpus))
    guessed = []
    for row, (ids, start) in enumerate(zip(sequences.ids, sequences.prompt, strict=True)):
        itself = nothing
        if row in rows:
            itself = _Followers()
            itself.add(ids)
        guessed.append(_guesses(ids, int(start), base, itself))
    return tuple(guessed)


class _Followers:
    """Tokens that followed each context, with their counts."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, ...], Counter[int]] = {}

    def add(self, ids: np.ndarray) -> None:
        for place in range(1, len(ids)):
            self.add_one(ids, place)

    def add_one(self, ids: np.ndarray, place: int) -> None:
        for size in range(1, min(ORDER, place) + 1):
            context = tuple(map(int, ids[place - size : place]))
            self.counts.setdefault(context, Counter())[int(ids[place])] += 1

    def after(self, context: tuple[int, ...]) -> Counter[int]:
        return self.counts.get(context, NOTHING)


NOTHING: Counter[int] = Counter()


def _guesses(ids: np.ndarray, start: int, base: _Followers, itself: _Followers) -> np.ndarray:
    """Guesses for one sequence; what the base has of it is taken off."""
    own, guessed = _Followers(), np.zeros(len(ids) - start, dtype=bool)
    for place in range(1, len(ids)):
        if place >= start:
            for size in range(min(ORDER, place), 0, -1):
                context = tuple(map(int, ids[place - size : place]))
                seen = (base.after(context) - itself.after(context)) + own.after(context)
                if seen:
                    guessed[place - start] = seen.most_common(1)[0][0] == int(ids[place])
                    break
        own.add_one(ids, place)
    return guessed


def guessed_from_window(
    model: LanguageModel, sequences: Sequences, window: int, report: Report = silent
) -> Tokens:
    """Tokens that the model chooses right when it is shown only the last `window` tokens before them.

    So much is skill with ordinary phrases. A famous phrase may be recognised from few tokens too, so this errs towards
    calling memory a guess.

    Args:
        report: Given how many tokens are done.
    """
    if window < 1:
        raise ConfigError(f"window={window} is no number of tokens; expected 1 or more")
    rows = [
        ids[max(0, place - window) : place + 1]
        for ids, start in zip(sequences.ids, sequences.prompt, strict=True)
        for place in range(start, len(ids))
    ]
    short = token_sequences(rows, [len(row) - 1 for row in rows])
    scores = token_scores(model, short, whole=False, report=report)
    right = np.array([rank[0] == 0 for rank in scores.rank], dtype=bool)
    return tuple(np.split(right, np.cumsum(sequences.continuation)[:-1]))


def check_reference(reference: LanguageModel, model: LanguageModel, sequences: Sequences) -> None:
    """Refuse a reference that cannot read the sequences, or reads them by another tokenizer.

    Raises:
        ConfigError: It is such a one.
    """
    try:
        check_tokens(sequences, reference.vocab, reference.context)
    except ConfigError as error:
        raise ConfigError(f"the reference {reference.name}: {error}") from None
    if reference.tokenizer is None or model.tokenizer is None:
        return
    if reference.tokenizer.get_vocab() != model.tokenizer.get_vocab():
        raise ConfigError(
            f"the reference {reference.name} has another tokenizer than {model.name}; expected a model of one family"
        )


def guessed_by_model(reference: LanguageModel, sequences: Sequences, report: Report = silent) -> Tokens:
    """Tokens that another model, smaller or not trained on the text, chooses right given all before them.

    Raises:
        ConfigError: It has fewer tokens than the sequences use, so that it cannot have the same tokenizer.
    """
    most = max(int(ids.max()) for ids in sequences.ids)
    if most >= reference.vocab:
        raise ConfigError(
            f"the reference {reference.name} knows tokens 0 to {reference.vocab - 1} and the sequences have {most}; "
            "expected a model with the same tokenizer"
        )
    scores = token_scores(reference, sequences, whole=False, report=report)
    return tuple(rank == 0 for rank in scores.rank)


def any_of(*references: Tokens) -> Tokens:
    """Tokens that at least one reference guesses.

    Example:
        >>> any_of((np.array([True, False]),), (np.array([False, False]),))
        (array([ True, False]),)
    """
    return tuple(np.logical_or.reduce(rows) for rows in zip(*references, strict=True))
