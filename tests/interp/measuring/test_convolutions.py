"""Memory for the neurons of a convolution: examples are run some at a time, and too many are refused beforehand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interp.data import Dataset
from interp.errors import ConfigError
from interp.measuring import cached_pass as passes
from interp.measuring.effects import single_effects
from interp.models import adopt, adopted_runs

N = 300


class Images(nn.Module):
    """Counts the images that it is given at once; in the class, as what a network keeps is put back."""

    most = 0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        Images.most = max(Images.most, len(x))
        return self.fc(self.conv(x).relu().square().mean((2, 3)))


def examples() -> Dataset:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(N, 1, 8, 8, generator=generator)
    labels = torch.randint(3, (N,), generator=generator)
    none = torch.zeros(N, dtype=torch.bool)
    return Dataset(inputs, labels, labels, none, none, n_classes=3, split_known=False)


def test_a_convolution_is_run_some_examples_at_a_time(monkeypatch):
    network, data = Images(), examples()
    model = adopt(network, "conv", example=data.inputs[:2])
    whole = passes.cached_pass(model, data)
    expected = single_effects(whole)
    assert Images.most == N
    Images.most = 0
    monkeypatch.setattr(adopted_runs, "CHUNK", 70 * 144)  # numbers of 70 examples, 4 channels of 6 x 6
    monkeypatch.setattr(passes, "CHUNK_ELEMENTS", 50 * 147)
    cached = passes.cached_pass(model, data)
    assert cached.change.shape == (N, 6, 6, 4)
    torch.testing.assert_close(cached.logits, whole.logits)
    torch.testing.assert_close(cached.activations, whole.activations)
    for split, drop in single_effects(cached).accuracy_drop.items():
        assert (drop is None) == (expected.accuracy_drop[split] is None)
        assert drop is None or np.allclose(drop, expected.accuracy_drop[split])
    assert Images.most == 70


def test_too_many_images_are_run_in_parts_or_refused_before(monkeypatch):
    network, data = Images(), examples()
    model = adopt(network, "conv", example=data.inputs[:2])
    whole = single_effects(passes.cached_pass(model, data))
    monkeypatch.setattr("interp.measuring.logits.BLOCK", 2_000)
    monkeypatch.setattr("interp.measuring.evaluation.BLOCK", 2_000)
    monkeypatch.setattr(passes, "PART", 10_000)
    Images.most = 0
    monkeypatch.setenv(
        "GROKSCOPE_MEMORY", "200kb"
    )  # room for blocks of images, not for the conv's output on all
    effects = single_effects(passes.cached_pass(model, data)).accuracy_drop
    assert 0 < network.most < 100
    for split, drop in effects.items():
        assert drop is None or np.allclose(drop, whole.accuracy_drop[split])
    Images.most = 0
    monkeypatch.setenv("GROKSCOPE_MEMORY", "20kb")
    with pytest.raises(ConfigError, match="300 examples of 3 classes at 144 neurons needs about"):
        passes.cached_pass(model, data)
    assert Images.most == 2
