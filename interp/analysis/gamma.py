"""The weight of a norm after the activation, as an intervention: read from one network, applied to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.checkpoints import Checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import SPLITS
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.measuring.band import Band
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import SplitValues, measure_logits
from interp.measuring.logits import mapped
from interp.models import HookedMLP, HookedModel, neuron_site
from interp.output import plain
from interp.scoring.table import NeuronTable
from interp.subject import on_device, subject_of
from probes.agreement import RankCorrelation, rank_correlation
from probes.labels import DEAD

FEWEST = 3
"""Neurons that a fit needs at least."""


@dataclass(frozen=True, eq=False, repr=False)
class GammaTransfer(Drawable):
    """Accuracies of a network whose neurons are scaled as another network's norm would scale them.

    Attributes:
        before: Accuracy of the target as it is.
        after: Accuracy with the scales.
        random: For each split, accuracy with the same scales permuted; None for a split without examples.
        n_random: How many permutations were drawn.
        strength: The exponent that the scales were raised to.
        scales: Of the target's neurons, in [0, 1], ``(neuron,)``.
        target_ipr: IPR of the target's neurons, NaN for those without one.
        donor_ipr: IPR of the donor's neurons, likewise.
        donor_gamma: The donor's norm weights, absolute values.
        donor_fit: The increasing fit to them, NaN where the IPR is.
        correlation: Of the donor's norm weights with IPR.
    """

    figure = "plots.networks.gamma_against_ipr"

    before: SplitValues
    after: SplitValues
    random: dict[str, Band | None]
    n_random: int
    strength: float
    scales: np.ndarray
    target_ipr: np.ndarray
    donor_ipr: np.ndarray
    donor_gamma: np.ndarray
    donor_fit: np.ndarray
    correlation: RankCorrelation

    def __repr__(self) -> str:
        rho = "unknown" if self.correlation.rho is None else f"{self.correlation.rho:.2f}"
        return (
            f"GammaTransfer({len(self.scales)} neurons, strength {self.strength:g}, rank correlation {rho}: "
            f"{self.after})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON; NaN becomes None."""
        arrays = ("scales", "target_ipr", "donor_ipr", "donor_gamma", "donor_fit")
        values = {
            "before": self.before,
            "accuracy": self.after,
            "random_accuracy": self.random,
            "random_draws": self.n_random,
            "strength": self.strength,
            "correlation": vars(self.correlation),
            **{name: getattr(self, name) for name in arrays},
        }
        return plain(values)


def gamma_of(model: HookedModel, site: str | None = None) -> Float[np.ndarray, " neuron"]:
    """Absolute weights of the norm after the activation, one a neuron: the factor at which the next layer reads each.

    Args:
        model: A `HookedMLP` with batch or layer norm.
        site: Hook name of the neurons; the model's last site if None.

    Raises:
        ConfigError: There is no norm between the activation and what reads it. HookNameError: there are no neurons at
            the site.

    Example:
        >>> from interp.models import MLPConfig
        >>> gamma_of(HookedMLP(MLPConfig(width=3, norm="batch"), vocab=5)).tolist()
        [1.0, 1.0, 1.0]
    """
    hook = neuron_site(model, site).hook
    norm = None
    if isinstance(model, HookedMLP):
        layer = [known.hook for known in model.neuron_sites()].index(hook)
        norm = model.layers[layer].mlp.norm
    if norm is None:
        raise ConfigError(
            f"there is no norm after the activation at {hook!r}; expected an MLP made with norm='batch' or 'layer' "
            "(grokscope train --norm batch)"
        )
    return np.asarray(norm.state_dict()["weight"].abs().cpu().double().numpy())


def transfer_gamma(
    donor: HookedModel, donor_table: NeuronTable, target_table: NeuronTable
) -> Float[np.ndarray, " neuron"]:
    """Scales that a donor's norm would give a target's neurons, by their periodicity alone.

    The donor's |γ| is fitted by an increasing function of IPR (isotonic regression), divided by its largest value,
    and read off at the target's IPRs. It assumes that |γ| rises with IPR, as arXiv 2310.13061 finds in networks with
    BatchNorm; see `GammaTransfer.correlation` for whether it does. Where it falls instead, all scales are 1.

    Args:
        donor: A network with a norm after its activation.
        donor_table: `score`'s table of the donor.
        target_table: `score`'s table of the target.

    Returns:
        Scales in [0, 1], one for each row of the target's table; 1 for dead neurons and those without IPR.

    Raises:
        ConfigError: The donor has no such norm, too few of its neurons have an IPR, or all its weights are 0.

    Example:
        >>> from interp.models import MLPConfig
        >>> donor = HookedMLP(MLPConfig(width=4, norm="batch"), vocab=5)
        >>> donor.layers[0].mlp.norm.weight.data = torch.tensor([0.1, 0.1, 0.4, 0.4])
        >>> label, hook = np.array(["inconclusive"] * 4), "blocks.0.mlp.hook_post"
        >>> table = NeuronTable({"neuron": np.arange(4), "ipr": np.array([0.1, 0.2, 0.8, 0.9]), "label": label}, hook)
        >>> transfer_gamma(donor, table, table).round(2).tolist()
        [0.25, 0.25, 1.0, 1.0]
    """
    return _scales(gamma_of(donor, donor_table.site_name), donor_table, target_table)


