"""State between calls: carried by plain calls, and put back by what measures."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from interp.hooks import evaluation_mode, hooked
from interp.models.carried_state import CarriedState, kept_state

INPUTS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Keeper(nn.Module):
    """Keeps state in every way that modules do."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.readout = kind, nn.Linear(4, 3)
        self.register_buffer("memory", torch.zeros(1, 4), persistent=False)
        self.attribute: Tensor | None = None
        self.slots: Any = deque(maxlen=2)
        self.named: dict[str, Tensor] = {}
        self.calls, self._private = 0, torch.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "buffer":
            before = self.memory
            self.memory = 0.5 * before.mean(0, keepdim=True) + x
        elif self.kind == "in place":
            before = self.memory.clone()
            self.memory += x.mean(0)
        elif self.kind == "attribute":
            before = torch.zeros(1, 4) if self.attribute is None else self.attribute
            self.attribute = before + x.mean(0)
        elif self.kind == "queue":
            before = sum(self.slots, torch.zeros(1, 4))
            self.slots.append(x.mean(0, keepdim=True))
        elif self.kind == "dictionary":
            before = self.named.get("last", torch.zeros(1, 4))
            self.named["last"] = before + x.mean(0)
        elif self.kind == "private":
            before = self._private
            self._private = before + x.mean()
        else:
            before = torch.full((1, 4), float(self.calls))
            self.calls += 1
        return self.readout(interp.tap("hidden", x + before, loop=None))


KINDS = ("buffer", "in place", "attribute", "queue", "dictionary", "private", "number")


@pytest.mark.parametrize("kind", KINDS)
def test_calls_carry_state_and_measuring_puts_it_back(kind: str) -> None:
    plain = Keeper(kind)
    model = interp.adopt(Keeper(kind), "tap:hidden", example=INPUTS)
    assert len(model.stateful or ()) == 1
    assert "keeps state between calls" in model.notes[0]
    before = interp.capture(model, INPUTS, "tap:hidden")["tap:hidden"]
    assert torch.equal(before, interp.capture(model, INPUTS, "tap:hidden")["tap:hidden"])
    with torch.no_grad():
        expected = [plain(INPUTS), plain(2 * INPUTS), plain(INPUTS)]
        with hooked(model, {"tap:hidden": lambda x: x.clone()}):
            assert torch.equal(model(INPUTS), expected[0])
        interp.capture(model, INPUTS, "tap:hidden")  # in between, which changes nothing
        carried = interp.capture(model, 2 * INPUTS, "tap:hidden", carry=True)["tap:hidden"]
        torch.testing.assert_close(model.module.readout(carried), expected[1])
        torch.testing.assert_close(model(INPUTS), expected[2])
    assert not torch.equal(expected[0], expected[2])


def test_batches_of_a_measurement_start_from_the_same_state() -> None:
    model = interp.adopt(Keeper("buffer"), "tap:hidden", example=INPUTS)
    one = interp.capture(model, INPUTS, "tap:hidden", batch_size=2)["tap:hidden"]
    assert torch.equal(one, interp.capture(model, INPUTS, "tap:hidden")["tap:hidden"])
    with pytest.raises(interp.GrokscopeError, match="leave out batch_size"):
        interp.capture(model, INPUTS, "tap:hidden", batch_size=2, carry=True)


def test_removals_start_from_the_present_state_and_leave_it() -> None:
    model = interp.adopt(Keeper("attribute"), "tap:hidden", example=INPUTS)
    with torch.no_grad():
        model(INPUTS)
    state = model.module.attribute
    with evaluation_mode(model):
        labels = model(INPUTS).argmax(1)
    task = interp.TableTask.from_arrays(INPUTS.numpy(), labels.numpy(), train=np.arange(5) < 3)
    removal = interp.remove(model, task, [0, 1], n_random=2)
    assert removal.before.all == 1.0
    with torch.no_grad():
        hidden = INPUTS + state
        hidden[:, :2] = 0
        after = (model.module.readout(hidden).argmax(1) == labels).float().mean()
    assert removal.after.all == pytest.approx(float(after))
    assert model.module.attribute is state


def test_an_error_in_a_call_puts_state_back() -> None:
    model = interp.adopt(Keeper("in place"), "tap:hidden", example=INPUTS)

    def fail(_: Tensor) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), evaluation_mode(model), hooked(model, {"tap:hidden": fail}):
        model(INPUTS)
    assert not model.module.memory.any()


def test_a_network_without_state_says_nothing() -> None:
    model = interp.adopt(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "0", example=INPUTS)
    assert model.stateful == ()
    assert not model.notes


def test_what_is_new_is_taken_away_and_tensors_stay_the_same_objects() -> None:
    module = Keeper("attribute")
    module.attribute = torch.ones(2, 4)
    kept = module.attribute
    state = CarriedState.of(module)
    module.attribute.mul_(3)
    module.extra = torch.ones(1)
    module.slots.append(torch.ones(1))
    assert sorted(state.changed(module)) == ["attribute", "extra", "slots"]
    state.restore(module)
    assert module.attribute is kept
    assert torch.equal(kept, torch.ones(2, 4))
    assert not hasattr(module, "extra")
    assert not module.slots
    assert module.slots.maxlen == 2
    with kept_state(module):
        module.calls += 5
    assert module.calls == 0


def test_what_is_changed_through_data_or_was_made_in_inference_mode_is_put_back() -> None:
    module = Keeper("attribute")
    with torch.inference_mode():
        module.attribute = torch.ones(2, 4)
    module.named["nan"] = torch.full((2,), torch.nan)
    state = CarriedState.of(module)
    assert not state.changed(module)
    memory = module._buffers["memory"]
    assert memory is not None
    memory.data.add_(1)
    with torch.inference_mode():
        module.attribute.mul_(3)
    assert sorted(state.changed(module)) == ["attribute", "memory"]
    state.restore(module)
    assert module._buffers["memory"] is memory
    assert not memory.any()
    assert torch.equal(module.attribute, torch.ones(2, 4))
