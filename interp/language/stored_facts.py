"""Neurons that stored what a language model learnt between two checkpoints: transplanted, put back, or taken out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.hooks import hooked
from interp.language.batches import Batch, batches_of
from interp.language.gates import by_unit
from interp.language.model import LanguageModel
from interp.language.objective import loss_gradients, losses, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Chosen, Site, Units


def transplanted(
    receiver: LanguageModel,
    donor: LanguageModel,
    sequences: Sequences,
    sets: Sequence[Chosen],
    *,
    kind: str = NEURONS,
) -> Float[np.ndarray, "set sequence"]:
    """Mean log probability of each continuation in one model with the outputs of some of its units from another.

    A unit's output is its activation on the same tokens times its output weights, both of the donor; activations alone
    would miss what was stored in the weights by which a neuron writes. From the checkpoint before an injection to that
    after it, this undoes the memory; the other way round, it transplants it.

    Args:
        receiver, donor: Two checkpoints of one network; the receiver is left as it is.
        sets: Units of each set, numbered over all layers.
        kind: One of `interp.language.sites.KINDS`.

    Returns:
        In nats a token.

    Raises:
        ConfigError: The models differ in their layers or units.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> one, two = (open_language_model(small_language_model(d_mlp=8, seed=seed)) for seed in (0, 1))
        >>> sequences = token_sequences([[1, 2, 3, 4], [9, 8, 7]])
        >>> plain, same = transplanted(one, two, sequences, [[], [0, 9]])
        >>> bool((plain != same).all())
        True
    """
    units = _units_of_both(receiver, donor, kind)
    chosen = [units.by_site(one) for one in sets]
    result = np.zeros((len(sets), len(sequences)))
    for batch in batches_of(receiver, sequences):
        places, kept = places_of(batch, sequences), activations_of(donor, batch, units)
        for row, by_site in enumerate(chosen):
            with _with_outputs(receiver, donor, kept, units, by_site), torch.no_grad():
                hidden = receiver.hidden(batch.ids, batch.mask)
                result[row, batch.rows] = -losses(receiver, hidden, places).cpu().numpy()
    return result


def transplant_effects(
    receiver: LanguageModel, donor: LanguageModel, sequences: Sequences, *, kind: str = NEURONS
) -> Float[np.ndarray, "sequence unit"]:
    """The gain of each continuation's log probability by each unit's transplanted output, to first order.

    It is the gradient at the layer's output, in the receiver, times the difference of the unit's outputs; see
    `transplanted` for the exact value of a few units.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> one, two = (open_language_model(small_language_model(d_mlp=8, seed=seed)) for seed in (0, 1))
        >>> transplant_effects(one, two, token_sequences([[1, 2, 3, 4], [9, 8, 7]])).shape
        (2, 16)
    """
    units = _units_of_both(receiver, donor, kind)
    theirs = [site.reader for site in donor.units(kind).sites]
    result = np.zeros((len(sequences), len(units)), dtype=np.float32)
    for batch in batches_of(receiver, sequences):
        own, other = activations_of(receiver, batch, units), activations_of(donor, batch, units)
        gradients = _output_gradients(receiver, batch, sequences, units)
        for place, site in enumerate(units.sites):
            gains = [
                by_unit(site, kept[site.hook], len(batch.rows)) * _written(site, reader, gradient)
                for kept, reader, gradient in (
                    (other, theirs[place], gradients[place]),
                    (own, site.reader, gradients[place]),
                )
            ]
            each = (gains[0] - gains[1]).sum((1, 3))
            result[batch.rows, units.slice_of(place)] = each.cpu().numpy()
    return result


@torch.no_grad()
def activations_of(model: LanguageModel, batch: Batch, units: Units) -> dict[str, Tensor]:
    """Activations of a batch at the hook points of some units, by hook name."""
    kept: dict[str, Tensor] = {}
    with hooked(model, {site.hook: partial(_keep, kept, site.hook) for site in units.sites}):
        model.hidden(batch.ids, batch.mask)
    return kept


def _keep(kept: dict[str, Tensor], hook: str, activations: Tensor) -> None:
    kept[hook] = activations.detach().clone()


def _units_of_both(one: LanguageModel, other: LanguageModel, kind: str) -> Units:
    units, theirs = one.units(kind), other.units(kind)
    shapes = [[(s.hook, s.n_units, s.width) for s in part.sites] for part in (units, theirs)]
    if shapes[0] != shapes[1]:
        counts = [f"{len(part):,} {kind} in {len(part.sites)} layers" for part in (units, theirs)]
        raise ConfigError(
            f"{one.name} has {counts[0]} and {other.name} has {counts[1]}; expected two checkpoints of one network"
        )
    return units


@contextmanager
def _with_outputs(
    receiver: LanguageModel,
    donor: LanguageModel,
    kept: dict[str, Tensor],
    units: Units,
    chosen: dict[str, np.ndarray],
) -> Iterator[None]:
    """Inside the block, chosen units write to the residual stream in the receiver as they do in the donor."""
    readers = {site.hook: site.reader for site in donor.sites}
    sites = {site.hook: site for site in units.sites}
    changes = {hook: partial(_replaced, sites[hook], kept[hook], own) for hook, own in chosen.items()}
    with ExitStack() as stack:
        for hook, own in chosen.items():
            stack.enter_context(_with_columns(sites[hook], readers[hook], own))
        if changes:
            stack.enter_context(hooked(receiver, changes))
        yield


def _replaced(site: Site, other: Tensor, own: Int[np.ndarray, " chosen"], activations: Tensor) -> Tensor:
    rows = len(activations)
    shaped, theirs = (by_unit(site, one, rows) for one in (activations.clone(), other))
    shaped[:, :, own] = theirs[:, :, own].to(shaped)
    return shaped.reshape(activations.shape)


@contextmanager
def _with_columns(site: Site, reader: nn.Module, own: Int[np.ndarray, " chosen"]) -> Iterator[None]:
    """Inside the block, the weights by which some units write are those of another reader."""
    columns = torch.from_numpy((own[:, None] * site.width + np.arange(site.width)).ravel())
    weight, theirs = _weight(site, site.reader), _weight(site, reader)
    kept = weight[columns].clone()
    weight[columns] = theirs[columns].to(weight)
    try:
        yield
    finally:
        weight[columns] = kept


def _weight(site: Site, reader: nn.Module) -> Float[Tensor, "number stream"]:
    """A view of a reader's weight with the numbers of its units first."""
    weight: Tensor = reader.weight.detach()  # type: ignore[operator]
    return weight if site.units_first else weight.T


def _written(site: Site, reader: nn.Module, gradient: Tensor) -> Float[Tensor, "row token unit width"]:
    """The product of a gradient of the residual stream with the vector that each number of each unit writes."""
    return by_unit(site, gradient @ _weight(site, reader).T, len(gradient))


def _output_gradients(
    model: LanguageModel, batch: Batch, sequences: Sequences, units: Units
) -> list[Float[Tensor, "row token stream"]]:
    """Gradients of each row's log probability by what each layer of units writes."""
    shifts: dict[int, Tensor] = {}

    def shifted(place: int, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        shifts[place] = torch.zeros_like(output, requires_grad=True)
        return output + shifts[place]

    with ExitStack() as stack:
        for place, site in enumerate(units.sites):
            stack.callback(site.reader.register_forward_hook(partial(shifted, place)).remove)
        hidden = model.hidden(batch.ids, batch.mask)
    leaves = [shifts[place] for place in range(len(units.sites))]
    gradients, _ = loss_gradients(model, hidden, places_of(batch, sequences), leaves)
    rows = len(batch.rows)
    return [-one.reshape(rows, -1, one.shape[-1]) for one in gradients]
