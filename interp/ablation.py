"""Take neurons out of a checkpoint, measure it again, and keep the edited network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from interp.checkpoints import load_checkpoint, save_checkpoint
from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.interventions import bake, edit_from_mode
from interp.scoring import score, select_neurons
from interp.sweeps import Removal, removal, site_state
from probes.labels import Label


def ablate_checkpoint(
    checkpoint: Path | str,
    neurons: str = "label:memorizing",
    mode: str = "zero",
    *,
    save: Path | str | None = None,
    overwrite: bool = False,
    site: str | None = None,
    n_random: int = 20,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Removal:
    """Accuracy on every split before and after an intervention, beside random sets of the same size.

    Args:
        checkpoint: A file, or a folder (its last checkpoint).
        neurons: Which, as in `select_neurons`: ``"label:memorizing"``, ``"lowest:0.7"``, ``"@file"`` …
        mode: ``"zero"``, ``"mean"``, ``"resample"`` or ``"scale=FACTOR"``.
        save: Where to write the network with the edit in its weights.
        overwrite: Replace a file that is there already; never the checkpoint itself.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets of the same size.
        seed: Of all draws.
        device: Where to compute.

    Raises:
        CheckpointError: The file cannot be read. InterventionError: the neurons or mode cannot be used, or the
            edit cannot be saved. ConfigError: the file to save exists.

    Example:
        ``ablate_checkpoint("runs/r0", "lowest:0.7", save="pruned.safetensors").after.test``
    """
    opened = load_checkpoint(checkpoint)
    target = None if save is None else Path(save).with_suffix(".safetensors")
    if target is not None and target.exists():
        if opened.path is not None and target.resolve() == opened.path.resolve():
            raise ConfigError(
                f"{str(target)!r} is the checkpoint itself; save the edited network under another name"
            )
        if not overwrite:
            raise ConfigError(
                f"{str(target)!r} exists already; add --force to replace it, or choose another name"
            )
    model: Any = opened.model.to(resolve_device(device))
    state = site_state(model, opened.task, site=site, mode=mode, seed=seed)
    table = score(model, opened.task, site=site, seed=seed, state=state if mode == "zero" else None)
    chosen = select_neurons(table, neurons)
    edited = None
    if target is not None:
        edited = bake(model, edit_from_mode(model, chosen, mode, site=site, reference=opened.task, seed=seed))
    alive = table.neuron[table["label"] != Label.DEAD.value]
    found = removal(state, chosen, n_draws=n_random, pool=alive, seed=seed)
    if target is not None:
        kept, how = opened.settings.get("training"), f"{mode} on {len(chosen)} neurons ({neurons})"
        save_checkpoint(target, edited, opened.task, step=opened.step, training=kept, edited=how)  # type: ignore[arg-type]
    return found
