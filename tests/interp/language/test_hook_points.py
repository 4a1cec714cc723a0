"""Hook points of architectures that TransformerLens knows, and of one that it does not."""

import pytest
import torch
from language_models import ARCHITECTURES, LLAMA, OwnLanguageModel, tiny
from torch import nn

from interp.errors import CheckpointError
from interp.language.opening import open_language_model

IDS = torch.tensor([[3, 1, 4, 1, 5]])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_hooked_is_what_its_reader_reads(architecture: str) -> None:
    model = open_language_model(tiny(architecture))
    assert [(site.layer, site.kind) for site in model.sites] == [
        (0, "heads"), (0, "neurons"), (1, "heads"), (1, "neurons"),
    ]  # fmt: skip
    entered: dict[str, torch.Tensor] = {}
    seen: dict[str, torch.Tensor] = {}
    for site in model.sites:
        site.reader.register_forward_pre_hook(
            lambda _, args, hook=site.hook: entered.__setitem__(hook, args[0].detach().clone())
        )
        model.hook_dict[site.hook].register_forward_hook(
            lambda _, args, output, hook=site.hook: seen.__setitem__(hook, output.detach().clone())
        )
    with torch.no_grad():
        model.hidden(IDS, torch.ones_like(IDS, dtype=torch.bool))
    for site in model.sites:
        assert torch.equal(entered[site.hook].reshape(-1), seen[site.hook].reshape(-1))
        assert model.weights[site.weight_name].data_ptr() == site.reader.weight.data_ptr()
        assert site.n_units * site.width == site.reader.weight.shape[0 if site.units_first else 1]


class Renamed(OwnLanguageModel):
    """Its layers are named as nobody names them."""


def test_layers_whose_names_say_nothing_are_an_error() -> None:
    network = Renamed(LLAMA().config)
    for layer in network.model.layers:
        layer.mlp.shrink = layer.mlp.down_proj
        del layer.mlp.down_proj
        layer.mlp.forward = lambda stream, mlp=layer.mlp: mlp.shrink(mlp.act_fn(mlp.gate_proj(stream)))
    with pytest.raises(CheckpointError, match="what reads the MLP neurons of its layer 0 is not seen"):
        open_language_model(network)


def test_layers_that_are_in_no_list_are_an_error() -> None:
    network = Renamed(LLAMA().config)
    network.model.layers = nn.Sequential(*network.model.layers)
    with pytest.raises(CheckpointError):
        open_language_model(network)
