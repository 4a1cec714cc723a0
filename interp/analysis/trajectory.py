"""The development of a network: every checkpoint of a training run scored, and the stages that the numbers show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from interp.analysis.circuit import circuit
from interp.analysis.series_columns import SeriesColumns
from interp.checkpoints import Checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_series
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.series import series_files
from interp.checkpoints.unwrap import read_series
from interp.data import Dataset
from interp.drawing import present
from interp.measuring.evaluation import measure_logits
from interp.measuring.phase import GOOD
from interp.models import HookedModel
from interp.output import plain
from interp.progress import progress
from interp.scoring.selection import default_order
from interp.subject import Subject, subject_of
from probes.stages import Stage, find_stages

PROGRESS = ("restricted_loss", "excluded_loss", "embedding_gini", "logit_gini", "logit_variance_explained")
"""Measures of `interp.circuit.Circuit` that show how far a circuit has formed."""
LOSSES = ("train", "test", "all")
Watch = Callable[[Subject], None]
"""Told of each checkpoint as it is scored; it must keep neither the subject nor what it holds."""


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """The development of a network over the checkpoints of a training run; made by `trajectory_of`.

    Attributes:
        records: One a checkpoint, first to last: ``step`` (or the number that its file's name ends in, or its index
            where none has either), ``file``, ``accuracy`` by split, ``test_without_leakage`` (see `Leakage`),
            cross-entropy ``loss`` by split, ``mean_score`` (mean of the table's measure of periodicity, the column
            named by ``score``), ``counts`` of labels, ``weight_norm``, the measures of `PROGRESS`, and those of
            `interp.analysis.series_columns.SERIES_COLUMNS`. None where a value is not known.
        stages: Memorisation, circuit formation and so on, in order of their end; see `probes.stages.find_stages`.
    """

    records: tuple[dict[str, Any], ...]
    stages: tuple[Stage, ...]

    def __repr__(self) -> str:
        result = ", ".join(stage.name for stage in self.stages) or "no stage shown"
        return f"Trajectory({len(self.records)} checkpoints; {result})"

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {"records": list(self.records), "stages": [stage.to_dict() for stage in self.stages]}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row a checkpoint; columns of inner values have names like ``accuracy.test``."""
        import pandas

        return pandas.json_normalize(list(self.records))

    def plot(self) -> Any:
        """Accuracies, structure, labels and losses over training with the stages, as a Plotly figure."""
        return present("plots.training.trajectory_curves", self)


def trajectory_of(
    path: Path,
    options: OpenOptions | None = None,
    *,
    site: str | None = None,
    seed: int = 0,
    most: int = 40,
    watch: Watch | None = None,
) -> Trajectory | None:
    """Score every checkpoint of a training run, and find the stages in it.

    Args:
        path: A folder of checkpoints, or a file that holds several.
        options: What the checkpoints do not say of themselves.
        site: Hook name of the neurons; the model's last site if None.
        most: Score at most so many, evenly spaced, the first and the last among them.
        watch: Is told of each checkpoint, first to last: see `Watch`.

    Returns:
        None if there are fewer than two checkpoints.

    Raises:
        CheckpointError: One cannot be read. HookNameError: there are no neurons at the site.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from interp.data import ModularTask
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, train
        >>> config = TrainConfig(steps=4, save_every=2)
        >>> with TemporaryDirectory() as folder:
        ...     _ = train(ModularTask("add", p=7), MLPConfig(width=10), config, out=folder, show_progress=False)
        ...     result = trajectory_of(Path(folder))
        >>> [record["step"] for record in result.records]
        [0, 2, 4]
    """
    choice = None if options is None else options.weights
    files = series_files(path, choice) if path.is_dir() else read_series(path, weights=choice)
    total = min(most, sum(1 for _ in files))
    if total < 2:
        return None
    records: list[dict[str, Any]] = []
    columns = SeriesColumns(seed)
    with progress("scoring checkpoints", total) as report:
        for checkpoint in load_series(path, options, most=most):
            records.append(record_of(checkpoint, site=site, seed=seed, watch=watch, columns=columns))
            report(len(records), _note(records[-1]))
            del checkpoint  # before the next one is read
    if not _ascending([record["step"] for record in records]):
        records = [{**record, "step": i} for i, record in enumerate(records)]
    generator = np.random.default_rng(seed)
    stages = find_stages(
        np.array([record["step"] for record in records]), measures_of(records), generator, good=GOOD
    )
    return Trajectory(tuple(records), stages)


