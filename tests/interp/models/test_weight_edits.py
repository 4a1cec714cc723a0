"""Absorbing a scale and a shift, against a hook that scales and shifts, and against weights edited by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from transformers.pytorch_utils import Conv1D

from interp.errors import InterventionError
from interp.models.axes import axes_by_kind
from interp.models.module_tensor import ModuleTensor
from interp.models.weight_edits import absorbed, editable_sides, linear_readout

IMAGES, TOKENS = (3, 4, 6, 5), (3, 7)
LAYERS = {
    "linear": (nn.Linear(4, 6), (3, 4)),
    "linear without bias": (nn.Linear(4, 6, bias=False), (3, 5, 4)),
    "conv1d of transformers": (Conv1D(6, 4), (3, 5, 4)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2), (3, 4, 9)),
    "conv2d": (nn.Conv2d(4, 6, 3, bias=False), IMAGES),
    "conv3d": (nn.Conv3d(4, 6, 2), (3, 4, 3, 4, 5)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), IMAGES),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, bias=False), IMAGES),
    "circular": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), IMAGES),
    "reflected": (nn.Conv1d(4, 6, 3, padding="same", padding_mode="reflect"), (3, 4, 9)),
}
SCALED = {
    "padded": (nn.Conv2d(4, 6, 3, padding=1), IMAGES),
    "same": (nn.Conv1d(4, 6, 3, padding="same"), (3, 4, 9)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2), IMAGES),
    "grouped transposed": (nn.ConvTranspose1d(4, 6, 3, groups=2, bias=False), (3, 4, 9)),
}
"""Layers in which a shift of the input is no shift of the output, but all else can be absorbed."""
GIVING = {
    "batch norm": (nn.BatchNorm2d(4), IMAGES),
    "batch norm of vectors": (nn.BatchNorm1d(4), (3, 4)),
    "instance norm": (nn.InstanceNorm1d(4, affine=True), (3, 4, 9)),
    "group norm": (nn.GroupNorm(2, 4), IMAGES),
    "layer norm": (nn.LayerNorm(4), (3, 5, 4)),
    "layer norm without bias": (nn.LayerNorm(4, bias=False), (3, 5, 4)),
    "embedding": (nn.Embedding(9, 4, padding_idx=0), TOKENS),
}
"""Layers whose output alone can be absorbed."""


def example(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Inputs for a layer; for an embedding every token, also that of padding."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(module, nn.Embedding):
        return torch.arange(shape[0] * shape[1]).reshape(shape) % module.num_embeddings
    return torch.randn(shape, generator=generator)


def built(module: nn.Module) -> nn.Module:
    """A network around the layer, with no weight or statistic left at 0 or 1."""
    network = nn.Sequential(copy.deepcopy(module)).eval()
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.ndim:
            tensor.uniform_(0.2, 0.9, generator=generator)
    return network


def by_hook(
    network: nn.Module, port: ModuleTensor, x: Tensor, scale: Tensor, shift: Tensor, axis: int
) -> Tensor:
    """The output if a hook scales and shifts the neurons."""

    def change(tensor: Tensor) -> Tensor:
        return (tensor.movedim(axis, -1) * scale + shift).movedim(-1, axis)

    handle = port.attach(network[0], change)
    output = network(x)
    handle.remove()
    return output


@pytest.mark.parametrize("kind", ["both", "scale", "zero", "constant"])
@pytest.mark.parametrize(
    ("module", "shape", "side", "shifted"),
    [
        *((m, s, side, True) for m, s in LAYERS.values() for side in ("input", "output")),
        *((m, s, "output", True) for m, s in [*SCALED.values(), *GIVING.values()]),
        *((m, s, "input", False) for m, s in SCALED.values()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_absorbing_equals_a_hook(module, shape, side, shifted, kind):
    network, port = built(module), ModuleTensor("0", side)
    x = example(module, shape)
    seen: list[Tensor] = []
    port.attach(network[0], lambda tensor: seen.append(tensor) or tensor).remove()
    output = network(x)
    axes = axes_by_kind(network[0], port)
    shown = x if side == "input" else output
    axis = axes.axis if axes.axis < 0 else axes.axis - shown.ndim
    width = shown.shape[axis]
    generator = torch.Generator().manual_seed(2)
    scale = torch.rand(width, generator=generator) + 0.5
    shift = torch.randn(width, generator=generator) * shifted
    scale = torch.zeros_like(scale) if kind in ("zero", "constant") else scale
    shift = torch.zeros_like(shift) if kind in ("zero", "scale") else shift
    expected = by_hook(network, port, x, scale, shift, axis)
    edited = absorbed(network, port, scale, shift)
    torch.testing.assert_close(edited(x), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(network(x), output)
    assert not torch.equal(output, expected)


@pytest.mark.parametrize(("module", "shape"), SCALED.values(), ids=SCALED)
def test_a_shift_that_stops_at_the_edges_is_refused(module, shape):
    network = built(module)
    with pytest.raises(InterventionError, match="'0' reads zeros or nothing beyond the edges"):
        absorbed(network, ModuleTensor("0", "input"), torch.ones(4), torch.ones(4))


def test_linear_weights_by_hand():
    network = nn.Sequential(nn.Linear(3, 2))
    weight, bias = network[0].weight.detach().clone(), network[0].bias.detach().clone()
    scale, shift = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0.0, 5.0, -1.0])
    network = absorbed(network, ModuleTensor("0", "input"), scale, shift)
    edited, moved = network[0].weight.detach(), network[0].bias.detach() - bias
    for row in range(2):
        for column in range(3):
            assert float(edited[row, column]) == float(weight[row, column] * scale[column])
        assert float(moved[row]) == pytest.approx(
            sum(float(weight[row, i] * shift[i]) for i in range(3)), abs=1e-5
        )


def test_precision_and_frozen_weights_are_kept():
    network = nn.Sequential(nn.Linear(3, 2, bias=False, dtype=torch.float64))
    network[0].weight.requires_grad_(False)
    network = absorbed(network, ModuleTensor("0", "input"), torch.ones(3), torch.ones(3))
    assert network[0].weight.dtype == network[0].bias.dtype == torch.float64
    assert not network[0].weight.requires_grad
    assert not network[0].bias.requires_grad
    assert not network[0].weight.is_inference()


class Tied(nn.Module):
    """The output matrix is the embedding's."""

    def __init__(self, *, copied: bool) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 4), nn.Linear(4, 5)
        self.head.weight = nn.Parameter(self.embed.weight.data) if copied else self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize(
    ("name", "other"), [("embed:output", "head"), ("head:input", "embed"), ("head:output", "embed")]
)
def test_shared_weights_are_refused(name, other, copied):
    network, port = Tied(copied=copied), ModuleTensor.parse(name)
    width = 5 if name == "head:output" else 4
    with pytest.raises(
        InterventionError, match=f"'{port.path}' shares its weight with '{other}'.*untie them"
    ):
        absorbed(network, port, torch.ones(width), torch.zeros(width))


