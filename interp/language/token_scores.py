"""Log probability, rank and choice for every token of a sequence, reduced from the logits as they are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import CheckpointError
from interp.language.batches import batches_of
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.progress import Report, silent

LOGITS = 2**24
"""Numbers of one block of logits, 64 MiB."""
KINDS = {"logprob": np.float64, "rank": np.int64, "choice": np.int64}


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Of every token but the first of each sequence, given all before it.

    Attributes:
        logprob: Log probability of the true token, in nats.
        rank: 0: the true token is the model's choice; else how many tokens have a larger logit, at least 1.
        choice: The token with the largest logit.
    """

    logprob: tuple[Float[np.ndarray, " _token"], ...]
    rank: tuple[Int[np.ndarray, " _token"], ...]
    choice: tuple[Int[np.ndarray, " _token"], ...]

    @property
    def accuracy(self) -> Float[np.ndarray, " sequence"]:
        """Share of the tokens of each sequence that are the model's choice."""
        return np.array([float((rank == 0).mean()) for rank in self.rank])

    @property
    def nll(self) -> Float[np.ndarray, " sequence"]:
        """Mean log loss of each sequence, in nats a token."""
        return np.array([float(-logprob.mean()) for logprob in self.logprob])

    def continuations(self, sequences: Sequences) -> TokenScores:
        """Of the continuations alone."""
        first = sequences.prompt - 1
        kept = {
            name: tuple(one[start:] for one, start in zip(getattr(self, name), first, strict=True))
            for name in ("logprob", "rank", "choice")
        }
        return TokenScores(**kept)


@torch.no_grad()
def token_scores(
    model: LanguageModel,
    sequences: Sequences,
    *,
    whole: bool = True,
    report: Report = silent,
    tokens: int | None = None,
    side: str = "right",
) -> TokenScores:
    """Score every token of every sequence; at no time are more than `LOGITS` logits held.

    Args:
        whole: Also tokens of the prompts; else those of continuations alone, which costs less.
        report: Given how many sequences are done.
        tokens, side: See `batches_of`.

    Raises:
        CheckpointError: The model gives no finite probability.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(vocab=50))
        >>> scores = token_scores(model, token_sequences([[1, 2, 3, 4], [9, 8]]))
        >>> [len(one) for one in scores.logprob], bool(scores.logprob[0][0] < 0)
        ([3, 1], True)
    """
    first = np.zeros(len(sequences), dtype=np.int64) if whole else sequences.prompt - 1
    sizes, done = sequences.lengths - 1 - first, 0
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # filled in place: small arrays that were kept among the freed blocks of logits would scatter the memory
    flat = {name: np.empty(starts[-1], dtype=kind) for name, kind in KINDS.items()}
    for batch in batches_of(model, sequences, tokens=tokens, side=side):
        hidden = model.hidden(batch.ids, batch.mask)
        places = [
            batch.start[i] + np.arange(first[row], sequences.lengths[row] - 1)
            for i, row in enumerate(batch.rows)
        ]
        rows = torch.from_numpy(np.repeat(np.arange(len(places)), sizes[batch.rows])).to(hidden.device)
        columns = torch.from_numpy(np.concatenate(places)).to(hidden.device)
        reduced = reduce_logits(model, hidden[rows, columns], batch.ids[rows, columns + 1])
        if not bool(torch.isfinite(reduced[0]).all()):
            raise CheckpointError(
                f"{model.name} gives a token of sequence {batch.rows[0]}, or of one beside it, no finite probability; "
                "some of its weights are NaN or infinite"
            )
        into = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in batch.rows])
        for name, values in zip(flat, reduced, strict=True):
            flat[name][into] = values.cpu().numpy()
        done += len(batch.rows)
        report(done)
    return TokenScores(**{name: tuple(np.split(values, starts[1:-1])) for name, values in flat.items()})


def reduce_logits(
    model: LanguageModel, hidden: Float[Tensor, "place stream"], targets: Int[Tensor, " place"]
) -> tuple[Float[Tensor, " place"], Int[Tensor, " place"], Int[Tensor, " place"]]:
    """Log probability and rank of the true token, and the model's choice, by blocks of logits."""
    blocks = [_reduced(model.logits(part), true) for part, true in blocks_of_logits(model, hidden, targets)]
    logprob, rank, choice = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return logprob, rank, choice


def blocks_of_logits(
    model: LanguageModel, hidden: Tensor, targets: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of the residual stream with their targets, so many at a time that their logits are one block."""
    size = max(1, LOGITS // model.vocab)
    return zip(hidden.split(size), targets.split(size), strict=True)


def _reduced(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    true = logits.gather(1, targets[:, None])
    logprob = true[:, 0] - logits.logsumexp(1)
    choice = logits.argmax(1)
    rank = (logits > true).sum(1).clamp_min(1)  # of equal logits only one is the choice
    return logprob.double(), torch.where(choice == targets, 0, rank), choice
