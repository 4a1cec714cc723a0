"""Text that a model generates from the prompts, the likeliest token at every step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int

from interp.language.batches import padded, tokens_at_once
from interp.language.model import LanguageModel
from interp.language.quiet import quiet
from interp.language.sequences import Sequences
from interp.progress import Report, silent
from probes.verbatim import longest_common_run

Generated = tuple[Int[np.ndarray, " _token"], ...]


@torch.no_grad()
def generate_greedily(model: LanguageModel, sequences: Sequences, report: Report = silent) -> Generated:
    """A continuation of each prompt, as long as the true one.

    It is generated without hook points, from the weights as they are; see `interp.language.edits.edited`.

    Args:
        report: Given how many sequences are done.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model())
        >>> [len(one) for one in generate_greedily(model, token_sequences([[1, 2, 3, 4, 5], [6, 7]]))]
        [4, 1]
    """
    order = np.lexsort((sequences.continuation, sequences.prompt))[::-1]
    results: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(sequences)
    at_once = tokens_at_once(model, int(sequences.lengths.max()))
    done = 0
    while done < len(order):
        rows = _fitting(sequences, order[done:], at_once, model.context)
        steps = int(sequences.continuation[rows].max())
        batch = padded(
            [sequences.ids[row][: sequences.prompt[row]] for row in rows], model.device, side="left"
        )
        with quiet(), _greedy(model, steps):
            new = model.plain.generate(input_ids=batch.ids, attention_mask=batch.mask.long())
        for row, ids in zip(rows, new[:, batch.ids.shape[1] :].cpu().numpy(), strict=True):
            results[row] = ids[: sequences.continuation[row]]
        done += len(rows)
        report(done)
    return tuple(results)


@contextmanager
def _greedy(model: LanguageModel, steps: int) -> Iterator[None]:
    """Inside the block, nothing but the likeliest token is chosen; settings of the checkpoint are put aside."""
    from transformers import GenerationConfig

    own = model.plain.generation_config
    model.plain.generation_config = GenerationConfig(
        max_new_tokens=steps, do_sample=False, num_beams=1, pad_token_id=0, eos_token_id=None
    )
    try:
        yield
    finally:
        model.plain.generation_config = own


def _fitting(
    sequences: Sequences, rows: np.ndarray, at_once: int, context: int | None
) -> Int[np.ndarray, " row"]:
    """The first rows whose longest prompt and longest continuation together fit a batch, and the model's context."""
    length = np.maximum.accumulate(sequences.prompt[rows]) + np.maximum.accumulate(
        sequences.continuation[rows]
    )
    fits = length * np.arange(1, len(rows) + 1) <= at_once
    if context is not None:
        fits &= length <= context
    return rows[: max(1, int(fits.argmin()) if not fits.all() else len(rows))]


def greedy_runs(sequences: Sequences, generated: Generated) -> Int[np.ndarray, " sequence"]:
    """Tokens of the longest run that each generated text shares with the true continuation, at any places."""
    true = [ids[start:] for ids, start in zip(sequences.ids, sequences.prompt, strict=True)]
    return np.array([longest_common_run(a, b) for a, b in zip(true, generated, strict=True)], dtype=np.int64)
