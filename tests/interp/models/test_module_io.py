"""Where tensors are found in what goes into and comes out of a submodule, and which of their axes counts neurons."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.pytorch_utils import Conv1D

from interp.errors import ConfigError, HookNameError
from interp.models.module_io import (
    Layout,
    Port,
    find,
    layout_of,
    learned_layout,
    leaves,
    logits_in,
    part,
    put,
    time_first,
)

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Frozen:
    """An output of a user's own kind."""

    hidden: Tensor
    note: str = "kept"


A, B, C = torch.zeros(2, 3), torch.ones(2, 4), torch.full((2, 5), 2.0)
CONTAINERS = {
    "tensor": (A, (), ()),
    "tuple": ((A, B), (), (0,)),
    "index": ((A, B), (1,), (1,)),
    "from the end": ([A, B, C], (-1,), (2,)),
    "nothing first": ((None, "text", B), (), (2,)),
    "nested": ((A, (B, C)), (1, 1), (1, 1)),
    "first in nested": ((A, (B, C)), (1,), (1, 0)),
    "named tuple": (Pair(A, B), ("right",), (1,)),
    "dict": ({"x": A, "y": B}, ("y",), ("y",)),
    "first of dict": ({"loss": None, "y": B}, (), ("y",)),
    "dict by number": (OrderedDict(x=A, y=B), (1,), ("y",)),
    "dataclass": (Frozen(B), (), ("hidden",)),
    "attribute": (Frozen(B), ("hidden",), ("hidden",)),
    "ModelOutput": (
        BaseModelOutputWithPooling(last_hidden_state=A, pooler_output=B),
        (1,),
        ("pooler_output",),
    ),
    "ModelOutput by name": (
        BaseModelOutputWithPooling(last_hidden_state=A, pooler_output=B),
        ("pooler_output",),
        ("pooler_output",),
    ),
    "what torch.max returns": (torch.max(C, 1), (), (0,)),
}


@pytest.mark.parametrize(("value", "steps", "full"), CONTAINERS.values(), ids=CONTAINERS)
def test_finds_a_tensor_and_puts_another_in_its_place(value, steps, full):
    found = find(value, steps)
    assert found == full
    before, new = dict(leaves(value)), torch.full((1,), 9.0)
    changed = put(value, found, new)
    assert part(changed, found) is new
    assert type(changed) is (Tensor if value is A else type(value))
    after = dict(leaves(changed))
    assert list(after) == list(before)
    assert all(after[place] is before[place] for place in before if place != found)
    assert dict(leaves(value)) == before  # the user's own container is as it was
    if isinstance(value, BaseModelOutputWithPooling):
        assert changed["pooler_output"] is changed.pooler_output is changed[1] is new
    if isinstance(value, Frozen):
        assert changed.note == "kept"


@pytest.mark.parametrize("steps", [(2,), (-3,), ("x",), (0, 0), (0, "absent")])
def test_finds_nothing_where_nothing_is(steps):
    assert find((A, B), steps) is None
    assert find(None, ()) is find(("text", 3), ()) is find({"x": None}, ("x",)) is None


@pytest.mark.parametrize(
    ("name", "port", "full"),
    [
        ("layer1.0.conv1", Port("layer1.0.conv1", "output"), "layer1.0.conv1:output"),
        ("a.b:input", Port("a.b", "input"), "a.b:input"),
        (":output", Port("", "output"), ":output"),
        ("lstm:output[1][-1]", Port("lstm", "output", (1, -1)), "lstm:output[1][-1]"),
        ("x:input.mask", Port("x", "input", ("mask",)), "x:input.mask"),
        ("x:output.states[3].key", Port("x", "output", ("states", 3, "key")), "x:output.states[3].key"),
    ],
)
def test_names(name, port, full):
    assert Port.parse(name) == port
    assert str(port) == full
    assert Port.parse(full) == port


@pytest.mark.parametrize(
    "place", ["outptu", "", "output[", "output[a]", "inputs", "output@3", "output.", "output[1"]
)
def test_a_port_of_another_name_is_an_error_that_says_what_there_is(place):
    with pytest.raises(
        HookNameError, match=r"neither input nor output; write fc:input, fc:output, fc:output\[1\]"
    ):
        Port.parse(f"fc:{place}")


