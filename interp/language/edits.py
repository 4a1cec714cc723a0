"""Changed neurons and heads in a language model's weights, and the checkpoint that `transformers` loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from interp.errors import ConfigError
from interp.files import check_place
from interp.language.gates import Gates
from interp.language.model import LanguageModel
from interp.language.quiet import quiet
from interp.language.sites import NEURONS, Chosen, Site


def gates_without(
    model: LanguageModel, chosen: Chosen, *, kind: str = NEURONS, factor: float = 0.0
) -> dict[str, Tensor]:
    """Factors that take chosen units out, or rescale them; units are numbered over all layers.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> gates = gates_without(open_language_model(small_language_model(d_mlp=4)), [1, 6])
        >>> {hook: factors.tolist() for hook, factors in gates.items()}
        {'blocks.0.mlp.hook_post': [1.0, 0.0, 1.0, 1.0], 'blocks.1.mlp.hook_post': [1.0, 1.0, 0.0, 1.0]}
    """
    sizes = {site.hook: site.n_units for site in model.sites}
    gates = {}
    for hook, units in model.units(kind).by_site(chosen).items():
        gates[hook] = torch.ones(sizes[hook], device=model.device)
        gates[hook][torch.from_numpy(units).to(model.device)] = factor
    return gates


def weights_with(model: LanguageModel, gates: Gates) -> dict[str, Tensor]:
    """Changed weights by their names in the checkpoint: those of the layers that read gated units."""
    sites = {site.hook: site for site in model.sites}
    return {sites[hook].weight_name: _scaled(sites[hook], factors) for hook, factors in gates.items()}


def _scaled(site: Site, factors: Tensor) -> Tensor:
    weight: Tensor = site.reader.weight.detach()  # type: ignore[operator]
    each = factors.to(weight).repeat_interleave(site.width)
    return weight * (each[:, None] if site.units_first else each)


@contextmanager
def edited(model: LanguageModel, weights: Mapping[str, Tensor]) -> Iterator[LanguageModel]:
    """The model with other weights inside the block; what it had is put back at its end."""
    kept = {name: model.weights[name].detach().clone() for name in weights}
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                model.weights[name].copy_(weight)
        yield model
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                model.weights[name].copy_(weight)


def save_language_model(
    model: LanguageModel, folder: Path | str, gates: Gates | None = None, *, force: bool = False
) -> Path:
    """Write a checkpoint that `transformers` loads, with gated units in its weights; the model stays as it is.

    Args:
        folder: Made if it is not there; complete, or not there at all.
        gates: Factors on units; see `gates_without`.
        force: Replace a folder that is there and has files.

    Raises:
        ConfigError: The folder has files, or cannot be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model())
        >>> with TemporaryDirectory() as folder:
        ...     place = save_language_model(model, Path(folder, "edited"), gates_without(model, [3]))
        ...     again = open_language_model(place)
        >>> bool((again.sites[1].reader.weight[:, 3] == 0).all())
        True
    """
    import shutil
    import tempfile

    folder = Path(folder).absolute()
    check_folder_free(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        part = Path(aside) / "model"
        _write(model, part, weights_with(model, gates or {}))
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    return folder


def check_folder_free(folder: Path, force: bool = False) -> None:
    """Make sure, before long work, that a checkpoint can be written to a folder; a `ConfigError` if it cannot."""
    if folder.is_file() or folder.is_symlink():
        raise ConfigError(f"{str(folder)!r} is a file or a link; expected the name of a folder")
    if folder.exists() and any(folder.iterdir()):
        if not force:
            raise ConfigError(
                f"{str(folder)!r} is there already; choose another folder, or replace it (force)"
            )
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"{str(folder)!r} holds files and no config.json, so it is no model to replace; choose another folder"
            )
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"{str(folder)!r} is the folder that you are in, or one above; choose another")
    check_place(folder.absolute())


def _write(model: LanguageModel, folder: Path, changed: Mapping[str, Tensor]) -> None:
    state = {name: tensor.detach().cpu() for name, tensor in model.weights.items()}
    state |= {name: tensor.cpu().contiguous() for name, tensor in changed.items()}
    try:
        with quiet():
            model.plain.save_pretrained(folder, state_dict=state)
            if model.tokenizer is not None:
                model.tokenizer.save_pretrained(folder)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"cannot write the model to {str(folder.parent.parent)!r}: {error}") from None
