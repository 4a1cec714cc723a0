"""Folders that are a checkpoint as a whole, of other libraries: known, and refused with the way to convert them."""

from __future__ import annotations

from pathlib import Path

from interp.errors import CheckpointError

MAX_INNER = 64  # folders in one that are looked into
FOLDERS = {
    (
        "manifest.ocdbt",
        "_METADATA",
        "_CHECKPOINT_METADATA",
        "_sharding",
    ): "Orbax, whose arrays only tensorstore reads; "
    "convert it where it was written, with orbax.checkpoint.PyTreeCheckpointer().restore(folder) and then "
    "numpy.savez('weights.npz', **{'/'.join(map(str, key)): array for key, array in "
    "flax.traverse_util.flatten_dict(params).items()})",
    (".metadata",): "torch.distributed, a part for each process; convert it with python -m "
    "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pt",
    ("saved_model.pb", "checkpoint.index"): "TensorFlow; convert it with numpy.savez('weights.npz', "
    "**{v.name: v.numpy() for v in model.variables})",
}
"""Files by which a folder that is a checkpoint as a whole is known, whose it is, and how to convert it."""


def check_folder(folder: Path) -> None:
    """Refuse, as a `CheckpointError`, a folder that is a checkpoint as a whole, or holds such ones alone."""
    try:
        inner = sorted(one for one in folder.iterdir() if one.is_dir())
        for place in (folder, *inner[:MAX_INNER]):
            names = {one.name for one in place.iterdir()}
            for marks, whose in FOLDERS.items():
                if not names.isdisjoint(marks):
                    raise CheckpointError(f"the folder {str(place)!r} is a checkpoint of {whose}")
    except OSError:  # what cannot be listed is refused by whoever needs it
        return
