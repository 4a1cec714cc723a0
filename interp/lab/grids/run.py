"""One training run of a grid as data: plain settings by name, and the folder of its checkpoints."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from interp.data import ModularTask
from interp.data.operations import MODULUS, own_modulus
from interp.errors import ConfigError, choose
from interp.files import read_json
from interp.jobs.toml import check_names, typed
from interp.models import MLPConfig, Prompt, TransformerConfig
from interp.plots.canvas import shown
from interp.training import TrainConfig
from interp.training.need import memory_of

SHAPES: dict[str, type[MLPConfig] | type[TransformerConfig]] = {
    "mlp": MLPConfig,
    "transformer": TransformerConfig,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "transformer": {"lr": 0.001, "loss": "cross_entropy", "tokens": "a b"},
}
"""What a kind of network is trained with unless a grid says otherwise."""
RUNS, RECORD = "runs", "run.json"
"""The folder of all runs; and in a run's own, once it has ended, a file with settings, end and last checkpoint."""
SETTLED = "settled"
LONGEST_NAME = 120
LARGEST = 2.0**63


def _defaults(kind: type, *left_out: str) -> dict[str, Any]:
    return {f.name: f.default for f in fields(kind) if f.default is not MISSING and f.name not in left_out}


TASK = _defaults(ModularTask, "split", "seed", "read_in", "results") | {"p": MODULUS}
TRAINING = _defaults(TrainConfig)


def known_settings(model: str) -> Mapping[str, Any]:
    """Every setting that a run of this kind of network has, with its default.

    Example:
        >>> known_settings("mlp")["width"], known_settings("transformer")["lr"]
        (500, 0.001)
    """
    return _known_settings(choose("model", model, SHAPES))


@cache
def _known_settings(model: str) -> Mapping[str, Any]:
    shape = _defaults(SHAPES[model])
    return MappingProxyType({"model": model, **TASK, **shape, **TRAINING, **DEFAULTS[model]})


@dataclass(frozen=True, eq=False)
class Run:
    """One training run.

    Args:
        settings: Every setting of `known_settings`, by name.
        axes: Those that tell it from the other runs of its grid, ``seed`` among them.
        variant: The name of the part of the grid that it belongs to.
        expect: Phases, one of which it should end in; none if nothing is expected.
    """

    settings: Mapping[str, Any]
    axes: Mapping[str, Any]
    variant: str = ""
    expect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = known_settings(self.settings.get("model", "mlp"))
        check_names(self.settings, known, "setting")
        for name, value in self.settings.items():
            typed(name, value, type(known[name]))
            if isinstance(value, (int, float)) and not -LARGEST < value < LARGEST:
                raise ConfigError(f"{name} = {value!r} is no usable number")
        own = {k: float(v) if isinstance(known[k], float) else v for k, v in self.settings.items()}
        if (p := own_modulus(own.get("operation"))) is not None:
            known = {**known, "p": p}
        object.__setattr__(self, "settings", {**known, **own})
        object.__setattr__(self, "axes", {axis: self.settings[axis] for axis in self.axes})
        # raise here what would be raised when the run begins, after hours of other runs
        task, shape, training = self.task, self.shape, self.training
        if self.tokens is not None:
            Prompt.parse(self.tokens, p=task.p)
        if shape.norm == "batch" and training.batch_size == 1:
            raise ConfigError("batch norm needs batches of at least 2 examples, not batch_size = 1")

    @cached_property
    def task(self) -> ModularTask:
        """The task to train on; the seed decides split and corruption too."""
        return ModularTask(**self._some(TASK), seed=self.settings["seed"])

    @cached_property
    def shape(self) -> MLPConfig | TransformerConfig:
        kind = SHAPES[self.settings["model"]]
        return kind(**self._some(_defaults(kind)))

    @cached_property
    def training(self) -> TrainConfig:
        return TrainConfig(**self._some(TRAINING))

    @property
    def tokens(self) -> str | None:
        """A transformer's prompt."""
        return self.settings.get("tokens")

    @property
    def memory(self) -> int:
        """Bytes that training it takes; see `interp.training.need.memory_of`."""
        return memory_of(self.task, self.shape, self.training, tokens=self.tokens)

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with any setting; one that is added with a default changes none."""
        known = known_settings(self.settings["model"])
        text = json.dumps(
            {k: v for k, v in self.settings.items() if v != known[k] or k == "model"}, sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """Of its folder: the values of its axes, and the digest."""
        parts = [self.variant, *(f"{axis}-{shown(value)}" for axis, value in self.axes.items())]
        text = re.sub(r"[^a-zA-Z0-9_.+-]+", "-", "_".join(part for part in parts if part))
        return f"{text[:LONGEST_NAME]}_{self.digest}".lstrip("_")

    def _some(self, names: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.settings[name] for name in names}


def folder_of(out: Path, run: Run) -> Path:
    """Where a run's checkpoints are: its settings decide, whatever the axes of the grid that it was first part of."""
    runs = out.absolute() / RUNS
    return next(runs.glob(f"*{run.digest}"), runs / run.name)


def trained_file(folder: Path, *, early_stop: bool) -> Path | None:
    """The last checkpoint of a run that has ended; None if it has not, or ended early where it must not."""
    record = read_record(folder)
    if record is None or (record.get("ended") == SETTLED and not early_stop):
        return None
    file = folder / record["checkpoint"]
    return file if file.exists() else None


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a run that has ended; None if there is none, or none that can be read."""
    try:
        record = read_json(folder / RECORD, dict)
    except ConfigError:
        return None
    name = record.get("checkpoint")
    return record if isinstance(name, str) and Path(name).name == name else None
