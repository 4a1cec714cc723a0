"""The contract of every model: add one to `MODELS` and all of it is checked."""

import copy

import pytest
import torch
from torch import nn

from interp.data import ModularTask
from interp.errors import HookNameError
from interp.hooks import hooked
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
    neuron_site,
    planted_mlp,
    prefix_at,
)

PAIRS = torch.cartesian_prod(torch.arange(7), torch.arange(7))
TRIPLES = torch.randint(7, (40, 3), generator=torch.Generator().manual_seed(0))


def mlp(n_tokens: int = 2, **settings) -> HookedMLP:
    """An untrained one over 7 tokens."""
    return HookedMLP(MLPConfig(width=9, **settings), vocab=7, n_outputs=6, n_tokens=n_tokens)


def transformer(prompt: str = "a b", **settings) -> SmallTransformer:
    """An untrained one over operands 0 to 6."""
    config = TransformerConfig(d_model=12, n_heads=3, d_head=4, d_mlp=9, **settings)
    return SmallTransformer(config, vocab=15, n_outputs=6, prompt=Prompt.parse(prompt, p=7))


class Convolutional(nn.Module):
    """A user's module with channels, batch norm and an operation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv, self.norm = nn.Embedding(7, 8), nn.Conv1d(8, 6, 1, groups=2), nn.BatchNorm1d(6)
        self.act, self.hidden, self.out = (
            nn.ReLU(inplace=True),
            nn.Linear(12, 10, bias=False),
            nn.Linear(10, 6),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of pairs."""
        channels = self.act(self.norm(self.conv(self.embed(tokens).transpose(1, 2))))
        return self.out(torch.tanh(self.hidden(channels.flatten(1))))


def convolutional() -> HookedModel:
    """Its neurons on every kind of layer, with running statistics that are not 0 and 1."""
    torch.manual_seed(0)
    net = Convolutional()
    net.norm.running_mean.uniform_(-1, 1)
    net.norm.running_var.uniform_(0.5, 1)
    sites = ["embed", "conv:input", "conv:output", "norm", "hidden:input", "hidden", "out:input"]
    return adopt(net, sites, example=PAIRS[:3])