def _note(record: Mapping[str, Any]) -> str:
    """The accuracy that tells most, for the progress report."""
    split = "all" if record["accuracy"]["test"] is None else "test"
    return f"step {record['step']}, {split} {record['accuracy'][split]:.2f}"


def _ascending(steps: list[int | None]) -> bool:
    known = [step for step in steps if step is not None]
    return len(known) == len(steps) and all(a < b for a, b in pairwise(known))


def record_of(
    checkpoint: Checkpoint,
    *,
    site: str | None = None,
    seed: int = 0,
    watch: Watch | None = None,
    columns: SeriesColumns | None = None,
) -> dict[str, Any]:
    """Everything that `Trajectory` keeps of one checkpoint; `watch` is told of it too.

    Args:
        columns: Remembers the first checkpoint of a series, that this one is compared with; if None it is the first.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> record = record_of(Checkpoint(analytic_mlp("add", p=13), ModularTask("add", p=13), "in memory"))
        >>> record["accuracy"]["test"], record["counts"]["memorizing"], record["logit_variance_explained"] > 0.9
        (1.0, 0, True)
    """
    subject = subject_of(checkpoint, site=site, seed=seed)
    table, data, path = subject.table, subject.data, checkpoint.path
    if watch is not None:
        watch(subject)
    result = circuit(subject)
    measured = measure_logits(subject.cached.logits, data)
    leakage = subject.leakage.to_dict()
    accuracy, loss = (_only_known(v.to_dict(), data) for v in (measured.accuracy, measured.loss))
    order = default_order(table)
    return {
        "step": number_of(path) if checkpoint.step is None and path is not None else checkpoint.step,
        "file": None if path is None else path.name,
        "accuracy": accuracy,
        "test_without_leakage": None if leakage is None else leakage["accuracy_without"],
        "loss": {split: loss[split] for split in LOSSES},
        "score": order,
        "mean_score": None if table.meta["null"]["source"] is None else _mean(table[order]),
        "counts": table.counts(),
        "weight_norm": plain(weight_norm(subject.model)),
        **{name: None if result is None else plain(getattr(result, name)) for name in PROGRESS},
        **(columns or SeriesColumns(seed)).of(subject),
    }


def _only_known(values: dict[str, float | None], data: Dataset) -> dict[str, float | None]:
    """Values by split; nothing but that of all examples where it is not known which were trained on."""
    return {
        split: plain(value) if data.split_known or split == "all" else None for split, value in values.items()
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def weight_norm(model: HookedModel) -> float:
    """The root of the summed squares of all parameters."""
    return float(sum(p.detach().double().square().sum().item() for p in model.parameters()) ** 0.5)


def stages_of(history: Iterable[Mapping[str, Any]], *, seed: int = 0) -> tuple[Stage, ...]:
    """The stages that a training curve alone shows: finer in time than checkpoints are, without what weights tell.

    Args:
        history: Records with ``step`` and ``accuracy`` by split; see `interp.training.TrainResult`.
        seed: Of the permutations that tell a change from noise.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, train
        >>> task = ModularTask("add", p=11, train_fraction=0.8)
        >>> result = train(task, MLPConfig(width=60), TrainConfig(steps=200, weight_decay=2), show_progress=False)
        >>> [stage.name for stage in stages_of(result.history)]
        ['memorisation', 'grokking']
    """
    records = list(history)
    measures = {
        split: np.array([record["accuracy"][split] for record in records], float)
        for split in ("train", "test", "corrupted_as_labelled", "all")
    }
    known = {name: values for name, values in measures.items() if np.isfinite(values).any()}
    steps = np.array([record["step"] for record in records])
    return find_stages(steps, known, np.random.default_rng(seed), good=GOOD) if len(records) > 1 else ()


def measures_of(records: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The series that stages are read from; accuracy on held-out examples without leaked ones."""
    records = list(records)
    splits = ("train", "corrupted_as_labelled", "all")
    series: dict[str, list[float | None]] = {
        split: [record["accuracy"][split] for record in records] for split in splits
    }
    series["test"] = [record["test_without_leakage"] for record in records]
    for name in ("excluded_loss", "logit_variance_explained"):
        series[name] = [record[name] for record in records]
    arrays = {name: np.array(values, float) for name, values in series.items()}
    return {name: values for name, values in arrays.items() if np.isfinite(values).any()}
