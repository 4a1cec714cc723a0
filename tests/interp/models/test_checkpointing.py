"""Gradients through hooks in networks with activation checkpointing, against the same networks without it."""

import threading

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.utils import checkpoint

from interp.errors import ConfigError
from interp.hooks import hooked
from interp.interventions import ablate
from interp.models import adopt
from interp.models.checkpointing import OTHER, REENTRANT, without_checkpointing

INPUTS = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self, how: object) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 3)
        self.block: nn.Module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6))
        self.how = how
        if how == "wrapper":
            self.block = checkpoint_wrapper(self.block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if self.how == "sequential":
            x = checkpoint.checkpoint_sequential(self.block, 2, x, use_reentrant=False)
        elif isinstance(self.how, bool):
            x = checkpoint.checkpoint(self.block, x, use_reentrant=self.how)
        else:
            x = self.block(x)
        return self.head(torch.relu(x))


def gradients(how, change):
    network = Net(how)
    site = next(name for name, module in network.named_modules() if isinstance(module, nn.Tanh))
    model = adopt(network, [site], example=INPUTS)
    if change == "ablate":
        with ablate(model, [0, 1, 2, 3]):
            loss = model(INPUTS).logsumexp(1).sum()
    else:
        half = lambda x, hook: x * torch.tensor([0.0] * 4 + [2.0] * 4)  # noqa: E731
        loss = model.run_with_hooks(INPUTS, fwd_hooks=[(f"{site}:output", half)]).logsumexp(1).sum()
    loss.backward()
    return [parameter.grad for parameter in network.parameters()]


@pytest.mark.parametrize("change", ["ablate", "hook"])
@pytest.mark.parametrize("how", [True, False, "sequential", "wrapper"])
def test_gradients_are_those_without_checkpointing(how, change):
    expected = gradients(None, change)
    assert all(map(torch.equal, gradients(how, change), expected))
    assert any((gradient == 0).any() for gradient in expected)


def test_without_hooks_a_network_is_checkpointed_as_before():
    model, names = adopt(Net(True), ["block.1"], example=INPUTS), set()
    rest = [model(INPUTS).grad_fn]
    while rest:
        node = rest.pop()
        names.add(type(node).__name__)
        rest += [below for below, _ in node.next_functions if below is not None]
    assert "CheckpointFunctionBackward" in names


def test_it_is_turned_on_again_whatever_happens():
    own = [getattr(checkpoint, OTHER), getattr(checkpoint, REENTRANT).apply]
    block = without_checkpointing()
    with pytest.raises(ZeroDivisionError), block:
        raise ZeroDivisionError
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with without_checkpointing():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with without_checkpointing():
        thread.start()
        entered.wait(10)
    assert getattr(checkpoint, OTHER) is not own[0]  # the other one is still inside
    leave.set()
    thread.join()
    assert [getattr(checkpoint, OTHER), getattr(checkpoint, REENTRANT).apply] == own


def test_a_pytorch_that_has_it_elsewhere(monkeypatch):
    monkeypatch.delattr(checkpoint, OTHER)
    model = adopt(Net(None), ["block.1"])
    hooks = hooked(model, {"block.1:output": lambda x: None})
    with pytest.raises(ConfigError, match="activation checkpointing cannot be turned off"), hooks:
        pass


@pytest.mark.parametrize("kind", ["lazy", "meta"])
def test_modules_without_values(kind):
    network = (
        nn.Sequential(nn.LazyLinear(4)) if kind == "lazy" else nn.Sequential(nn.Linear(3, 4, device="meta"))
    )
    with pytest.raises(ConfigError, match=r"0\.weight.*(lazy layer|'meta')"):
        adopt(network, "0")
