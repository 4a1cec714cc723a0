"""The memory that one language model has of some sequences, as a job stores it. Needs PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from interp.jobs.columns import KNOWN, Result
from interp.jobs.language_sources import step_of
from interp.jobs.settings import Settings
from interp.language.memory import Memory, memory_of
from interp.language.opening import open_language_model
from interp.language.reading import read_sequences
from interp.language.sequences import HELD_OUT, TRAINED, Sequences
from interp.language.settings import LanguageSettings
from interp.language.source import GGUF
from interp.threads import limited
from probes.agreement import agreement, auc

MEANS = {"text_accuracy": "accuracy", "log_loss": "nll", "recalled": "recalled"}


def measured(path: Path, settings: Settings) -> Result:
    """Measure one language model's memory of the sequences in the settings' file; nothing is generated."""
    with limited(1):
        model = open_language_model(path)
        sequences = read_sequences(
            str(settings.sequences),
            model.tokenizer,
            prompt_tokens=settings.prompt_tokens,
            vocab=model.vocab,
            context=model.context,
        )
        memory = memory_of(model, sequences, LanguageSettings(generate=False, seed=settings.seed))
    step = step_of(path)
    row = {
        "step": step,
        "dialect": "gguf" if path.suffix.lower() == GGUF else "transformers",
        "neurons": len(model.units()),
        "notes": [*model.notes, *sequences.notes, *memory.notes] or None,
        "sequences": len(sequences),
        **_verdicts(memory, sequences),
        **_means(memory, sequences),
        **_separation(memory, sequences, settings.seed),
    }
    columns = {name: _plain(memory.table[name]) for name in memory.table.columns}
    return Result(row, None, sequences={"step": step, **columns})


def _plain(column: np.ndarray) -> np.ndarray:
    return column.astype(object) if column.dtype.kind == "U" else column


def _verdicts(memory: Memory, sequences: Sequences) -> dict[str, Any]:
    names, counts = np.unique(memory.table["verdict"][sequences.candidates].astype(str), return_counts=True)
    return {"verdicts": names.tolist(), "verdict_sequences": counts.tolist()}


def _means(memory: Memory, sequences: Sequences) -> dict[str, float | None]:
    splits = np.array(["unmarked" if split is None else split.replace("-", "_") for split in sequences.split])
    means: dict[str, float | None] = {}
    for name, column in MEANS.items():
        for split in KNOWN:
            values = memory.table[column][splits == split]
            values = values[np.isfinite(values)]
            means[f"{name}_{split}"] = float(values.mean(dtype=np.float64)) if len(values) else None
    return means


def _separation(memory: Memory, sequences: Sequences, seed: int) -> dict[str, float | None]:
    """Areas under the curve of trained against held-out sequences; nothing where either is missing."""
    compared = [row for row, split in enumerate(sequences.split) if split in (TRAINED, HELD_OUT)]
    trained = np.array([sequences.split[row] == TRAINED for row in compared], dtype=bool)
    recalled, loss = (memory.table[name][compared].astype(np.float64) for name in ("recalled", "nll"))
    live = trained[np.isfinite(recalled)]
    if live.all() or not live.any():
        return {}
    area = agreement(recalled, trained, seed=seed)
    bounds = {f"memory_auc_{end}": getattr(area, end) for end in ("low", "high")}
    return {"memory_auc": area.auc, **bounds, "loss_auc": auc(-loss, trained)}
