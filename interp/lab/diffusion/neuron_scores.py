"""Scores of a denoiser's neurons by what they do for some images, and the choice of a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.hooks import capture
from interp.interventions import Edit, intervene
from interp.lab.contrast.scores import contrast_scores
from interp.lab.diffusion.denoising import SITES, noisy_inputs
from interp.lab.sets import Candidate
from interp.models import Adopted
from interp.modes import Zero

SCORES = ("auroc", "z", "contrast")
POOL = 60
FLOOR = 5e-5  # of the squared change of a pixel: less counts as no harm


def edits(model: Adopted, gone: Sequence[int] | np.ndarray) -> list[Edit]:
    """Zero ablation of neurons, numbered through the layers."""
    places, neurons = np.divmod(np.asarray(gone, int), model.neuron_sites()[0].width)
    return [Edit(SITES[at], neurons[places == at], Zero()) for at in range(len(SITES))]


def greedy_scores(
    effect: Callable[[list[int]], tuple[float, float]], n: int, longest: int, *, pool: int = POOL
) -> tuple[np.ndarray, np.ndarray]:
    """Neurons by how much they do to one set of inputs for each unit of what they do to the other.

    Args:
        effect: Given neurons that are gone, what that does to the first set (wanted) and to the other (not wanted).
        longest, pool: How many of the n are chosen one by one, of how many that do most when gone alone.

    Returns:
        The ratio of each neuron alone; and scores whose order is the order of choice, then that of the ratios.

    Example:
        >>> alone, chosen = greedy_scores(lambda gone: (sum(gone), 1.0 * len(gone)), 4, 2)
        >>> chosen.argsort()[::-1].tolist()
        [3, 2, 1, 0]
    """

    def ratios(gone: list[int], candidates: Sequence[int]) -> np.ndarray:
        first, other = effect(gone)
        effects = np.array([effect([*gone, neuron]) for neuron in candidates])
        return (effects[:, 0] - first) / (np.maximum(effects[:, 1] - other, 0) + FLOOR)

    alone = ratios([], range(n))
    scores = alone.argsort(kind="stable").argsort().astype(float)
    left, gone = np.argsort(-alone, kind="stable")[: max(pool, longest)].tolist(), [int(alone.argmax())]
    while len(gone) < min(longest, n):
        left.remove(gone[-1])
        gone.append(left[int(ratios(gone, left).argmax())])
    scores[gone] = n + np.arange(len(gone))[::-1]
    return alone, scores


def neuron_scores(
    model: Adopted,
    memorised: Float[np.ndarray, "image pixel"],
    images: Float[np.ndarray, "example pixel"],
    longest: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Scores of all neurons of both layers: from activations on noisy images, and from ablation."""
    picked = torch.tensor(memorised, dtype=torch.float32)
    known = (images[:, None] == memorised).all(2).any(1)
    others = torch.tensor(images[~known][::3], dtype=torch.float32)
    clean, first = noisy_inputs(picked, max(1, 512 // len(picked)), seed)
    other_clean, other = noisy_inputs(others, 1, seed + 1)
    one, two = capture(model, first, SITES), capture(model, other, SITES)
    weights = dict(model.module.named_parameters())
    outgoing = [weights[site.replace(":input", ".weight")].T for site in SITES]
    layers = [contrast_scores(one[s], two[s], w) for s, w in zip(SITES, outgoing, strict=True)]
    scores = {name: np.concatenate([layer[name] for layer in layers]) for name in SCORES}
    both = torch.cat([first, other])

    def effect(expected: Tensor, gone: list[int]) -> tuple[float, float]:
        with intervene(model, *edits(model, gone)):
            after = model(both)
        forgotten, other_error = after[: len(first)] - clean, after[len(first) :] - expected
        return forgotten.square().mean().item(), other_error.square().mean().item()

    n = len(scores["z"])
    scores["alone"], scores["by change"] = greedy_scores(partial(effect, model(other)), n, longest)
    scores["by error"] = greedy_scores(partial(effect, other_clean), n, longest)[1]
    return scores


def random_like(gone: np.ndarray, width: int, seed: int) -> np.ndarray:
    """As many random neurons of each layer."""
    generator = np.random.default_rng(seed)
    layers = [
        generator.choice(width, (gone // width == at).sum(), replace=False) + at * width
        for at in range(len(SITES))
    ]
    return np.concatenate(layers)


def select(tried: Sequence[Candidate], target: float, most: float) -> Candidate:
    """The set with samples as far as `target`, of a Fréchet distance up to `most`; else the one with the least."""
    within = [one for one in tried if -one.other <= most]
    if not within:
        return max(tried, key=lambda one: one.other)
    return min(within, key=lambda one: abs(-one.first - target))
