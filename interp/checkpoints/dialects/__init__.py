"""All foreign dialects, and every way in which a file can be read."""

from __future__ import annotations

from interp.checkpoints.dialect import Dialect, Hints, Reading
from interp.checkpoints.dialects.chughtai import CHUGHTAI
from interp.checkpoints.dialects.doshi import DOSHI
from interp.checkpoints.dialects.he import HE
from interp.checkpoints.dialects.nanda import NANDA
from interp.checkpoints.dialects.transformer_lens import TRANSFORMER_LENS
from interp.checkpoints.dialects.zhong import ZHONG
from interp.checkpoints.unwrap import StoredWeights
from interp.errors import CheckpointError, choose

__all__ = ["DIALECTS", "Dialect", "Hints", "Reading", "readings_of"]

DIALECTS: tuple[Dialect, ...] = (DOSHI, HE, CHUGHTAI, NANDA, ZHONG, TRANSFORMER_LENS)
LISTED = 6


def readings_of(stored: StoredWeights, hints: Hints) -> list[Reading]:
    """Every way to read a file that fits its keys and shapes, and what is said of it.

    What nothing says is not guessed: there is a reading for each thing that it could be, and measuring decides.

    Args:
        stored: The file's tensors.
        hints: What the user said of it.

    Returns:
        At least one reading, the most plausible first.

    Raises:
        CheckpointError: The file fits no dialect; the message says what each looks for, or, if the user named one, what
            does not fit.
        ConfigError: What the user said cannot be used.

    Example:
        >>> import torch
        >>> from pathlib import Path
        >>> tensors = {"mlp.W_in": torch.ones(9, 5), "mlp.W_out": torch.ones(5, 9)}
        >>> stored = StoredWeights(Path("run_relu/final.pth"), tensors, {}, None, {}, ())
        >>> [reading.description for reading in readings_of(stored, Hints())]
        ['he: relu MLP of 2 layers']
    """
    known = {dialect.name: dialect for dialect in DIALECTS}
    tried = DIALECTS if hints.dialect is None else (known[choose("dialect", hints.dialect, known)],)
    found = [reading for dialect in tried for reading in dialect.readings(stored, hints)]
    if found:
        return found
    names = list(stored.tensors)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    shown = (
        ", ".join(f"{name} {tuple(stored.tensors[name].shape)}" for name in names[:LISTED]) or "no tensors"
    )
    if hints.dialect is not None:
        raise CheckpointError(
            f"{str(stored.path)!r} does not fit the dialect {hints.dialect!r}, which looks for exactly "
            f"{tried[0].keys}; it holds {shown}{more}"
        )
    raise CheckpointError(
        f"{str(stored.path)!r} fits no known dialect ({', '.join(known)}); it holds {shown}{more}. "
        "'grokscope dialects' shows what each looks for; for a network of your own, give a function that builds it "
        "(--model file.py:build)"
    )
