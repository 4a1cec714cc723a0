"""Named taps: what the network's own code declares, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import interp
from interp.errors import ConfigError, HookNameError
from interp.models.taps import listening

INPUTS = torch.arange(12.0).reshape(2, 6)


class Slots(nn.Module):
    """Logits from a memory with one slot for each input, whose tap is written as the test wants it."""

    def __init__(self, axes: str = "example slot neuron", loop: str | None = None, calls: int = 1) -> None:
        super().__init__()
        self.axes, self.loop, self.calls = axes, loop, calls
        self.readout = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        memory = x.reshape(len(x), 2, 3)
        for _ in range(self.calls):
            memory = interp.tap("memory", memory, self.axes, loop=self.loop) + 0.0
        return self.readout(memory.sum(1))


def test_a_tap_is_the_tensor_itself_where_nothing_listens() -> None:
    value = torch.ones(2, 3)
    assert interp.tap("anything at all", value) is value


def test_axes_are_those_that_the_tap_names_and_units_may_be_others_than_neurons() -> None:
    model = interp.adopt(Slots(), ["tap:memory", "tap:memory[slot]"], example=INPUTS)
    neurons, slots = model.neuron_sites()
    assert (neurons.width, neurons.axis, neurons.axes) == (3, -1, ("example", "slot", "neuron"))
    assert (slots.width, slots.axis, slots.axes_neurons_last) == (2, -2, ("example", "neuron", "slot"))
    with torch.no_grad(), interp.ablate(model, [1], site="tap:memory[slot]"):
        logits = model(INPUTS)
    torch.testing.assert_close(logits, model.module.readout(INPUTS[:, :3]).detach())


def test_calls_become_the_axis_that_the_tap_names() -> None:
    model = interp.adopt(Slots(loop="segment", calls=4), "tap:memory", example=INPUTS)
    (site,) = model.neuron_sites()
    assert site.axes == ("example", "segment", "slot", "neuron")
    assert interp.capture(model, INPUTS, "tap:memory")["tap:memory"].shape == (2, 4, 2, 3)
    assert site.position == 3  # the last segment


@pytest.mark.parametrize(
    ("module", "site", "message"),
    [
        (Slots("example slot"), "tap:memory", "shape .2, 2, 3., but names 2 axes"),
        (Slots("slot example neuron"), "tap:memory", "expected example first"),
        (Slots("example slot slot"), "tap:memory", "each name once"),
        (Slots(calls=2), "tap:memory", "is called 2 times in one forward pass and says loop=None"),
        (
            Slots(),
            "tap:memory[head]",
            "no axis 'head' that could count units; its axes are example slot neuron",
        ),
        (Slots(), "tap:memory[example]", "no axis 'example' that could count units"),
        (Slots(), "tap:state", "called no tap of the name 'state'"),
    ],
)
def test_what_does_not_fit_is_refused(module: nn.Module, site: str, message: str) -> None:
    with pytest.raises((ConfigError, HookNameError), match=message):
        interp.adopt(module, site, example=INPUTS)


def test_taps_need_an_example() -> None:
    with pytest.raises(ConfigError, match="pass example="):
        interp.adopt(Slots(), "tap:memory")


@pytest.mark.parametrize("name", ["", "a b", "input", "output", "3"])
def test_names_that_no_site_can_have_are_refused(name: str) -> None:
    with (
        listening(lambda call, value: value),
        pytest.raises(ConfigError, match="has no name that sites can have"),
    ):
        interp.tap(name, torch.ones(1, 2))


def test_shared_tensors_say_how_they_can_be_tapped() -> None:
    class Shared(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            weights = interp.tap("weights", torch.ones(3, 2), "row neuron", loop=None)
            return x[:, :3] @ weights

    with pytest.raises(ConfigError, match=r"value.expand\(len\(inputs\)"):
        interp.adopt(Shared(), "tap:weights", example=INPUTS)


def test_two_taps_of_one_name_must_agree() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = interp.tap("x", x, "example neuron", loop="time")
            return interp.tap("x", x.reshape(len(x), 2, 3), "example slot neuron", loop="time").sum(1)

    with pytest.raises(HookNameError, match="two taps are called 'x'"):
        interp.adopt(Two(), "tap:x", example=INPUTS)


def test_taps_work_in_functional_calls_and_gradients_flow() -> None:
    class Hyper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emit, self.target = nn.Linear(6, 12), nn.Linear(6, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            weights = self.emit(x.mean(0, keepdim=True)).reshape(1, 2, 6)
            weights = interp.tap("weights", weights.expand(len(x), 2, 6), "example output neuron", loop=None)[
                0
            ]
            return torch.func.functional_call(self.target, {"weight": weights}, (x,))

    module = Hyper()
    model = interp.adopt(module, "tap:weights", example=INPUTS)
    with interp.ablate(model, [0, 1, 2], site="tap:weights"):
        logits = model(INPUTS)
        logits.sum().backward()
    weights = module.emit(INPUTS.mean(0)).reshape(2, 6)
    torch.testing.assert_close(logits, INPUTS[:, 3:] @ weights[:, 3:].T)
    assert module.emit.weight.grad is not None
    assert module.emit.weight.grad.reshape(2, 6, 6)[:, :3].abs().max() == 0
    assert module.emit.weight.grad.reshape(2, 6, 6)[:, 3:].abs().max() > 0
