"""Scikit-learn's handwritten digits, as several studies take them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def shuffled_digits(
    generator: torch.Generator,
) -> tuple[Float[Tensor, "image pixel"], Int[Tensor, " image"]]:
    """All 1,797 images in random order, pixels from 0 to 1, and their digits.

    Example:
        >>> images, digits = shuffled_digits(torch.Generator().manual_seed(0))
        >>> images.shape, float(images.max()), len(digits.unique())
        (torch.Size([1797, 64]), 1.0, 10)
    """
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    order = torch.randperm(len(digits), generator=generator)
    return torch.tensor(images, dtype=torch.float32)[order] / 16, torch.tensor(digits)[order]
