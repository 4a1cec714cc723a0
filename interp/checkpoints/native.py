"""Networks in native checkpoints: storing them, and opening them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from interp.checkpoints.checkpoint import Checkpoint
from interp.checkpoints.files import (
    FORMAT,
    beside,
    check_sizes,
    library_version,
    read_settings,
    shards,
)
from interp.checkpoints.tensor_file import save_tensors, tensor_file, unreadable
from interp.data import ModularTask, Task
from interp.errors import CheckpointError, ConfigError, cut
from interp.files import json_text, write_together
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig

NETWORKS: dict[str, type[HookedMLP] | type[SmallTransformer]] = {
    network.kind: network for network in (HookedMLP, SmallTransformer)
}
"""The networks that files can describe, by the ``kind`` in their settings."""
SMALL_NETWORK = 1_000_000
"""Weights up to which a network may be built before it is compared with its file."""
SHAPES: dict[str, type[MLPConfig] | type[TransformerConfig]] = {
    HookedMLP.kind: MLPConfig,
    SmallTransformer.kind: TransformerConfig,
}


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
    """Write a checkpoint that `load_checkpoint` reads; both files, or none if one cannot be written.

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
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_together(
        (path.with_suffix(".json"), lambda part: part.write_text(json_text(settings), encoding="utf-8")),
        (path, lambda part: save_tensors(weights, part, {"format": FORMAT})),
    )
    return path


def load_native(
    file: Path,
    like: Checkpoint | None = None,
    *,
    data: bytes | None = None,
    settings: dict[str, Any] | None = None,
) -> Checkpoint:
    """Open a native checkpoint file.

    Args:
        file: The weights, or an index of their shards.
        like: A checkpoint that is not needed any more: if it is of the same architecture, its network is given the new
            weights (its former ones stay as they are, for whoever holds them), and so is its task if it is the same.
        data, settings: The content of the file, and of the JSON beside it, if they are at hand.

    Raises:
        CheckpointError: It cannot be read; the message says why.
    """
    settings, tensors = read_settings(file, settings), read_tensors(file, data)
    before = {} if like is None else like.settings
    if like is not None and before.get("model") == settings["model"]:
        model: Any = like.model
    else:
        kind = settings["model"].get("kind", HookedMLP.kind)
        if not isinstance(kind, str) or kind not in NETWORKS:
            raise CheckpointError(
                f"{str(beside(file))!r} describes a network of kind {cut(kind)}; this version knows "
                f"{', '.join(NETWORKS)}"
            )
        check_sizes(settings, [tensor.shape for tensor in tensors.values()], file)
        _check_weights(settings["model"], SHAPES[kind], sum(map(Tensor.numel, tensors.values())), file)
        model = NETWORKS[kind].from_dict(settings["model"])
    if like is not None and before.get("task") == settings["task"]:
        task = like.task
    else:
        task = ModularTask.from_dict(settings["task"])
    fill(model, tensors, file)
    return Checkpoint(model.eval(), task, FORMAT, settings.get("step"), file, settings)


def _check_weights(
    model: dict[str, Any], shape: type[MLPConfig] | type[TransformerConfig], held: int, file: Path
) -> None:
    """Refuse, before memory is taken, a network with more weights than its file has numbers.

    Values of the wrong type are left to the network, which says so.
    """
    tokens = model.get("n_tokens", len(str(model.get("prompt")).split()))
    with suppress(TypeError, ValueError, ConfigError):
        config = shape(**{f.name: model[f.name] for f in fields(shape) if f.name in model})
        count = config.n_weights(model.get("vocab"), model.get("n_outputs") or model.get("vocab"), tokens)  # type: ignore[arg-type]
        if count > max(held, SMALL_NETWORK):
            raise CheckpointError(
                f"{str(beside(file))!r} describes a network of {count:,} weights, but {file.name} holds {held:,} "
                "numbers"
            )


def read_tensors(file: Path, data: bytes | None = None) -> dict[str, Tensor]:
    """All tensors of a safetensors file, whose content `data` may be, or of all shards of an index, on the CPU."""
    if data is not None:
        try:
            return load(data)
        except SafetensorError as error:
            raise CheckpointError(unreadable(file, error)) from None
    tensors: dict[str, Tensor] = {}
    for shard in shards(file):
        with tensor_file(shard) as opened:
            tensors |= opened.whole()
    return tensors


def fill(model: HookedMLP | SmallTransformer, tensors: dict[str, Tensor], file: Path) -> None:
    """Give a network its weights, strictly: the same names and shapes, finite numbers, or a `CheckpointError`."""
    wanted = model.state_dict()
    for name in wanted.keys() | tensors.keys():
        if name not in tensors or name not in wanted:
            where = "is missing from" if name in wanted else "is unexpected in"
            raise CheckpointError(
                f"the tensor {name!r} {where} {str(file)!r}; its JSON describes another network"
            )
        tensor = tensors[name]
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} in {str(file)!r} has shape {tuple(tensor.shape)}; "
                f"the network of its JSON has {tuple(wanted[name].shape)}"
            )
        if tensor.is_complex():
            raise CheckpointError(
                f"{name!r} in {str(file)!r} holds complex numbers; the network of its JSON has real ones"
            )
        # A finite sum says so ten times faster than looking at each entry.
        if tensor.is_floating_point() and not tensor.sum().isfinite() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{name!r} in {str(file)!r} holds NaN or infinity: the training run diverged"
            )
    model.load_state_dict({name: tensors[name].to(wanted[name]) for name in wanted}, assign=True)
