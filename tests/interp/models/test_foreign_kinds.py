"""Networks that people wrap, compile and reparametrise: an ablation against neurons set to zero by a plain hook."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, weight_norm

from interp.errors import InterventionError
from interp.interventions import Edit, ablate, bake
from interp.models import adopt
from interp.modes import Zero

INPUTS = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def zeroed(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    output = output.clone()
    output[:, :2] = 0
    return output


class CompiledInside(nn.Module):
    """Calls its layers in a function that is compiled, and compiles another one; a DataParallel runs one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.DataParallel(nn.Sequential(nn.Linear(6, 8), nn.ReLU()))
        self.last = nn.Linear(8, 3)
        self.compiled = torch.compile(self.inside, backend="eager")

    def inside(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.compiled(x)


@pytest.mark.filterwarnings("ignore:Profiler record function")
def test_functions_that_are_compiled_run_as_they_were_written():
    network = CompiledInside()
    network(INPUTS)  # compiled before any hook is added
    model = adopt(network, "first.module.1", example=INPUTS)
    with ablate(model, [0, 1]):
        ablated = model(INPUTS)
    handle = network.first.module[1].register_forward_hook(zeroed)
    expected = network.inside(INPUTS)
    handle.remove()
    torch.testing.assert_close(ablated, expected)
    assert not torch.equal(expected, network(INPUTS))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    "made",
    [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal, weight_norm],
    ids=["weight norm", "spectral norm", "orthogonal", "weight norm of old"],
)
def test_layers_whose_weights_are_computed(made):
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    made(network[2])
    network.eval()
    model = adopt(network, "2:input", example=INPUTS)
    assert model.neuron_sites()[0].readout is not None
    with ablate(model, [0, 1]):
        ablated = model(INPUTS)
    ablated.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    handle = network[1].register_forward_hook(zeroed)
    expected = network(INPUTS)
    expected.square().sum().backward()
    handle.remove()
    torch.testing.assert_close(ablated, expected)
    torch.testing.assert_close(gradients, [parameter.grad for parameter in network.parameters()])
    with pytest.raises(InterventionError, match="computed anew in every forward pass"):
        bake(model, Edit("2:input", torch.tensor([0, 1]).numpy(), Zero()))
