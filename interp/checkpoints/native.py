"""The native checkpoint: weights in safetensors, everything else in a JSON of the same name beside it.

A series is a folder of ``step-NNNNNNNN.safetensors`` and ``.json`` pairs with one ``history.json``. The JSON is
written first: a checkpoint exists once its weights are there.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interp.data import ModularTask, Task
from interp.errors import CheckpointError
from interp.files import write_json, write_whole
from interp.models import HookedMLP, HookedModel, SmallTransformer

FORMAT = "grokscope-1"
HISTORY = "history.json"
STEP = re.compile(r"step-\d+")
NETWORKS: dict[str, type[HookedMLP] | type[SmallTransformer]] = {
    network.kind: network for network in (HookedMLP, SmallTransformer)
}
"""The networks that files can describe, by the ``kind`` in their settings."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with what is known of how it came to be.

    Attributes:
        model: The network, in evaluation mode.
        task: What it was trained on.
        dialect: How its file was read.
        step: Training step, if known.
        path: The weights' file; None for a model in memory.
        settings: The JSON beside the weights.
        notes: What was assumed or chosen while reading a file that does not say it, in sentences.
        stored: Accuracies that the file itself records, by split.
    """

    model: HookedModel
    task: Task
    dialect: str
    step: int | None = None
    path: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stored: dict[str, float] = field(default_factory=dict)


def library_version() -> str:
    """The installed version of Grokscope."""
    try:
        return version("grokscope")
    except PackageNotFoundError:
        return "not installed"


def save_checkpoint(
    path: Path | str,
    model: HookedMLP | SmallTransformer,
    task: Task,
    *,
    step: int | None = None,
    metrics: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    edited: str | None = None,
) -> Path:
    """Write a checkpoint that `load_checkpoint` reads; each file whole or not at all.

    Args:
        path: Of the weights; the suffix ``.safetensors`` is added if missing.
        model: The network; one with a custom activation cannot be stored.
        task: What it was trained on; its split is stored too.
        step: Training step.
        metrics: Accuracies and loss at that step.
        training: The training settings.
        edited: What was done to the network after training, in words.

    Returns:
        The weights' path.

    Raises:
        CheckpointError: The activation is custom, or the task is no built-in one. ConfigError: the place cannot be
            written to.
    """
    if model.config.activation == "custom":
        raise CheckpointError(
            "a network with a custom activation function cannot be stored: files hold no code"
        )
    if not isinstance(task, ModularTask):
        raise CheckpointError(
            f"a checkpoint stores a built-in task, not a {type(task).__name__}; save the weights alone, or give the "
            "table again when you open them"
        )
    path = Path(path)
    path = path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")
    settings = {
        "format": FORMAT,
        "version": library_version(),
        "step": step,
        "model": model.to_dict(),
        "task": task.to_dict(),
        "training": training,
        "metrics": metrics,
        "edited": edited,
    }
    write_json(path.with_suffix(".json"), settings)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return write_whole(path, lambda part: save_file(weights, part, metadata={"format": FORMAT}))


def checkpoint_files(folder: Path | str) -> list[Path]:
    """The weights of a native series in order of their step."""
    return sorted(file for file in Path(folder).glob("step-*.safetensors") if STEP.fullmatch(file.stem))


def is_native(file: Path) -> bool:
    """Whether a file's JSON says that it is a native checkpoint, or its weights do."""
    beside = file.with_suffix(".json")
    if file.suffix != ".safetensors":
        return False
    if beside.exists():
        settings = read_json(beside, f"it lies beside {file.name}")
        if isinstance(settings, dict) and "format" in settings:
            return True
    try:
        with safe_open(file, framework="pt") as opened:
            return (opened.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError, struct.error):
        return False


def load_native(file: Path) -> Checkpoint:
    """Open a native checkpoint file.

    Raises:
        CheckpointError: It cannot be read; the message says why.
    """
    settings = read_settings(file)
    kind = settings["model"].get("kind", HookedMLP.kind)
    if kind not in NETWORKS:
        raise CheckpointError(
            f"{str(file.with_suffix('.json'))!r} describes a network of kind {kind!r}; this version knows "
            f"{', '.join(NETWORKS)}"
        )
    model = NETWORKS[kind].from_dict(settings["model"])
    task = ModularTask.from_dict(settings["task"])
    load_weights(model, file)
    return Checkpoint(model.eval(), task, FORMAT, settings.get("step"), file, settings)


def read_settings(file: Path) -> dict[str, Any]:
    """The JSON beside a weights' file.

    Raises:
        CheckpointError: It is missing, unreadable or of another format.
    """
    beside = file.with_suffix(".json")
    settings = read_json(beside, f"{file.name} needs it to say which network and task it belongs to")
    known = settings if isinstance(settings, dict) else {}
    described = isinstance(known.get("model"), dict) and isinstance(known.get("task"), dict)
    if not described or known.get("format") != FORMAT:
        raise CheckpointError(f"{str(beside)!r} does not describe a checkpoint of format {FORMAT!r}")
    return settings


def read_json(path: Path, purpose: str) -> Any:
    """Parse a JSON file, or raise a `CheckpointError` that says what it is needed for."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {str(path)!r} ({error.strerror}): {purpose}") from None
    except ValueError as error:
        raise CheckpointError(f"{str(path)!r} is no valid JSON: {error}") from None


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, on the CPU.

    Raises:
        CheckpointError: The file is no readable safetensors file.
    """
    try:
        with safe_open(file, framework="pt", device="cpu") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, struct.error) as error:
        raise CheckpointError(
            f"cannot read weights from {str(file)!r}: {error}; is it truncated or another format?"
        ) from None


def load_weights(model: HookedMLP | SmallTransformer, file: Path) -> None:
    """Fill a model from a safetensors file, strictly: the same names and shapes, finite numbers.

    Raises:
        CheckpointError: The file does not fit the model, naming the first difference.
    """
    stored, wanted = read_tensors(file), model.state_dict()
    for name in wanted.keys() | stored.keys():
        if name not in stored or name not in wanted:
            where = "is missing from" if name in wanted else "is unexpected in"
            raise CheckpointError(
                f"the tensor {name!r} {where} {str(file)!r}; its JSON describes another network"
            )
        if stored[name].shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} in {str(file)!r} has shape {tuple(stored[name].shape)}; "
                f"the network of its JSON has {tuple(wanted[name].shape)}"
            )
        if stored[name].is_floating_point() and not stored[name].isfinite().all():
            raise CheckpointError(
                f"{name!r} in {str(file)!r} holds NaN or infinity: the training run diverged"
            )
    model.load_state_dict(stored)


def training_history(path: Path | str) -> list[dict[str, Any]]:
    """Metrics over training, of the series that a checkpoint belongs to; empty if it has none."""
    path = Path(path)
    file = (path if path.is_dir() else path.parent) / HISTORY
    history = read_json(file, "it holds the training curve") if file.exists() else []
    records = history if isinstance(history, list) else [None]
    if not all(isinstance(r, dict) and "step" in r and isinstance(r.get("accuracy"), dict) for r in records):
        raise CheckpointError(
            f"{str(file)!r} is no training curve; expected records of step, loss and accuracy"
        )
    return history


def write_history(folder: Path | str, history: list[dict[str, Any]]) -> None:
    """Store metrics over training beside a series, whole or not at all."""
    write_json(Path(folder) / HISTORY, history)