def _scales(gamma: np.ndarray, donor_table: NeuronTable, target_table: NeuronTable) -> np.ndarray:
    fit, scales = _fit(gamma, donor_table["ipr"]), np.ones(len(target_table))
    scaled = _scalable(target_table)
    scales[scaled] = fit.predict(target_table["ipr"][scaled].astype(float)) / fit.y_thresholds_.max()
    return scales


def _fit(gamma: np.ndarray, ipr: np.ndarray) -> Any:
    """An increasing fit of norm weights to IPR."""
    from sklearn.isotonic import IsotonicRegression

    known = np.isfinite(ipr.astype(float))
    if len(gamma) != len(ipr):
        raise ConfigError(
            f"the table has {len(ipr)} neurons and the norm {len(gamma)}; is it of this network?"
        )
    if known.sum() < FEWEST:
        raise ConfigError(
            f"{known.sum()} of the donor's neurons have an IPR, expected at least {FEWEST}; its task has no known order"
        )
    fit = IsotonicRegression(out_of_bounds="clip").fit(ipr[known].astype(float), gamma[known])
    if not fit.y_thresholds_.max() > 0:
        raise ConfigError("all weights of the donor's norm are 0; take a network that has learnt something")
    return fit


def _fitted(gamma: np.ndarray, table: NeuronTable) -> np.ndarray:
    """The fit at the donor's own IPRs, NaN where there is none."""
    ipr = table["ipr"].astype(float)
    known, fitted = np.isfinite(ipr), np.full(len(gamma), np.nan)
    fitted[known] = _fit(gamma, ipr).predict(ipr[known])
    return fitted


def _scalable(table: NeuronTable) -> np.ndarray:
    """Neurons with an IPR that says something: all but the dead ones."""
    return np.isfinite(table["ipr"].astype(float)) & (table["label"] != DEAD)


def gamma_rescale(
    donor: Checkpoint | Path | str,
    target: Checkpoint | Path | str,
    *,
    n_random: int = 20,
    strength: float = 1.0,
    options: OpenOptions | None = None,
    site: str | None = None,
    donor_site: str | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> GammaTransfer:
    """Scale a network's neurons as another network's norm would, beside the same scales permuted at random.

    BatchNorm after the activation weakens memorizing neurons (arXiv 2310.13061). Does the same weakening, carried over
    by IPR alone, make a network without norm forget its corrupted labels?

    Args:
        donor: A checkpoint with a norm after the activation; its file says all of itself.
        target: Any checkpoint whose neurons have an IPR; left unchanged.
        n_random: Permutations of the scales among the target's neurons that are not dead, for the control.
        strength: Exponent of the scales: 0 changes nothing, 2 weakens twice as much on a logarithmic scale.
        options: What the target's checkpoint does not say of itself.
        site, donor_site: Hook names of the target's and the donor's neurons; the last sites if None.
        seed, device: Of all draws; where to compute.

    Raises:
        CheckpointError: A file cannot be read. ConfigError: no norm, no IPR, or a negative strength.

    Example:
        ``gamma_rescale("runs/bn", "runs/r0").after.corrupted_as_labelled``
    """
    if not 0 <= strength < float("inf"):
        raise ConfigError(f"strength={strength} is no exponent; expected 0 (no change) or more")
    giving = donor if isinstance(donor, Checkpoint) else load_checkpoint(donor)
    gamma = gamma_of(giving.model, donor_site)  # a donor without norm is refused before any work
    taking = target if isinstance(target, Checkpoint) else load_checkpoint(target, options)
    giver = subject_of(on_device(giving, device), site=donor_site, seed=seed)
    taker = subject_of(on_device(taking, device), site=site, seed=seed)
    donor_table, table, cached = giver.table, taker.table, taker.cached
    scaled = np.flatnonzero(_scalable(table))
    if not len(scaled):
        raise ConfigError(
            "none of the target's neurons has an IPR; its task has no known order, or it is dead"
        )
    scales = _scales(gamma, donor_table, table) ** strength
    draws = [_accuracy(cached, one) for one in _permutations(scales, scaled, n_random, seed)]
    return GammaTransfer(
        before=_accuracy(cached, np.ones_like(scales)),
        after=_accuracy(cached, scales),
        random={split: Band.of([draw[split] for draw in draws]) for split in SPLITS},
        n_random=n_random,
        strength=float(strength),
        scales=scales,
        target_ipr=table["ipr"].astype(float),
        donor_ipr=donor_table["ipr"].astype(float),
        donor_gamma=gamma,
        donor_fit=_fitted(gamma, donor_table),
        correlation=rank_correlation(donor_table["ipr"].astype(float), gamma, seed=seed),
    )


def _permutations(scales: np.ndarray, movable: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    """The same scales, dealt at random among the movable neurons."""
    generator = np.random.default_rng(seed)
    for _ in range(n):
        permuted = scales.copy()
        permuted[movable] = scales[generator.permutation(movable)]
        yield permuted


def _accuracy(cached: CachedPass, scales: np.ndarray) -> SplitValues:
    """Accuracy on every split with every neuron multiplied by its own scale."""
    share = torch.as_tensor(1 - scales, dtype=cached.change.dtype, device=cached.change.device)
    everyone: Tensor = torch.arange(cached.width, device=share.device)
    changed = replace(cached, change=mapped(cached.change, lambda block: block * share), share=share)
    logits = changed.logits_after(everyone)
    return measure_logits(logits, cached.data, tolerance=cached.tolerance).accuracy