def encoder() -> HookedModel:
    """PyTorch's own transformer encoder, read at the last token."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    net = nn.Sequential(nn.Embedding(15, 8), nn.TransformerEncoder(layer, 2), nn.Linear(8, 9))
    sites = ["1.layers.0.linear2:input", "1.layers.1.linear1", "1.layers.1.norm2", "2:input"]
    return adopt(net, sites, example=PAIRS[:2], n_outputs=6, prompt=Prompt.parse("a b =", p=7))


MODELS = {
    "paper": (mlp, PAIRS),
    "tied": (lambda: mlp(tied=True, bias=True), PAIRS),
    "deep relu": (lambda: mlp(depth=4, activation="relu", bias=True), PAIRS),
    "batch norm": (lambda: mlp(norm="batch", dropout=0.5), PAIRS),
    "layer norm": (lambda: mlp(norm="layer", depth=3, activation="gelu"), PAIRS),
    "three tokens": (lambda: mlp(3, activation="tanh"), TRIPLES),
    "analytic sum": (lambda: analytic_mlp("add", 7, 30), PAIRS),
    "analytic product": (lambda: analytic_mlp("multiply", 7, 30), PAIRS),
    "planted": (
        lambda: (
            planted_mlp(
                ModularTask("add", 7, corrupt_fraction=0.2), generalizing=9, memorizing=9, dead=2
            ).model
        ),
        PAIRS,
    ),
    "transformer": (transformer, PAIRS),
    "causal transformer": (lambda: transformer("a b =", causal=True, norm="layer", bias=True), PAIRS),
    "deep transformer": (lambda: transformer("a b+7 =", n_layers=3, activation="gelu"), PAIRS),
    "adopted convolution": (convolutional, PAIRS),
    "adopted encoder": (encoder, PAIRS),
    "mixed attention": (lambda: transformer(attn_coeff=0.3, norm="pre", n_layers=2), PAIRS),
}
"""For each name a function that builds the model, and inputs that it accepts."""


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def known(request):
    """A model in evaluation mode and its inputs."""
    build, inputs = request.param
    return build().train(False), inputs


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same_state(model: nn.Module, before: dict[str, torch.Tensor]) -> None:
    after = model.state_dict()
    assert set(after) == set(before)
    for name, value in before.items():
        assert torch.equal(after[name], value), name


def changes(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A scale and a shift of every neuron."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(width, generator=generator) + 0.5, torch.randn(width, generator=generator)


def test_is_a_hooked_model(known):
    model, inputs = known
    assert isinstance(model, HookedModel)
    assert all(isinstance(point, nn.Module) for point in model.hook_dict.values())
    logits = model(inputs)
    assert logits.ndim == 2
    assert len(logits) == len(inputs)
    assert torch.equal(model(inputs), logits)
    assert model.train(True) is model
    assert model.training
    assert not model.train(False).training


def test_examples_do_not_mix(known):
    model, inputs = known
    logits = model(inputs)
    torch.testing.assert_close(torch.cat([model(row[None]) for row in inputs[::7]]), logits[::7])
    torch.testing.assert_close(model(inputs.flip(0)).flip(0), logits)


def test_sites_are_hooks_with_their_neurons_on_the_axis_they_say(known):
    model, inputs = known
    sites = model.neuron_sites()
    assert sites
    assert len({site.hook for site in sites}) == len(sites)
    logits, cache = model.run_with_cache(inputs)
    for site in sites:
        assert site.hook in model.hook_dict
        assert cache[site.hook].shape[0] == len(inputs)
        assert cache[site.hook].shape[site.axis] == site.width
        for vectors in site.input_vectors:
            assert vectors.shape[0] == site.width
        if site.readout is not None:
            assert site.readout.shape == (site.width, logits.shape[1])


@pytest.mark.parametrize("position", ["", "@0", "@1"])
def test_a_prefix_continues_the_forward_pass(known, position):
    model, inputs = known
    logits = model(inputs)
    for site in model.neuron_sites():
        if position and site.position is None:
            continue
        name = site.hook + position
        prefix, rows = prefix_at(model, name, inputs), torch.arange(2, 6)
        torch.testing.assert_close(prefix.logits(), logits)
        changed = prefix.activations * 0.5
        changed[..., 0] = 0.1
        with hooked(model, {name: lambda x, axis=site.axis: halved(x, axis)}):
            expected = model(inputs)
        torch.testing.assert_close(prefix.logits(changed), expected)
        torch.testing.assert_close(prefix.logits(changed[rows], rows), expected[rows])
        neurons = torch.arange(site.width)
        shift = (changed - prefix.activations)[rows]
        torch.testing.assert_close(prefix.logits_shifted(neurons, shift, rows), expected[rows])
        torch.testing.assert_close(prefix.logits(), logits)


def halved(x: torch.Tensor, axis: int) -> torch.Tensor:
    x = x.movedim(axis, -1) * 0.5
    x[..., 0] = 0.1
    return x.movedim(-1, axis)


def test_what_follows_a_readout_is_linear(known):
    model, inputs = known
    for site in model.neuron_sites():
        if site.readout is None:
            continue
        prefix = model.prefix(site.hook, inputs)
        activations = torch.randn_like(prefix.activations)
        rest = prefix.logits(activations) - activations @ site.readout
        base = prefix.logits() - prefix.activations @ site.readout
        torch.testing.assert_close(rest, base, atol=1e-4, rtol=1e-4)


def test_absorbing_equals_a_hook_and_leaves_the_original(known):
    model, inputs = known
    before, expected = state(model), model(inputs)
    *others, last = enumerate(model.neuron_sites())
    for i, site in (*others, last):
        scale, shift = changes(site.width)
        kinds = ((scale, shift), (scale, torch.zeros_like(shift)), (torch.zeros_like(scale), shift))
        for s, t in kinds if i == last[0] else kinds[i % 3 : i % 3 + 1]:

            def change(x, hook, s=s, t=t, axis=site.axis):
                return (x.movedim(axis, -1) * s + t).movedim(-1, axis)

            by_hook = model.run_with_hooks(inputs, fwd_hooks=[(site.hook, change)])
            absorbed = model.absorb(site.hook, s, t)
            torch.testing.assert_close(absorbed(inputs), by_hook, rtol=1e-4, atol=1e-4)
            assert absorbed is not model
            assert isinstance(absorbed, HookedModel)
            assert [s.hook for s in absorbed.neuron_sites()] == [s.hook for s in model.neuron_sites()]
            assert not absorbed.training
    assert_same_state(model, before)
    assert torch.equal(model(inputs), expected)


def test_a_copy_has_its_own_hooks(known):
    model, inputs = known
    twin, seen = copy.deepcopy(model), []
    hook = neuron_site(model).hook
    assert twin.hook_dict[hook] is not model.hook_dict[hook]
    with twin.hooks(fwd_hooks=[(hook, lambda x, hook: seen.append(hook.name))]):
        model(inputs)
        assert seen == []
        twin(inputs)
    assert seen == [hook]


def test_sites_by_name(known):
    model, _ = known
    sites = model.neuron_sites()
    assert neuron_site(model).hook == sites[-1].hook
    for site in sites:
        assert neuron_site(model, site.hook).hook == site.hook
    with pytest.raises(
        HookNameError, match=rf"no neurons at '{sites[0].hook}x'; did you mean '{sites[0].hook}'"
    ):
        neuron_site(model, sites[0].hook + "x")
    with pytest.raises(HookNameError, match=r"no neurons at ''; it has '"):
        neuron_site(model, "")
