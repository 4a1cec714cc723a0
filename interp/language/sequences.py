"""Token sequences, each with the length of its prompt, its group and its split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from interp.errors import ConfigError, choose, cut

TRAINED, HELD_OUT, CONTROL = "trained", "held-out", "control"
SPLITS = (TRAINED, HELD_OUT, CONTROL)
"""Knowledge of a sequence: it was trained on; it was not, but is of the same kind; it was made up as a control."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Token sequences; a prompt, and the continuation that memory is measured on.

    Attributes:
        ids: Tokens of each.
        prompt: How many tokens of each are its prompt, at least 1 and fewer than all.
        group: Name of the group of each; None where none is given.
        split: One of `SPLITS` for each; None where none is given.
        text: The text of each; None where tokens were given and there is no tokenizer.
        notes: How they were read, in sentences.
    """

    ids: tuple[Int[np.ndarray, " _token"], ...]
    prompt: Int[np.ndarray, " sequence"]
    group: tuple[str | None, ...]
    split: tuple[str | None, ...]
    text: tuple[str | None, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " sequence"]:
        """Tokens of each."""
        return np.array([len(one) for one in self.ids], dtype=np.int64)

    @property
    def continuation(self) -> Int[np.ndarray, " sequence"]:
        """Tokens of each continuation."""
        return self.lengths - self.prompt

    def where(self, *, split: str | None = None, group: str | None = None) -> Int[np.ndarray, " chosen"]:
        """Indices of the sequences of a split, or a group, or both."""
        rows = enumerate(zip(self.split, self.group, strict=True))
        kept = [row for row, (own, of) in rows if split in (None, own) and group in (None, of)]
        return np.array(kept, dtype=np.int64)

    @property
    def candidates(self) -> Int[np.ndarray, " chosen"]:
        """Sequences that may be memorised: all that are not known to be held out or controls."""
        return np.array([i for i, split in enumerate(self.split) if split in (None, TRAINED)], dtype=np.int64)

    @property
    def unseen(self) -> Int[np.ndarray, " chosen"]:
        """Sequences that the model was not trained on: held-out ones and controls."""
        return np.array(
            [i for i, split in enumerate(self.split) if split in (HELD_OUT, CONTROL)], dtype=np.int64
        )

    def begins(self, row: int, most: int = 40) -> str:
        """The first characters of one on one line (untrusted); its first tokens where its text is not known.

        Example:
            >>> token_sequences([[5, 3, 8]], text=["Call me Ishmael."]).begins(0, 10)
            'Call me I…'
        """
        text = self.text[row]
        if text is None:
            text = " ".join(map(str, self.ids[row][:most].tolist()))
        line = " ".join(text[: 2 * most].split())
        return f"{line[: most - 1]}…" if len(line) > most or len(text) > 2 * most else line

    def take(self, rows: Any) -> Sequences:
        """Some of them, by index or mask."""
        rows = np.arange(len(self))[np.asarray(rows)]
        pick = {
            name: tuple(getattr(self, name)[i] for i in rows) for name in ("ids", "group", "split", "text")
        }
        return replace(self, prompt=self.prompt[rows], **pick)


def token_sequences(
    ids: Iterable[Any],
    prompt: int | Sequence[int | None] | None = None,
    *,
    group: Sequence[str | None] | None = None,
    split: Sequence[str | None] | None = None,
    text: Sequence[str | None] | None = None,
    notes: tuple[str, ...] = (),
) -> Sequences:
    """Sequences from tokens in memory.

    Args:
        ids: Whole numbers of each sequence; lists, arrays or tensors.
        prompt: Tokens of the prompt, one number or one each; None: the first third, at least 1.
        group, split, text: One each; see `Sequences`.

    Raises:
        ConfigError: A sequence is too short or holds other values than whole numbers, or a prompt leaves nothing to
            continue; the message names the row.

    Example:
        >>> token_sequences([[5, 3, 8, 1, 2, 9], [4, 4, 4]]).prompt.tolist()
        [2, 1]
    """
    rows = tuple(_tokens(one, place) for place, one in enumerate(ids))
    if not rows:
        raise ConfigError("there are no sequences; expected at least one")
    prompts = [prompt] * len(rows) if prompt is None or isinstance(prompt, int) else list(prompt)
    empty: tuple[None, ...] = (None,) * len(rows)
    named = {"group": group, "split": split, "text": text}
    words = {name: empty if values is None else tuple(values) for name, values in named.items()}
    for name, values in {**words, "prompt": prompts}.items():
        if len(values) != len(rows):
            raise ConfigError(f"{len(rows)} sequences have {len(values)} values of {name}; expected one each")
    for one in words["split"]:
        if one is not None:
            choose("split", one, SPLITS)
    sizes = [
        _prompt_size(len(one), size, row) for row, (one, size) in enumerate(zip(rows, prompts, strict=True))
    ]
    return Sequences(rows, np.array(sizes, dtype=np.int64), notes=notes, **words)


def _tokens(ids: Any, row: int) -> Int[np.ndarray, " token"]:
    tokens = np.asarray(ids)
    if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
        raise ConfigError(f"sequence {row} is {cut(ids)}; expected token numbers, one axis of whole numbers")
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < 2**63:
        raise ConfigError(f"sequence {row} has the token {int(tokens.min())}; expected numbers from 0")
    return tokens.astype(np.int64)


def _prompt_size(length: int, size: int | None, row: int) -> int:
    if length < 2:
        raise ConfigError(
            f"sequence {row} has {length} tokens; expected a prompt and a continuation, 2 or more"
        )
    size = max(1, length // 3) if size is None else int(size)
    if not 1 <= size < length:
        raise ConfigError(
            f"sequence {row} has {length} tokens and a prompt of {size}; expected 1 to {length - 1}, as something "
            "must be left to continue"
        )
    return size


def halves(rows: Int[np.ndarray, " sequence"], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of some rows, for choosing on one and measuring on the other; the first is the larger.

    Example:
        >>> [len(half) for half in halves(np.arange(5))]
        [3, 2]
    """
    mixed = np.random.default_rng(seed).permutation(rows)
    middle = (len(rows) + 1) // 2
    return np.sort(mixed[:middle]), np.sort(mixed[middle:])


def check_tokens(sequences: Sequences, vocab: int, context: int | None) -> None:
    """Refuse tokens that a model does not know, and sequences that are longer than it can read.

    Raises:
        ConfigError: There is such a one; the message names its row.
    """
    for row, ids in enumerate(sequences.ids):
        outside = ids[(ids < 0) | (ids >= vocab)]
        if outside.size:
            raise ConfigError(f"sequence {row} has the token {outside[0]}; the model knows 0 to {vocab - 1}")
        if context is not None and len(ids) > context:
            raise ConfigError(
                f"sequence {row} has {len(ids):,} tokens; the model reads at most {context:,}. Cut it into several rows"
            )


def mask_of(lengths: Any, width: int, side: str = "right") -> Bool[np.ndarray, "row token"]:
    """True where a padded batch has tokens."""
    place = np.arange(width)[None]
    lengths = np.asarray(lengths)[:, None]
    return place < lengths if side == "right" else place >= width - lengths
