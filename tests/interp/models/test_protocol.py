"""The contract of every model: add one to `MODELS` and all of it is checked."""

import copy

import pytest
import torch
from torch import nn

from interp.data import ModularTask
from interp.errors import HookNameError
from interp.models import HookedMLP, HookedModel, MLPConfig, analytic_mlp, neuron_site, planted_mlp

PAIRS = torch.cartesian_prod(torch.arange(7), torch.arange(7))
TRIPLES = torch.randint(7, (40, 3), generator=torch.Generator().manual_seed(0))


def mlp(n_tokens: int = 2, **settings) -> HookedMLP:
    """An untrained one over 7 tokens."""
    return HookedMLP(MLPConfig(width=9, **settings), vocab=7, n_outputs=6, n_tokens=n_tokens)


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
    torch.testing.assert_close(torch.cat([model(row[None]) for row in inputs]), logits)
    torch.testing.assert_close(model(inputs.flip(0)).flip(0), logits)


def test_sites_are_hooks_with_the_neurons_last(known):
    model, inputs = known
    sites = model.neuron_sites()
    assert sites
    assert len({site.hook for site in sites}) == len(sites)
    logits, cache = model.run_with_cache(inputs)
    for site in sites:
        assert site.hook in model.hook_dict
        assert cache[site.hook].shape[0] == len(inputs)
        assert cache[site.hook].shape[-1] == site.width
        for vectors in site.input_vectors:
            assert vectors.shape[0] == site.width
        if site.readout is not None:
            assert site.readout.shape == (site.width, logits.shape[1])


def test_run_from_continues_the_forward_pass(known):
    model, inputs = known
    logits, cache = model.run_with_cache(inputs)
    for site in model.neuron_sites():
        torch.testing.assert_close(model.run_from(site.hook, cache[site.hook]), logits)
        changed = cache[site.hook] * 0.5 + 0.1
        hooked = model.run_with_hooks(inputs, fwd_hooks=[(site.hook, lambda x, hook, to=changed: to)])
        torch.testing.assert_close(model.run_from(site.hook, changed), hooked)


def test_what_follows_a_readout_is_linear(known):
    model, inputs = known
    _, cache = model.run_with_cache(inputs)
    for site in model.neuron_sites():
        activations = torch.randn_like(cache[site.hook])
        if site.readout is None:
            continue
        rest = model.run_from(site.hook, activations) - activations @ site.readout
        torch.testing.assert_close(rest, rest[:1].expand_as(rest), atol=1e-4, rtol=1e-4)


def test_absorbing_equals_a_hook_and_leaves_the_original(known):
    model, inputs = known
    before, expected = state(model), model(inputs)
    for site in model.neuron_sites():
        scale, shift = changes(site.width)
        for s, t in ((scale, shift), (scale, torch.zeros_like(shift)), (torch.zeros_like(scale), shift)):
            hooked = model.run_with_hooks(
                inputs, fwd_hooks=[(site.hook, lambda x, hook, s=s, t=t: x * s + t)]
            )
            absorbed = model.absorb(site.hook, s, t)
            torch.testing.assert_close(absorbed(inputs), hooked, rtol=1e-4, atol=1e-5)
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