@pytest.mark.parametrize(
    ("compute", "name"),
    [
        (parametrizations.weight_norm, "weight"),
        (parametrizations.spectral_norm, "weight"),
        (lambda layer: prune.random_unstructured(layer, "weight", 0.5), "weight"),
        (lambda layer: prune.random_unstructured(layer, "bias", 0.5), "bias"),
    ],
)
def test_computed_weights_are_refused(compute, name):
    network = nn.Sequential(compute(nn.Linear(4, 3)))
    with pytest.raises(InterventionError, match=f"the {name} of '0' is computed anew in every forward pass"):
        absorbed(network, ModuleTensor("0", "input"), torch.ones(4), torch.zeros(4))


def test_an_output_that_a_hook_of_the_user_changes_is_refused():
    network = nn.Sequential(nn.Linear(4, 3))
    network[0].register_forward_hook(lambda module, args, output: output.relu())
    absorbed(network, ModuleTensor("0", "input"), torch.ones(4), torch.zeros(4))
    with pytest.raises(InterventionError, match="'0' has forward hooks of its own"):
        absorbed(network, ModuleTensor("0", "output"), torch.ones(3), torch.zeros(3))


class Doubled(nn.Linear):
    """A linear layer that is none."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x).relu()


REFUSED = {
    "activation": (nn.ReLU(), "output", "'0:output' or '2:input'"),
    "norm's input": (nn.BatchNorm1d(3), "input", "'1:output' or '2:input'"),
    "norm without weights": (nn.LayerNorm(3, elementwise_affine=False), "output", "'0:output' or '2:input'"),
    "own layer": (Doubled(3, 3), "output", "'0:output' or '2:input'"),
    "recurrent": (nn.LSTM(3, 3), "output", "'0:output' or '2:input'"),
    "renormed embedding": (nn.Embedding(3, 3, max_norm=1.0), "output", "'0:output' or '2:input'"),
}


@pytest.mark.parametrize(("module", "side", "near"), REFUSED.values(), ids=REFUSED)
def test_what_weights_cannot_do_is_refused_with_what_they_can(module, side, near):
    network = nn.Sequential(nn.Linear(3, 3), module, nn.Linear(3, 2))
    with pytest.raises(
        InterventionError, match=rf"'1', a {type(module).__name__}, cannot change its {side}.*{near}"
    ):
        absorbed(network, ModuleTensor("1", side), torch.ones(3), torch.zeros(3))
    assert editable_sides(network[0]) == ("input", "output")


def test_nothing_to_edit():
    with pytest.raises(InterventionError, match="nothing in this network"):
        absorbed(nn.Sequential(nn.ReLU()), ModuleTensor("0", "output"), torch.ones(1), torch.zeros(1))
    with pytest.raises(InterventionError, match="'0' norms 2 axes at once"):
        absorbed(
            nn.Sequential(nn.LayerNorm((2, 3))), ModuleTensor("0", "output"), torch.ones(3), torch.zeros(3)
        )


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 6),
        nn.Linear(4, 6, bias=False),
        Conv1D(6, 4),
        parametrizations.weight_norm(nn.Linear(4, 6)),
    ],
)
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_the_readout_of_a_linear_layer(layer, n_outputs):
    x = torch.randn(3, 4)
    matrix, bias = linear_readout(layer, n_outputs)
    torch.testing.assert_close(x @ matrix + bias, layer(x)[:, :n_outputs])
    assert linear_readout(nn.Conv1d(4, 6, 1)) is linear_readout(Doubled(4, 6)) is None
