"""The axis that counts neurons, by the kind of module and by an example, against the tensors themselves."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from interp.models.axes import Axes, axes_by_kind, time_first
from interp.models.module_tensor import ModuleTensor

MODULES = {
    "linear": (nn.Linear(3, 5), (2, 7, 3)),
    "conv1d": (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv2d": (nn.Conv2d(4, 10, 3), (2, 4, 9, 8)),
    "conv3d": (nn.Conv3d(4, 10, 3), (2, 4, 9, 8, 7)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3), (2, 4, 9, 8)),
    "batch norm 2d": (nn.BatchNorm2d(4), (2, 4, 9, 8)),
    "batch norm 3d": (nn.BatchNorm3d(4), (2, 4, 9, 8, 7)),
    "instance norm 1d": (nn.InstanceNorm1d(4, affine=True), (2, 4, 9)),
    "instance norm 2d": (nn.InstanceNorm2d(4, affine=True), (2, 4, 9, 8)),
    "instance norm 3d": (nn.InstanceNorm3d(4, affine=True), (2, 4, 9, 8, 7)),
    "layer norm": (nn.LayerNorm(4), (2, 3, 4)),
    "rms norm": (nn.RMSNorm(4), (2, 3, 4)),
    "conv1d of transformers": (Conv1D(5, 3), (2, 7, 3)),
    "lstm": (nn.LSTM(3, 5, batch_first=True), (2, 7, 3)),
    "projected, both ways": (nn.LSTM(3, 5, proj_size=4, bidirectional=True, batch_first=True), (2, 7, 3)),
    "gru": (nn.GRU(3, 5, batch_first=True), (2, 7, 3)),
    "rnn": (nn.RNN(3, 5, batch_first=True), (2, 7, 3)),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("place", ["input", "output"])
@pytest.mark.parametrize(("module", "shape"), MODULES.values(), ids=MODULES)
def test_the_kind_of_module_tells_the_axis_of_its_neurons(module, shape, place):
    """Against the tensors themselves, whose axes all have different lengths."""
    seen, tensor = [], ModuleTensor.parse(f"m:{place}")
    handle = tensor.attach(module, lambda x: seen.append(x.shape) or x)
    module(torch.randn(shape))
    handle.remove()
    axes = axes_by_kind(module, tensor)
    assert axes.axis < 0
    assert seen[0][axes.axis] == axes.width
    assert seen[0].count(axes.width) == 1


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(
    ("module", "place", "width"),
    [
        (nn.LSTM(3, 5, 2, proj_size=4, bidirectional=True), "output[1]", 4),
        (nn.LSTM(3, 5, 2, proj_size=4, bidirectional=True), "output[1][0]", 4),
        (nn.LSTM(3, 5, 2, proj_size=4, bidirectional=True), "output[1][1]", 5),
        (nn.LSTM(3, 5, 2, bidirectional=True), "output[-1][-1]", 5),
        (nn.GRU(3, 5, 2, bidirectional=True), "output[1]", 5),
    ],
)
def test_a_recurrent_state_has_examples_second(module, place, width):
    seen, tensor = [], ModuleTensor.parse(f"m:{place}")
    tensor.attach(module, lambda x: seen.append(tuple(x.shape)) or x)
    module(torch.randn(7, 11, 3))
    axes = axes_by_kind(module, tensor)
    assert seen == [(4, 11, width)]
    assert (axes.width, axes.axis, axes.example_axis, axes.position) == (width, -1, 1, 3)


@pytest.mark.parametrize(
    ("module", "place", "axes"),
    [
        (nn.BatchNorm1d(4), "output", Axes(4, 1)),
        (nn.GroupNorm(2, 4), "input", Axes(4, 1)),
        (nn.Embedding(9, 4), "output", Axes(4, -1)),
        (nn.Embedding(9, 4), "input", Axes()),
        (nn.LayerNorm((3, 4)), "output", Axes()),
        (nn.ReLU(), "output", Axes()),
        (nn.MaxPool2d(2), "output", Axes(None, -3)),
        (nn.Dropout3d(), "input", Axes(None, -4)),
        (nn.ZeroPad2d(1), "output", Axes(None, -3)),
        (nn.AdaptiveAvgPool1d(1), "output", Axes(None, -2)),
        (nn.Sequential(nn.Linear(2, 2)), "output", Axes()),
        (nn.MultiheadAttention(6, 2), "output[0]", Axes(6, -1)),
        (nn.MultiheadAttention(6, 2), "output[1]", Axes()),
        (nn.MultiheadAttention(6, 2, kdim=3), "input.key", Axes()),
    ],
)
def test_what_other_kinds_tell(module, place, axes):
    assert axes_by_kind(module, ModuleTensor.parse(f"m:{place}")) == axes


@pytest.mark.parametrize(
    "axes", [Axes(), Axes(example_axis=1), Axes(order=(2, 0, 3, 1), merged=(5, 3)), Axes(order=(1, 0, 2, 3))]
)
def test_what_is_shown_can_be_restored(axes):
    tensor = torch.randn(2, 3, 4, 5)
    shown = axes.shown(tensor)
    assert torch.equal(axes.restored(shown), tensor)
    assert shown.ndim == (3 if axes.merged else 4)


def test_modules_that_put_time_first():
    layer = {"d_model": 4, "nhead": 2, "dim_feedforward": 8}
    for first in (False, True):
        built = [
            nn.LSTM(3, 4, batch_first=first),
            nn.GRU(3, 4, batch_first=first),
            nn.MultiheadAttention(4, 2, batch_first=first),
            nn.TransformerEncoderLayer(**layer, batch_first=first),
            nn.TransformerDecoderLayer(**layer, batch_first=first),
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(**layer, batch_first=first), 1, enable_nested_tensor=False
            ),
        ]
        assert [time_first(module) for module in built] == [not first] * len(built)
    assert not time_first(nn.Sequential(nn.LSTM(3, 4)))  # a user's own module may turn the axes around itself