class Mixed(nn.Module):
    """Takes its tensors in every way there is."""

    def forward(
        self, x: Tensor, scale: float, *, mask: Tensor | None = None, **others: Tensor
    ) -> dict[str, Any]:
        return {"x": x, "scale": scale, "mask": mask, **others}


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ("input", {"x"}),
        ("input[0]", {"x"}),
        ("input.x", {"x"}),
        ("input.mask", {"mask"}),
        ("input[2]", {"mask"}),
        ("input.extra", {"extra"}),
        ("output", {"x"}),
        ("output.extra", {"extra"}),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_one_input_or_output_is_changed_however_it_is_passed(place, keys, by_name):
    module, port, seen = Mixed(), Port.parse(f"m:{place}"), []

    def change(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor + 100

    handle = port.attach(module, change)
    args, kwargs = ((), {"x": A, "scale": 2.0}) if by_name else ((A, 2.0), {})
    output = module(*args, **kwargs, mask=B, extra=C)
    handle.remove()
    given = {"x": A, "mask": B, "extra": C}
    assert output["scale"] == 2.0
    for key, tensor in given.items():
        assert torch.equal(output[key], tensor + 100 * (key in keys)), key
    assert len(seen) == 1
    assert not module._forward_hooks
    assert not module._forward_pre_hooks


@pytest.mark.parametrize("place", ["input", "output", "input.mask"])
def test_what_is_left_alone_is_handed_on_as_it_is(place):
    module, given = Mixed(), []
    Port.parse(f"m:{place}").attach(module, lambda tensor: tensor)
    module.register_forward_pre_hook(lambda _, args, kwargs: given.append((args, kwargs)), with_kwargs=True)
    module(A, 1.0, mask=B)
    assert given[0][0][0] is A
    assert given[0][1]["mask"] is B


def test_a_tensor_passed_several_times_is_one_input():
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = torch.randn(3, 5, 4)
    doubled = 2 * x
    expected = attention(doubled, doubled, doubled)[0]
    Port.parse("attn:input").attach(attention, lambda tensor: 2 * tensor)
    torch.testing.assert_close(attention(x, x, x)[0], expected, rtol=0, atol=0)


def test_only_the_named_one_of_several_is_changed():
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = torch.randn(3, 5, 4)
    expected = attention(x, 2 * x, x)[0]
    Port.parse("attn:input.key").attach(attention, lambda tensor: 2 * tensor)
    torch.testing.assert_close(attention(x, x, x)[0], expected)


def test_a_missing_tensor_is_an_error_that_lists_what_there_is():
    lstm = nn.LSTM(3, 4, batch_first=True)
    Port.parse("lstm:output[2]").attach(lstm, lambda tensor: tensor)
    with pytest.raises(
        HookNameError, match=r"is a tuple with lstm:output\[0\], lstm:output\[1\]\[0\], lstm:output\[1\]\[1\]"
    ):
        lstm(torch.randn(2, 5, 3))
    module = nn.Identity()
    Port.parse("id:input.mask").attach(module, lambda tensor: tensor)
    with pytest.raises(
        HookNameError, match=r"no tensor at 'id:input.mask'; the input of 'id' is a dict with id:input\[0\]"
    ):
        module(A)


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
    seen, port = [], Port.parse(f"m:{place}")
    handle = port.attach(module, lambda tensor: seen.append(tensor.shape) or tensor)
    module(torch.randn(shape))
    handle.remove()
    layout = layout_of(module, port)
    assert layout.axis < 0
    assert seen[0][layout.axis] == layout.width
    assert seen[0].count(layout.width) == 1
    learned = learned_layout("m", layout, tuple(seen[0]), -1)
    assert (learned.width, learned.axis) == (layout.width, layout.axis)


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
    seen, port = [], Port.parse(f"m:{place}")
    port.attach(module, lambda tensor: seen.append(tuple(tensor.shape)) or tensor)
    module(torch.randn(7, 11, 3))
    layout = layout_of(module, port)
    assert seen == [(4, 11, width)]
    assert (layout.width, layout.axis, layout.example_axis, layout.position) == (width, -1, 1, 3)


@pytest.mark.parametrize(
    ("module", "place", "layout"),
    [
        (nn.BatchNorm1d(4), "output", Layout(4, 1)),
        (nn.GroupNorm(2, 4), "input", Layout(4, 1)),
        (nn.Embedding(9, 4), "output", Layout(4, -1)),
        (nn.Embedding(9, 4), "input", Layout()),
        (nn.LayerNorm((3, 4)), "output", Layout()),
        (nn.ReLU(), "output", Layout()),
        (nn.Sequential(nn.Linear(2, 2)), "output", Layout()),
        (nn.MultiheadAttention(6, 2), "output[0]", Layout(6, -1)),
        (nn.MultiheadAttention(6, 2), "output[1]", Layout()),
        (nn.MultiheadAttention(6, 2, kdim=3), "input.key", Layout()),
    ],
)
def test_what_other_kinds_tell(module, place, layout):
    assert layout_of(module, Port.parse(f"m:{place}")) == layout


@pytest.mark.parametrize(
    ("layout", "shape", "readout", "expected"),
    [
        (Layout(), (2, 5), -1, Layout(5, -1)),
        (Layout(), (2, 7, 5), -1, Layout(5, -1, 0, 6, 7)),
        (Layout(), (2, 7, 5), 2, Layout(5, -1, 0, 2, 7)),
        (Layout(), (2, 7, 5), 7, Layout(5, -1, 0, None, 7)),
        (Layout(), (2, 5, 8, 9), -1, Layout(5, -3)),
        (Layout(), (2, 5, 8, 9, 7), -1, Layout(5, -4)),
        (Layout(5, -1), (2, 8, 9, 5), -1, Layout(5, -1)),
        (Layout(5, 1), (2, 5), -1, Layout(5, -1)),
        (Layout(5, 1), (2, 5, 9), -1, Layout(5, -2)),
        (Layout(5, 1), (2, 5, 9, 8), -1, Layout(5, -3)),
        (Layout(5, -1, 1, 3), (2, 4, 5), -1, Layout(5, -1, 1, 3, 4)),
    ],
)
def test_an_example_tells_the_rest(layout, shape, readout, expected):
    assert learned_layout("m", layout, shape, readout) == expected


@pytest.mark.parametrize(
    ("layout", "shape", "message"),
    [
        (Layout(), (2,), r"'m' has shape \(2,\); expected examples first"),
        (Layout(), (2, 3, 4, 5, 6, 7), "at most 5 axes"),
        (Layout(4, -3), (4, 8, 8), "expected examples first"),
        (Layout(4, -1), (2, 3), r"axis -1 should count its 4 neurons"),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(layout, shape, message):
    with pytest.raises(ConfigError, match=message):
        learned_layout("m", layout, shape, -1)


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


def test_logits_from_what_networks_return():
    positions = torch.arange(24.0).reshape(2, 3, 4)
    for output in (
        positions[:, 1],
        positions,
        (positions, A),
        [positions],
        {"loss": None, "logits": positions},
        BaseModelOutputWithPooling(last_hidden_state=positions, pooler_output=A),
    ):
        assert torch.equal(logits_in(output, 1, None), positions[:, 1])
        assert torch.equal(logits_in(output, -2, 3), positions[:, 1, :3])


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "returns a NoneType with no tensors; expected logits"),
        ({"embedding": A}, r"returns a dict with .embedding; expected logits. Pass forward=lambda"),
        (torch.zeros(2, 3, 4, 5), r"shape \(2, 3, 4, 5\); expected \(example, output\)"),
        (torch.zeros(2), r"shape \(2,\)"),
        (torch.zeros(2, 5, 3), r"readout=7 is none of the output's 5 positions"),
    ],
)
def test_an_output_without_logits_is_an_error(output, message):
    with pytest.raises(ConfigError, match=message):
        logits_in(output, 7, None)
    with pytest.raises(ConfigError, match="at least 4 outputs"):
        logits_in(A, -1, 4)
