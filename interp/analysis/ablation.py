"""Take neurons out of a checkpoint, measure it again, and keep the edited network."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from interp.checkpoints import Checkpoint, save_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.files import write_whole
from interp.interventions import Edit, bake
from interp.measuring.removals import Removal, removal
from interp.models import Adopted, HookedMLP, HookedModel, SmallTransformer
from interp.modes import make_intervention
from interp.scoring.selection import select_neurons
from interp.subject import Subject, open_subject


def ablate_checkpoint(
    checkpoint: Path | str | Subject,
    neurons: str = "label:memorizing",
    mode: str = "zero",
    *,
    options: OpenOptions | None = None,
    save: Path | str | None = None,
    overwrite: bool = False,
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> Removal:
    """Accuracy on every split before and after an intervention, beside random sets of the same size.

    Args:
        checkpoint: A file, a folder (its last checkpoint), or the subject that was made of one.
        neurons: Which, as in `select_neurons`: ``"label:memorizing"``, ``"lowest:0.7"``, ``"@file"`` …
        mode: One of `interp.modes.MODES`.
        options: What the checkpoint does not say of itself.
        save: Where to write the network with the edit in its weights: as a native checkpoint, or, of the user's own
            module, its weights alone.
        overwrite: Replace files that are there already; never the checkpoint itself.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets of the same size.

    Raises:
        CheckpointError: The file cannot be read, or no file can hold the edited network. InterventionError: the
            neurons or mode cannot be used, or the edit cannot be saved. ConfigError: the file to save exists.

    Example:
        ``ablate_checkpoint("runs/r0", "lowest:0.7", save="pruned.safetensors").after.test``
    """
    if not isinstance(checkpoint, Subject):
        checkpoint = open_subject(checkpoint, options, device=device, site=site, seed=seed)
    subject, opened = checkpoint, checkpoint.source
    target = None if save is None else edited_file(save, opened, overwrite)
    cached = subject.cached_with(mode)
    chosen = select_neurons(subject.table, neurons)
    edited = None
    if target is not None:
        activations = cached.prefix.activations[..., torch.as_tensor(chosen)]
        intervention = make_intervention(mode, activations, seed=subject.seed)
        edited = bake(subject.model, Edit(cached.hook, chosen, intervention))
    result = removal(cached, chosen, n_draws=n_random, pool=subject.alive, seed=subject.seed)
    if target is not None and edited is not None:
        write_edited(target, edited, opened, f"{mode} on {len(chosen)} neurons ({neurons})")
    return result


def edited_file(save: Path | str, opened: Checkpoint, overwrite: bool = False) -> Path:
    """The file that an edited network is saved as; refused, before any work is done, if it cannot be.

    Raises:
        ConfigError: It is the checkpoint itself, or exists. CheckpointError: No file can hold the network.
    """
    target = Path(save).with_suffix(".safetensors")
    source = opened.path
    if source is not None and target.resolve().with_suffix("") == source.resolve().with_suffix(""):
        description = "is" if target.resolve() == source.resolve() else "has the name of"
        raise ConfigError(
            f"{str(target)!r} {description} the checkpoint itself; save the edited network under another name"
        )
    for file in (target, target.with_suffix(".json")):
        if file.exists() and not overwrite:
            raise ConfigError(
                f"{str(file)!r} exists already; add --force to replace it, or choose another name"
            )
    if not isinstance(opened.model, Adopted) and not isinstance(opened.task, ModularTask):
        raise CheckpointError(
            "a checkpoint is stored with its task, and examples from a table are none that the file can hold; "
            "it can be measured, but not saved"
        )
    return target


def write_edited(target: Path, edited: HookedModel, opened: Checkpoint, description: str) -> None:
    """Store an edited network: natively where the format knows its kind, else the weights of the user's module."""
    if isinstance(edited, Adopted):
        stored = {name: tensor.detach().cpu() for name, tensor in edited.module.state_dict().items()}
        weights = {
            name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in stored.items()
        }
        write_whole(target, lambda part: save_file(weights, part))
        target.with_suffix(".json").unlink(missing_ok=True)  # it described the weights that were here before
        return
    if not isinstance(edited, HookedMLP | SmallTransformer):
        raise CheckpointError(
            f"no file can hold a {type(edited).__name__}; it can be measured, but not saved"
        )
    training = opened.settings.get("training")
    save_checkpoint(target, edited, opened.task, step=opened.step, training=training, edited=description)
