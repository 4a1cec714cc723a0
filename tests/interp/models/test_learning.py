"""Networks for which a hook or an edit would do something else than it says: an error, or a note."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from interp.errors import ConfigError, HookNameError, InterventionError
from interp.hooks import capture
from interp.interventions import Edit, ablate, bake, intervene
from interp.models import adopt
from interp.modes import Zero

TOKENS = torch.randint(9, (6, 2), generator=torch.Generator().manual_seed(0))
ROWS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Broadcasting(nn.Module):
    """A table of two positions, to which a single token is broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.places = nn.Embedding(9, 16), nn.Parameter(torch.randn(2, 16))
        self.wide, self.act, self.out = nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.wide(self.embed(x) + self.places)).cumsum(1))


def test_a_shorter_run_that_is_padded_tells_nothing():
    site = adopt(Broadcasting(), "act", example=TOKENS).neuron_sites()[0]
    assert (site.position, site.layout) == (1, "(example, position, neuron)")


class Groups(nn.Module):
    """As many groups of units as there are inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.units, self.out = nn.Linear(4, 32), nn.Identity(), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.units(self.first(x.float()).relu().view(-1, 4, 8)).flatten(1))


def test_groups_are_no_positions():
    model = adopt(Groups(), "units", example=torch.randint(0, 5, (6, 4)))
    assert model.neuron_sites()[0].width == 32
    assert "4 × 8" in model.notes[0]


class Functional(nn.Module):
    """Uses an embedding's weights once more, as the readout."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Embedding(9, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.embed(x).sum(1)) @ self.embed.weight.T


def test_weights_that_are_used_twice_are_not_edited():
    model = adopt(Functional(), ["embed", "fc"], example=TOKENS)
    with pytest.raises(InterventionError, match="are used elsewhere in the network too"):
        bake(model, Edit("embed:output", np.array([1]), Zero()))
    edited = bake(model, Edit("fc:output", np.array([1]), Zero()))
    with ablate(model, [1], site="fc:output"):
        torch.testing.assert_close(edited(TOKENS), model(TOKENS))


def test_weights_of_another_axis_are_not_edited():
    network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3), nn.Flatten(), nn.Linear(24, 2))
    model = adopt(network, "2:input", example=torch.randn(6, 8, 5), axis=1)
    assert model.neuron_sites()[0].width == 8
    with pytest.raises(InterventionError, match="on another axis than the weights"):
        bake(model, Edit("2:input", np.array([1]), Zero()))


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        self.act(h)
        return self.last(h)


def test_a_result_that_is_dropped_is_noted():
    assert any(
        "do not depend on 'act:output'" in note for note in adopt(InPlace(), "act", example=ROWS).notes
    )
    with pytest.raises(ConfigError, match="does not go on with what takes the place of 'act:input'"):
        adopt(InPlace(), "act:input", example=ROWS)


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.first(x)))  # always on


def test_a_random_network_is_noted():
    model = adopt(Random(), "first", example=ROWS)
    assert model.random
    assert model.notes == (
        "the network is not deterministic: it answers the same examples otherwise when it is run again",
    )


class FirstPosition(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Embedding(9, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.embed(x)[:, 0])


def test_the_position_that_decides_is_noted():
    model = adopt(FirstPosition(), "embed", example=TOKENS)
    assert model.notes == ("embed:output is scored at position 0, the only one that the answers depend on",)
    assert model.neuron_sites()[0].position == 0


def test_channels_are_no_positions_by_name():
    network = nn.Sequential(nn.Conv1d(3, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    x = torch.randn(6, 3, 8)
    model = adopt(network, "0", example=x)
    with pytest.raises(HookNameError, match="the neurons at '0:output' have no positions"):
        capture(model, x, "0:output@2")
    with (
        pytest.raises(HookNameError, match="have no positions"),
        intervene(model, Edit("0:output@2", np.array([1]), Zero())),
    ):
        pass


class OwnCheckpoint(torch.autograd.Function):
    """Runs its function again in the backward pass, as PyTorch's does."""

    @staticmethod
    def forward(ctx, run, x):
        ctx.run = run
        ctx.save_for_backward(x)
        with torch.no_grad():
            return run(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            ctx.run(x).backward(gradient)
        return None, x.grad


class OwnCheckpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.block = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return OwnCheckpoint.apply(self.block, self.first(x))


def test_checkpointing_of_another_kind_is_refused_where_gradients_are_wanted():
    model = adopt(OwnCheckpointed(), "block.1", example=ROWS)
    with ablate(model, [0]):
        with torch.no_grad():
            assert model(ROWS).shape == (6, 3)
        with pytest.raises(ConfigError, match="as under activation checkpointing"):
            model(ROWS)
    for parameter in model.module.block.parameters():
        parameter.requires_grad_(False)
    with ablate(model, [0]):
        assert model(ROWS).shape == (6, 3)  # frozen: nothing is lost


class Turned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(9, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.embed(x)).transpose(0, 1)


def test_an_output_with_positions_first_needs_an_example():
    network, x = Turned(), torch.randint(0, 9, (6, 3))
    with pytest.raises(ConfigError, match="pass example="):
        adopt(network, "out:input")(x)
    model = adopt(network, "out:input", example=x)
    for n in (1, 3, 6):  # as many as there are positions, too
        torch.testing.assert_close(model(x[:n]), network.out(network.embed(x[:n]))[:, -1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_outputs": 0}, "n_outputs=0 is no number of classes"),
        ({"n_outputs": True}, "n_outputs=True"),
        ({"axis": (-1, 1)}, "each once"),
        ({"output": "9" * 5000}, "is no index and no name"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        adopt(InPlace(), "first", example=ROWS, **settings)


def test_inputs_of_one_axis():
    network = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    assert adopt(network, "1:input", example=torch.arange(5)).neuron_sites()[0].width == 4
