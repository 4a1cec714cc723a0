"""Names of submodules' inputs and outputs, and changes to them however they are passed."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from interp.errors import HookNameError
from interp.models.module_tensor import ModuleTensor

A, B, C = torch.zeros(2, 3), torch.ones(2, 4), torch.full((2, 5), 2.0)


@pytest.mark.parametrize(
    ("name", "tensor", "full"),
    [
        ("layer1.0.conv1", ModuleTensor("layer1.0.conv1", "output"), "layer1.0.conv1:output"),
        ("a.b:input", ModuleTensor("a.b", "input"), "a.b:input"),
        (":output", ModuleTensor("", "output"), ":output"),
        ("lstm:output[1][-1]", ModuleTensor("lstm", "output", (1, -1)), "lstm:output[1][-1]"),
        ("x:input.mask", ModuleTensor("x", "input", ("mask",)), "x:input.mask"),
        (
            "x:output.states[3].key",
            ModuleTensor("x", "output", ("states", 3, "key")),
            "x:output.states[3].key",
        ),
    ],
)
def test_names(name, tensor, full):
    assert ModuleTensor.parse(name) == tensor
    assert str(tensor) == full
    assert ModuleTensor.parse(full) == tensor


@pytest.mark.parametrize(
    "place", ["outptu", "", "output[", "output[a]", "inputs", "output@3", "output.", "output[1"]
)
def test_a_port_of_another_name_is_an_error_that_says_what_there_is(place):
    with pytest.raises(
        HookNameError, match=r"neither input nor output; write fc:input, fc:output, fc:output\[1\]"
    ):
        ModuleTensor.parse(f"fc:{place}")


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
    module, tensor, seen = Mixed(), ModuleTensor.parse(f"m:{place}"), []

    def change(x: Tensor) -> Tensor:
        seen.append(x)
        return x + 100

    handle = tensor.attach(module, change)
    args, kwargs = ((), {"x": A, "scale": 2.0}) if by_name else ((A, 2.0), {})
    output = module(*args, **kwargs, mask=B, extra=C)
    handle.remove()
    given = {"x": A, "mask": B, "extra": C}
    assert output["scale"] == 2.0
    for key, value in given.items():
        assert torch.equal(output[key], value + 100 * (key in keys)), key
    assert len(seen) == 1
    assert not module._forward_hooks
    assert not module._forward_pre_hooks


@pytest.mark.parametrize("place", ["input", "output", "input.mask"])
def test_what_is_left_alone_is_handed_on_as_it_is(place):
    module, given = Mixed(), []
    ModuleTensor.parse(f"m:{place}").attach(module, lambda x: x)
    module.register_forward_pre_hook(lambda _, args, kwargs: given.append((args, kwargs)), with_kwargs=True)
    module(A, 1.0, mask=B)
    assert given[0][0][0] is A
    assert given[0][1]["mask"] is B


def test_a_tensor_passed_several_times_is_one_input():
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = torch.randn(3, 5, 4)
    doubled = 2 * x
    expected = attention(doubled, doubled, doubled)[0]
    ModuleTensor.parse("attn:input").attach(attention, lambda x: 2 * x)
    torch.testing.assert_close(attention(x, x, x)[0], expected, rtol=0, atol=0)


def test_only_the_named_one_of_several_is_changed():
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = torch.randn(3, 5, 4)
    expected = attention(x, 2 * x, x)[0]
    ModuleTensor.parse("attn:input.key").attach(attention, lambda x: 2 * x)
    torch.testing.assert_close(attention(x, x, x)[0], expected)


def test_a_missing_tensor_is_an_error_that_lists_what_there_is():
    lstm = nn.LSTM(3, 4, batch_first=True)
    ModuleTensor.parse("lstm:output[2]").attach(lstm, lambda x: x)
    with pytest.raises(
        HookNameError, match=r"is a tuple with lstm:output\[0\], lstm:output\[1\]\[0\], lstm:output\[1\]\[1\]"
    ):
        lstm(torch.randn(2, 5, 3))
    module = nn.Identity()
    ModuleTensor.parse("id:input.mask").attach(module, lambda x: x)
    with pytest.raises(
        HookNameError, match=r"no tensor at 'id:input.mask'; the input of 'id' is a dict with id:input\[0\]"
    ):
        module(A)
