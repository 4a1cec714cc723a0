"""A small diffusion model: a network that takes noise out of pictures, and pictures made with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.models import Adopted, adopt
from interp.progress import Report, silent

SITES = ("2:input", "4:input")  # the two hidden layers of a denoiser, after the activation
OCTAVES = 8
LOWEST, HIGHEST = 0.1, 0.95  # noise levels at which neurons are contrasted


def signal(level: Float[Tensor, "*example"]) -> Float[Tensor, "*example"]:
    """The share of a picture that is left at a noise level from 0 to 1: the cosine schedule (arXiv 2102.09672).

    The noise has standard deviation ``sqrt(1 - signal²)``, so that at level 1 next to nothing but noise is left.
    """
    return torch.cos(level * (math.pi / 2)).clamp(1e-3, 1.0)


def with_level(pictures: Float[Tensor, "example pixel"], level: Float[Tensor, " example"]) -> Tensor:
    """A denoiser's input: noisy pictures, and sines and cosines of their noise levels."""
    angle = level[:, None] * 2 ** torch.linspace(0, 6, OCTAVES)
    return torch.cat([pictures, angle.sin(), angle.cos()], dim=1)


def noised(
    pictures: Float[Tensor, "example pixel"], level: Float[Tensor, " example"], generator: torch.Generator
) -> Float[Tensor, "example pixel"]:
    """Pictures with noise added at these levels, each from 0 (none) to 1."""
    left = signal(level)[:, None]
    noise = torch.randn(pictures.shape, generator=generator)
    return left * pictures + (1 - left**2).sqrt() * noise


def noisy_inputs(pictures: Float[Tensor, "example pixel"], n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Each picture n times, and a denoiser's inputs for it at random noise levels between `LOWEST` and `HIGHEST`."""
    generator = torch.Generator().manual_seed(seed)
    clean = pictures.repeat(n, 1)
    level = LOWEST + (HIGHEST - LOWEST) * torch.rand(len(clean), generator=generator)
    return clean, with_level(noised(clean, level, generator), level)


def train_denoiser(
    pictures: Float[Tensor, "example pixel"],
    *,
    width: int = 256,
    steps: int = 3000,
    sparsity: float = 0.0,
    batch: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
    report: Report = silent,
) -> Adopted:
    """A ReLU network with hidden layers at `SITES` that predicts clean pictures from noisy ones (arXiv 2006.11239).

    Args:
        pictures: With values from -1 to 1.
        sparsity: Weight of the mean activation in the loss, so that fewer neurons take part in each picture.
        lr: The highest learning rate, of one cycle.

    Example:
        >>> model = train_denoiser(torch.zeros(3, 4), width=8, steps=2)
        >>> [(site.hook, site.width) for site in model.neuron_sites()]
        [('2:input', 8), ('4:input', 8)]
    """
    generator = torch.Generator().manual_seed(seed)
    n_pixels = pictures.shape[1]
    shapes = [(n_pixels + 2 * OCTAVES, width), (width, width), (width, n_pixels)]
    first, second, last = (_linear(*shape, generator) for shape in shapes)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps + 1)
    for step in range(steps):
        clean = pictures[torch.randint(len(pictures), (batch,), generator=generator)]
        level = torch.rand(batch, generator=generator)
        one = torch.relu(first(with_level(noised(clean, level, generator), level)))
        two = torch.relu(second(one))
        loss = (last(two) - clean).square().mean() + sparsity * (one.mean() + two.mean())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cycle.step()
        if step % 50 == 0:
            report(step, f"loss {loss.item():.3f}")
    return adopt(network.requires_grad_(False).eval(), SITES)


def _linear(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """A layer with PyTorch's usual first weights, drawn from a generator of its own."""
    layer = nn.utils.skip_init(nn.Linear, n_inputs, n_outputs)
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias):
            tensor.uniform_(-(n_inputs**-0.5), n_inputs**-0.5, generator=generator)
    return layer


@torch.no_grad()
def generate(
    model: Callable[[Tensor], Tensor], n: int, n_pixels: int, *, steps: int = 25, seed: int = 0
) -> Float[Tensor, "sample pixel"]:
    """Pictures made from noise, step by step, without further noise (arXiv 2010.02502).

    The model maps `with_level`'s inputs to clean pictures with values from -1 to 1. The seed is that of the first
    noise, the same for every network; the steps lead from level 1 to 0.

    Example:
        >>> generate(lambda inputs: torch.full((len(inputs), 4), 0.5), 2, 4, steps=3).tolist()
        [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    """
    if steps < 1:
        raise ConfigError(f"steps={steps} is below 1")
    noisy = torch.randn(n, n_pixels, generator=torch.Generator().manual_seed(seed))
    for here, there in pairwise(torch.linspace(1, 0, steps + 1)):
        clean = model(with_level(noisy, here.expand(n))).clamp(-1, 1)
        noise = (noisy - signal(here) * clean) / (1 - signal(here) ** 2).sqrt()
        noisy = signal(there) * clean + (1 - signal(there) ** 2).sqrt() * noise
    return noisy
