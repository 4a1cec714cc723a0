"""Text that a model generates from the prompts, the likeliest token at every step."""

from __future__ import annotations

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
        rows = order[done : done + max(1, at_once // int(sequences.lengths[order[done:]].max()))]
        steps = int(sequences.continuation[rows].max())
        batch = padded(
            [sequences.ids[row][: sequences.prompt[row]] for row in rows], model.device, side="left"
        )
        with quiet():
            new = model.plain.generate(
                input_ids=batch.ids,
                attention_mask=batch.mask.long(),
                min_new_tokens=steps,
                max_new_tokens=steps,
                do_sample=False,
                num_beams=1,
                pad_token_id=0,
            )
        for row, ids in zip(rows, new[:, batch.ids.shape[1] :].cpu().numpy(), strict=True):
            results[row] = ids[: sequences.continuation[row]]
        done += len(rows)
        report(done)
    return tuple(results)


def greedy_runs(sequences: Sequences, generated: Generated) -> Int[np.ndarray, " sequence"]:
    """Tokens of the longest run that each generated text shares with the true continuation, at any places."""
    true = [ids[start:] for ids, start in zip(sequences.ids, sequences.prompt, strict=True)]
    return np.array([longest_common_run(a, b) for a, b in zip(true, generated, strict=True)], dtype=np.int64)
