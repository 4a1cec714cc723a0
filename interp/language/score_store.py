"""Scores of units on disk, one file a method, so that a second run reads what a first has computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float

from interp.errors import ConfigError
from interp.files import write_whole
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.parquet import read_parquet

SECONDS = b"seconds"


@dataclass(frozen=True, eq=False)
class Scores:
    """A method's result.

    Attributes:
        values: Of each unit, larger for more of the memory.
        exact: Where the value was computed exactly; None where all values are of one kind.
        p_value: Of each unit; None for methods that do not test.
        seconds: That it took.
    """

    values: Float[np.ndarray, " unit"]
    exact: Bool[np.ndarray, " unit"] | None = None
    p_value: Float[np.ndarray, " unit"] | None = None
    seconds: float = 0.0


def digest_of_model(model: LanguageModel) -> str:
    """SHA-256 of all weights as they are now, and their names.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> one, other = (open_language_model(small_language_model(seed=seed)) for seed in (0, 1))
        >>> digest_of_model(one) == digest_of_model(other)
        False
    """
    whole = sha256()
    for name in sorted(model.weights):
        tensor = model.weights[name].detach().cpu().contiguous()
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def digest_of_sequences(sequences: Sequences) -> str:
    """SHA-256 of tokens and prompts, in their order."""
    text = json.dumps(
        [[int(size), ids.tolist()] for size, ids in zip(sequences.prompt, sequences.ids, strict=True)]
    )
    return sha256(text.encode()).hexdigest()


def place_of(folder: Path | str, method: str, parts: Mapping[str, Any]) -> Path:
    """The file of a method's scores, named after a digest of all that they follow from."""
    key = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return Path(folder) / f"{method}-{key[:24]}.parquet"


def store(path: Path, scores: Scores) -> None:
    """Write scores, whole or not at all."""
    columns = {"score": scores.values, "exact": scores.exact, "p_value": scores.p_value}
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    table = table.replace_schema_metadata({SECONDS: repr(scores.seconds).encode()})
    write_whole(path, lambda part: pq.write_table(table, part))


def stored(path: Path, n_units: int) -> Scores | None:
    """Scores that were written before; None if there are none.

    Raises:
        ConfigError: The file is damaged, or has another number of units.
    """
    if not path.exists():
        return None
    table = read_parquet(path, "file of scores")
    kinds = {"score": pa.float64(), "exact": pa.bool_(), "p_value": pa.float64()}
    wrong = [name for name in table.column_names if kinds.get(name) != table.schema.field(name).type]
    if wrong or "score" not in table.column_names or table.num_rows != n_units:
        raise ConfigError(
            f"{str(path)!r} has {table.num_rows} rows and the columns {', '.join(table.column_names)[:80]}; expected "
            f"scores of {n_units} units. Remove the file, and they are computed again"
        )
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    try:
        seconds = float((table.schema.metadata or {}).get(SECONDS, b"0"))
    except ValueError:
        seconds = float("nan")
    return Scores(columns["score"], columns.get("exact"), columns.get("p_value"), seconds)
